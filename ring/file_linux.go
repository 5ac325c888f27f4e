// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// makeFile creates path complete: reserved in the file system, mapped and populated. build fills it;
// the caller renames temp to path.
func makeFile(path string, size uint64, mode os.FileMode, gid int) (temp string, mem []byte, err error) {
	dir := filepath.Dir(path)
	if err := checkSpace(dir, size); err != nil {
		return "", nil, err
	}
	temp = path + ".new" // the writer lock makes the name ours alone
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", nil, fmt.Errorf("remove left-over: %w", err)
	}
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, mode)
	if errors.Is(err, os.ErrPermission) {
		return "", nil, permissionError(dir, err)
	}
	if err != nil {
		return "", nil, fmt.Errorf("create ring: %w", err)
	}
	defer func() {
		_ = f.Close()
		if err != nil {
			_ = os.Remove(temp)
		}
	}()
	if err := f.Chmod(mode); err != nil { // the umask does not decide who may read
		return "", nil, fmt.Errorf("create ring: %w", err)
	}
	if gid >= 0 {
		if err := f.Chown(-1, gid); err != nil {
			return "", nil, fmt.Errorf("set ring group: %w", err)
		}
	}
	err = retryEINTR(func() error { return unix.Fallocate(int(f.Fd()), 0, 0, int64(size)) })
	if errors.Is(err, syscall.ENOSPC) {
		return "", nil, noSpace(dir, size)
	}
	if err != nil {
		return "", nil, fmt.Errorf("reserve %d bytes for %s: %w", size, path, err)
	}
	mem, err = mapFile(f, size, unix.PROT_READ|unix.PROT_WRITE)
	if err != nil {
		return "", nil, err
	}
	populate(mem, true)
	return temp, mem, nil
}

// openFile opens an existing ring or lease file: a regular file, not a symbolic link.
func openFile(path string, flags int) (*os.File, uint64, error) {
	f, err := os.OpenFile(path, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, 0, corrupt("%s is a symbolic link", path)
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = corrupt("%s is not a regular file", path)
	}
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return f, uint64(info.Size()), nil
}

// checkOwner refuses to continue a file that somebody else made or, by the mode bits of others, may
// have written to: a writer makes a new one in its place.
func checkOwner(f *os.File, others os.FileMode) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return corrupt("%s belongs to uid %d, this process is uid %d", f.Name(), st.Uid, os.Geteuid())
	}
	if info.Mode().Perm()&others != 0 {
		return corrupt("%s has mode %v: others may have written to it", f.Name(), info.Mode().Perm())
	}
	return nil
}

func mapFile(f *os.File, size uint64, prot int) ([]byte, error) {
	mem, err := unix.Mmap(int(f.Fd()), 0, int(size), prot, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", f.Name(), err)
	}
	return mem, nil
}

// populate makes the page tables ready, so that the first frame costs what the thousandth costs. A
// kernel before 5.14 does not know the advice; the pages are then touched on first use.
func populate(mem []byte, write bool) {
	advice := unix.MADV_POPULATE_READ
	if write {
		advice = unix.MADV_POPULATE_WRITE
	}
	_ = retryEINTR(func() error { return unix.Madvise(mem, advice) })
}

func unmap(mem []byte) {
	if mem != nil {
		_ = unix.Munmap(mem)
	}
}

// lockFile takes the writer lock of a ring. The file stays open, and the lock held, until Close.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, os.ErrPermission) {
		return nil, permissionError(filepath.Dir(path), err)
	}
	if err != nil {
		return nil, fmt.Errorf("writer lock: %w", err)
	}
	if err := lockByte(f, unix.F_WRLCK, 0); err != nil {
		owner := make([]byte, 32)
		n, _ := f.ReadAt(owner, 0)
		_ = f.Close()
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
			return nil, fmt.Errorf("%w: %s is locked by process %s", ErrBusy, path, strings.TrimSpace(string(owner[:n])))
		}
		return nil, fmt.Errorf("writer lock: %w", err)
	}
	// The owner before may have unlinked the file while we waited to open it: then another process can
	// lock a new one under the name.
	mine, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("writer lock: %w", err)
	}
	if named, err := os.Stat(path); err != nil || !os.SameFile(mine, named) {
		_ = f.Close()
		return lockFile(path)
	}
	// Only for the message above; who holds the lock is the kernel's knowledge.
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return f, nil
}

// LockDir takes a ring directory for one supervisor; [ErrBusy] if another has it. The directory is
// free again when the file is closed.
func LockDir(dir string) (*os.File, error) {
	f, err := lockFile(filepath.Join(dir, "supervisor.lock"))
	if errors.Is(err, ErrBusy) {
		return nil, fmt.Errorf("another camring runs in %s: stop it, or give this one another ring.dir (%w)", dir, err)
	}
	return f, err
}

// lockByte sets an open-file-description lock on one byte without waiting.
func lockByte(f *os.File, kind int16, offset int64) error {
	lock := unix.Flock_t{Type: kind, Start: offset, Len: 1}
	return retryEINTR(func() error { return unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock) })
}

// processStart is field 22 of /proc/PID/stat of this process: it tells a process from a later one
// with the same number. 0 without /proc.
func processStart() uint64 {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	_, rest, ok := strings.Cut(string(text), ") ") // the name in field 2 may contain blanks
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return 0
	}
	v, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0
	}
	return v
}

func checkSpace(dir string, need uint64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("ring directory %s: %w", dir, err)
	}
	if st.Blocks != 0 && need > st.Bavail*uint64(st.Bsize) {
		return noSpace(dir, need)
	}
	if left, limit, ok := memoryLeft(); ok && need > left {
		return &NoSpaceError{Dir: dir, Need: need, Available: left, Limit: limit}
	}
	return nil
}

func noSpace(dir string, need uint64) error {
	e := &NoSpaceError{Dir: dir, Need: need, Limit: limitFileSystem}
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) == nil {
		e.Available = st.Bavail * uint64(st.Bsize)
	}
	return e
}

// permissionError names the owner of dir and the mend: a directory left by a run under sudo is the
// usual cause.
func permissionError(dir string, err error) error {
	owner := ownerOf(dir)
	if owner >= 0 && owner != os.Geteuid() {
		return fmt.Errorf("ring directory %s belongs to uid %d and this process is uid %d: %w: "+
			`if an earlier run as root left it, remove it with "sudo rm -r %s", or choose another with ring.dir`,
			dir, owner, os.Geteuid(), err, dir)
	}
	return fmt.Errorf("ring directory %s cannot be written to: %w: mend its mode or choose another with ring.dir", dir, err)
}

// ownerOf is the uid that a file belongs to, -1 if it is not there.
func ownerOf(path string) int {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

func retryEINTR(call func() error) error {
	for {
		if err := call(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
