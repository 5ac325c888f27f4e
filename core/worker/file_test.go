// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"camring/core/control"
	"camring/internal/testcam/testclip"
	"camring/ring"
)

// endsAfter is a context that the capture thread finds ended once enough has been published: no other
// thread has to be quick enough to end it.
type endsAfter struct {
	context.Context
	enough func() bool
}

func (e endsAfter) Err() error {
	if e.enough() {
		return context.Canceled
	}
	return e.Context.Err()
}

// play captures a file until it ends, or until records more records are in the ring: then it dies. It
// returns the picture times that are new in the ring.
func play(t *testing.T, dir, clip string, start control.Start, records uint64) (pts []int64, err error) {
	t.Helper()
	start.Camera = control.Camera{
		Name: "cam", Kind: "file", Path: clip, Pace: "fast", Loop: start.Camera.Loop,
		Output: "main", Slots: 8, Dir: dir, GID: -1,
	}
	out, err := openOutput(start.Camera, &control.Mirror{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	before := uint64(0)
	if out.w.Exists() {
		before = out.w.Head()
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = captureFile(endsAfter{ctx, func() bool { return out.w.Exists() && out.w.Head() >= before+records }}, start, out, func(control.Connected) {})
	_ = out.w.Close()
	r, openErr := ring.OpenFrames(ring.FramePath(dir, "cam", "main"), ring.ReaderOptions{})
	if openErr != nil {
		t.Fatal(openErr)
	}
	defer func() { _ = r.Close() }()
	var d ring.FrameDesc
	for seq := before + 1; seq <= r.Head(); seq++ {
		if err := r.Describe(seq, &d); err != nil {
			t.Fatal(err)
		}
		if d.Flags&ring.FlagGap == 0 {
			pts = append(pts, d.PTSNS)
		}
	}
	return pts, err
}

const all = 1 << 40

// A file that is played once goes on behind the last published picture, also when the ring still holds
// the file from an earlier run.
func TestFileThatIsPlayedOnceGoesOnWhereItsProcessDied(t *testing.T) {
	clip := testclip.Make(t, testclip.Spec{Width: 64, Height: 64, FPS: 25, Seconds: 4, BFrames: 2})
	for name, earlier := range map[string]bool{"fresh ring": false, "ring of an earlier run": true} {
		t.Run(name, func(t *testing.T) {
			dir := ringDir(t)
			if earlier {
				if pts, err := play(t, dir, clip, control.Start{}, all); !errors.Is(err, errEnded) || len(pts) != 100 {
					t.Fatalf("first run: %d pictures, %v", len(pts), err)
				}
			}
			first, err := play(t, dir, clip, control.Start{}, 10)
			if err != nil || len(first) < 10 {
				t.Fatalf("%d pictures, %v", len(first), err)
			}
			second, err := play(t, dir, clip, control.Start{Resume: true}, all)
			if !errors.Is(err, errEnded) {
				t.Fatalf("second process: %v, want the end of the file", err)
			}
			got := slices.Concat(first, second)
			for i, pts := range got {
				if want := int64(i) * int64(40*time.Millisecond); pts != want {
					t.Fatalf("picture %d of both processes is at %v, want %v", i, time.Duration(pts), time.Duration(want))
				}
			}
			if len(got) != 100 {
				t.Errorf("%d pictures by one process and %d by the next, want 100 together", len(first), len(second))
			}
		})
	}
}

func TestFileThatLoopsGoesOnWithLaterTimes(t *testing.T) {
	clip := testclip.Make(t, testclip.Spec{Width: 64, Height: 64, FPS: 25, Seconds: 1})
	dir := ringDir(t)
	loop := control.Start{Camera: control.Camera{Loop: true}}
	first, err := play(t, dir, clip, loop, 60)
	if err != nil || len(first) < 60 {
		t.Fatalf("%d pictures, %v", len(first), err)
	}
	loop.Resume = true
	second, err := play(t, dir, clip, loop, 30)
	if err != nil {
		t.Fatal(err)
	}
	got := slices.Concat(first, second)
	for i := 1; i < len(got); i++ {
		if got[i]-got[i-1] != int64(40*time.Millisecond) {
			t.Fatalf("picture %d comes %v after the one before, want 40ms", i, time.Duration(got[i]-got[i-1]))
		}
	}
}

func TestFileThatIsNoVideoSaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		want ring.Reason
	}{
		"missing":     {func(string) error { return nil }, ring.ReasonNotFound},
		"a directory": {func(p string) error { return os.Mkdir(p, 0o700) }, ring.ReasonNotVideo},
		"text":        {func(p string) error { return os.WriteFile(p, make([]byte, 10_000), 0o600) }, ring.ReasonNotVideo},
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir() + "/clip"
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			ended := failed(captureFile(t.Context(), control.Start{Camera: control.Camera{Path: path}}, nil, nil))
			if ended.Reason != c.want || ended.Detail == "" {
				t.Errorf("ended %+v, want reason %v", ended, c.want)
			}
		})
	}
}

func TestPacer(t *testing.T) {
	ticks := 0
	tick := func() { ticks++ }
	fast := pacer{}
	if due := fast.wait(t.Context(), int64(time.Hour), tick); due != 0 || ticks != 0 {
		t.Errorf("a pacer that does not pace: due %d, %d ticks", due, ticks)
	}
	p := pacer{realtime: true}
	zero := p.wait(t.Context(), 0, tick)
	if due := p.wait(t.Context(), int64(300*time.Millisecond), tick); due != zero+int64(300*time.Millisecond) || ring.MonoNS() < due {
		t.Errorf("due %v after the first, now %v before it", time.Duration(due-zero), time.Duration(due-ring.MonoNS()))
	}
	if ticks < 2 {
		t.Errorf("%d ticks in 300 ms, want one each 200 ms and one at the end", ticks)
	}
	p.zero -= int64(time.Hour) // as after a suspended machine
	now := ring.MonoNS()
	if due := p.wait(t.Context(), int64(400*time.Millisecond), tick); due < now {
		t.Errorf("after an hour's sleep the next picture is due %v ago: the missed ones would come in a burst", time.Duration(now-due))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	p.wait(ended, int64(50*time.Second), tick) // returns
}
