// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// framesFrom is a frame ring whose first sequence is base.
func framesFrom(t testing.TB, slots int, base uint64) *FrameWriter {
	t.Helper()
	w := frames(t, shmDir(t), slots)
	w.next.baseSeq = base
	return w
}

func TestSequencesNearTheirLimits(t *testing.T) {
	const frames = 40
	for _, base := range []uint64{
		1, 1<<32 - 20, 1<<32 - 1, 1 << 32, 1<<63 - 20,
		math.MaxUint64 - frames - 4096, math.MaxUint64 - frames - 2, // the last sequence is 2^64 - 2
	} {
		t.Run(fmt.Sprintf("from %d", base), func(t *testing.T) {
			w := framesFrom(t, 4, base)
			mustPaint(t, w, 64, 48)
			r := readerOf(t, w.Path(), "reader")
			for n := uint64(1); n < frames; n++ {
				if n%10 == 9 {
					if err := w.PublishGap(&FrameDesc{}); err != nil {
						t.Fatal(err)
					}
					if f, err := r.Latest(); err != nil || f.Seq != base+n-1 {
						t.Fatalf("latest behind a gap is %d, %v, want %d", f.Seq, err, base+n-1)
					}
					continue
				}
				mustPaint(t, w, 64, 48)
				f, err := r.Next(0)
				if err != nil || f.Seq != base+n || f.Missed != 0 || wrongRow(&f) >= 0 || !f.Valid() {
					t.Fatalf("got %d missed %d, %v, want %d", f.Seq, f.Missed, err, base+n)
				}
			}
			cfg, head := w.cfg, w.Head()
			current := w.current
			if err := w.PublishGap(&FrameDesc{}); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := OpenFrameWriter(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = again.Close() }()
			packet, _ := again.LastPacket()
			if again.Head() != head+1 || again.current != current || packet != head && packet != head-1 {
				t.Errorf("after the restart: head %d, current slot %d, last packet %d, want %d, %d, %d",
					again.Head(), again.current, packet, head+1, current, head)
			}
		})
	}
}

func TestPacketSequencesAndPositionsNearTheirLimits(t *testing.T) {
	for _, base := range []uint64{1<<32 - 20, math.MaxUint64 - 50} {
		w := smallPackets(t, shmDir(t), 10_000, 64)
		g := w.g
		g.epoch, g.baseSeq = g.epoch+1, base
		if err := w.begin(g, nil); err != nil {
			t.Fatal(err)
		}
		w.h.reserve.Store(1<<32 - 5000)
		r := packetsOf(t, w, "reader")
		for range 40 {
			seq := send(t, w, 1000, FlagKey)
			p, err := r.Next(0)
			if err != nil || p.Seq != seq || checkUnit(&p) != nil {
				t.Fatalf("got %d, %v, want %d", p.Seq, err, seq)
			}
			if key := r.SeekKey(r.Head()); key != seq {
				t.Fatalf("newest keyframe %d, want %d", key, seq)
			}
			r.Seek(seq + 1)
		}
	}
}

func TestEveryNumberOfSlotsAndOddSizes(t *testing.T) {
	sizes := [][2]int{{1, 1}, {2, 1}, {3, 5}, {17, 9}, {641, 361}, {642, 362}}
	for _, slots := range []int{2, 3, 5, 8, 33, 64} {
		w := frames(t, shmDir(t), slots)
		r := (*FrameReader)(nil)
		for _, size := range sizes {
			var d FrameDesc
			need, err := NV12Layout(&d, size[0], size[1])
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Fit(need); err != nil {
				t.Fatal(err)
			}
			for n := range 2*slots + 1 {
				slot, err := w.Claim()
				if err != nil {
					t.Fatal(err)
				}
				want := make([]byte, 0, d.PackedSize())
				for p := range int(d.PlaneCount) {
					rows, rowBytes := d.PlaneSize(p)
					for y := range rows {
						row := slot.Mem[d.PlaneOffset[p]+uint64(y)*uint64(d.PlaneStride[p]):][:d.PlaneStride[p]]
						for x := range row {
							row[x] = byte(x + y*3 + p*7 + n)
						}
						want = append(want, row[:rowBytes]...)
					}
				}
				if err := w.Publish(slot, &d); err != nil {
					t.Fatal(err)
				}
				if r == nil {
					r = readerOf(t, w.Path(), "")
				}
				f, err := r.Latest()
				if err != nil {
					t.Fatal(err)
				}
				got, err := f.AppendPacked(nil)
				if err != nil || string(got) != string(want) {
					t.Fatalf("%d slots, %dx%d: picture %d differs, %v", slots, size[0], size[1], f.Seq, err)
				}
			}
			if int(w.g.slotCount) != slots {
				t.Errorf("%d slots, want %d", w.g.slotCount, slots)
			}
		}
	}
}

// Any mix of pictures, gaps, restarts, new sizes, leases and reads: order, contents and counts hold.
func TestFrameRingProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := shmDir(t)
		slots := rapid.IntRange(2, 6).Draw(rt, "slots")
		w := frames(t, dir, slots)
		w.next.baseSeq = rapid.SampledFrom([]uint64{1, 1<<32 - 5, math.MaxUint64 - 5000}).Draw(rt, "base")
		defer func() { _ = w.Close() }()
		height := 16
		mustPaint(t, w, 64, height)
		r := readerOf(t, w.Path(), "reader")
		defer func() { _ = r.Close() }()
		last := r.Head()
		gaps := map[uint64]bool{}
		rt.Repeat(map[string]func(*rapid.T){
			"publish": func(rt *rapid.T) {
				busy := r.row.row.bits.Load()
				same := r.g.pairID == w.g.pairID
				d, err := paint(w, 64, height, 0)
				if errors.Is(err, ErrNoSlot) && busy != 0 && same {
					return
				}
				if err != nil {
					rt.Fatal(err)
				}
				if same && r.g.pairID == w.g.pairID && busy>>d.Slot&1 != 0 {
					rt.Fatalf("picture %d in leased slot %d", d.Seq, d.Slot)
				}
			},
			"gap": func(rt *rapid.T) {
				d := FrameDesc{}
				if err := w.PublishGap(&d); err != nil {
					rt.Fatal(err)
				}
				gaps[d.Seq] = true
			},
			"grow": func(*rapid.T) { height = min(height+16, 512) },
			"lease": func(rt *rapid.T) {
				r.row.row.bits.Store(rapid.Uint64Range(0, 1<<slots-1).Draw(rt, "bits"))
			},
			"restart": func(rt *rapid.T) {
				head := w.Head()
				abandon(&w.writer)
				w = frames(t, dir, slots)
				if w.Head() != head {
					rt.Fatalf("head %d after the restart, want %d", w.Head(), head)
				}
			},
			"next": func(rt *rapid.T) {
				f, err := r.Next(0)
				if errors.Is(err, ErrTimeout) {
					if r.next <= r.Head() {
						rt.Fatal("time-out with records left")
					}
					return
				}
				if err != nil || wrongRow(&f) >= 0 || !f.Valid() {
					rt.Fatalf("picture %d: %v", f.Seq, err)
				}
				passed := uint64(0)
				for seq := last + 1; seq < f.Seq; seq++ {
					if gaps[seq] {
						passed++ // gap records count as missed only where the reader was lapped
					}
				}
				if lost := f.Seq - last - 1; f.Missed > lost || f.Missed+passed < lost {
					rt.Fatalf("picture %d after %d: %d missed, %d gap records between", f.Seq, last, f.Missed, passed)
				}
				last = f.Seq
			},
		})
	})
}
