// SPDX-License-Identifier: Apache-2.0

// Package receiver is the process that talks to network cameras: pure Go, no C. It writes what they
// send, compressed, into one packet ring each.
//
// Each attempt at a camera is one call of [rtsp.Run]; the supervisor decides when there is another. A
// camera's packet ring stays open between attempts, so a decoder that reads it sees one sequence.
package receiver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"

	"camring/core/control"
	"camring/core/receiver/rtsp"
	"camring/ring"
)

// Run is the whole life of a receiver process; file is its end of the control socket.
func Run(file *os.File) error {
	conn, err := control.FromFile(file)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	r := &receiver{sinks: map[string]*sink{}}
	if err := control.Child(conn, control.Hello{}, r.serve); err != nil {
		return err // the rings stay as they are: the next receiver goes on with them
	}
	return r.stop()
}

type receiver struct {
	mu    sync.Mutex // guards below
	sinks map[string]*sink
}

// serve makes one attempt at one camera.
//
// Stops: when ctx ends, within the time of saying goodbye to the camera.
func (r *receiver) serve(ctx context.Context, start control.Start, _ *control.Mirror, log *slog.Logger, connected func(control.Connected)) control.Ended {
	s, err := r.sink(start.Camera)
	if err != nil {
		return endedBy(start.Camera.Name, err)
	}
	defer s.busy.Store(false)
	c := start.Camera
	cfg := rtsp.Config{Camera: c.Name, URL: c.URL, Username: c.Username, Password: c.Password, Transport: c.Transport, Log: log}
	err = rtsp.Run(ctx, cfg, func(info rtsp.StreamInfo) {
		s.begin()
		connected(control.Connected{Codec: info.Codec, Width: info.Width, Height: info.Height, Transport: info.Transport})
	}, s.deliver)
	ended := endedBy(c.Name, err)
	if ctx.Err() != nil {
		stop := control.StopOf(ctx)
		ended = control.Ended{Reason: stop.Reason}
		if stop.Final {
			err = r.drop(c.Name)
			if err != nil {
				ended.Detail = err.Error()
			}
			return ended
		}
	}
	if err := s.end(ended.Reason); err != nil {
		ended.Detail = errors.Join(errors.New(ended.Detail), err).Error()
	}
	return ended
}

func (r *receiver) sink(c control.Camera) (*sink, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.sinks[c.Name]; s != nil {
		s.busy.Store(true)
		return s, nil
	}
	w, err := ring.OpenPacketWriter(ring.PacketConfig{Dir: c.Dir, Camera: c.Name, GID: c.GID})
	if err != nil {
		return nil, err
	}
	s := &sink{w: w}
	s.busy.Store(true)
	if w.Head() >= w.Base() {
		// A receiver before this one has died: say so before the first new picture.
		s.missing = ring.ReasonReceiverLost
	}
	r.sinks[c.Name] = s
	return s, nil
}

// drop ends a camera's ring for good.
func (r *receiver) drop(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sinks[name]
	delete(r.sinks, name)
	if s == nil {
		return nil
	}
	return s.w.Stop()
}

// stop ends the rings of cameras that are between two attempts; the others have ended theirs.
func (r *receiver) stop() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, s := range r.sinks {
		if !s.busy.Load() { // an attempt that hangs may still write: its ring stays
			errs = append(errs, s.w.Stop())
		}
	}
	return errors.Join(errs...)
}

// endedBy turns what ended an attempt into the message for the supervisor. Whoever shows the message
// names the camera beside it, so the text does not.
func endedBy(camera string, err error) control.Ended {
	ended := control.EndedBy(err)
	ended.Detail = strings.TrimPrefix(ended.Detail, fmt.Sprintf("camera %q: ", camera))
	var f *rtsp.Failure
	if !errors.As(err, &f) {
		return ended
	}
	ended.Reason, ended.RetryAfter = f.Reason, f.RetryAfter
	if f.Hint != "" {
		ended.Detail += ": " + f.Hint
	}
	return ended
}
