// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"testing"
)

// The race detector sees nothing in mapped memory, and a reader that is being lapped is a data race by
// design. So here is what it can judge: rings in ordinary memory, writer and reader at the same time,
// and nothing overwritten. A plain store where an atomic one has to publish is reported.

func TestFramesArePublishedInOrderOnTheHeap(t *testing.T) {
	for range 50 {
		w := heapFrames(t, 0)
		r := &FrameReader{reader: reader{mem: w.mem, h: w.h, g: w.g}}
		done := make(chan error, 1)
		go func() {
			var err error
			for n := 0; n < 4 && err == nil; n++ { // as many as there are slots
				_, err = paint(w, 64, 48, 5)
			}
			done <- err
		}()
		for want := uint64(1); want <= 4; {
			if r.Head() < want {
				continue
			}
			f, err := r.At(want)
			if err != nil || wrongRow(&f) >= 0 || !f.Valid() {
				t.Fatalf("picture %d: %v", want, err)
			}
			want++
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

func TestPacketsArePublishedInOrderOnTheHeap(t *testing.T) {
	for range 50 {
		w := heapPackets(t, 0)
		r := &PacketReader{reader: reader{mem: w.mem, h: w.h, g: w.g}}
		done := make(chan error, 1)
		go func() {
			var err error
			for n := uint64(1); n <= 6 && err == nil; n++ { // as many as fit
				err = w.Publish(&PacketDesc{PTSNS: int64(n)}, [][]byte{unit(n, 800)})
			}
			done <- err
		}()
		for want := uint64(1); want <= 6; {
			if r.Head() < want {
				continue
			}
			p, err := r.at(want)
			if err == nil {
				err = checkUnit(&p)
			}
			if err != nil {
				t.Fatalf("record %d: %v", want, err)
			}
			want++
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}
