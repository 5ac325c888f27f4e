// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// smallTmpfs mounts a tmpfs of size bytes, or skips with the reason.
func smallTmpfs(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skipf("no small file system to be had: mount: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func TestFaultS01_NoSpaceIsRefusedWithBothNumbers(t *testing.T) {
	dir := smallTmpfs(t, 4<<20)
	w := frames(t, dir, 8)
	_, err := paint(w, 1920, 1080, 0)
	var no *NoSpaceError
	if !errors.As(err, &no) || no.Need < 8*1920*1080*3/2 || no.Available == 0 || no.Available > 4<<20 {
		t.Fatalf("got %v, want a NoSpaceError with both numbers", err)
	}
	for _, want := range []string{dir, "MiB", "--shm-size"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not mention %q", err, want)
		}
	}
	mustPaint(t, w, 64, 48) // a smaller picture still fits
	r := readerOf(t, w.Path(), "reader")
	if _, err := paint(w, 1920, 1080, 0); !errors.As(err, &no) {
		t.Fatalf("larger epoch: got %v, want a NoSpaceError", err)
	}
	d := mustPaint(t, w, 64, 48) // and the ring that was there goes on
	if f, err := r.Next(time.Second); err != nil || f.Seq != d.Seq || r.Epoch() != 1 {
		t.Errorf("got %d of epoch %d, %v, want %d of 1", f.Seq, r.Epoch(), err, d.Seq)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); left != nil {
		t.Errorf("left over: %v", left)
	}
}

func TestFaultS06_WriterNeverNoticesKilledReaders(t *testing.T) {
	kills := 20
	if testing.Short() {
		kills = 4
	}
	w := frames(t, shmDir(t), 4)
	mustPaint(t, w, 64, 48)
	for range kills {
		cmd, _ := play(t, "read "+w.Path(), nil)
		for range 200 {
			mustPaint(t, w, 64, 48)
		}
		kill(t, cmd)
		for range 2 * wakeMiss {
			mustPaint(t, w, 64, 48)
		}
	}
	r := readerOf(t, w.Path(), "")
	if n := r.Counter(CountPublished); n != w.Head() {
		t.Errorf("%d published, head %d", n, w.Head())
	}
	if n := r.Counter(CountDropNoSlot); n != 0 || w.Epoch() != 1 {
		t.Errorf("%d dropped, epoch %d, want 0 and 1", n, w.Epoch())
	}
	if n, err := w.rows.owned(); err != nil || n != 0 {
		t.Errorf("%d owned rows, %v, want 0", n, err)
	}
}

// Who writes is told by the lock: a left-over ring whose pid belongs to a living process is continued.
func TestFaultS08_StaleRingIsRecognisedByItsLockNotItsPID(t *testing.T) {
	dir := shmDir(t)
	cmd, _ := play(t, "hold "+dir, nil)
	kill(t, cmd)
	path := FramePath(dir, "cam", "main")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	mem, err := mapFile(f, headerSize, unix.PROT_READ|unix.PROT_WRITE)
	_ = f.Close()
	if err != nil {
		t.Fatal(err)
	}
	headerAt(mem).writerPID.Store(uint32(os.Getppid()))
	unmap(mem)
	if err := os.WriteFile(lockPath(path), fmt.Appendln(nil, os.Getppid()), 0o600); err != nil {
		t.Fatal(err)
	}
	w := frames(t, dir, 0)
	if d := mustPaint(t, w, 64, 48); d.Seq != 2 || d.RunID != 2 {
		t.Errorf("sequence %d run %d, want 2 and 2", d.Seq, d.RunID)
	}
}

func TestFaultS10_SquattedNamesAreReplacedOrRefused(t *testing.T) {
	valid := func(t *testing.T, path string) {
		w := frames(t, filepath.Dir(path), 4)
		mustPaint(t, w, 64, 48)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name  string
		squat func(t *testing.T, path string) error
		base  uint64 // first sequence of the ring that takes the name
	}{
		{"symbolic link", func(t *testing.T, p string) error { return os.Symlink(filepath.Join(t.TempDir(), "victim"), p) }, 1},
		{"link to a sound ring", func(t *testing.T, p string) error {
			other := filepath.Join(shmDir(t), filepath.Base(p))
			valid(t, other)
			return os.Symlink(other, p)
		}, 1},
		{"named pipe", func(_ *testing.T, p string) error { return unix.Mkfifo(p, 0o666) }, 1},
		{"empty file", func(_ *testing.T, p string) error { return os.WriteFile(p, nil, 0o640) }, 1},
		{"another program's file", func(_ *testing.T, p string) error { return os.WriteFile(p, make([]byte, 9000), 0o640) }, 1},
		{"ring that others may write", func(t *testing.T, p string) error { valid(t, p); return os.Chmod(p, 0o666) }, 2},
		{"leases that others may write", func(t *testing.T, p string) error { valid(t, p); return os.Chmod(leasePath(p), 0o666) }, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := FramePath(shmDir(t), "cam", "main")
			if err := c.squat(t, path); err != nil {
				t.Fatal(err)
			}
			w := frames(t, filepath.Dir(path), 4)
			d := mustPaint(t, w, 64, 48)
			if d.Seq < c.base || w.Base() != d.Seq {
				t.Errorf("first sequence %d of base %d, want a new ring from %d", d.Seq, w.Base(), c.base)
			}
			for p, want := range map[string]os.FileMode{path: 0o640, leasePath(path): 0o660, lockPath(path): 0o600} {
				if info, err := os.Lstat(p); err != nil || info.Mode() != want {
					t.Errorf("%s: %v, %v, want %v", p, info.Mode(), err, want)
				}
			}
			if f, err := readerOf(t, path, "reader").Latest(); err != nil || wrongRow(&f) >= 0 {
				t.Error(err)
			}
		})
	}
	t.Run("lock is a symbolic link", func(t *testing.T) {
		dir := shmDir(t)
		victim := filepath.Join(t.TempDir(), "victim")
		if err := os.Symlink(victim, lockPath(FramePath(dir, "cam", "main"))); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenFrameWriter(FrameConfig{Dir: dir, Camera: "cam", Output: "main", GID: -1}); err == nil {
			t.Error("a symbolic link was taken for the lock")
		}
		if _, err := os.Lstat(victim); !errors.Is(err, os.ErrNotExist) {
			t.Error("the link was followed")
		}
	})
	t.Run("name with a path", func(t *testing.T) {
		if _, err := OpenFrameWriter(FrameConfig{Dir: shmDir(t), Camera: "../x", Output: "main"}); err == nil {
			t.Error("../x was taken for a camera's name")
		}
	})
}

func TestFaultS10_DirectoryOfAnotherUserNamesTheOwnerAndTheMend(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	dir := shmDir(t)
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	_, line := play(t, "create "+dir, nobody)
	for _, want := range []string{dir, "belongs to uid 0", "uid 65534", "rm -r"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q does not mention %q", line, want)
		}
	}
}

func TestFaultS10_SquattedDirectoryIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory to another user")
	}
	dir := shmDir(t)
	if err := errors.Join(os.Chown(dir, 65534, -1), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	_, err := OpenFrameWriter(FrameConfig{Dir: dir, Camera: "cam", Output: "main", GID: -1})
	if err == nil || !strings.Contains(err.Error(), "belongs to uid 65534") {
		t.Errorf("a writer in a directory that another user owns: %v, want a refusal that names the owner", err)
	}
}

func TestFaultS10_ReaderWithoutWritePermissionIsTold(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	w := frames(t, shmDir(t), 4)
	mustPaint(t, w, 64, 48)
	if err := os.Chmod(w.Path(), 0o644); err != nil {
		t.Fatal(err)
	}
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	_, line := play(t, "attach "+w.Path(), nobody)
	for _, want := range []string{leasePath(w.Path()), "group", "without a name"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q does not mention %q", line, want)
		}
	}
}

func TestFaultS15_SlowReaderGoesOnWithTheNewestAndKnowsHowManyItLost(t *testing.T) {
	w := frames(t, shmDir(t), 4)
	mustPaint(t, w, 64, 48)
	r := readerOf(t, w.Path(), "slow")
	last, lost := r.Head(), uint64(0)
	for burst := range 50 {
		for range burst {
			mustPaint(t, w, 64, 48)
		}
		f, err := r.Next(0)
		if burst == 0 && errors.Is(err, ErrTimeout) {
			continue
		}
		if err != nil || f.Seq != last+1+f.Missed || wrongRow(&f) >= 0 || !f.Valid() {
			t.Fatalf("picture %d after %d, %d missed: %v", f.Seq, last, f.Missed, err)
		}
		if f.Missed > 0 && f.Seq != w.Head() {
			t.Errorf("lapped reader went on at %d, not at the newest, %d", f.Seq, w.Head())
		}
		last, lost = f.Seq, lost+f.Missed
	}
	if lost == 0 || r.Lapped() != lost {
		t.Errorf("%d lost by the reader's account, %d by ours", r.Lapped(), lost)
	}
}

func TestFaultS16_AttachDuringEpochChangesSeesOldOrNew(t *testing.T) {
	dir := shmDir(t)
	w := frames(t, dir, 3)
	mustPaint(t, w, 64, 48)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			w.cfg.Slots = 3 + i%2
			size := []int{48, 96}[i%2]
			for range 5 {
				if _, err := paint(w, 64, size, 0); err != nil {
					done <- err
					return
				}
			}
		}
	}()
	attached := map[uint64]bool{}
	for len(attached) < 100 {
		r, err := OpenFrames(w.path, ReaderOptions{Name: []string{"", "reader"}[len(attached)%2]})
		if err != nil {
			t.Fatal(err)
		}
		slots := map[uint64]int{0: 4, 1: 3}[r.Epoch()%2]
		if r.Slots() != slots {
			t.Fatalf("epoch %d has %d slots, want %d", r.Epoch(), r.Slots(), slots)
		}
		if f, err := r.Next(5 * time.Second); err != nil {
			t.Fatal(err)
		} else if row, valid := wrongRow(&f), f.Valid(); valid && row >= 0 {
			t.Fatalf("picture %d of epoch %d is mixed", f.Seq, r.Epoch())
		}
		attached[r.Epoch()] = true
		_ = r.Close()
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFaultS17_OtherLayoutsAreRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(h *header)
		want   error
	}{
		{"newer version", func(h *header) { h.version.Store(layoutVersion + 1) }, ErrVersion},
		{"not ready", func(h *header) { h.version.Store(0) }, ErrNotReady},
		{"another magic", func(h *header) { h.magic++ }, ErrCorrupt},
		{"another kind", func(h *header) { h.kind = uint32(KindPacket) }, ErrCorrupt},
		{"other descriptors", func(h *header) { h.descSize = 128 }, ErrCorrupt},
		{"another header", func(h *header) { h.headerSize = 8192 }, ErrCorrupt},
		{"larger than the file", func(h *header) { h.fileSize *= 2 }, ErrCorrupt},
		{"other rows", func(h *header) { h.rowCount = 64 }, ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := shmDir(t)
			w := frames(t, dir, 4)
			mustPaint(t, w, 64, 48)
			c.change(w.h)
			if r, err := OpenFrames(w.Path(), ReaderOptions{}); !errors.Is(err, c.want) {
				if err == nil {
					_ = r.Close()
				}
				t.Errorf("reader: got %v, want %v", err, c.want)
			}
			abandon(&w.writer)
			next := frames(t, dir, 4) // a writer replaces what it does not understand
			if next.Exists() {
				t.Error("the writer continued a ring of another layout")
			}
			mustPaint(t, next, 64, 48)
			readerOf(t, next.Path(), "reader")
		})
	}
}
