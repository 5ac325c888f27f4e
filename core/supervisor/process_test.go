// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"camring/core/control"
	"camring/core/receiver"
	"camring/ring"
)

// The test program is its own child: as a receiver because it is started as `camring receive`, as a
// worker by a script that says so.
func TestMain(m *testing.M) {
	if slices.Equal(os.Args[1:], []string{"receive"}) {
		_ = receiver.Run(os.NewFile(control.FD, "control"))
		os.Exit(0)
	}
	if os.Getenv("CAMRING_TEST_WORKER") != "" {
		conn, err := control.FromFile(os.NewFile(control.FD, "control"))
		if err == nil {
			_ = control.Child(conn, control.Hello{}, func(ctx context.Context, _ control.Start, _ *control.Mirror, _ *slog.Logger, connected func(control.Connected)) control.Ended {
				connected(control.Connected{})
				<-ctx.Done()
				return control.Ended{Reason: control.StopOf(ctx).Reason}
			})
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// testWorker is a program that speaks as a worker does and decodes nothing.
func testWorker(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "worker")
	script := fmt.Sprintf("#!/bin/sh\nCAMRING_TEST_WORKER=1 exec %s\n", os.Args[0])
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// open lists the open files of this process.
func open(t *testing.T) []string {
	t.Helper()
	var list []string
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !strings.Contains(to, "/fd") {
			list = append(list, to)
		}
	}
	return list
}

func TestChildrenThatDieLeaveNoFilesOpen(t *testing.T) {
	for _, role := range []string{roleReceiver, roleWorker} {
		t.Run(role, func(t *testing.T) {
			p := &process{role: role, log: slog.New(slog.DiscardHandler)}
			worker, sp, events := testWorker(t), newSpawner(), make(chan event, 1)
			life := func() {
				if err := p.spawn(sp, worker, events, func(*process, string) {}); err != nil {
					t.Fatal(err)
				}
				for deadline := time.After(20 * time.Second); ; {
					select {
					case e := <-events:
						if e.msg.Hello != nil {
							_ = p.cmd.Process.Kill()
						}
						if e.gone {
							p.died(time.Now())
							return
						}
					case <-deadline:
						t.Fatal("the child neither speaks nor ends")
					}
				}
			}
			life()
			before := open(t)
			for range 20 {
				life()
			}
			if after := open(t); len(after) > len(before) {
				t.Errorf("%d files are open after 20 deaths, %d before:\n%s", len(after), len(before), strings.Join(after, "\n"))
			}
			if p.restarts != 21 || p.life != 21 {
				t.Errorf("%d restarts, %d lives", p.restarts, p.life)
			}
		})
	}
}

func TestFirstDeathIsRepairedAtOnceAndLaterOnesSlower(t *testing.T) {
	now := time.Now()
	p := &process{started: now}
	var waits []time.Duration
	for range 9 {
		p.started = now
		p.died(now)
		waits = append(waits, p.restartAt.Sub(now))
	}
	want := []time.Duration{0, 100, 200, 400, 800, 1600, 3200, 5000, 5000}
	for i := range want {
		want[i] *= time.Millisecond
	}
	if !slices.Equal(waits, want) {
		t.Errorf("waits %v, want %v", waits, want)
	}
	p.started = now
	if p.died(now.Add(restartReset + 1)); p.restartAt.After(now.Add(restartReset + 1)) {
		t.Error("a process that lived long is not started at once")
	}
}

// What Redis, a debugger or a suspended machine does to time must not look like a thread that hangs.
func TestHeartbeatIsSilentOnlyIfItWasLookedAt(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	var h heartbeat
	for ms := 0; ms < 10_000; ms += 100 {
		if h.silent(at(ms), int64(ms/1000), hungAfter) {
			t.Fatalf("a heartbeat each second is silent at %d ms", ms)
		}
	}
	h.silent(at(10_000), 99, hungAfter)
	if h.silent(at(100_000), 99, hungAfter) {
		t.Error("silent after one look 90 s later: it was us who stood still")
	}
	h = heartbeat{}
	found := -1
	for ms := 0; ms < 5000 && found < 0; ms += 100 {
		if h.silent(at(ms), 7, hungAfter) {
			found = ms
		}
	}
	if found < 2000 || found > 2200 {
		t.Errorf("found silent after %d ms, want a little over %v", found, hungAfter)
	}
}

func TestUnansweredOrderIsTheFirstOne(t *testing.T) {
	p, other := &process{}, &process{}
	var u unanswered
	now := time.Now()
	if u.ask(now, p, 1); u.p != nil {
		t.Error("a process that does not run was asked")
	}
	cmd := &process{cmd: &exec.Cmd{}}
	u.ask(now, cmd, 1)
	u.ask(now.Add(time.Second), cmd, 2)
	u.answered(cmd, 2) // the second never began
	u.answered(other, 1)
	u.forget(other)
	if u.p != cmd || u.attempt != 1 || !u.since.Equal(now) {
		t.Errorf("%+v, want the first order", u)
	}
	if u.answered(cmd, 1); u.p != nil {
		t.Error("the answer was not noted")
	}
}

func TestLinesAreCutAndBounded(t *testing.T) {
	var got []string
	l := &lines{emit: func(s string) { got = append(got, s) }}
	long := strings.Repeat("x", 3*maxLogLine)
	for _, part := range []string{"one\ntw", "o\n", long, "\nend\n"} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if len(got) < 4 || got[0] != "one" || got[1] != "two" || got[len(got)-1] != "end" {
		t.Errorf("%d lines: %.20q", len(got), got)
	}
	for _, line := range got {
		if len(line) > maxLogLine {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
}

// The camera continues what was published since this supervisor runs, and nothing older.
func TestWorkerResumesOnlyWhatThisLifePublished(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "camring-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	publish := func() {
		t.Helper()
		w, err := ring.OpenFrameWriter(ring.FrameConfig{Dir: dir, Camera: "cam", Output: "main", GID: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = w.Close() }()
		var d ring.FrameDesc
		size, err := ring.NV12Layout(&d, 64, 64)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Fit(size); err != nil {
			t.Fatal(err)
		}
		slot, err := w.Claim()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Publish(slot, &d); err != nil {
			t.Fatal(err)
		}
	}
	life := func() *camera {
		c := &camera{watch: newRingWatch(ring.FramePath(dir, "cam", "main"), ring.PacketPath(dir, "cam"), false)}
		c.oldHead = c.watch.head()
		t.Cleanup(c.watch.close)
		return c
	}
	for n := range 2 {
		c := life()
		if c.resumes() {
			t.Errorf("life %d resumes before it published anything", n)
		}
		publish()
		if !c.resumes() {
			t.Errorf("life %d does not resume what it published", n)
		}
	}
}
