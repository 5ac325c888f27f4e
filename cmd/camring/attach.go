// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"camring/ring"
)

const (
	lookEvery = 20 * time.Millisecond  // for a ring that is not there yet
	slice     = 250 * time.Millisecond // the longest wait without a look at the context
	// silentWriter is how old the heartbeat of a writer may be: it beats each second.
	silentWriter = 3 * time.Second
)

// attach opens the frame ring of a camera, and waits at most timeout for it to appear. It registers as
// name, or reads without being registered where it may not. waited tells that the ring was not there
// at first: then its first picture is as new as the caller.
func attach(ctx context.Context, dir, camera, output, name string, timeout time.Duration) (r *ring.FrameReader, waited bool, err error) {
	path := ring.FramePath(dir, camera, output)
	deadline := time.Now().Add(timeout)
	for {
		r, err = ring.OpenFrames(path, ring.ReaderOptions{Name: name})
		if errors.Is(err, fs.ErrPermission) {
			r, err = ring.OpenFrames(path, ring.ReaderOptions{})
		}
		if err == nil || (!errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ring.ErrNotReady)) {
			return r, waited, err
		}
		waited = true
		if !time.Now().Before(deadline) {
			return nil, true, fmt.Errorf("camera %s has no frame ring %q in %s after %v: %s", camera, output, dir, timeout, others(dir))
		}
		select {
		case <-ctx.Done():
			return nil, true, ctx.Err()
		case <-time.After(lookEvery):
		}
	}
}

// others says which frame rings there are.
func others(dir string) string {
	files, err := ring.List(dir)
	if err != nil {
		return err.Error()
	}
	files = slices.DeleteFunc(files, func(f ring.File) bool { return f.Kind != ring.KindFrame })
	if len(files) == 0 {
		return "there is none at all; does `camring run` run, and with this ring directory?"
	}
	const most = 10
	var names []string
	for _, f := range files[:min(len(files), most)] {
		names = append(names, f.Camera+" ("+f.Output+")")
	}
	if len(files) > most {
		names = append(names, "…")
	}
	return "there are " + strings.Join(names, ", ") + "; camring list shows what the camera does"
}

// condition says how the camera is, for a person who misses its frames. ok is false if no new frame is
// to be expected soon.
func condition(r *ring.FrameReader) (text string, ok bool) {
	state, reason, _ := r.State()
	text = "the camera is " + state.String()
	if reason != ring.ReasonNone {
		text += " (" + reason.String() + ")"
	}
	age := time.Duration(ring.MonoNS() - r.HeartbeatMonoNS())
	if age > silentWriter && state != ring.StateStopped && state != ring.StateEnded {
		return fmt.Sprintf("process %d, which writes it, has been silent for %v", r.WriterPID(), age.Round(time.Second)), false
	}
	return text, state == ring.StateLive
}
