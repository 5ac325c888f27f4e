// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"fmt"
	"math/bits"
	"path/filepath"
)

const (
	frameDescriptors = 4096 // two minutes at 30 fps: how long metadata waits for a slow consumer
	// DefaultSlots is how many pictures a frame ring keeps.
	DefaultSlots = 8
	// spareSlots are never leased: one to write, one as the current picture.
	spareSlots = 2
)

// FrameConfig says which frame ring to write.
type FrameConfig struct {
	Dir    string
	Camera string
	Output string
	Slots  int // 2 to [MaxSlots]; 0 = [DefaultSlots]
	GID    int // group of the files; -1 = the process's
}

// FrameWriter writes one frame ring. It belongs to one goroutine.
//
// The ring file exists from the first picture on, because that says how large a slot is: see
// [FrameWriter.Fit].
type FrameWriter struct {
	writer
	cfg     FrameConfig
	next    geometry         // of the first ring, until there is one
	early   [Counters]uint64 // counted before there was a ring
	current uint32           // slot of the newest picture, or NoSlot: never a candidate
}

// Slot is a place that the writer owns: its generation is odd until [FrameWriter.Publish]. Any other
// call that may begin an epoch (Claim, Fit, PublishGap) gives it up, and may unmap Mem.
type Slot struct {
	Index uint32
	Mem   []byte // slot size bytes, in shared memory
	pair  uint64 // of the ring it is in
	gen   uint64 // odd
}

// OpenFrameWriter takes the writer lock of the ring and continues it if it is there and sound.
// Only one writer of a name can exist: a second gets [ErrBusy].
func OpenFrameWriter(cfg FrameConfig) (*FrameWriter, error) {
	if cfg.Slots == 0 {
		cfg.Slots = DefaultSlots
	}
	if err := errors.Join(checkName("camera", cfg.Camera), checkName("output", cfg.Output)); err != nil {
		return nil, err
	}
	if cfg.Slots < 2 || cfg.Slots > MaxSlots {
		return nil, fmt.Errorf("%d slots: from 2 to %d are possible", cfg.Slots, MaxSlots)
	}
	w := &FrameWriter{cfg: cfg, current: NoSlot}
	w.path, w.gid = FramePath(filepath.Clean(cfg.Dir), cfg.Camera, cfg.Output), cfg.GID
	next, err := w.open(cfg.Dir, KindFrame)
	if err != nil {
		return nil, fmt.Errorf("frame ring: %w", err)
	}
	w.next = next
	if w.mem != nil {
		w.current = w.findCurrent()
	}
	return w, nil
}

// Exists reports whether there is a ring to publish into: [FrameWriter.Fit] makes one.
func (w *FrameWriter) Exists() bool { return w.mem != nil }

// LastPacket is the packet sequence of the newest picture in the ring, 0 if there is none; after a
// restart everything up to it has been published.
func (w *FrameWriter) LastPacket() (seq uint64, pts int64) {
	d, _ := w.LastPicture()
	return d.PacketSeq, d.PTSNS
}

// LastPicture is the descriptor of the newest picture in the ring; false if there is none.
func (w *FrameWriter) LastPicture() (FrameDesc, bool) {
	if w.mem == nil {
		return FrameDesc{}, false
	}
	for n := w.head; n >= w.g.baseSeq && w.head-n < w.g.descCount; n-- {
		if d, err := readFrameDesc(w.mem, &w.g, n); err == nil && d.Flags&FlagGap == 0 {
			return d, true
		}
	}
	return FrameDesc{}, false
}

// LastGap is the descriptor of the newest record if that is a gap; else false.
func (w *FrameWriter) LastGap() (FrameDesc, bool) {
	if w.mem == nil {
		return FrameDesc{}, false
	}
	d, err := readFrameDesc(w.mem, &w.g, w.head)
	return d, err == nil && d.Flags&FlagGap != 0
}

// Fit makes sure that a picture of size bytes fits a slot: it makes the ring, or a new epoch of it
// with larger slots or another number of them. It returns whether it made one.
func (w *FrameWriter) Fit(size uint64) (bool, error) {
	if w.mem != nil && size <= w.g.slotSize && int(w.g.slotCount) == w.cfg.Slots {
		return false, nil
	}
	return true, w.newEpoch(size)
}

func (w *FrameWriter) newEpoch(slotSize uint64) error {
	g := w.next
	if w.mem != nil {
		g = geometry{kind: KindFrame, epoch: w.g.epoch + 1, baseSeq: w.head + 1}
	}
	g.camera, g.output = w.cfg.Camera, w.cfg.Output
	g.descSize, g.descCount = frameDescSize, frameDescriptors
	g.slotCount, g.slotSize = uint64(w.cfg.Slots), pageAlign(slotSize)
	g.leaseCap = uint32(max(w.cfg.Slots-spareSlots, 0))
	if err := w.begin(g, nil); err != nil {
		return fmt.Errorf("frame ring: %w", err)
	}
	w.current = NoSlot
	for c, n := range w.early {
		w.count(Counter(c), n)
	}
	w.early = [Counters]uint64{}
	return nil
}

// Count adds n to a counter. What is counted before there is a ring appears in it once there is.
func (w *FrameWriter) Count(c Counter, n uint64) {
	if w.mem == nil {
		w.early[c] += n
		return
	}
	w.count(c, n)
}

// SetState writes the camera's state and wakes the readers; the first ring begins with the newest.
func (w *FrameWriter) SetState(s State, r Reason) {
	if w.mem == nil {
		w.stateIs, w.reason = s, r
		return
	}
	w.writer.SetState(s, r)
}

// Claim takes a slot to draw into: one that was never published, else the one with the oldest
// picture; never one that a reader leases, nor the current picture. It never waits: [ErrNoSlot] means
// that the frame must be dropped, and counts it.
func (w *FrameWriter) Claim() (Slot, error) {
	for range 2 {
		slot, err := w.claim()
		if !errors.Is(err, ErrCorrupt) {
			return slot, err
		}
		// The lease file is gone bad under us: readers move to a new pair.
		if err := w.newEpoch(w.g.slotSize); err != nil {
			return Slot{}, err
		}
	}
	return Slot{}, corrupt("%s: lease file damaged twice in a row", w.path)
}

func (w *FrameWriter) claim() (Slot, error) {
	busy, _, err := w.rows.scan()
	if err != nil {
		return Slot{}, err
	}
	if w.current != NoSlot {
		busy |= 1 << w.current
	}
	for tried := busy; bits.OnesCount64(tried) < MaxSlots; {
		i, ok := w.oldest(tried)
		if !ok {
			break
		}
		tried |= 1 << i
		s := slotAt(w.mem, w.g.slotEntryAt(i))
		old := s.gen.Load()
		mine := old + 2 // an odd slot was left by a writer that died or by a dropped frame
		if old&1 == 0 {
			mine = old | 1
		}
		s.gen.Store(mine) // SYNC G1: before the rows are read again; pairs with L1's check of gen
		fullFence()
		step(stepOdd)
		now, _, err := w.rows.scan()
		if err != nil || now>>i&1 != 0 {
			step(stepPutBack)
			s.gen.Store(old) // exactly: the reader's view is intact
			if err != nil {
				return Slot{}, err
			}
			w.count(CountPutBack, 1)
			continue
		}
		storeFence() // SYNC G2: odd before the pixels; pairs with the reader's last look at gen
		s.seq.Store(w.head + 1)
		step(stepSlotSeq)
		base := w.g.slotAt(i)
		mem := w.mem[base : base+w.g.slotSize : base+w.g.slotSize]
		return Slot{Index: i, Mem: mem, pair: w.g.pairID, gen: mine}, nil
	}
	w.count(CountDropNoSlot, 1)
	return Slot{}, errors.Join(ErrNoSlot, w.reap())
}

// oldest is the candidate that was never published or else has the lowest sequence.
func (w *FrameWriter) oldest(tried uint64) (best uint32, ok bool) {
	var bestSeq uint64
	for i := range uint32(w.g.slotCount) {
		if tried>>i&1 != 0 {
			continue
		}
		s := slotAt(w.mem, w.g.slotEntryAt(i))
		seq := s.seq.Load()
		if s.gen.Load()&1 != 0 {
			seq = 0
		}
		if !ok || seq < bestSeq {
			best, bestSeq, ok = i, seq, true
		}
	}
	return best, ok
}

// Publish makes the picture in slot visible as the next sequence. The caller fills d except for Seq,
// Gen, Slot, RunID and the times of publishing, which Publish sets.
func (w *FrameWriter) Publish(slot Slot, d *FrameDesc) error {
	if w.mem == nil || slot.pair != w.g.pairID || uint64(slot.Index) >= w.g.slotCount {
		return fmt.Errorf("publish: slot %d is not of epoch %d: claim one after the ring was made anew", slot.Index, w.g.epoch)
	}
	s := slotAt(w.mem, w.g.slotEntryAt(slot.Index))
	if s.gen.Load() != slot.gen {
		return fmt.Errorf("publish: slot %d was published or claimed again: claim one slot for each picture", slot.Index)
	}
	gen := slot.gen + 1
	d.Slot, d.Gen = slot.Index, gen
	step(stepPixels)
	s.gen.Store(gen) // SYNC P1: even after the pixels; pairs with the reader's first look at gen
	step(stepEven)
	w.current = slot.Index
	w.count(CountPublished, 1)
	if d.Flags&FlagCorrupt != 0 {
		w.count(CountCorrupt, 1)
	}
	return w.describe(d)
}

// PublishGap makes a record without a picture: it says that pictures are missing, since when, and
// why. Without a ring it does nothing: before the first picture nothing can be missing.
func (w *FrameWriter) PublishGap(d *FrameDesc) error {
	if w.mem == nil {
		return nil
	}
	d.Slot, d.Gen = NoSlot, 0
	d.Flags |= FlagGap
	w.count(CountGaps, 1)
	return w.describe(d)
}

func (w *FrameWriter) describe(d *FrameDesc) error {
	n := w.head + 1
	d.RunID = w.runID
	d.Flags |= w.resumption()
	d.PublishedMonoNS, d.PublishedWallNS = MonoNS(), WallNS()
	writeDesc(w.mem, w.g.descAt(n), d.bytes(), n)
	d.Seq = n
	w.Heartbeat()
	err := w.publishHead(n)
	if errors.Is(err, ErrCorrupt) {
		return w.newEpoch(w.g.slotSize)
	}
	return err
}

// writeDesc replaces a descriptor: a reader that copies it meanwhile sees another sequence before or
// after.
func writeDesc(mem []byte, at uint64, desc []byte, n uint64) {
	seq := seqAt(mem, at)
	seq.Store(0)
	storeFence() // SYNC D1: 0 before the fields; pairs with D2
	step(stepDescZero)
	copy(mem[at+8:at+uint64(len(desc))], desc[8:])
	step(stepDescFields)
	seq.Store(n) // SYNC D3: fields before n; pairs with D4
	step(stepDescSeq)
}

func (w *FrameWriter) findCurrent() uint32 {
	for n := w.head; n >= w.g.baseSeq && w.head-n < w.g.descCount; n-- {
		d, err := readFrameDesc(w.mem, &w.g, n)
		if err == nil && d.Flags&FlagGap == 0 {
			return d.Slot
		}
	}
	return NoSlot
}
