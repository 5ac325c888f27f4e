// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"testing"
)

// What was lost before a time-out is told with the next record, not forgotten.
func TestTimeoutDoesNotForgetLostRecords(t *testing.T) {
	w := frames(t, shmDir(t), 3)
	mustPaint(t, w, 64, 48)
	r := readerOf(t, w.Path(), "")
	for range 8 {
		mustPaint(t, w, 64, 48)
	}
	if err := w.PublishGap(&FrameDesc{}); err != nil { // the newest record, where a lapped reader goes on
		t.Fatal(err)
	}
	if _, err := r.Next(0); !errors.Is(err, ErrTimeout) {
		t.Fatalf("got %v, want %v", err, ErrTimeout)
	}
	mustPaint(t, w, 64, 48)
	if f, err := r.Next(0); err != nil || f.Seq != 11 || f.Missed != 8 {
		t.Errorf("picture %d, %d missed, %v, want 11 and 8", f.Seq, f.Missed, err)
	}
}

func TestPacketLostToARestartIsToldAfterATimeout(t *testing.T) {
	w := smallPackets(t, shmDir(t), 4096, 16)
	r := packetsOf(t, w, "")
	send(t, w, 3000, 0)
	w.h.reserve.Add(3000) // a writer died after it had reserved
	if _, err := r.Next(0); !errors.Is(err, ErrTimeout) {
		t.Fatalf("got %v, want %v", err, ErrTimeout)
	}
	seq := send(t, w, 100, 0)
	if p, err := r.Next(0); err != nil || p.Seq != seq || p.Missed != 1 {
		t.Errorf("record %d, %d missed, %v, want %d and 1", p.Seq, p.Missed, err, seq)
	}
}
