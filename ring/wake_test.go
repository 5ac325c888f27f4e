// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// Two rings, each side publishing into one and sleeping on the other: a wake that is lost shows as a
// sleep that lasts to its bound. One second against microseconds: load cannot be mistaken for it.
func TestNoWakeIsLost(t *testing.T) {
	rounds := uint64(20_000)
	if testing.Short() {
		rounds = 2000
	}
	dir := shmDir(t)
	var slept atomic.Int64
	ring := func(name string) (*PacketWriter, *PacketReader) {
		w, err := OpenPacketWriter(PacketConfig{Dir: dir, Camera: name, GID: -1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.Close() })
		return w, packetsOf(t, w, name)
	}
	ping, pingReader := ring("ping")
	pong, pongReader := ring("pong")
	publish := func(w *PacketWriter) error {
		return w.Publish(&PacketDesc{}, [][]byte{{1}})
	}
	await := func(r *PacketReader, seq uint64) {
		for r.Head() < seq {
			began := time.Now()
			r.Wait(seq, time.Hour)
			if time.Since(began) >= maxSleep {
				slept.Add(1)
			}
		}
	}
	done := make(chan error, 1)
	go func() {
		for n := uint64(1); n <= rounds; n++ {
			await(pingReader, n)
			if err := publish(pong); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for n := uint64(1); n <= rounds && slept.Load() == 0; n++ {
		if err := publish(ping); err != nil {
			t.Fatal(err)
		}
		await(pongReader, n)
	}
	if n := slept.Load(); n != 0 {
		t.Fatalf("%d sleeps ran into their bound of %v", n, maxSleep)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := pingReader.Counter(CountWakes); n == 0 {
		t.Error("nobody was ever woken: the test tests nothing")
	}
}

// Everything happens between the reader's second look and its sleep: the wake word must have moved.
func TestPublishBetweenLookAndSleepIsNotSleptThrough(t *testing.T) {
	w := frames(t, shmDir(t), 2)
	mustPaint(t, w, 64, 48)
	r := readerOf(t, w.Path(), "sleeper")
	came := false
	during(t, stepSleep, func() { came = true; mustPaint(t, w, 64, 48) })
	began := time.Now()
	r.Wait(r.Head()+1, time.Hour)
	if d := time.Since(began); d >= maxSleep || !came {
		t.Errorf("slept %v with a new picture there, step reached: %v", d, came)
	}
}

func TestStateChangeWakesASleeper(t *testing.T) {
	w := frames(t, shmDir(t), 2)
	mustPaint(t, w, 64, 48)
	r := readerOf(t, w.Path(), "sleeper")
	woken := make(chan time.Duration)
	go func() {
		began := time.Now()
		r.Wait(r.Head()+1, time.Hour)
		woken <- time.Since(began)
	}()
	eventually(t, "the reader sleeps", func() bool {
		_, waiting, err := w.rows.scan()
		return err == nil && waiting
	})
	w.SetState(StateStalled, ReasonNoPackets)
	if d := <-woken; d >= maxSleep {
		t.Errorf("slept %v through a change of state", d)
	}
	if s, _, _ := r.State(); s != StateStalled {
		t.Errorf("state %v, want stalled", s)
	}
}

// A writer that dies before its FUTEX_WAKE costs a sleeper no more than the bound.
func TestSleepIsBoundedWhenTheWakeNeverComes(t *testing.T) {
	w := frames(t, shmDir(t), 2)
	mustPaint(t, w, 64, 48)
	r := readerOf(t, w.Path(), "sleeper")
	var armed atomic.Bool // the hook is set before the reader's goroutine begins, which looks at it too
	stepHook = func(at storeStep) {
		if at == stepBump && armed.Load() {
			panic(crash{})
		}
	}
	defer func() { stepHook = nil }()
	woken := make(chan struct{})
	go func() {
		for r.Head() < 2 {
			r.Wait(2, time.Hour)
		}
		close(woken)
	}()
	eventually(t, "the reader sleeps", func() bool {
		_, waiting, err := w.rows.scan()
		return err == nil && waiting
	})
	armed.Store(true)
	func() {
		defer func() {
			if e := recover(); e != (crash{}) {
				t.Errorf("no wake was due: %v", e)
			}
		}()
		mustPaint(t, w, 64, 48)
	}()
	select {
	case <-woken:
	case <-time.After(20 * time.Second):
		t.Fatal("still asleep")
	}
}

// An announced epoch whose file is not there, because it has been removed since, is waited for asleep.
func TestReaderDoesNotSpinWhileTheAnnouncedRingIsMissing(t *testing.T) {
	w := frames(t, shmDir(t), 2)
	mustPaint(t, w, 64, 48)
	r := readerOf(t, w.Path(), "reader")
	mustPaint(t, w, 640, 480)
	if err := removeRing(w.Path()); err != nil {
		t.Fatal(err)
	}
	calls := 0
	for deadline := time.Now().Add(100 * time.Millisecond); time.Now().Before(deadline); calls++ {
		if moved, err := r.Follow(); moved || err != nil {
			t.Fatalf("moved %v, %v", moved, err)
		}
		r.Wait(r.Head()+1, 10*time.Millisecond)
	}
	if calls > 100 { // 2 ms each: at most 50
		t.Errorf("%d turns in 100 ms: the reader spins", calls)
	}
}

// Someone who only ever asks for the current picture comes to new epochs too.
func TestLatestFollowsANewEpoch(t *testing.T) {
	w := frames(t, shmDir(t), 3)
	mustPaint(t, w, 64, 48)
	r := readerOf(t, w.Path(), "")
	for range 3 {
		mustPaint(t, w, 64, 48)
	}
	old, err := r.Latest()
	if err != nil || old.Seq != 4 {
		t.Fatalf("latest is %d, %v, want 4", old.Seq, err)
	}
	mustPaint(t, w, 640, 480)
	f, err := r.Latest()
	if err != nil || f.Seq != 5 || f.Width != 640 || wrongRow(&f) >= 0 || !f.Valid() {
		t.Fatalf("latest is %d, %v, want 5", f.Seq, err)
	}
	if old.Valid() {
		t.Error("a picture of the unmapped ring is valid")
	}
	if _, err := old.AppendPacked(nil); !errors.Is(err, ErrLapped) {
		t.Errorf("copy of a picture of the unmapped ring: %v, want %v", err, ErrLapped)
	}
	if n, err := r.Next(0); err != nil || n.Seq != 5 || n.Missed != 3 {
		t.Errorf("next is %d, missed %d, %v, want 5 and 3", n.Seq, n.Missed, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if f.Valid() {
		t.Error("a picture of a closed reader is valid")
	}
}
