// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestReaderKilledWhileItWaitsIsReaped(t *testing.T) {
	w := frames(t, shmDir(t), 4)
	mustPaint(t, w, 64, 48)
	cmd, _ := play(t, "read "+w.Path(), nil)
	eventually(t, "the reader sleeps", func() bool {
		_, waiting, err := w.rows.scan()
		return err == nil && waiting
	})
	if n, err := w.rows.owned(); err != nil || n != 1 {
		t.Fatalf("%d owned rows, %v, want 1", n, err)
	}
	kill(t, cmd)
	if _, waiting, err := w.rows.scan(); err != nil || !waiting {
		t.Fatal("the killed reader's row does not claim to wait: the test tests nothing")
	}
	w.reaped = time.Now().Add(-reapEvery)
	for range wakeMiss {
		mustPaint(t, w, 64, 48)
	}
	r := readerOf(t, w.Path(), "")
	if n := r.Counter(CountReaped); n != 1 {
		t.Errorf("%d rows reaped after %d wakes that met nobody, want 1", n, wakeMiss)
	}
	wakes := r.Counter(CountWakes)
	for range 100 {
		mustPaint(t, w, 64, 48)
	}
	if n := r.Counter(CountWakes); n != wakes {
		t.Errorf("%d wakes for nobody", n-wakes)
	}
	if n, err := w.rows.owned(); err != nil || n != 0 {
		t.Errorf("%d owned rows, %v, want 0", n, err)
	}
}

func TestDeadLesseesSlotsComeBack(t *testing.T) {
	w := frames(t, shmDir(t), 4)
	mustPaint(t, w, 64, 48)
	r := readerOf(t, w.Path(), "lessee")
	r.row.row.bits.Store(^uint64(0))
	unmap(r.row.mem) // as a killed process: neither row nor lock is given up in order
	_ = r.row.file.Close()
	r.row = nil
	if _, err := w.Claim(); !errors.Is(err, ErrNoSlot) {
		t.Fatalf("got %v, want %v once", err, ErrNoSlot)
	}
	if _, err := w.Claim(); err != nil {
		t.Errorf("after reaping: %v", err)
	}
}

func TestNoMoreThan128ReadersRegister(t *testing.T) {
	w := frames(t, shmDir(t), 2)
	mustPaint(t, w, 64, 48)
	readers := make([]*FrameReader, Rows)
	for i := range readers {
		readers[i] = readerOf(t, w.Path(), "one of many")
	}
	if _, err := OpenFrames(w.Path(), ReaderOptions{Name: "one too many"}); !errors.Is(err, ErrNoRow) {
		t.Fatalf("reader 129: got %v, want %v", err, ErrNoRow)
	}
	readerOf(t, w.Path(), "") // a plain reader needs no row
	if err := readers[77].Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := w.rows.owned(); err != nil || n != Rows-1 {
		t.Errorf("%d owned rows after one was closed, %v, want %d", n, err, Rows-1)
	}
	again := readerOf(t, w.Path(), "in its place")
	if got := text(rowOwnerAt(w.rows.mem, 77).name[:]); got != "in its place" || again.row == nil {
		t.Errorf("row 77 belongs to %q", got)
	}
}

// The reaper takes the row's lock: a reader that claims the row meanwhile is not erased.
func TestReaperLeavesLivingRowsAlone(t *testing.T) {
	w := frames(t, shmDir(t), 2)
	mustPaint(t, w, 64, 48)
	r := readerOf(t, w.Path(), "alive")
	r.row.row.bits.Store(2)
	r.row.row.waiting.Store(1)
	if n, err := w.rows.reap(); err != nil || n != 0 {
		t.Errorf("reaped %d rows, %v, want 0", n, err)
	}
	if r.row.row.bits.Load() != 2 || r.row.row.waiting.Load() != 1 || r.row.owner.cookie.Load() == 0 {
		t.Error("the row was changed")
	}
}

// Someone who may write the lease file destroys it under a running writer: nobody crashes, the writer
// starts an epoch with a new pair, and a registered reader follows.
func TestDestroyedLeaseFileStartsANewEpoch(t *testing.T) {
	punch := func(f *os.File) error {
		return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, leaseFileSize)
	}
	for _, c := range []struct {
		name    string
		destroy func(f *os.File) error
	}{
		{"truncated to nothing", func(f *os.File) error { return f.Truncate(0) }},
		{"truncated to its header", func(f *os.File) error { return f.Truncate(pageSize) }},
		{"truncated within the rows", func(f *os.File) error { return f.Truncate(2 * pageSize) }},
		{"hole punched", punch},
		{"overwritten with zeros", func(f *os.File) error { _, err := f.WriteAt(make([]byte, leaseFileSize), 0); return err }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := frames(t, shmDir(t), 4)
			mustPaint(t, w, 64, 48)
			r := readerOf(t, w.Path(), "reader")
			pair := w.g.pairID
			f, err := os.OpenFile(leasePath(w.Path()), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			if err := c.destroy(f); err != nil {
				t.Fatal(err)
			}
			r.Wait(r.Head()+1, 5*time.Millisecond) // the reader touches its row first
			for want := uint64(2); want < 20; want++ {
				mustPaint(t, w, 64, 48)
				f, err := r.Next(5 * time.Second)
				if err != nil || f.Seq != want || f.Missed != 0 || wrongRow(&f) >= 0 || !f.Valid() {
					t.Fatalf("got sequence %d, missed %d, %v, want %d", f.Seq, f.Missed, err, want)
				}
			}
			if w.Epoch() != 2 || w.g.pairID == pair || r.Epoch() != 2 || r.row == nil {
				t.Errorf("writer in epoch %d, reader in %d, same pair %v, want 2, 2, false", w.Epoch(), r.Epoch(), w.g.pairID == pair)
			}
			if n, err := w.rows.owned(); err != nil || n != 1 {
				t.Errorf("%d registered readers in the new pair, %v, want 1", n, err)
			}
		})
	}
}

func TestDestroyedLeaseFileIsFoundWithinASleep(t *testing.T) {
	w := frames(t, shmDir(t), 4)
	mustPaint(t, w, 64, 48)
	r := readerOf(t, w.Path(), "reader")
	if err := os.Truncate(leasePath(w.Path()), 0); err != nil {
		t.Fatal(err)
	}
	w.SetState(StateStalled, ReasonNoPackets) // touches the rows, and must not crash
	if err := w.PublishGap(&FrameDesc{}); err != nil {
		t.Fatal(err)
	}
	if w.Epoch() != 2 {
		t.Errorf("epoch %d after a gap record, want 2", w.Epoch())
	}
	if _, err := r.Next(0); !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v, want %v", err, ErrTimeout)
	}
	if s, why, _ := r.State(); s != StateStalled || why != ReasonNoPackets || r.Epoch() != 2 {
		t.Errorf("state %v %v epoch %d in the new ring, want stalled, no packets, 2", s, why, r.Epoch())
	}
}

// Each file removed, then the writer killed and restarted: readers come to the new ring.
func TestRemovedFilesAndARestartedWriter(t *testing.T) {
	for _, c := range []struct {
		name   string
		remove func(path string) []string
		first  uint64 // sequence of the first picture of the new writer
	}{
		{"ring", func(p string) []string { return []string{p} }, 1},
		{"leases", func(p string) []string { return []string{leasePath(p)} }, 4},
		{"both", func(p string) []string { return []string{p, leasePath(p)} }, 1},
		{"lock", func(p string) []string { return []string{lockPath(p)} }, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := shmDir(t)
			w := frames(t, dir, 4)
			for range 3 {
				mustPaint(t, w, 64, 48)
			}
			readers := []*FrameReader{readerOf(t, w.Path(), "reader"), readerOf(t, w.Path(), "")}
			w.h.heartbeatMonoNS.Store(1) // dead for longer than a heartbeat may be old
			abandon(&w.writer)
			for _, p := range c.remove(w.Path()) {
				if err := os.Remove(p); err != nil {
					t.Fatal(err)
				}
			}
			next := frames(t, dir, 4)
			if d := mustPaint(t, next, 64, 48); d.Seq != c.first {
				t.Errorf("first sequence %d, want %d", d.Seq, c.first)
			}
			for _, r := range readers {
				f, err := r.Next(5 * time.Second)
				if err != nil || f.Seq != c.first || wrongRow(&f) >= 0 || r.g.pairID != next.g.pairID {
					t.Errorf("reader got sequence %d, %v, want %d of the new ring", f.Seq, err, c.first)
				}
			}
		})
	}
}

// A ring that cannot be continued announces its successor once that is there, and not before.
func TestSuccessorOfADamagedRingIsAnnouncedWhenItIsThere(t *testing.T) {
	dir := shmDir(t)
	w := frames(t, dir, 4)
	mustPaint(t, w, 64, 48)
	r := readerOf(t, w.Path(), "reader")
	abandon(&w.writer)
	if err := os.Remove(leasePath(w.Path())); err != nil {
		t.Fatal(err)
	}
	next := frames(t, dir, 4)
	if n := r.h.nextEpoch.Load(); n != 0 {
		t.Errorf("epoch %d announced before its first picture", n)
	}
	mustPaint(t, next, 64, 48)
	if n := r.h.nextEpoch.Load(); n != 2 {
		t.Errorf("epoch %d announced, want 2", n)
	}
	if f, err := r.Next(0); err != nil || f.Seq != 2 {
		t.Errorf("got %d, %v, want the picture of the new ring", f.Seq, err)
	}
}

func TestLeftOversOfADeadWriterAreReplaced(t *testing.T) {
	dir := shmDir(t)
	path := FramePath(dir, "cam", "main")
	for _, p := range []string{path + ".new", leasePath(path) + ".new"} {
		if err := os.WriteFile(p, []byte("half built"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := frames(t, dir, 4)
	mustPaint(t, w, 64, 48)
	for _, p := range []string{path + ".new", leasePath(path) + ".new"} {
		if _, err := os.Lstat(p); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", p, err)
		}
	}
	if f, err := readerOf(t, path, "").Latest(); err != nil || wrongRow(&f) >= 0 {
		t.Error(err)
	}
}

func TestFaultS09_SecondWriterIsRefusedWhileTheFirstIsStopped(t *testing.T) {
	dir := shmDir(t)
	cmd, _ := play(t, "hold "+dir, nil)
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	cfg := FrameConfig{Dir: dir, Camera: "cam", Output: "main", GID: -1}
	if w, err := OpenFrameWriter(cfg); !errors.Is(err, ErrBusy) {
		if err == nil {
			_ = w.Close()
		}
		t.Fatalf("got %v, want %v", err, ErrBusy)
	}
	kill(t, cmd)
	w, err := OpenFrameWriter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	if w.Head() != 1 || w.RunID() != 2 {
		t.Errorf("head %d run %d, want 1 and 2", w.Head(), w.RunID())
	}
}
