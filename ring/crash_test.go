// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// witness is what readers of one ring agree on, whichever writers come and go.
type witness struct {
	mu       sync.Mutex
	nonce    map[uint64]uint64 // by sequence: whose picture it is
	gens     map[uint32]uint64 // by slot
	runs     uint32
	accepted int
	rejected int // lapped or torn and not accepted
}

// saw checks one accepted picture against everything accepted before.
func (w *witness) saw(d *FrameDesc) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n, ok := w.nonce[d.Seq]; ok && n != d.FrameID {
		return fmt.Errorf("sequence %d has two contents", d.Seq)
	}
	w.nonce[d.Seq] = d.FrameID
	w.runs = max(w.runs, d.RunID)
	w.accepted++
	return nil
}

// follow reads until stop is closed, pausing after each picture so that some are lapped.
func (w *witness) follow(r *FrameReader, pause time.Duration, stop <-chan struct{}) error {
	var last uint64
	var run uint32
	gens := map[uint32]uint64{}
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		f, err := r.Next(100 * time.Millisecond)
		if errors.Is(err, ErrTimeout) {
			continue
		}
		if err != nil {
			return err
		}
		row := wrongRow(&f)
		valid := f.Valid()
		switch {
		case valid && row >= 0:
			return fmt.Errorf("accepted torn: sequence %d, row %d", f.Seq, row)
		case f.Seq <= last:
			return fmt.Errorf("sequence %d after %d", f.Seq, last)
		case f.Gen < gens[f.Slot]:
			return fmt.Errorf("generation of slot %d fell from %d to %d", f.Slot, gens[f.Slot], f.Gen)
		case f.RunID < run:
			return fmt.Errorf("run %d after %d", f.RunID, run)
		case r.Epoch() != 1:
			return fmt.Errorf("epoch %d: a killed writer left a ring that its successor did not continue", r.Epoch())
		}
		last, run = f.Seq, f.RunID
		gens[f.Slot] = f.Gen
		if !valid || f.Missed > 0 {
			w.mu.Lock()
			w.rejected++
			w.mu.Unlock()
		}
		if valid {
			if err := w.saw(&f.FrameDesc); err != nil {
				return err
			}
		}
		if pause > 0 && f.Seq%8 == 0 {
			time.Sleep(pause)
		}
	}
}

func TestFaultS07_ReadersOutliveWritersKilledAtRandom(t *testing.T) {
	kills := 110
	if testing.Short() {
		kills = 20
	}
	dir := shmDir(t)
	role := fmt.Sprintf("write %s 3 256 144", dir)
	cmd, _ := play(t, role, nil)
	path := FramePath(dir, "cam", "main")
	w := &witness{nonce: map[uint64]uint64{}, gens: map[uint32]uint64{}}
	stop := make(chan struct{})
	errs := make(chan error, 2)
	for i, name := range []string{"registered", ""} {
		r := readerOf(t, path, name)
		go func() { errs <- w.follow(r, time.Duration(i+1)*100*time.Microsecond, stop) }()
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range kills {
		time.Sleep(time.Duration(random.IntN(4_000_000))) // where in a publish it dies is the point
		kill(t, cmd)
		cmd, _ = play(t, role, nil)
	}
	kill(t, cmd)
	close(stop)
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d pictures accepted, %d lapped or rejected, %d runs", w.accepted, w.rejected, w.runs)
	if w.accepted < kills || w.rejected*100 < w.accepted {
		t.Errorf("%d accepted, %d lapped: fewer than 1 in 100, the run proves nothing", w.accepted, w.rejected)
	}
	if int(w.runs) < kills/2 {
		t.Errorf("pictures of run %d at most after %d kills", w.runs, kills)
	}
}

// A writer dies at each step in turn, with and without a lease on a picture, and another goes on.
func TestWriterKilledAtEachStepIsContinued(t *testing.T) {
	names := map[storeStep]string{
		stepOdd: "slot taken", stepPutBack: "before put back", stepSlotSeq: "slot noted", stepPixels: "pixels drawn",
		stepEven: "generation even", stepDescZero: "descriptor cleared", stepDescFields: "descriptor filled",
		stepDescSeq: "descriptor numbered", stepHead: "head", stepBump: "before the wake",
	}
	for at, name := range names {
		for _, leased := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s leased=%v", name, leased), func(t *testing.T) {
				if at == stepPutBack && !leased {
					t.Skip("nothing is put back without a lease")
				}
				killedAndContinued(t, at, leased)
			})
		}
	}
}

func killedAndContinued(t *testing.T, at storeStep, leased bool) {
	dir := shmDir(t)
	w := frames(t, dir, 4)
	for range 6 {
		mustPaint(t, w, 64, 48)
	}
	r := readerOf(t, w.Path(), "reader")
	held, err := r.At(5)
	if err != nil {
		t.Fatal(err)
	}
	if leased && at != stepPutBack {
		r.row.row.bits.Store(1 << held.Slot)
	}
	old := *w
	if !crashAt(at, 2, func() {
		inner := stepHook
		if at == stepPutBack { // the lease comes between the scan and the second look
			stepHook = func(s storeStep) {
				if s == stepOdd {
					r.row.row.bits.Store(^uint64(0))
				}
				inner(s)
			}
		}
		for range 12 {
			if _, err := paint(w, 64, 48, 1); err != nil && !errors.Is(err, ErrNoSlot) {
				t.Error(err)
			}
		}
	}) {
		t.Fatal("the writer did not come to the step")
	}
	head := seqAt(w.mem, w.g.descAt(w.h.head.Load()+1)).Load()
	wantHead := max(w.h.head.Load(), head)
	gens := slotGens(w)
	abandon(&w.writer)
	if at == stepPutBack {
		r.row.row.bits.Store(1 << held.Slot)
	}

	next := frames(t, dir, 4)
	if !next.Exists() || next.Epoch() != 1 || next.g.pairID != old.g.pairID {
		t.Fatal("the ring was not continued")
	}
	if next.Head() != wantHead || next.RunID() != 2 {
		t.Errorf("head %d run %d, want %d and 2", next.Head(), next.RunID(), wantHead)
	}
	for i, gen := range slotGens(next) {
		if gen != gens[i] { // neither lower nor even again
			t.Errorf("generation of slot %d went from %d to %d by attaching", i, gens[i], gen)
		}
	}
	if odd := slotGens(next); leased && at != stepPutBack && odd[held.Slot]&1 != 0 {
		t.Error("the leased slot is odd")
	}
	last := uint64(6)
	for i := range 12 {
		d, err := paint(next, 64, 48, 2)
		if err != nil {
			t.Fatal(err)
		}
		if marked := d.Flags&FlagDiscontinuity != 0; marked != (i == 0) {
			t.Errorf("record %d of the new writer: discontinuity %v", i, marked)
		}
		if leased && d.Slot == held.Slot {
			t.Fatalf("the leased slot %d was given to picture %d", d.Slot, d.Seq)
		}
		for {
			f, err := r.Next(0)
			if err != nil {
				break
			}
			if row := wrongRow(&f); row >= 0 && f.Valid() || f.Seq <= last {
				t.Fatalf("got sequence %d after %d, wrong row %d", f.Seq, last, row)
			}
			last = f.Seq
		}
	}
	if last != next.Head() {
		t.Errorf("reader ended at %d, head is %d", last, next.Head())
	}
	if leased && at != stepPutBack && (!held.Valid() || wrongRow(&held) >= 0) {
		t.Error("the leased picture is lapped or changed")
	}
}

func slotGens(w *FrameWriter) []uint64 {
	gens := make([]uint64, w.g.slotCount)
	for i := range gens {
		gens[i] = slotAt(w.mem, w.g.slotEntryAt(uint32(i))).gen.Load()
	}
	return gens
}

// A writer dies while it changes the picture size: readers that are behind lose nothing they had, and
// come to what the next writer publishes.
func TestWriterKilledWithinAnEpochChange(t *testing.T) {
	for at, name := range map[storeStep]string{
		stepBuilt: "pair built", stepLeasesRenamed: "leases in place", stepRenamed: "pair in place, not announced",
	} {
		t.Run(name, func(t *testing.T) {
			dir := shmDir(t)
			w := frames(t, dir, 4)
			mustPaint(t, w, 64, 48)
			named, plain := readerOf(t, w.Path(), "reader"), readerOf(t, w.Path(), "")
			for range 100 {
				mustPaint(t, w, 64, 48)
			}
			w.h.heartbeatMonoNS.Store(0) // as if it had been dead for long
			stale := w.mem
			if !crashAt(at, 1, func() { _, _ = paint(w, 640, 480, 0) }) {
				t.Fatal("the writer did not come to the step")
			}
			defer unmap(stale) // the writer had switched to the new mapping already
			abandon(&w.writer)
			next := frames(t, dir, 4)
			d := mustPaint(t, next, 640, 480)
			if d.Seq != 102 {
				t.Errorf("the next picture has sequence %d, want 102", d.Seq)
			}
			for _, r := range []*FrameReader{named, plain} {
				var dd FrameDesc
				for seq := uint64(2); seq <= 101; seq++ {
					if err := r.Describe(seq, &dd); err != nil {
						t.Fatalf("descriptor %d of the old ring: %v", seq, err)
					}
				}
				for {
					f, err := r.Next(5 * time.Second)
					if err != nil {
						t.Fatal(err)
					}
					if f.Seq == 102 {
						break
					}
				}
			}
		})
	}
}
