// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"camring/core/status"
	"camring/internal/testcam"
	"camring/ring"
)

// children lists the processes of the tree, without the supervisor.
func children(s *status.Snapshot) (pids []int) {
	for _, p := range s.Processes {
		if p.PID > 0 {
			pids = append(pids, p.PID)
		}
	}
	return pids
}

// files lists what is in a ring directory.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func startMixed(t *testing.T) (*tree, *testcam.Server, *status.Snapshot) {
	t.Helper()
	clip := patternClip(t, 640, 360, 30, 60, 30)
	cam, err := testcam.Start(testcam.Options{Clips: map[string]string{"p": clip}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cam.Close() })
	tr := start(t, fmt.Sprintf("cameras:\n  net: %s\n  file: {url: %s, loop: true}\n  test: test:pattern?size=640x360&fps=30\n", cam.URL("p"), clip))
	return tr, cam, tr.live(15 * time.Second)
}

func TestFaultH09_SIGTERMLeavesNothingButWhatReadersHold(t *testing.T) {
	tr, _, s := startMixed(t)
	kept := ring.FramePath(tr.dir, "test", "main")
	r, err := ring.OpenFrames(kept, ring.ReaderOptions{Name: "holder"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	plain, err := ring.OpenFrames(ring.FramePath(tr.dir, "file", "main"), ring.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Close() }()
	asked := time.Now()
	if err := tr.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := tr.wait(5 * time.Second); err != nil {
		t.Errorf("exit after SIGTERM: %v, want 0", err)
	}
	t.Logf("stopped in %v", time.Since(asked).Round(time.Millisecond))
	if took := time.Since(asked); took > 2*time.Second {
		t.Errorf("took %v, two seconds are promised", took)
	}
	for _, pid := range children(s) {
		if alive(pid) {
			t.Errorf("process %d is still there", pid)
		}
	}
	for _, name := range files(t, tr.dir) {
		if !strings.HasPrefix(name, "test.main.ring") && name != "supervisor.lock" {
			t.Errorf("%s was left", name)
		}
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("the ring that a registered reader holds is gone: %v", err)
	}
	for name, reader := range map[string]*ring.FrameReader{"registered": r, "plain": plain} {
		if st, why, _ := reader.State(); st != ring.StateStopped || why != ring.ReasonShutdown {
			t.Errorf("%s reader: state %v (%v), want stopped (shutdown)", name, st, why)
		}
	}
	if f, err := r.Latest(); err != nil || !f.Valid() {
		t.Errorf("the last picture cannot be read any more: %v", err)
	}
	if _, errs, code := camring(t, 10*time.Second, "--ring-dir", tr.dir, "clean"); code != 0 {
		t.Errorf("clean: exit %d: %s", code, errs)
	}
	if left := files(t, tr.dir); len(left) > 0 {
		t.Errorf("clean left %v", left)
	}
}

func TestFaultH11_KilledSupervisorLeavesNoProcessAndIsContinued(t *testing.T) {
	tr, _, s := startMixed(t)
	g := readPattern(ring.FramePath(tr.dir, "net", "main"))
	eventually(t, 10*time.Second, "frames flow", func() bool { _, _, n := g.newest(); return n > 20 })
	if err := tr.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = tr.wait(5 * time.Second)
	killed := time.Now()
	eventually(t, 2*time.Second, "no process of the tree is alive", func() bool { return !slices.ContainsFunc(children(s), alive) })
	t.Logf("all children gone after %v", time.Since(killed).Round(time.Millisecond))
	before, _, _ := g.newest()
	if left := files(t, tr.dir); !slices.Contains(left, "net.main.ring") {
		t.Fatalf("the rings are gone: %v", left)
	}
	config := tr.cmd.Args[len(tr.cmd.Args)-1]
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	yaml, _, _ := strings.Cut(string(text), "\nring: {")
	again := startIn(t, tr.dir, yaml)
	again.live(15 * time.Second)
	eventually(t, 10*time.Second, "the reader from before sees the new life's frames", func() bool {
		d, _, _ := g.newest()
		return d.RunID == before.RunID+1 && d.Seq > before.Seq
	}, func() string { return strings.Join(files(t, tr.dir), " ") })
	g.end(t)
}

func TestOnceEndsWithTheFiles(t *testing.T) {
	clip := patternClip(t, 640, 360, 30, 45, 15)
	dir := ringDir(t)
	tr := startIn(t, dir, fmt.Sprintf("redis: off\ncameras:\n  a: {url: %s, pace: fast}\n  b: {url: %s}\n", clip, clip), "--once")
	r := (*ring.FrameReader)(nil)
	eventually(t, 10*time.Second, "the ring is there", func() bool {
		var err error
		r, err = ring.OpenFrames(ring.FramePath(dir, "a", "main"), ring.ReaderOptions{Name: "once"})
		return err == nil
	})
	defer func() { _ = r.Close() }()
	if err := tr.wait(30 * time.Second); err != nil {
		t.Errorf("exit: %v, want 0", err)
	}
	if st, why, _ := r.State(); r.Head() != 45 || st != ring.StateEnded || why != ring.ReasonEndOfFile {
		t.Errorf("head %d, state %v (%v); want 45, ended (end_of_file)", r.Head(), st, why)
	}
	broken := filepath.Join(t.TempDir(), "notes.mp4")
	if err := os.WriteFile(broken, []byte(strings.Repeat("no video\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := startIn(t, ringDir(t), fmt.Sprintf("redis: off\ncameras:\n  a: {url: %s}\n", broken), "--once")
	if err := bad.wait(30 * time.Second); err == nil || !strings.Contains(bad.log.String(), "not a video file") {
		t.Errorf("a file that is no video: exit %v, log:\n%s", err, bad.log)
	}
}
