// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"fmt"
	"time"
)

// FrameReader reads one frame ring. It belongs to one goroutine.
type FrameReader struct {
	reader
	lapped uint64
}

// Frame is one picture: a checked copy of its descriptor and a view of its pixels in shared memory.
type Frame struct {
	FrameDesc
	Missed uint64 // records between the one Next returned before and this one that were lost to the reader
	r      *FrameReader
	pair   uint64 // of the mapping that slot lies in
	gen    uint64
	slot   []byte
}

// OpenFrames attaches to the frame ring at path; see [FramePath]. Next begins with the next picture
// published, Latest returns the current one.
func OpenFrames(path string, opt ReaderOptions) (*FrameReader, error) {
	r := &FrameReader{reader: reader{path: path, kind: KindFrame, opt: opt}}
	if err := r.open(); err != nil {
		return nil, err
	}
	r.next = r.headNow() + 1
	return r, nil
}

// Describe copies the descriptor of sequence seq: [ErrNotPublished] beyond the head, [ErrLapped] if a
// newer record has its place. Gap records are returned as well: look for [FlagGap].
func (r *FrameReader) Describe(seq uint64, d *FrameDesc) error {
	if seq > r.headNow() {
		return ErrNotPublished
	}
	if seq < r.g.baseSeq {
		return ErrLapped
	}
	got, err := readFrameDesc(r.mem, &r.g, seq)
	if err != nil {
		return err
	}
	*d = got
	return nil
}

// At returns the picture with sequence seq, or [ErrLapped] if its descriptor or its pixels are gone.
func (r *FrameReader) At(seq uint64) (Frame, error) {
	f := Frame{r: r, pair: r.g.pairID}
	if err := r.Describe(seq, &f.FrameDesc); err != nil {
		return Frame{}, err
	}
	if f.Flags&FlagGap != 0 {
		return f, nil
	}
	s := slotAt(r.mem, r.g.slotEntryAt(f.Slot))
	f.gen = f.Gen
	// SYNC P2: pairs with P1. Even and the generation that the descriptor names: the pixels are this
	// picture's until gen changes.
	if f.Gen&1 != 0 || s.gen.Load() != f.Gen {
		return Frame{}, ErrLapped
	}
	base := r.g.slotAt(f.Slot)
	f.slot = r.mem[base : base+r.g.slotSize : base+r.g.slotSize]
	return f, nil
}

// Next waits for the next picture, at most timeout ([ErrTimeout]). A reader that has been lapped goes
// on with the newest picture and is told by [Frame.Missed] how many records it lost. It follows a new
// epoch by itself. Gap records are passed over.
func (r *FrameReader) Next(timeout time.Duration) (Frame, error) {
	deadline := time.Now().Add(timeout)
	for {
		if r.next > r.headNow() {
			moved, err := r.Follow()
			if err != nil {
				return Frame{}, err
			}
			if moved {
				continue
			}
			left := time.Until(deadline)
			if left <= 0 {
				return Frame{}, ErrTimeout
			}
			r.Wait(r.next, left)
			continue
		}
		if r.next < r.g.baseSeq { // epochs came and went while the reader slept
			r.lost += r.g.baseSeq - r.next
			r.next = r.g.baseSeq
			continue
		}
		f, err := r.At(r.next)
		switch {
		case errors.Is(err, ErrLapped):
			// The newest is the freshest, and the furthest from being overwritten.
			to := max(r.headNow(), r.next+1)
			r.lost += to - r.next
			r.next = to
		case err != nil:
			return Frame{}, err
		case f.Flags&FlagGap != 0:
			r.next++
		default:
			r.next++
			f.Missed, r.lost = r.lost, 0
			r.lapped += f.Missed
			return f, nil
		}
	}
}

// Latest returns the current picture without waiting: [ErrNotPublished] if there is none yet. It moves
// to a newer epoch at once; what Next had still to return from the old one counts as missed.
func (r *FrameReader) Latest() (Frame, error) {
	if _, err := r.move(); err != nil {
		return Frame{}, err
	}
	for {
		head := r.headNow()
		for seq := head; ; seq-- {
			if seq < r.g.baseSeq || head-seq >= r.g.descCount {
				return Frame{}, ErrNotPublished
			}
			f, err := r.At(seq)
			if err == nil && f.Flags&FlagGap != 0 {
				continue
			}
			if errors.Is(err, ErrLapped) && r.headNow() != head {
				break // the writer has gone on: so do we
			}
			return f, err
		}
	}
}

// Lapped is how many records Next has reported as missed so far.
func (r *FrameReader) Lapped() uint64 { return r.lapped }

// Valid reports whether the pixels seen so far were this picture's: ask after the last use. False
// means that the writer has come around, and what was read may be torn. It is false as well once the
// reader has been closed or has moved to a newer epoch, which unmaps the slot.
func (f *Frame) Valid() bool {
	if !f.mapped() {
		return false
	}
	loadFence() // SYNC G3: pixel loads before the look at gen; pairs with G2
	return slotAt(f.r.mem, f.r.g.slotEntryAt(f.Slot)).gen.Load() == f.gen
}

// mapped reports whether slot is still there to be read.
func (f *Frame) mapped() bool {
	return f.slot != nil && f.r.mem != nil && f.r.g.pairID == f.pair
}

// Plane returns plane i as it lies in shared memory: PlaneStride[i] bytes from row to row, the last
// row cut after its visible bytes. Read-only: writing faults. Good until [Frame.Valid] says false; the
// next call of Next, Latest or Close may unmap it. A gap record has no planes.
func (f *Frame) Plane(i int) []byte {
	rows, rowBytes := f.PlaneSize(i)
	start := f.PlaneOffset[i]
	end := start + uint64(f.PlaneStride[i])*uint64(rows-1) + uint64(rowBytes)
	return f.slot[start:end:end]
}

// PlaneSize is the number of visible rows of plane i and of visible bytes in each.
func (d *FrameDesc) PlaneSize(i int) (rows, rowBytes int) {
	w, h := int(d.Width), int(d.Height)
	switch {
	case d.Format == FormatNV12 && i == 1:
		return (h + 1) / 2, (w + 1) / 2 * 2
	case d.Format == FormatI420 && i > 0:
		return (h + 1) / 2, (w + 1) / 2
	case d.Format == FormatRGB || d.Format == FormatBGR:
		return h, w * 3
	}
	return h, w
}

// PackedSize is the number of bytes of the picture without padding.
func (d *FrameDesc) PackedSize() int {
	n := 0
	for i := range int(d.PlaneCount) {
		rows, rowBytes := d.PlaneSize(i)
		n += rows * rowBytes
	}
	return n
}

// AppendPacked appends the planes without padding to dst and returns it, or [ErrLapped] if the writer
// came around meanwhile.
func (f *Frame) AppendPacked(dst []byte) ([]byte, error) {
	if !f.mapped() {
		return dst, ErrLapped
	}
	for i := range int(f.PlaneCount) {
		rows, rowBytes := f.PlaneSize(i)
		p, stride := f.Plane(i), int(f.PlaneStride[i])
		if stride == rowBytes { // one copy instead of a thousand
			dst = append(dst, p...)
			continue
		}
		for y := range rows {
			dst = append(dst, p[y*stride:][:rowBytes]...)
		}
	}
	if !f.Valid() {
		return dst, ErrLapped
	}
	return dst, nil
}

// readFrameDesc copies the descriptor of seq and checks it against the sizes known at attach.
func readFrameDesc(mem []byte, g *geometry, seq uint64) (FrameDesc, error) {
	var d FrameDesc
	if err := copyDesc(mem, g.descAt(seq), seq, d.bytes()); err != nil {
		return d, err
	}
	d.Seq = seq
	return d, d.check(g)
}

func (d *FrameDesc) check(g *geometry) error {
	if d.Flags&FlagGap != 0 {
		d.Slot, d.PlaneCount = NoSlot, 0
		return nil
	}
	if uint64(d.Slot) >= g.slotCount || d.PlaneCount != planesOf(d.Format) ||
		d.Width == 0 || d.Height == 0 || d.Width > 1<<16 || d.Height > 1<<16 {
		return corrupt("descriptor %d names slot %d, %d planes, %dx%d", d.Seq, d.Slot, d.PlaneCount, d.Width, d.Height)
	}
	for i := range int(d.PlaneCount) {
		rows, rowBytes := d.PlaneSize(i)
		offset, stride := d.PlaneOffset[i], uint64(d.PlaneStride[i])
		if stride < uint64(rowBytes) || offset > g.slotSize || stride*uint64(rows-1)+uint64(rowBytes) > g.slotSize-offset {
			return corrupt("descriptor %d: plane %d leaves its slot", d.Seq, i)
		}
	}
	return nil
}

// planesOf is how many planes a picture of format f has; 0 if f is not known.
func planesOf(f Format) uint32 {
	switch f {
	case FormatNV12:
		return 2
	case FormatI420:
		return 3
	case FormatRGB, FormatBGR, FormatGray8:
		return 1
	}
	return 0
}

// Stride is how far apart rows of the given number of bytes are put: 64-byte lines, the widest vector.
func Stride(rowBytes int) int { return (rowBytes + 63) &^ 63 }

// NV12Layout fills the geometry of an NV12 picture that lies at the start of a slot, luma first, and
// returns how many bytes of the slot it takes.
func NV12Layout(d *FrameDesc, width, height int) (uint64, error) {
	if width <= 0 || height <= 0 || width > 1<<16 || height > 1<<16 {
		return 0, fmt.Errorf("a picture of %dx%d has no layout", width, height)
	}
	d.Format, d.PlaneCount = FormatNV12, 2
	d.Width, d.Height, d.CodedRows = uint32(width), uint32(height), uint32(height)
	stride := uint64(Stride((width + 1) / 2 * 2))
	luma := stride * uint64(height)
	d.PlaneOffset = [3]uint64{0, luma, 0}
	d.PlaneStride = [3]uint32{uint32(stride), uint32(stride), 0}
	return luma + stride*uint64((height+1)/2), nil
}
