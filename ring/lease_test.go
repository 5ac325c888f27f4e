// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"testing"
)

func TestLeasedSlotIsNeverReused(t *testing.T) {
	w := frames(t, shmDir(t), 4)
	for range 4 {
		mustPaint(t, w, 64, 48)
	}
	r := readerOf(t, w.Path(), "lessee")
	f, err := r.At(2)
	if err != nil {
		t.Fatal(err)
	}
	r.row.row.bits.Store(1 << f.Slot)
	for range 200 {
		if d := mustPaint(t, w, 64, 48); d.Slot == f.Slot {
			t.Fatalf("picture %d was drawn into leased slot %d", d.Seq, d.Slot)
		}
	}
	if !f.Valid() || wrongRow(&f) >= 0 {
		t.Error("the leased picture changed")
	}
	r.row.row.bits.Store(0)
	for range 4 {
		mustPaint(t, w, 64, 48)
	}
	if f.Valid() {
		t.Error("the slot was not used again after its release")
	}
}

func TestEverySlotLeasedDropsAndCounts(t *testing.T) {
	for _, slots := range []int{2, 3, 64} {
		w := frames(t, shmDir(t), slots)
		mustPaint(t, w, 64, 48)
		r := readerOf(t, w.Path(), "lessee")
		r.row.row.bits.Store(^uint64(0))
		before := slotGens(w)
		for range 3 {
			if _, err := w.Claim(); !errors.Is(err, ErrNoSlot) {
				t.Fatalf("%d slots: got %v, want %v", slots, err, ErrNoSlot)
			}
		}
		if n := r.Counter(CountDropNoSlot); n != 3 {
			t.Errorf("%d slots: %d drops counted, want 3", slots, n)
		}
		for i, gen := range slotGens(w) {
			if gen != before[i] {
				t.Errorf("%d slots: generation of leased slot %d went from %d to %d", slots, i, before[i], gen)
			}
		}
		if n := r.Counter(CountReaped); n != 0 {
			t.Errorf("%d slots: a living reader's row was reaped", slots)
		}
		r.row.row.bits.Store(0)
		if d := mustPaint(t, w, 64, 48); d.Seq != 2 {
			t.Errorf("%d slots: first picture after the release is %d, want 2", slots, d.Seq)
		}
	}
}

// A bit that appears after the writer has made the slot odd: it is put back exactly, once, and the
// next candidate is taken.
func TestLeaseBetweenOddAndScanPutsTheSlotBack(t *testing.T) {
	for _, c := range []struct {
		name string
		odd  bool
	}{{"a published slot", false}, {"a slot left odd", true}} {
		t.Run(c.name, func(t *testing.T) {
			w := frames(t, shmDir(t), 4)
			for range 8 {
				mustPaint(t, w, 64, 48)
			}
			if c.odd {
				if _, err := w.Claim(); err != nil { // dropped: stays odd
					t.Fatal(err)
				}
			}
			r := readerOf(t, w.Path(), "lessee")
			victim, _ := w.oldest(1 << w.current)
			before := slotGens(w)
			during(t, stepOdd, func() { r.row.row.bits.Store(1 << victim) })
			slot, err := w.Claim()
			if err != nil || slot.Index == victim {
				t.Fatalf("claimed slot %d, %v; slot %d is leased", slot.Index, err, victim)
			}
			if gen := slotGens(w)[victim]; gen != before[victim] {
				t.Errorf("generation %d was put back as %d", before[victim], gen)
			}
			if n := r.Counter(CountPutBack); n != 1 {
				t.Errorf("%d slots put back, want 1", n)
			}
		})
	}
}

// Rows claimed after the first look count as well: no number of rows is remembered.
func TestRowClaimedBetweenOddAndScanCounts(t *testing.T) {
	w := frames(t, shmDir(t), 4)
	for range 8 {
		mustPaint(t, w, 64, 48)
	}
	victim, _ := w.oldest(1 << w.current)
	var late *FrameReader
	during(t, stepOdd, func() {
		if late == nil {
			for range 3 {
				late = readerOf(t, w.Path(), "late")
			}
			late.row.row.bits.Store(1 << victim)
		}
	})
	if slot, err := w.Claim(); err != nil || slot.Index == victim {
		t.Errorf("claimed slot %d, %v; slot %d is leased by a row claimed late", slot.Index, err, victim)
	}
}

func TestTheCurrentPictureIsNeverOverwritten(t *testing.T) {
	for slots := 2; slots <= 5; slots++ {
		w := frames(t, shmDir(t), slots)
		d := mustPaint(t, w, 64, 48)
		r := readerOf(t, w.Path(), "")
		for range 20 { // a picture that is dropped after its claim
			if _, err := w.Claim(); err != nil {
				t.Fatal(err)
			}
			if f, err := r.Latest(); err != nil || f.Seq != d.Seq || wrongRow(&f) >= 0 || !f.Valid() {
				t.Fatalf("%d slots: latest is %d, %v, want %d intact", slots, f.Seq, err, d.Seq)
			}
		}
		all := uint64(1)<<slots - 1 // nor when it is the only one that nobody leases
		lessee := readerOf(t, w.Path(), "lessee")
		lessee.row.row.bits.Store(all &^ (1 << d.Slot))
		if slot, err := w.Claim(); !errors.Is(err, ErrNoSlot) {
			t.Fatalf("%d slots: claimed %d, %v, want %v", slots, slot.Index, err, ErrNoSlot)
		}
		lessee.row.row.bits.Store(0)
		if err := w.PublishGap(&FrameDesc{}); err != nil { // nor when the newest record is a gap
			t.Fatal(err)
		}
		for range 20 {
			if slot, err := w.Claim(); err != nil || slot.Index == d.Slot {
				t.Fatalf("%d slots: claimed %d, %v", slots, slot.Index, err)
			}
		}
	}
}

func TestSlotThatWasGivenUpCannotBePublished(t *testing.T) {
	w := frames(t, shmDir(t), 3)
	mustPaint(t, w, 64, 48)
	var d FrameDesc
	size, err := NV12Layout(&d, 64, 48)
	if err != nil {
		t.Fatal(err)
	}
	first, err := w.Claim()
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.Claim()
	if err != nil {
		t.Fatal(err)
	}
	if first.Index != second.Index || second.gen != first.gen+2 {
		t.Errorf("a slot left odd at generation %d was claimed again at %d, want +2", first.gen, second.gen)
	}
	if err := w.Publish(second, &d); err != nil {
		t.Fatal(err)
	}
	for name, slot := range map[string]Slot{"claimed again": first, "published already": second} {
		if err := w.Publish(slot, &d); err == nil {
			t.Errorf("a slot that was %s was published", name)
		}
	}
	late, err := w.Claim()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Fit(size * 100); err != nil {
		t.Fatal(err)
	}
	if err := w.Publish(late, &d); err == nil {
		t.Error("a slot of the old epoch was published")
	}
	for i, gen := range slotGens(w) {
		if gen != 0 {
			t.Errorf("generation of slot %d of the new epoch is %d, want 0", i, gen)
		}
	}
}
