// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"camring/internal/testcam"
	"camring/ring"
)

const (
	repairGOP   = 10 * clipFPS
	repairBase  = 150.0 // ms: what may pass besides decoding
	liveWithin  = 20 * time.Second
	framesLimit = 5 * time.Second
	// apart is the least time between two kills: a worker that dies sooner is started later, on purpose.
	apart = 10500 * time.Millisecond
)

// Kill is one SIGKILL of the worker that decodes an RTSP camera, and what a reader saw of it.
type Kill struct {
	Kill        int     `json:"kill"`
	SinceKey    int     `json:"frames_since_key"` // pictures from the GOP's keyframe to the first new one
	RepairMS    float64 `json:"repair_ms"`        // from SIGKILL to the publication of the first new picture
	DecodeMS    float64 `json:"decode_ms"`        // bare libav's CPU time per picture of the same clip, just before
	LimitMS     float64 `json:"limit_ms"`         // 150 + frames_since_key × decode_ms
	Silent      uint64  `json:"decoded_silently"`
	Lost        uint64  `json:"pictures_lost"` // missing between the last old picture and the first new one
	Repeated    int     `json:"pictures_repeated"`
	Sessions    int     `json:"rtsp_sessions"` // that the camera has seen since the start
	LastWaitMS  float64 `json:"last_to_first_ms"`
	WithinLimit bool    `json:"within_limit"`
}

// Repair measures how long an RTSP camera is without new pictures after kill -9 of its worker, at
// 1080p with a keyframe every 10 s.
func Repair(ctx context.Context, o *Options) error {
	clip, err := makeClip(ctx, o, "repair.ts", repairGOP, repairGOP)
	if err != nil {
		return err
	}
	env := environment(ctx, o, "repair", fmt.Sprintf(" KILLS=%d", o.Kills))
	env.Clip = clip
	env.Setup = "one RTSP camera over TCP on the loopback, served at 30 pictures per second; redis: off; kills spread over the GOP, " +
		"10.5 s apart or more; limit_ms is 150 ms + frames_since_key x decode_ms"
	res := newResults(env)
	server, err := testcam.Start(testcam.Options{Clips: map[string]string{"cam": clip.path}})
	if err != nil {
		return err
	}
	defer server.Close()
	dir, remove, err := ringDir()
	if err != nil {
		return err
	}
	defer remove()
	stop, err := startCamring(ctx, o, dir, fmt.Sprintf("cameras:\n  cam: {url: %q, transport: tcp}\nredis: off\nhttp: {listen: off}\nring: {dir: %q}\nlog: {level: warn}\n", server.URL("cam"), dir))
	if err != nil {
		return err
	}
	defer stop()
	w, err := newWatcher(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { _ = w.r.Close() }()
	for n := range o.Kills {
		floor, err := libavOnce(ctx, o, clip.path)
		if err != nil {
			return err
		}
		// The n-th kill is aimed at its own part of the GOP.
		k, err := w.kill(ctx, (2*n+1)*repairGOP/(2*o.Kills))
		if err != nil {
			return fmt.Errorf("kill %d: %w", n+1, err)
		}
		k.Kill, k.Sessions, k.DecodeMS = n+1, server.Sessions(), perFrame(floor)
		k.LimitMS = repairBase + float64(k.SinceKey)*k.DecodeMS
		k.WithinLimit = k.RepairMS <= k.LimitMS
		if k.Sessions != 1 {
			return fmt.Errorf("kill %d: the camera saw %d sessions, want 1", n+1, k.Sessions)
		}
		res.add(k)
		o.say("kill %2d: %3d frames since the keyframe, repaired in %.0f ms, limit %.0f ms, %d lost", n+1, k.SinceKey, k.RepairMS, k.LimitMS, k.Lost)
	}
	return res.write(o.Results)
}

// startCamring starts camring run and returns how to stop it.
func startCamring(ctx context.Context, o *Options, dir, text string) (stop func(), err error) {
	config := filepath.Join(dir, "camring.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, o.camring(), "run", "-c", config)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			o.say("camring: %v\n%s", err, log.Bytes())
		}
	}, nil
}

// watcher is a plain reader of the camera's ring.
type watcher struct {
	r       *ring.FrameReader
	key     uint64 // packet sequence of the newest keyframe seen
	last    ring.FrameDesc
	started time.Time // of the present worker, about
}

func newWatcher(ctx context.Context, dir string) (*watcher, error) {
	path := ring.FramePath(dir, "cam", "main")
	deadline := time.Now().Add(liveWithin)
	for {
		r, err := ring.OpenFrames(path, ring.ReaderOptions{Name: "bench"})
		if err == nil {
			return &watcher{r: r, started: time.Now()}, nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return nil, fmt.Errorf("the camera did not become live within %v: %w", liveWithin, errors.Join(err, ctx.Err()))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// next waits for the next picture; pictures that are lost to this reader are an error.
func (w *watcher) next() error {
	f, err := w.r.Next(framesLimit)
	if err != nil {
		return err
	}
	if f.Missed > 0 {
		return fmt.Errorf("the reader was lapped by %d pictures: the machine is too busy", f.Missed)
	}
	w.last = f.FrameDesc
	if f.Flags&ring.FlagKey != 0 {
		w.key = f.PacketSeq
	}
	return nil
}

// kill waits until the GOP is so many pictures old, kills the worker and waits for the first picture of
// its successor.
func (w *watcher) kill(ctx context.Context, sinceKey int) (Kill, error) {
	// Pictures that passed while the floor ran are no concern: begin with the newest.
	w.r.Seek(w.r.Head() + 1)
	w.key = 0
	for w.key == 0 || int(w.last.PacketSeq-w.key) != sinceKey || time.Since(w.started) < apart {
		if err := errors.Join(w.next(), ctx.Err()); err != nil {
			return Kill{}, err
		}
	}
	run, silent := w.r.RunID(), w.r.Counter(ring.CountDecodedSilently)
	began := ring.MonoNS()
	if err := syscall.Kill(w.r.WriterPID(), syscall.SIGKILL); err != nil {
		return Kill{}, fmt.Errorf("kill the worker: %w", err)
	}
	w.started = time.Now()
	var k Kill
	for { // what the old worker had published at its death still comes first
		before := w.last
		if err := w.next(); err != nil {
			return Kill{}, err
		}
		if w.last.PacketSeq <= before.PacketSeq {
			k.Repeated++
		}
		if w.last.RunID == run {
			continue
		}
		k.SinceKey = int(w.last.PacketSeq - w.key)
		k.RepairMS = float64(w.last.PublishedMonoNS-began) / 1e6
		k.LastWaitMS = float64(w.last.PublishedMonoNS-before.PublishedMonoNS) / 1e6
		k.Lost = w.last.PacketSeq - before.PacketSeq - 1
		k.Silent = w.r.Counter(ring.CountDecodedSilently) - silent
		if k.Repeated > 0 {
			return k, fmt.Errorf("%d pictures were published twice", k.Repeated)
		}
		return k, nil
	}
}
