// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"os"

	"golang.org/x/sys/unix"
)

// RegisteredReader is a reader that holds a row of a ring's lease file.
type RegisteredReader struct {
	PID  int
	Name string
}

// Readers lists the living registered readers of the ring at path. It needs read permission only, and
// may be stale when it returns.
func Readers(path string) ([]RegisteredReader, error) {
	f, size, err := openFile(leasePath(path), os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if size != leaseFileSize {
		return nil, corrupt("%s has %d bytes, not %d", leasePath(path), size, leaseFileSize)
	}
	mem, err := mapFile(f, size, unix.PROT_READ)
	if err != nil {
		return nil, err
	}
	defer unmap(mem)
	var readers []RegisteredReader
	err = guard(func() error {
		for i := range Rows {
			o := rowOwnerAt(mem, i)
			if o.cookie.Load() == 0 {
				continue
			}
			lock := unix.Flock_t{Type: unix.F_WRLCK, Start: rowsOffset + int64(i)*rowSize, Len: 1}
			if unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock) == nil && lock.Type != unix.F_UNLCK {
				readers = append(readers, RegisteredReader{PID: int(o.pid), Name: text(o.name[:])})
			}
		}
		return nil
	})
	return readers, err
}
