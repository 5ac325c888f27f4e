// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownRow is a reader's row of a lease file, held by a lock on its first byte for as long as the file
// stays open. It ends with the process, however that ends.
type ownRow struct {
	file  *os.File
	mem   []byte
	row   *row
	owner *rowOwner
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
	if err := guard(func() error { return o.claim(pairID, name) }); err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

func (o *ownRow) claim(pairID uint64, name string) error {
	if h := leaseHeaderAt(o.mem); h.magic != leaseMagic || h.pairID != pairID {
		return errPair
	}
	for i := range Rows {
		err := lockByte(o.file, unix.F_WRLCK, rowsOffset+int64(i)*rowSize)
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
			continue
		}
		if err != nil {
			return fmt.Errorf("register reader: %w", err)
		}
		o.row, o.owner = rowAt(o.mem, i), rowOwnerAt(o.mem, i)
		zeroRow(o.row, o.owner)
		o.owner.pid = uint32(os.Getpid())
		o.owner.startMonoNS = uint64(MonoNS())
		copy(o.owner.name[:nameSize-1], name)
		o.owner.cookie.Store(randomID())
		return nil
	}
	return ErrNoRow
}

// setWaiting writes the row's waiting flag, and reports whether the row is still there: another
// process may have truncated the lease file.
func (o *ownRow) setWaiting(v uint32) bool {
	return guard(func() error {
		o.row.waiting.Store(v)
		return nil
	}) == nil
}

// close clears the row, unmaps, then unlocks.
func (o *ownRow) close() {
	if o.row != nil {
		_ = guard(func() error { // a row of a truncated file is clear already
			zeroRow(o.row, o.owner)
			return nil
		})
	}
	unmap(o.mem)
	o.row, o.owner, o.mem = nil, nil, nil
	_ = o.file.Close()
}
