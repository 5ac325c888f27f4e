// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// A writer flat out and a reader that checks every row: no torn picture may pass as valid, and enough
// must be caught for that to mean something. On mmap, where the race detector sees nothing.
func TestNoTornPictureIsAccepted(t *testing.T) {
	for _, slots := range []int{2, 3, 8} {
		t.Run(fmt.Sprintf("%d slots", slots), func(t *testing.T) {
			w := frames(t, shmDir(t), slots)
			mustPaint(t, w, 640, 360)
			for _, c := range []struct {
				name string
				copy bool
			}{{"reading views", false}, {"copying", true}} {
				t.Run(c.name, func(t *testing.T) { tear(t, w, c.copy) })
			}
		})
	}
}

// tear reads and checks until enough pictures were both accepted and rejected.
func tear(t *testing.T, w *FrameWriter, byCopy bool) {
	r := readerOf(t, w.Path(), "")
	stop, done := make(chan struct{}), make(chan error, 1)
	end := sync.OnceValue(func() error { close(stop); return <-done })
	defer func() { _ = end() }() // before the ring is unmapped, whatever happens
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
				if _, err := paint(w, 640, 360, 7); err != nil {
					done <- err
					return
				}
			}
		}
	}()
	var accepted, rejected int
	var buf []byte
	deadline := time.Now().Add(20 * time.Second)
	for (accepted < 200 || rejected*100 < accepted || rejected < 20) && time.Now().Before(deadline) {
		// Alternate between the newest picture and one about to be overwritten.
		seq := r.Head()
		if (accepted+rejected)%2 == 1 && seq > uint64(r.Slots()) {
			seq -= uint64(r.Slots()) - 2
		}
		f, err := r.At(seq)
		if errors.Is(err, ErrLapped) {
			rejected++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if !byCopy {
			switch row, valid := wrongRow(&f), f.Valid(); {
			case valid && row >= 0:
				t.Fatalf("torn picture %d accepted, row %d", f.Seq, row)
			case valid:
				accepted++
			default:
				rejected++
			}
			continue
		}
		if buf, err = f.AppendPacked(buf[:0]); err != nil {
			rejected++
			continue
		}
		accepted++
		for y := range 360 * 3 / 2 {
			want := make([]byte, 8)
			fillRow(want, word(f.Seq, 7, y))
			for i := 0; i < 640; i += 8 {
				if string(buf[y*640+i:][:8]) != string(want) {
					t.Fatalf("torn copy of %d accepted, row %d", f.Seq, y)
				}
			}
		}
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d accepted, %d rejected", accepted, rejected)
	if accepted < 200 || rejected*100 < accepted {
		t.Errorf("%d accepted and %d rejected: the run proves nothing", accepted, rejected)
	}
}

// At every step of its replacement a descriptor reads as lapped, never as a mixture.
func TestHalfWrittenDescriptorIsLapped(t *testing.T) {
	for _, at := range []storeStep{stepDescZero, stepDescFields} {
		w := frames(t, shmDir(t), 2)
		for range frameDescriptors {
			mustPaint(t, w, 64, 16)
		}
		r := readerOf(t, w.Path(), "")
		came := false
		during(t, at, func() {
			came = true
			for _, seq := range []uint64{1, frameDescriptors + 1} {
				if d, err := readFrameDesc(r.mem, &r.g, seq); !errors.Is(err, ErrLapped) {
					t.Errorf("step %d: descriptor %d reads as packet %d, %v, want %v", at, seq, d.PacketSeq, err, ErrLapped)
				}
			}
		})
		mustPaint(t, w, 64, 16)
		stepHook = nil
		if !came {
			t.Error("the step was not reached")
		}
	}
}

// Whatever the writer has just stored, the newest record is there, whole and valid.
func TestHeadIsReadableAtEveryStepOfPublishing(t *testing.T) {
	for at := stepOdd; at <= stepBump; at++ {
		if at == stepPutBack || at == stepReserve || at == stepBytes {
			continue // not part of publishing a picture
		}
		w := frames(t, shmDir(t), 3)
		for range 5 {
			mustPaint(t, w, 64, 16)
		}
		r := readerOf(t, w.Path(), "")
		seen := uint64(0)
		during(t, at, func() {
			seen = r.Head()
			f, err := r.At(seen)
			if err != nil || wrongRow(&f) >= 0 || !f.Valid() {
				t.Errorf("step %d: newest record %d: %v", at, seen, err)
			}
		})
		mustPaint(t, w, 64, 16)
		stepHook = nil
		want := uint64(5)
		if at >= stepHead {
			want = 6
		}
		if seen != want {
			t.Errorf("step %d: head is %d, want %d", at, seen, want)
		}
	}
}

// The descriptor is replaced between the reader's two looks at its sequence.
func TestDescriptorReplacedWhileItIsCopiedIsLapped(t *testing.T) {
	w := frames(t, shmDir(t), 2)
	mustPaint(t, w, 64, 48)
	r := readerOf(t, w.Path(), "")
	head := r.Head()
	during(t, stepReadDesc, func() {
		for range frameDescriptors {
			mustPaint(t, w, 64, 48)
		}
	})
	var d FrameDesc
	if err := r.Describe(head, &d); !errors.Is(err, ErrLapped) {
		t.Errorf("got %v, descriptor of %d, want %v", err, d.PacketSeq, ErrLapped)
	}
}
