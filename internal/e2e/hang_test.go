// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"camring/core/status"
	"camring/internal/testcam"
	"camring/ring"
)

// TestFaultH12_ProcessThatHangsIsReplaced stops each process of a camera without ending it.
func TestFaultH12_ProcessThatHangsIsReplaced(t *testing.T) {
	clip := patternClip(t, 640, 360, 30, 60, 30)
	for role, limit := range map[string]time.Duration{
		"worker":   10 * time.Second, // found by its heartbeat
		"receiver": 25 * time.Second, // found when it does not end an attempt
	} {
		t.Run(role, func(t *testing.T) {
			cam, err := testcam.Start(testcam.Options{Clips: map[string]string{"p": clip}})
			if err != nil {
				t.Fatal(err)
			}
			defer cam.Close()
			tr := start(t, fmt.Sprintf("redis: off\ncameras:\n  net: %s\n", cam.URL("p")))
			stopped := pid(t, tr.live(15*time.Second), role, "net")
			if err := syscall.Kill(stopped, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			asked := time.Now()
			tr.until(limit, "live again with another process", func(s *status.Snapshot) bool {
				c := find(s, "net")
				for _, p := range s.Processes {
					if p.Role == role && (p.PID == stopped || p.PID == 0) {
						return false
					}
				}
				return c.State == ring.StateLive && c.FrameAgeMS < 500
			})
			t.Logf("live again %v after the stop", time.Since(asked).Round(time.Millisecond))
			if alive(stopped) {
				t.Errorf("process %d is still there", stopped)
			}
		})
	}
}

// TestKeptRingDoesNotHoldUpTheNextStart: a reader keeps the frame ring over a planned stop, and the
// camera's packets are numbered anew.
func TestKeptRingDoesNotHoldUpTheNextStart(t *testing.T) {
	clip := patternClip(t, 640, 360, 30, 60, 30)
	cam, err := testcam.Start(testcam.Options{Clips: map[string]string{"p": clip}})
	if err != nil {
		t.Fatal(err)
	}
	defer cam.Close()
	dir, yaml := ringDir(t), fmt.Sprintf("redis: off\ncameras:\n  net: %s\n", cam.URL("p"))
	tr := startIn(t, dir, yaml)
	tr.live(15 * time.Second)
	r, err := ring.OpenFrames(ring.FramePath(dir, "net", "main"), ring.ReaderOptions{Name: "holder"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	eventually(t, 30*time.Second, "some packets, so that the next life is behind them", func() bool { return r.Head() > 200 })
	if err := tr.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := tr.wait(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	startIn(t, dir, yaml).live(5 * time.Second)
}

// TestKilledWorkerOfAnAbsentCameraComesBack: the ring has a writer again before the camera is.
func TestKilledWorkerOfAnAbsentCameraComesBack(t *testing.T) {
	clip := patternClip(t, 640, 360, 30, 60, 30)
	cam, err := testcam.Start(testcam.Options{Clips: map[string]string{"p": clip}})
	if err != nil {
		t.Fatal(err)
	}
	defer cam.Close()
	tr := start(t, fmt.Sprintf("redis: off\ncameras:\n  net: %s\n", cam.URL("p")))
	tr.live(15 * time.Second)
	cam.Close()
	s := tr.until(10*time.Second, "backoff", func(s *status.Snapshot) bool { return find(s, "net").State == ring.StateBackoff })
	r, err := ring.OpenFrames(ring.FramePath(tr.dir, "net", "main"), ring.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	killed, run := pid(t, s, "worker", "net"), r.RunID()
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "another worker writes the ring", func() bool { return r.RunID() == run+1 && r.WriterPID() != killed })
	eventually(t, 5*time.Second, "the ring says that the camera is away", func() bool {
		st, _, _ := r.State()
		return st == ring.StateBackoff || st == ring.StateConnecting
	})
}
