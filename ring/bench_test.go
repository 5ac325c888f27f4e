// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const benchWidth, benchHeight = 1920, 1080

// BenchmarkPublish draws and publishes 1080p NV12, and interleaved with it copies the same bytes into a
// rotating set of as many buffers in the same kind of memory. ns/op covers both; x-memcpy is the ratio
// of the two, the number that may be quoted from a shared machine.
func BenchmarkPublish(b *testing.B) {
	for _, readers := range []int{0, 1, 16} {
		b.Run(fmt.Sprintf("fmt=nv12/res=%dx%d/readers=%d", benchWidth, benchHeight, readers), func(b *testing.B) {
			w := frames(b, shmDir(b), DefaultSlots)
			var d FrameDesc
			size, err := NV12Layout(&d, benchWidth, benchHeight)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := w.Fit(size); err != nil {
				b.Fatal(err)
			}
			for range readers {
				readerOf(b, w.Path(), "row")
			}
			src := make([]byte, size)
			for i := range src {
				src[i] = byte(i)
			}
			buffers := sharedBuffers(b, DefaultSlots, pageAlign(size))
			var plain, published time.Duration
			b.ReportAllocs()
			b.SetBytes(int64(2 * size))
			n := 0
			for b.Loop() {
				began := time.Now()
				copy(buffers[n%len(buffers)], src)
				mid := time.Now()
				slot, err := w.Claim()
				if err != nil {
					b.Fatal(err)
				}
				copy(slot.Mem, src)
				if err := w.Publish(slot, &d); err != nil {
					b.Fatal(err)
				}
				plain += mid.Sub(began)
				published += time.Since(mid)
				n++
			}
			b.ReportMetric(float64(published)/float64(plain), "x-memcpy")
			b.ReportMetric(float64(published-plain)/float64(n), "extra-ns/frame")
			if w.Head() != uint64(n) {
				b.Fatalf("%d published of %d", w.Head(), n)
			}
		})
	}
}

// sharedBuffers are n buffers in one shared mapping, populated, as a ring's slots are.
func sharedBuffers(b *testing.B, n int, size uint64) [][]byte {
	b.Helper()
	temp, mem, err := makeFile(shmDir(b)+"/baseline", uint64(n)*size, 0o600, -1)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { unmap(mem); _ = unix.Unlink(temp) })
	buffers := make([][]byte, n)
	for i := range buffers {
		buffers[i] = mem[uint64(i)*size:][:size]
	}
	return buffers
}

// BenchmarkPublishEmpty is the protocol alone: claim and publish without a byte of pixels.
func BenchmarkPublishEmpty(b *testing.B) {
	for _, readers := range []int{0, 16} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			w := frames(b, shmDir(b), DefaultSlots)
			var d FrameDesc
			size, err := NV12Layout(&d, 64, 48)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := w.Fit(size); err != nil {
				b.Fatal(err)
			}
			for range readers {
				readerOf(b, w.Path(), "row")
			}
			b.ReportAllocs()
			for b.Loop() {
				slot, err := w.Claim()
				if err != nil {
					b.Fatal(err)
				}
				if err := w.Publish(slot, &d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRead is a reader's side on a ring at rest: finding and validating a picture, and copying it
// against memcpy of as many bytes.
func BenchmarkRead(b *testing.B) {
	w := frames(b, shmDir(b), DefaultSlots)
	for range DefaultSlots {
		mustPaint(b, w, benchWidth, benchHeight)
	}
	r := readerOf(b, w.Path(), "")
	b.Run("view", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f, err := r.At(r.Head())
			if err != nil || !f.Valid() {
				b.Fatal(err)
			}
		}
	})
	b.Run(fmt.Sprintf("copy/fmt=nv12/res=%dx%d", benchWidth, benchHeight), func(b *testing.B) {
		f, err := r.Latest()
		if err != nil {
			b.Fatal(err)
		}
		size := f.PackedSize()
		dst, twin := make([]byte, 0, size), make([]byte, size)
		var plain, packed time.Duration
		b.ReportAllocs()
		b.SetBytes(int64(2 * size))
		for b.Loop() {
			began := time.Now()
			copy(twin, f.slot[:size])
			mid := time.Now()
			f, err := r.At(r.Head())
			if err != nil {
				b.Fatal(err)
			}
			if dst, err = f.AppendPacked(dst[:0]); err != nil || len(dst) != size {
				b.Fatal(err)
			}
			plain += mid.Sub(began)
			packed += time.Since(mid)
		}
		b.ReportMetric(float64(packed)/float64(plain), "x-memcpy")
	})
}

// BenchmarkPacket publishes and reads 16 KiB access units.
func BenchmarkPacket(b *testing.B) {
	w, err := OpenPacketWriter(PacketConfig{Dir: shmDir(b), Camera: "cam", GID: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = w.Close() })
	r := packetsOf(b, w, "")
	parts := [][]byte{make([]byte, 16<<10)}
	d := PacketDesc{Flags: FlagKey}
	b.ReportAllocs()
	b.SetBytes(16 << 10)
	for b.Loop() {
		if err := w.Publish(&d, parts); err != nil {
			b.Fatal(err)
		}
		if p, err := r.Next(0); err != nil || p.Missed != 0 {
			b.Fatal(err)
		}
	}
}

// The hot path allocates nothing: a collector pause would be a late frame.
func TestPublishAndReadDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	w := frames(t, shmDir(t), DefaultSlots)
	mustPaint(t, w, 64, 48)
	r := readerOf(t, w.Path(), "reader")
	var buf []byte
	if n := testing.AllocsPerRun(200, func() {
		mustPaint(t, w, 64, 48)
		f, err := r.Next(0)
		if err == nil {
			buf, err = f.AppendPacked(buf[:0])
		}
		if err != nil || !f.Valid() {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a picture, want 0", n)
	}
}
