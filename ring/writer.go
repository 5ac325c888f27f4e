// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	reapEvery = time.Second // at most one pass over dead readers a second
	wakeMiss  = 16          // wakes in a row that met nobody before the rows are doubted
	// maxPlausible is more records than one epoch can hold: 40 years at 1000 a second.
	maxPlausible = 1 << 40
)

// writer is what frame and packet rings have in common: the files, the header, sleeping readers.
//
// It belongs to one goroutine.
type writer struct {
	path    string
	gid     int
	lock    *os.File // the writer lock, held from before the first store
	mem     []byte
	h       *header
	g       geometry
	rows    *leases
	orphan  []byte // ring of the same name that could not be continued, until its readers are told
	resumed bool   // the next record is the first after another process's
	head    uint64 // our copy; only we write it
	runID   uint32
	misses  int
	reaped  time.Time
	stateIs State
	reason  Reason
}

// attach opens an existing ring to continue it, or reports os.ErrNotExist or ErrCorrupt.
func (w *writer) attach(kind Kind) error {
	f, size, err := openFile(w.path, os.O_RDWR)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := checkOwner(f, 0o022); err != nil {
		return err
	}
	if size < headerSize || size > maxFileSize {
		return corrupt("%s has %d bytes", w.path, size)
	}
	mem, err := mapFile(f, size, unix.PROT_READ|unix.PROT_WRITE)
	if err != nil {
		return err
	}
	g, err := readGeometry(mem, kind)
	if err == nil {
		err = w.adopt(mem, g)
	}
	if err != nil {
		unmap(mem)
	}
	return err
}

// open takes the writer lock, and attaches to the ring of the name if there is a sound one. Otherwise
// w.mem stays nil, and next says which epoch and sequence a new one begins with.
func (w *writer) open(dir string, kind Kind) (next geometry, err error) {
	if err := MakeDir(dir); err != nil {
		return next, err
	}
	if w.lock, err = lockFile(lockPath(w.path)); err != nil {
		return next, err
	}
	next = geometry{kind: kind, epoch: 1, baseSeq: 1}
	err = w.attach(kind)
	switch {
	case err == nil || errors.Is(err, os.ErrNotExist):
		return next, nil
	case errors.Is(err, ErrCorrupt), errors.Is(err, ErrVersion), errors.Is(err, ErrNotReady):
		next.epoch, next.baseSeq = w.salvage(kind)
		return next, nil
	}
	if errors.Is(err, os.ErrPermission) {
		err = permissionError(dir, err)
	}
	_ = w.lock.Close()
	return next, err
}

// salvage reads from a ring that cannot be continued where its successor begins, so that sequences
// and run ids are not used twice, and keeps it mapped: begin tells its readers to move.
func (w *writer) salvage(kind Kind) (epoch, base uint64) {
	f, size, err := openFile(w.path, os.O_RDWR)
	if err != nil {
		return 1, 1
	}
	defer func() { _ = f.Close() }()
	if size < headerSize || size > maxFileSize {
		return 1, 1
	}
	mem, err := mapFile(f, size, unix.PROT_READ|unix.PROT_WRITE)
	if err != nil {
		return 1, 1
	}
	g, err := readGeometry(mem, kind)
	if err != nil {
		unmap(mem)
		return 1, 1
	}
	h := headerAt(mem)
	w.orphan, w.runID, w.resumed = mem, h.runID.Load()+1, true
	base = max(h.head.Load(), g.baseSeq) + 1
	if base-g.baseSeq > maxPlausible { // the head itself is damaged
		base = g.baseSeq + maxPlausible
	}
	return g.epoch + 1, base
}

// resumption is the discontinuity flag for the first record of a process that continues a name.
func (w *writer) resumption() Flags {
	if !w.resumed {
		return 0
	}
	w.resumed = false
	return FlagDiscontinuity
}

// adopt checks what the writer before left and takes over. Generations and rows stay as they are.
func (w *writer) adopt(mem []byte, g geometry) error {
	h := headerAt(mem)
	head := h.head.Load()
	if head+1 < g.baseSeq {
		return corrupt("head %d is before base %d", head, g.baseSeq)
	}
	for i := range g.descCount {
		seq := seqAt(mem, g.descOffset+i*g.descSize).Load()
		if seq > head+1 || (seq != 0 && seq&(g.descCount-1) != i) {
			return corrupt("descriptor %d has sequence %d, head is %d", i, seq, head)
		}
	}
	rows, err := openLeases(leasePath(w.path), g.pairID)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = corrupt("%s has no lease file", w.path)
		}
		return err
	}
	if seqAt(mem, g.descAt(head+1)).Load() == head+1 {
		head++ // the writer died between the descriptor and the head
	}
	populate(mem, true)
	w.mem, w.h, w.g, w.rows, w.head = mem, h, g, rows, head
	h.head.Store(head)
	w.resumed = true
	w.sign(h.runID.Load() + 1)
	if err := w.bump(); err != nil {
		rows.close()
		w.mem, w.h, w.rows = nil, nil, nil
		return err
	}
	return nil
}

// sign writes who the writer is.
func (w *writer) sign(runID uint32) {
	w.runID = runID
	w.h.runID.Store(runID)
	w.h.writerPID.Store(uint32(os.Getpid()))
	w.h.writerStart.Store(processStart())
	w.Heartbeat()
}

// begin makes a new pair of files under the name and switches to it; prepare may fill the new ring
// before anybody sees it. The old ring, if there is one, is told last.
func (w *writer) begin(g geometry, prepare func(mem []byte, h *header)) error {
	g.pairID = randomID()
	g.createdWallNS = uint64(WallNS())
	g.plan()
	temp, mem, err := makeFile(w.path, g.fileSize, 0o640, w.gid)
	if err != nil {
		return err
	}
	leaseTemp, err := makeLeases(leasePath(w.path), g.pairID, w.gid)
	if err != nil {
		unmap(mem)
		_ = os.Remove(temp)
		return err
	}
	old := *w
	h := headerAt(mem)
	g.write(h)
	h.head.Store(g.baseSeq - 1)
	h.state.Store(uint32(old.stateIs))
	h.reason.Store(uint32(old.reason))
	h.stateMonoNS.Store(uint64(MonoNS()))
	w.mem, w.h, w.g = mem, h, g
	w.head = g.baseSeq - 1
	w.misses = 0
	w.sign(max(old.runID, 1)) // a new epoch is not a new process
	if old.mem != nil {
		for i := range h.counters {
			h.counters[i].Store(old.h.counters[i].Load())
		}
	}
	if prepare != nil {
		prepare(mem, h)
		w.head = h.head.Load()
	}
	h.version.Store(layoutVersion) // SYNC V1: everything before it; pairs with V2 in readGeometry

	// Leases first: a reader that finds the old ring with the new leases sees two pair ids and tries
	// again; a writer that dies here leaves a pair that the next one replaces.
	step(stepBuilt)
	if err = os.Rename(leaseTemp, leasePath(w.path)); err == nil {
		step(stepLeasesRenamed)
		err = os.Rename(temp, w.path)
		step(stepRenamed)
	}
	if err == nil {
		w.rows, err = openLeases(leasePath(w.path), g.pairID)
	}
	if err != nil {
		unmap(mem)
		*w = old
		_, _ = os.Remove(leaseTemp), os.Remove(temp)
		return fmt.Errorf("put ring %s in place: %w", w.path, err)
	}
	if old.mem != nil {
		old.h.nextEpoch.Store(g.epoch)
		old.wakeAll()
		old.release()
	}
	if w.orphan != nil {
		h := headerAt(w.orphan)
		h.nextEpoch.Store(g.epoch)
		h.wake.Add(1)
		futexWakeAll(&h.wake)
		unmap(w.orphan)
		w.orphan = nil
	}
	return nil
}

// publishHead makes sequence n the newest and wakes whoever sleeps.
func (w *writer) publishHead(n uint64) error {
	w.h.head.Store(n) // SYNC H1: after the descriptor; pairs with H2 in reader.headNow
	step(stepHead)
	w.head = n
	return w.bump()
}

// bump advances the wake word and wakes the sleepers, if there are any.
func (w *writer) bump() error {
	w.h.wake.Add(1) // SYNC S3: before the waiting flags are read; pairs with S1
	step(stepBump)
	fullFence()
	_, waiting, err := w.rows.scan()
	if err != nil || !waiting {
		return err
	}
	w.count(CountWakes, 1)
	if futexWakeAll(&w.h.wake) > 0 {
		w.misses = 0
		return nil
	}
	if w.misses++; w.misses >= wakeMiss {
		w.misses = 0
		return w.reap()
	}
	return nil
}

// wakeAll wakes without looking at the rows: for the last words of a ring.
func (w *writer) wakeAll() {
	w.h.wake.Add(1)
	futexWakeAll(&w.h.wake)
}

// reap frees the rows of readers that have died, at most once a second.
func (w *writer) reap() error {
	now := time.Now()
	if now.Sub(w.reaped) < reapEvery {
		return nil
	}
	w.reaped = now
	n, err := w.rows.reap()
	w.count(CountReaped, uint64(n))
	return err
}

func (w *writer) release() {
	unmap(w.mem)
	if w.rows != nil {
		w.rows.close()
	}
	unmap(w.orphan)
	w.mem, w.h, w.rows, w.orphan = nil, nil, nil, nil
}

func (w *writer) count(c Counter, n uint64) {
	if n > 0 {
		w.h.counters[c].Add(n)
	}
}

// Count adds n to a counter that only the owner of the writer can know about.
func (w *writer) Count(c Counter, n uint64) { w.count(c, n) }

// Heartbeat says that the writer lives. Call it at least each second.
func (w *writer) Heartbeat() { w.h.heartbeatMonoNS.Store(uint64(MonoNS())) }

// SetState writes the camera's state and wakes the readers, so that one that sleeps learns of it.
func (w *writer) SetState(s State, r Reason) {
	if s == w.stateIs && r == w.reason {
		return
	}
	w.stateIs, w.reason = s, r
	w.h.reason.Store(uint32(r))
	w.h.stateMonoNS.Store(uint64(MonoNS()))
	w.h.state.Store(uint32(s))
	_ = w.bump() // a broken lease file is found by the next publish
}

// Head is the newest sequence; base - 1 if there is none.
func (w *writer) Head() uint64 { return w.head }

// Base is the sequence of the first record of this epoch.
func (w *writer) Base() uint64 { return w.g.baseSeq }

// RunID numbers the writer processes of this name, from 1.
func (w *writer) RunID() uint32 { return w.runID }

// Path is the ring file.
func (w *writer) Path() string { return w.path }

// Epoch is 1 for the first ring of a name.
func (w *writer) Epoch() uint64 { return w.g.epoch }

// Stop is a planned stop: the state becomes stopped (a file that has ended stays so), and the files go unless a reader is
// registered, which would otherwise lose the frame it is looking at. The writer is closed.
func (w *writer) Stop() error {
	if w.lock == nil {
		return nil
	}
	if w.mem == nil { // no picture ever came: there is nothing but the lock
		return errors.Join(os.Remove(lockPath(w.path)), w.Close())
	}
	if w.stateIs != StateEnded {
		w.SetState(StateStopped, ReasonShutdown)
	}
	w.wakeAll()
	readers, err := w.rows.owned()
	path := w.path
	if err == nil && readers == 0 {
		// The lock file goes last, while its lock is still held: a writer that waits for it then finds
		// another inode and tries again.
		err = removeRing(path)
	}
	return errors.Join(err, w.Close())
}

// Close gives the writer lock up and leaves the files, for a successor to continue.
func (w *writer) Close() error {
	if w.lock == nil {
		return nil
	}
	w.release()
	err := w.lock.Close()
	w.lock = nil
	return err
}

func removeRing(path string) error {
	var errs []error
	for _, p := range []string{path, leasePath(path), path + ".new", leasePath(path) + ".new", lockPath(path)} {
		if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func randomID() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return binary.LittleEndian.Uint64(b[:]) | 1
}
