// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// staleHeartbeat is how old a writer's heartbeat must be before a reader doubts that the file it
	// has mapped is still the one under the name.
	staleHeartbeat = 2 * time.Second
	maxSleep       = time.Second // every sleep is bounded, whatever the caller asked for
	openTries      = 50          // times 10 ms: how long a new epoch may be half in place
)

// ReaderOptions says how to attach.
type ReaderOptions struct {
	// Name registers the reader in the lease file, under which the writer wakes it and operators see
	// it. Empty: a plain reader, which needs only read permission and is not woken: it looks every
	// Poll.
	Name string
	Poll time.Duration // plain readers; 0 = 2 ms
}

// reader is what frame and packet readers have in common. It belongs to one goroutine.
type reader struct {
	path string
	kind Kind
	opt  ReaderOptions
	mem  []byte
	h    *header
	g    geometry
	ino  os.FileInfo
	row  *ownRow // nil for a plain reader
	next uint64  // sequence that Next looks for
	lost uint64  // records lost since the last that Next returned: a time-out must not forget them
}

func (r *reader) open() error {
	if r.opt.Poll <= 0 {
		r.opt.Poll = 2 * time.Millisecond
	}
	var err error
	for range openTries {
		err = r.tryOpen()
		if !errors.Is(err, errPair) && !errors.Is(err, ErrNotReady) {
			break
		}
		time.Sleep(10 * time.Millisecond) // a writer is between two renames
	}
	if err != nil {
		return fmt.Errorf("open ring %s: %w", r.path, err)
	}
	return nil
}

var errPair = errors.New("ring and lease file do not belong together")

func (r *reader) tryOpen() error {
	f, size, err := openFile(r.path, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if size < headerSize || size > maxFileSize {
		return corrupt("%d bytes are no ring", size)
	}
	mem, err := mapFile(f, size, unix.PROT_READ)
	if err != nil {
		return err
	}
	g, err := readGeometry(mem, r.kind)
	var own *ownRow
	if err == nil && r.opt.Name != "" {
		own, err = claimRow(leasePath(r.path), g.pairID, r.opt.Name)
	}
	if err != nil {
		unmap(mem)
		return err
	}
	populate(mem, false)
	r.mem, r.h, r.g, r.ino, r.row = mem, headerAt(mem), g, info, own
	return nil
}

// copyDesc copies the descriptor of seq, which lies at at, into to, or reports that another record has
// its place. The caller sets the sequence itself and checks the rest.
func copyDesc(mem []byte, at, seq uint64, to []byte) error {
	word := seqAt(mem, at)
	if word.Load() != seq { // SYNC D4: pairs with D3
		return ErrLapped
	}
	step(stepReadDesc)
	copy(to[8:], mem[at+8:at+uint64(len(to))])
	loadFence() // SYNC D2: fields before the second look; pairs with D1
	if word.Load() != seq {
		return ErrLapped
	}
	return nil
}

// headNow is the newest sequence.
func (r *reader) headNow() uint64 { return r.h.head.Load() } // SYNC H2: pairs with H1

// Head is the newest published sequence; Base() - 1 if there is none. May be stale when it returns.
func (r *reader) Head() uint64 { return r.headNow() }

// Base is the sequence of the first record of the epoch that is mapped.
func (r *reader) Base() uint64 { return r.g.baseSeq }

// Epoch is 1 for the first ring of a name.
func (r *reader) Epoch() uint64 { return r.g.epoch }

// CreatedMS is when the epoch was made, in milliseconds of CLOCK_REALTIME.
func (r *reader) CreatedMS() int64 { return int64(r.g.createdWallNS / 1e6) }

// Camera is the camera's name, Output the output's; both as the ring file says.
func (r *reader) Camera() string { return r.g.camera }

// Output is the output's name.
func (r *reader) Output() string { return r.g.output }

// Path is the ring file.
func (r *reader) Path() string { return r.path }

// Slots is the number of slots, and SlotSize the bytes in each; 0 in a packet ring.
func (r *reader) Slots() int { return int(r.g.slotCount) }

// SlotSize is the number of bytes in a slot; 0 in a packet ring.
func (r *reader) SlotSize() uint64 { return r.g.slotSize }

// FileSize is the size of the ring file in bytes.
func (r *reader) FileSize() uint64 { return r.g.fileSize }

// State is the camera's state and reason, and since when, as the writer last wrote them.
func (r *reader) State() (s State, why Reason, sinceMonoNS int64) {
	return State(r.h.state.Load()), Reason(r.h.reason.Load()), int64(r.h.stateMonoNS.Load())
}

// Counter is the value of one of the ring's counters.
func (r *reader) Counter(c Counter) uint64 { return r.h.counters[c].Load() }

// HeartbeatMonoNS is when the writer last said that it lives.
func (r *reader) HeartbeatMonoNS() int64 { return int64(r.h.heartbeatMonoNS.Load()) }

// RunID numbers the writer processes of the name, from 1.
func (r *reader) RunID() uint32 { return r.h.runID.Load() }

// WriterPID is the process that writes, or wrote last.
func (r *reader) WriterPID() int { return int(r.h.writerPID.Load()) }

// Seek makes seq the sequence that Next returns next, if it is still there.
func (r *reader) Seek(seq uint64) { r.next, r.lost = max(seq, r.g.baseSeq), 0 }

// Wait sleeps until sequence seq is published, the state changes, a newer epoch exists or timeout is
// over. The caller looks again; a plain reader's wait is a poll.
func (r *reader) Wait(seq uint64, timeout time.Duration) {
	if r.headNow() >= seq || timeout <= 0 {
		return
	}
	if r.h.nextEpoch.Load() != 0 { // the successor is announced, yet Follow has not found it
		time.Sleep(min(timeout, r.opt.Poll))
		return
	}
	timeout = min(timeout, maxSleep)
	if r.row == nil {
		time.Sleep(min(timeout, r.opt.Poll))
		return
	}
	v := r.h.wake.Load()
	if !r.row.setWaiting(1) { // SYNC S1: before the second look; pairs with S2 and S3
		time.Sleep(min(timeout, r.opt.Poll)) // the row is gone: wait for the new epoch as a plain reader
		return
	}
	fullFence()
	if r.headNow() < seq && r.h.nextEpoch.Load() == 0 {
		step(stepSleep)
		futexWait(&r.h.wake, v, timeout)
	}
	r.row.setWaiting(0)
}

// Follow moves to the ring that has replaced the one that is mapped, once every record of the old one
// has been consumed, and reports whether it did.
//
// A successor is announced in the old header; one that a restarted writer made without knowing the
// old ring is found by its inode, when the heartbeat is stale.
func (r *reader) Follow() (moved bool, err error) {
	// Whether the old ring is over is read before its head: the other way round, a last record that is
	// published between the two would be skipped.
	if !r.over() || r.next <= r.headNow() {
		return false, nil
	}
	return r.move()
}

// over reports whether the mapped ring may have a successor.
func (r *reader) over() bool {
	return r.h.nextEpoch.Load() != 0 || MonoNS()-r.HeartbeatMonoNS() > int64(staleHeartbeat)
}

// move is Follow whether or not the old ring has been consumed.
func (r *reader) move() (moved bool, err error) {
	if !r.over() {
		return false, nil
	}
	if info, err := os.Stat(r.path); err != nil || os.SameFile(info, r.ino) {
		return false, nil //nolint:nilerr // not there (yet): the old mapping stays good
	}
	fresh := reader{path: r.path, kind: r.kind, opt: r.opt}
	if err := fresh.open(); err != nil {
		return false, err
	}
	fresh.next, fresh.lost = r.next, r.lost
	if fresh.next > fresh.headNow()+1 { // another life of the name: its sequences began again
		fresh.next = fresh.g.baseSeq
	}
	r.release()
	*r = fresh
	return true, nil
}

func (r *reader) release() {
	if r.row != nil {
		r.row.close()
	}
	unmap(r.mem)
	r.row, r.mem, r.h = nil, nil, nil
}

// Close gives the row up and unmaps the ring: views of its slots must not be used any more.
func (r *reader) Close() error {
	if r.mem != nil {
		r.release()
	}
	return nil
}
