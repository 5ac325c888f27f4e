// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// The lease file: what readers say to the writer. It is the only file a reader writes.

const (
	rowsOffset    = pageSize
	ownersOffset  = rowsOffset + Rows*rowSize
	leaseFileSize = ownersOffset + Rows*rowOwnerSize
)

// leases is the writer's end of a lease file.
//
// Whoever may write the file may also truncate it, and then every access is a fault: so the rows are
// touched in [leases.scan] and [leases.reap] alone, which turn a fault into an error.
type leases struct {
	mem    []byte
	file   *os.File // for the rows' locks
	pairID uint64
}

func makeLeases(path string, pairID uint64, gid int) (temp string, err error) {
	temp, mem, err := makeFile(path, leaseFileSize, 0o660, gid)
	if err != nil {
		return "", err
	}
	defer unmap(mem)
	h := leaseHeaderAt(mem)
	h.magic = leaseMagic
	h.rowCount = Rows
	h.pairID = pairID
	h.rowsOffset = rowsOffset
	h.ownersOffset = ownersOffset
	h.fileSize = leaseFileSize
	h.version.Store(layoutVersion)
	return temp, nil
}

// openLeases maps a lease file that belongs to the ring with pairID.
func openLeases(path string, pairID uint64) (*leases, error) {
	f, size, err := openFile(path, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	l := &leases{file: f, pairID: pairID}
	if err := checkOwner(f, 0o002); err != nil {
		l.close()
		return nil, err
	}
	if size != leaseFileSize {
		l.close()
		return nil, corrupt("%s has %d bytes, not %d", path, size, leaseFileSize)
	}
	if l.mem, err = mapFile(f, size, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		l.close()
		return nil, err
	}
	// A child that a reader's process forks must not own its row.
	_ = unix.Madvise(l.mem, unix.MADV_DONTFORK)
	err = guard(func() error {
		h := leaseHeaderAt(l.mem)
		switch {
		case h.magic != leaseMagic || h.version.Load() != layoutVersion || h.rowCount != Rows ||
			h.rowsOffset != rowsOffset || h.ownersOffset != ownersOffset:
			return corrupt("%s is no lease file of this layout", path)
		case h.pairID != pairID:
			return corrupt("%s belongs to another ring", path)
		}
		populate(l.mem, true)
		return nil
	})
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *leases) close() {
	unmap(l.mem)
	l.mem = nil
	_ = l.file.Close()
}

// scan loads every row: the union of the lease bits, and whether any owner may be asleep. All rows,
// each time: a cached count would miss the reader that has just claimed one.
//
// SYNC L2 (lease bits): pairs with L1, where a reader sets its bit before it checks the generation.
// SYNC S2 (waiting): pairs with S1 in row.sleep.
func (l *leases) scan() (bits uint64, waiting bool, err error) {
	err = guard(func() error {
		if leaseHeaderAt(l.mem).pairID != l.pairID { // a hole punched into the file reads as zeros
			return corrupt("the lease file was overwritten")
		}
		var w uint32
		for i := range Rows {
			r := rowAt(l.mem, i)
			bits |= r.bits.Load()
			w |= r.waiting.Load()
		}
		waiting = w != 0
		return nil
	})
	return bits, waiting, err
}

// reap zeroes the rows whose owners have died, and returns how many. Who holds a row's lock lives.
func (l *leases) reap() (freed int, err error) {
	err = guard(func() error {
		for i := range Rows {
			r, o := rowAt(l.mem, i), rowOwnerAt(l.mem, i)
			if o.cookie.Load() == 0 && r.bits.Load() == 0 && r.waiting.Load() == 0 {
				continue
			}
			if lockByte(l.file, unix.F_WRLCK, rowsOffset+int64(i)*rowSize) != nil {
				continue
			}
			zeroRow(r, o)
			freed++
			if err := lockByte(l.file, unix.F_UNLCK, rowsOffset+int64(i)*rowSize); err != nil {
				return fmt.Errorf("unlock reader row: %w", err)
			}
		}
		return nil
	})
	return freed, err
}

// owned reports how many rows have a living owner.
func (l *leases) owned() (n int, err error) {
	err = guard(func() error {
		for i := range Rows {
			if rowOwnerAt(l.mem, i).cookie.Load() == 0 {
				continue
			}
			lock := unix.Flock_t{Type: unix.F_WRLCK, Start: rowsOffset + int64(i)*rowSize, Len: 1}
			if err := unix.FcntlFlock(l.file.Fd(), unix.F_OFD_GETLK, &lock); err == nil && lock.Type != unix.F_UNLCK {
				n++
			}
		}
		return nil
	})
	return n, err
}

func zeroRow(r *row, o *rowOwner) {
	r.waiting.Store(0)
	r.joined.Store(0)
	r.cursor.Store(0)
	r.missed.Store(0)
	o.pid = 0
	o.startMonoNS = 0
	o.name = [nameSize]byte{}
	r.bits.Store(0)
	o.cookie.Store(0)
}

// guard runs f and turns a memory fault in it (the file was truncated) into ErrCorrupt.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		fault := recover()
		if fault == nil {
			return
		}
		if e, ok := fault.(runtime.Error); ok {
			if _, isFault := e.(interface{ Addr() uintptr }); isFault {
				err = corrupt("the lease file was truncated: %v", e)
				return
			}
		}
		panic(fault)
	}()
	return f()
}
