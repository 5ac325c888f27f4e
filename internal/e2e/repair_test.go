// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"camring/core/status"
	"camring/internal/testcam"
	"camring/ring"
)

// TestFaultH12_KilledWorkerIsRepairedFromThePacketRing kills the worker of a 1080p camera with a 10 s
// GOP again and again while a Go and a Python reader watch.
func TestFaultH12_KilledWorkerIsRepairedFromThePacketRing(t *testing.T) {
	clip := patternClip(t, 1920, 1080, 30, 330, 300)
	cam, err := testcam.Start(testcam.Options{Clips: map[string]string{"p": clip}})
	if err != nil {
		t.Fatal(err)
	}
	defer cam.Close()
	tr := start(t, fmt.Sprintf("cameras:\n  net: {url: %q, slots: 16}\n  other: test:pattern?size=640x360&fps=30\n", cam.URL("p")))
	tr.live(40 * time.Second) // the first keyframe may be ten seconds away
	g := readPattern(ring.FramePath(tr.dir, "net", "main"))
	py := readPython(t, tr.dir, "net")
	defer py.end()
	const kills = 4
	for i := range kills {
		eventually(t, 10*time.Second, "frames flow before the kill", func() bool { _, _, n := g.newest(); return n > 60*(i+1) })
		s, err := tr.snapshot()
		if err != nil {
			t.Fatal(err)
		}
		before, _, _ := g.newest()
		killed := time.Now()
		if err := syscall.Kill(pid(t, s, "worker", "net"), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, 15*time.Second, "a new frame of a new worker", func() bool { d, _, _ := g.newest(); return d.RunID > before.RunID })
		d, at, _ := g.newest()
		if d.PacketSeq <= before.PacketSeq {
			t.Errorf("packet %d published after %d", d.PacketSeq, before.PacketSeq)
		}
		t.Logf("kill %d: new frame after %v, %d packets behind the kill", i+1, at.Sub(killed).Round(time.Millisecond), d.PacketSeq-before.PacketSeq)
	}
	eventually(t, 10*time.Second, "the Python reader sees the last worker's frames", func() bool {
		f := py.frames(t)
		return len(f) > 0 && f[len(f)-1][2] == kills+1
	}, py.out.String)
	frames := py.frames(t)
	packets := map[uint64]bool{}
	for i, f := range frames {
		if i > 0 && f[0] <= frames[i-1][0] {
			t.Errorf("Python reader: sequence %d after %d", f[0], frames[i-1][0])
		}
		if packets[f[1]] {
			t.Errorf("Python reader: packet %d published twice", f[1])
		}
		packets[f[1]] = true
	}
	s, err := tr.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if c := find(s, "net"); cam.Sessions() != 1 || c.Reconnects != 0 {
		t.Errorf("the camera saw %d sessions (%d reconnects), want one", cam.Sessions(), c.Reconnects)
	}
	if find(s, "net").Counters["decoded_silently"] == 0 {
		t.Error("nothing was decoded silently: the repair did not come from the packet ring")
	}
	missing := 0
	g.end(t)
	for i := 1; i < len(g.numbers); i++ {
		if step := (g.numbers[i] - g.numbers[i-1] + 330) % 330; step != 1 {
			missing++
		}
	}
	t.Logf("Python reader: %d frames; jumps in the picture numbers seen by the Go reader (it may be lapped in the catch-up): %d", len(frames), missing)
}

func TestKilledReceiverReconnects(t *testing.T) {
	clip := patternClip(t, 640, 360, 30, 60, 30)
	cam, err := testcam.Start(testcam.Options{Clips: map[string]string{"p": clip}})
	if err != nil {
		t.Fatal(err)
	}
	defer cam.Close()
	tr := start(t, fmt.Sprintf("cameras:\n  net: %s\n", cam.URL("p")))
	s := tr.live(15 * time.Second)
	g := readPattern(ring.FramePath(tr.dir, "net", "main"))
	if err := syscall.Kill(pid(t, s, "receiver", "net"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	tr.until(15*time.Second, "live again by a second session", func(s *status.Snapshot) bool {
		c := find(s, "net")
		return c.State == ring.StateLive && c.Sessions == 2
	})
	before, _, _ := g.newest()
	eventually(t, 10*time.Second, "frames flow", func() bool { d, _, _ := g.newest(); return d.Seq > before.Seq+30 })
	g.end(t)
	if !hasGap(tr, t, "net", "receiver_lost") {
		t.Error("no gap record says that the receiver was lost")
	}
}

// TestFaultN27_CameraThatRebootsComesBackByItself stops the RTSP server and starts it again.
func TestFaultN27_CameraThatRebootsComesBackByItself(t *testing.T) {
	clip := patternClip(t, 640, 360, 30, 60, 30)
	opt := testcam.Options{Clips: map[string]string{"p": clip}}
	cam, err := testcam.Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	address := cam.URL("p")
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	tr := start(t, fmt.Sprintf("cameras:\n  net: %s\n", address))
	tr.live(15 * time.Second)
	cam.Close()
	tr.until(10*time.Second, "backoff", func(s *status.Snapshot) bool { return find(s, "net").State == ring.StateBackoff })
	if !hasGap(tr, t, "net", "connection_lost") {
		t.Error("the gap is not recorded while it lasts")
	}
	opt.Listen = u.Host
	eventually(t, 10*time.Second, "the port is free again", func() bool {
		l, err := net.Listen("tcp", u.Host)
		if err == nil {
			_ = l.Close()
		}
		return err == nil
	})
	again, err := testcam.Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	s := tr.live(40 * time.Second)
	var states []ring.State
	for _, c := range find(s, "net").History {
		if len(states) == 0 || states[len(states)-1] != c.State {
			states = append(states, c.State)
		}
	}
	i := slices.Index(states, ring.StateStalled)
	if i < 1 || states[i-1] != ring.StateLive || states[i+1] != ring.StateBackoff || states[len(states)-1] != ring.StateLive {
		t.Errorf("states were %v, want live, stalled, backoff, …, live", states)
	}
	eventually(t, 5*time.Second, "the first record after the gap says discontinuity", func() bool {
		list := records(tr, t, "net")
		gap := slices.IndexFunc(list, func(r map[string]string) bool { return r["event"] == "gap" })
		return gap >= 0 && gap+1 < len(list) && list[gap+1]["discontinuity"] == "1"
	})
}

// TestFaultN02_SilentCameraIsStalledWithinSeconds freezes the source without closing anything.
func TestFaultN02_SilentCameraIsStalledWithinSeconds(t *testing.T) {
	clip := patternClip(t, 640, 360, 30, 60, 30)
	cam, err := testcam.Start(testcam.Options{Clips: map[string]string{"p": clip}, PerClient: true, Once: true})
	if err != nil {
		t.Fatal(err)
	}
	defer cam.Close()
	tr := start(t, fmt.Sprintf("redis: off\ncameras:\n  net: %s\n", cam.URL("p")))
	tr.live(15 * time.Second)
	tr.until(10*time.Second, "stalled for want of packets, and a second session", func(s *status.Snapshot) bool {
		c := find(s, "net")
		stalled := slices.ContainsFunc(c.History, func(h status.Change) bool {
			return h.State == ring.StateStalled && h.Reason == ring.ReasonNoPackets
		})
		return stalled && c.Sessions >= 2
	})
}

func hasGap(tr *tree, t *testing.T, camera, reason string) bool {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for time.Now().Before(deadline) {
		for _, r := range records(tr, t, camera) {
			if r["event"] == "gap" && strings.Contains(r["reason"], reason) {
				return true
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}
