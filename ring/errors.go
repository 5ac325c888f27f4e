// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"fmt"
)

var (
	// ErrLapped reports that the writer has overwritten the record. Normal for a slow reader: go on
	// with a newer one.
	ErrLapped = errors.New("lapped: the writer has overwritten this record")
	// ErrNotPublished reports a sequence beyond the head. Normal: wait for it.
	ErrNotPublished = errors.New("not published yet")
	// ErrTimeout reports that nothing new came in time. Normal for a stalled camera: ask for its state.
	ErrTimeout = errors.New("no new record in time")
	// ErrNotReady reports a file whose writer has not finished building it. Try again.
	ErrNotReady = errors.New("ring is not ready yet")
	// ErrVersion reports a layout version this program does not know. Update the older side.
	ErrVersion = errors.New("ring has another layout version")
	// ErrCorrupt reports a ring file that contradicts itself. A writer starts a new epoch, a reader
	// opens the file again.
	ErrCorrupt = errors.New("ring is damaged")
	// ErrBusy reports that another process is the writer. Not normal: two camrings on
	// one directory.
	ErrBusy = errors.New("in use by another process")
	// ErrNoSlot reports that every slot is leased or held: the frame is dropped and counted.
	ErrNoSlot = errors.New("no free slot")
	// ErrTooLarge reports a record that does not fit: start a larger epoch.
	ErrTooLarge = errors.New("record does not fit the ring")
	// ErrNoRow reports that no row of the lease file is free: 128 readers are registered.
	ErrNoRow = errors.New("no free reader row")
)

// NoSpaceError reports that a ring does not fit into its file system or its memory limit.
type NoSpaceError struct {
	Dir       string // where the ring was to be made
	Need      uint64 // bytes
	Available uint64 // bytes
	Limit     string // what limits: "file system" or the path of a cgroup file
}

// Error says what is needed, what there is, and what to do.
func (e *NoSpaceError) Error() string {
	hint := "free some, use fewer slots, or enlarge it (mount -o remount,size=…; in Docker --shm-size=…)"
	if e.Limit != limitFileSystem {
		hint = "raise the limit (in Docker --memory=…) or use fewer slots"
	}
	return fmt.Sprintf("%s: a ring needs %d bytes (%.1f MiB), %s has %d (%.1f MiB) left: %s",
		e.Dir, e.Need, float64(e.Need)/(1<<20), e.Limit, e.Available, float64(e.Available)/(1<<20), hint)
}

const limitFileSystem = "file system"

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}
