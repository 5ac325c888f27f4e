// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"camring/ring"
)

// framesPerRound is how many pictures one sample averages over.
const framesPerRound = 100

// RingRound is one interleaved measurement: the mean nanoseconds per 1080p NV12 picture of the ring
// and of a plain copy of the same bytes, alternating picture by picture.
type RingRound struct {
	Round   int     `json:"round"`
	What    string  `json:"what"`    // publish, read
	Readers int     `json:"readers"` // registered with the ring
	Frames  int     `json:"frames"`
	RingNS  float64 `json:"ring_ns"`
	PlainNS float64 `json:"memcpy_ns"`
	EmptyNS float64 `json:"empty_ns"` // of the protocol alone, without a byte of pixels
}

// Ratio is the ring's cost against the copy's.
func (r *RingRound) Ratio() float64 { return r.RingNS / r.PlainNS }

// RingAgainstMemcpy measures publishing with 0, 1 and 16 registered readers, and reading, against
// copying the same bytes from the same source into the same kind of memory.
func RingAgainstMemcpy(ctx context.Context, o *Options) error {
	env := environment(ctx, o, "memcpy", fmt.Sprintf(" ROUNDS=%d", o.Rounds))
	env.Setup = fmt.Sprintf("1920x1080 NV12, %d slots, and as many buffers in shared memory for the copy, both populated; "+
		"%d pictures per round, ring and copy alternate picture by picture, who is first by the round; one unmeasured round first; "+
		"readers are registered and do not wait", ring.DefaultSlots, framesPerRound)
	res := newResults(env)
	dir, remove, err := ringDir()
	if err != nil {
		return err
	}
	defer remove()
	var rigs []*rig
	for _, readers := range []int{0, 1, 16} {
		r, err := newRig(dir, readers)
		if err != nil {
			return err
		}
		defer r.close()
		rigs = append(rigs, r)
	}
	for n := range o.Rounds + 1 {
		for _, r := range rigs {
			sample, err := r.publish(n)
			if err != nil {
				return err
			}
			if n > 0 {
				res.add(sample)
			}
		}
		sample, err := rigs[1].read(n)
		if err != nil {
			return err
		}
		if n > 0 {
			res.add(sample)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return res.write(o.Results)
}

// rig is a ring with its readers and the picture that goes through it.
type rig struct {
	w       *ring.FrameWriter
	readers []*ring.FrameReader
	desc    ring.FrameDesc
	size    int
	plain   [][]byte // where the plain copy goes: as many buffers as slots, of this rig alone, as cold as its slots
	src     []byte
	dst     []byte
	twin    []byte
}

func newRig(dir string, readers int) (*rig, error) {
	r := &rig{}
	var err error
	r.w, err = ring.OpenFrameWriter(ring.FrameConfig{Dir: dir, Camera: fmt.Sprintf("bench%d", readers), Output: "main", GID: -1})
	if err != nil {
		return nil, err
	}
	size, err := ring.NV12Layout(&r.desc, clipWidth, clipHeight)
	if err != nil {
		return nil, err
	}
	if _, err := r.w.Fit(size); err != nil {
		return nil, err
	}
	r.size = int(size)
	r.src, r.twin = make([]byte, r.size), make([]byte, r.size)
	for i := range r.src {
		r.src[i] = byte(i * 31 >> 3)
	}
	if r.plain, err = newPlain(dir, r.size); err != nil {
		return nil, err
	}
	for range readers {
		reader, err := ring.OpenFrames(r.w.Path(), ring.ReaderOptions{Name: "bench"})
		if err != nil {
			return nil, err
		}
		r.readers = append(r.readers, reader)
	}
	return r, nil
}

func (r *rig) close() {
	for _, reader := range r.readers {
		_ = reader.Close()
	}
	_ = r.w.Close()
}

// publish fills one sample, and checks what a reader then finds.
func (r *rig) publish(round int) (RingRound, error) {
	head := r.w.Head()
	began := time.Now()
	for range framesPerRound {
		if err := r.put(nil); err != nil {
			return RingRound{}, err
		}
	}
	empty := time.Since(began)
	ringNS, plainNS, err := alternate(round,
		func(int) error { return r.put(r.src) },
		func(i int) error { copy(r.plain[i%len(r.plain)], r.src); return nil })
	if err != nil {
		return RingRound{}, err
	}
	if got := r.w.Head() - head; got != 2*framesPerRound {
		return RingRound{}, fmt.Errorf("%d pictures were published, want %d", got, 2*framesPerRound)
	}
	for _, reader := range r.readers {
		f, err := reader.Latest()
		if err != nil || !bytes.Equal(f.Plane(0), r.src[:len(f.Plane(0))]) || !f.Valid() {
			return RingRound{}, fmt.Errorf("a reader does not find the last picture: %w", err)
		}
	}
	return RingRound{
		Round: round, What: "publish", Readers: len(r.readers), Frames: framesPerRound,
		RingNS: ringNS, PlainNS: plainNS, EmptyNS: float64(empty) / framesPerRound,
	}, nil
}

func (r *rig) put(pixels []byte) error {
	slot, err := r.w.Claim()
	if err != nil {
		return err
	}
	copy(slot.Mem, pixels)
	return r.w.Publish(slot, &r.desc)
}

// read fills one sample of copying pictures out; the ring is at rest.
func (r *rig) read(round int) (RingRound, error) {
	reader := r.readers[0]
	began := time.Now()
	for range framesPerRound {
		f, err := reader.Latest()
		if err != nil || !f.Valid() {
			return RingRound{}, fmt.Errorf("read a ring at rest: %w", err)
		}
	}
	view := time.Since(began)
	packed := r.desc.PackedSize()
	ringNS, plainNS, err := alternate(round,
		func(i int) error {
			f, err := reader.At(reader.Head() - uint64(i%len(r.plain)))
			if err == nil {
				r.dst, err = f.AppendPacked(r.dst[:0])
			}
			return err
		},
		func(i int) error { copy(r.twin[:packed], r.plain[i%len(r.plain)]); return nil })
	if err != nil {
		return RingRound{}, err
	}
	if !bytes.Equal(r.dst, r.src[:packed]) || !bytes.Equal(r.twin[:packed], r.src[:packed]) {
		return RingRound{}, fmt.Errorf("round %d: what was read is not what was published", round)
	}
	return RingRound{
		Round: round, What: "read", Readers: len(r.readers), Frames: framesPerRound,
		RingNS: ringNS, PlainNS: plainNS, EmptyNS: float64(view) / framesPerRound,
	}, nil
}

// alternate times two ways of handling pictures, one picture each in turn, and returns the mean
// nanoseconds of both. Who begins depends on the round.
func alternate(round int, a, b func(i int) error) (aNS, bNS float64, err error) {
	var spentA, spentB time.Duration
	for i := range framesPerRound {
		for turn := range 2 {
			began := time.Now()
			if (turn+round)%2 == 0 {
				err = a(i)
				spentA += time.Since(began)
			} else {
				err = b(i)
				spentB += time.Since(began)
			}
			if err != nil {
				return 0, 0, err
			}
		}
	}
	return float64(spentA) / framesPerRound, float64(spentB) / framesPerRound, nil
}

// newPlain makes the buffers that the plain copy goes to: one populated shared mapping, as slots are.
// It stays mapped until the process ends.
func newPlain(dir string, size int) ([][]byte, error) {
	f, err := os.Create(filepath.Join(dir, "plain"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	stride := (size + os.Getpagesize() - 1) &^ (os.Getpagesize() - 1) // slots begin at pages too
	total := stride * ring.DefaultSlots
	if err := unix.Fallocate(int(f.Fd()), 0, 0, int64(total)); err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, total, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, err
	}
	buffers := make([][]byte, ring.DefaultSlots)
	for i := range buffers {
		buffers[i] = mem[i*stride:][:size]
	}
	return buffers, nil
}
