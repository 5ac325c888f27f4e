// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownRow is a reader's row of a lease file, held by a lock on its first byte for as long as the file
// stays open. It ends with the process, however that ends.
type ownRow struct {
	file    *os.File
	mem     []byte
	row     *row
	owner   *rowOwner
	waiting *atomic.Uint32
}

// claimRow registers a reader. The file is opened for this row alone: closing another descriptor of
// it gives no lock up, but sharing one would share the lock.
func claimRow(path string, pairID uint64, name string) (*ownRow, error) {
	f, size, err := openFile(path, os.O_RDWR)
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("register reader: %w: needs write permission for %s (its group), or attach without a name", err, path)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil, errPair
	}
	if err != nil {
		return nil, fmt.Errorf("register reader: %w", err)
	}
	o := &ownRow{file: f}
	if size != leaseFileSize {
		o.close()
		return nil, corrupt("%s has %d bytes, not %d", path, size, leaseFileSize)
	}
	if o.mem, err = mapFile(f, size, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		o.close()
		return nil, err
	}
	_ = unix.Madvise(o.mem, unix.MADV_DONTFORK)
	if h := leaseHeaderAt(o.mem); h.magic != leaseMagic || h.pairID != pairID {
		o.close()
		return nil, errPair
	}
	for i := range Rows {
		err := lockByte(f, unix.F_WRLCK, rowsOffset+int64(i)*rowSize)
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
			continue
		}
		if err != nil {
			o.close()
			return nil, fmt.Errorf("register reader: %w", err)
		}
		o.row, o.owner = rowAt(o.mem, i), rowOwnerAt(o.mem, i)
		o.waiting = &o.row.waiting
		zeroRow(o.row, o.owner)
		o.owner.pid = uint32(os.Getpid())
		o.owner.startMonoNS = uint64(MonoNS())
		copy(o.owner.name[:nameSize-1], name)
		o.owner.cookie.Store(randomID())
		return o, nil
	}
	o.close()
	return nil, ErrNoRow
}

// close clears the row, unmaps, then unlocks.
func (o *ownRow) close() {
	if o.row != nil {
		zeroRow(o.row, o.owner)
	}
	unmap(o.mem)
	o.row, o.owner, o.mem = nil, nil, nil
	_ = o.file.Close()
}
