// SPDX-License-Identifier: Apache-2.0

// Package worker is the process that decodes: it reads packet rings and local files and writes frame
// rings. It has no network and no secrets, and it is the only process that runs libav.
//
// Each camera is one goroutine locked to its OS thread; cameras share nothing. The supervisor starts
// and stops them over package control.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"

	"camring/core/control"
	"camring/cshim"
	"camring/ring"
)

// Run is the whole life of a worker process; file is its end of the control socket.
func Run(file *os.File) error {
	conn, err := control.FromFile(file)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return control.Child(conn, control.Hello{Detail: cshim.Versions()}, serve)
}

// serve captures one camera until ctx ends or the source does.
//
// Thread: locked to its OS thread for life; owns the decoder and the frame writer.
// Stops:  when ctx ends, within the bound of one sleep or one decode.
func serve(ctx context.Context, start control.Start, mirror *control.Mirror, log *slog.Logger, connected func(control.Connected)) control.Ended {
	runtime.LockOSThread() // not unlocked: the thread ends with the goroutine
	nameThread("cap:" + start.Camera.Name)
	out, err := openOutput(start.Camera, mirror, log)
	if err != nil {
		return failed(err)
	}
	switch start.Camera.Kind {
	case "rtsp":
		err = capturePackets(ctx, start, out, log)
	case "file":
		err = captureFile(ctx, start, out, connected)
	case "test":
		err = capturePattern(ctx, start.Camera, out, connected)
	default:
		err = fail(ring.ReasonInternal, "source kind %q is unknown to this worker", start.Camera.Kind)
	}
	stop := control.StopOf(ctx)
	switch {
	case errors.Is(err, errEnded):
		out.w.SetState(ring.StateEnded, ring.ReasonEndOfFile)
		err = errors.Join(out.w.Close())
		if err == nil {
			return control.Ended{Reason: ring.ReasonEndOfFile}
		}
	case ctx.Err() != nil && stop.Final:
		err = out.w.Stop()
	default:
		err = errors.Join(err, out.w.Close())
	}
	if ctx.Err() != nil {
		ended := control.Ended{Reason: stop.Reason}
		if err != nil {
			ended.Detail = err.Error()
		}
		return ended
	}
	return failed(err)
}

// failure is an error with the reason that the supervisor acts on.
type failure struct {
	reason ring.Reason
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func fail(reason ring.Reason, format string, args ...any) error {
	return &failure{reason: reason, err: fmt.Errorf(format, args...)}
}

// failed turns what ended a capture into the message for the supervisor.
func failed(err error) control.Ended {
	ended := control.EndedBy(err)
	if f, ok := errors.AsType[*failure](err); ok {
		ended.Reason = f.reason
	}
	return ended
}

// nameThread names the calling thread for top -H and perf: 15 bytes at most.
func nameThread(name string) {
	_ = os.WriteFile("/proc/thread-self/comm", []byte(name[:min(len(name), 15)]), 0)
}
