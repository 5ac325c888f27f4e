// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"errors"
	"testing"
	"time"

	"camring/ring"
)

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want outcome
	}{
		{"no error", nil, stored},
		{"an id that is not newer", errors.New("ERR The ID specified in XADD is equal or smaller than the target stream top item"), older},
		{"no memory", errors.New("OOM command not allowed when used memory > 'maxmemory'."), refused}, //nolint:revive // Redis' own words,
		{"no permission", errors.New("NOPERM this user has no permissions to run the 'xadd' command"), refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := judge(c.err); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// gathered is a synced stream with frames 1..n in a batch.
func gathered(t *testing.T, n int) (*fakeRing, *stream, *batch) {
	t.Helper()
	r := newFakeRing(createdMS)
	r.publish(n)
	s := newStream(camera("front", r), "host", 1000, 0)
	s.synced = true
	b := &batch{}
	var d ring.FrameDesc
	if err := s.gather(b, n, &d); err != nil {
		t.Fatal(err)
	}
	return r, s, b
}

func TestOlderIsStoredOnlyForWhatWasInFlight(t *testing.T) {
	_, s, b := gathered(t, 4)
	s.unsureTo = 2 // 1 and 2 were in flight when a pipeline failed
	for i, want := range []bool{true, true, false, false} {
		if got := s.settleOne(&b.items[i], older); got != want {
			t.Errorf("frame %d: got stored %v, want %v", i+1, got, want)
		}
	}
	s.settled(time.Now())
	if s.acked != 2 || s.next != 3 || s.synced {
		t.Errorf("got acked %d, next %d, synced %v, want 2, 3, and the last id to be read", s.acked, s.next, s.synced)
	}
}

func TestRecordsOvertakenByNewerOnesBecomeAGapRecord(t *testing.T) {
	r, s, b := gathered(t, 6)
	for i, o := range []outcome{stored, refused, refused, stored, stored, refused} {
		s.settleOne(&b.items[i], o)
	}
	now := time.Now()
	s.settled(now)
	s.settled(now) // once for every item in production
	if s.acked != 5 || s.next != 6 || s.ms != createdMS+1 || s.fails != 1 {
		t.Fatalf("got acked %d, next %d, ms %d, fails %d, want 5, 6, one more, 1", s.acked, s.next, s.ms, s.fails)
	}
	r.publish(1)
	b.reset()
	var d ring.FrameDesc
	if err := s.gather(b, 10, &d); err != nil {
		t.Fatal(err)
	}
	got := b.items[0]
	if got.kind != kindRefused || got.from != 2 || got.to != 3 || got.lost != 2 || len(b.items) != 3 {
		t.Fatalf("got %+v first of %d, want the gap 2 to 3 before frames 6 and 7", got, len(b.items))
	}
	id := b.commands[0].id
	if text := string(b.buf[id.from:id.to]); text != "1700000000001-5" {
		t.Errorf("got id %s, want 1700000000001-5", text)
	}
	// A pipeline that fails puts the gap back, and one that Redis refuses too.
	s.unsend(b.items)
	if s.overtaken.kind != kindRefused || s.next != 6 {
		t.Error("the gap is gone after a failed pipeline")
	}
	s.overtaken = item{}
	s.settleOne(&b.items[0], refused)
	if s.overtaken.kind != kindRefused {
		t.Error("the gap is gone after a refusal")
	}
}

func TestGapInFlightKeepsItsEnd(t *testing.T) {
	r := newFakeRing(createdMS)
	r.publish(tableSize + 100)
	s := newStream(camera("front", r), "host", 1000, 0)
	var b batch
	var d ring.FrameDesc
	if err := s.gather(&b, 1, &d); err != nil || b.items[0].to != 100 {
		t.Fatalf("got %+v, %v, want a gap up to 100", b.items, err)
	}
	s.unsend(b.items)
	r.publish(50)
	b.reset()
	if err := s.gather(&b, 2, &d); err != nil || b.items[0].to != 100 || b.items[1].from != 101 || b.items[1].to != 150 {
		t.Errorf("got %+v, %v, want the same gap, then 101 to 150", b.items, err)
	}
}

func TestResumePosition(t *testing.T) {
	id := func(ms, seq uint64) entryID { return entryID{createdMS + ms, seq} }
	ours := func(ms, seq uint64) *entryID { i := id(ms, seq); return &i }
	const none = 1 << 40
	for _, c := range []struct {
		name   string
		set    func(*stream) // starts with 100 frames in the ring, nothing known
		last   entryID
		ours   *entryID
		ms     uint64 // after createdMS
		next   uint64
		unsure int // records of the failed pipeline that are found stored
	}{
		{"a new stream gets the whole ring", nil, id(none, 0), nil, 0, 1, 0},
		{"a stream of an older ring gets the whole ring", nil, entryID{5, 5}, nil, 0, 1, 0},
		{"the last id is in this ring", nil, id(0, 40), nil, 0, 41, 0},
		{"everything is stored", nil, id(0, 100), nil, 0, 101, 0},
		{"same millisecond, but not this ring's numbers", nil, id(0, 900), nil, 1, 1, 0},
		{"another ring's future", nil, id(9, 3), nil, 10, 1, 0},
		{"our own future", nil, id(9, 30), ours(9, 30), 9, 31, 0},
		{"somebody was behind us", nil, id(9, 3), ours(2, 30), 10, 31, 0},
		{"a failed pipeline is half stored", func(s *stream) {
			s.sent, s.acked, s.next = true, 10, 11
			s.unsure, s.unsureTo = []item{{s: s, from: 11, to: 11}, {s: s, from: 12, to: 12}}, 12
		}, id(0, 11), nil, 0, 12, 1},
		{"redis lost the end of the stream", func(s *stream) { s.sent, s.acked, s.next = true, 50, 51 }, id(0, 45), nil, 0, 46, 0},
		{"redis lost the stream, much is unsent", func(s *stream) { s.sent, s.acked, s.next, s.maxLen = true, 50, 51, 20 }, id(none, 0), nil, 0, 51, 0},
		{"redis lost the stream, little is unsent", func(s *stream) { s.sent, s.acked, s.next, s.maxLen = true, 95, 96, 20 }, id(none, 0), nil, 0, 81, 0},
		{"our first half grew since", func(s *stream) { s.sent, s.acked, s.next, s.ms = true, 50, 51, createdMS+1 }, id(0, 50), nil, 1, 51, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newFakeRing(createdMS)
			r.publish(100)
			s := newStream(camera("front", r), "host", 1000, 0)
			if c.set != nil {
				c.set(s)
			}
			found := s.resumeAt(c.last, c.last.ms != createdMS+none, c.ours)
			if s.ms != createdMS+c.ms || s.next != c.next || s.acked != c.next-1 || len(found) != c.unsure {
				t.Errorf("got ms +%d, next %d, acked %d, found %d, want +%d, %d, %d, %d",
					s.ms-createdMS, s.next, s.acked, len(found), c.ms, c.next, c.next-1, c.unsure)
			}
		})
	}
}
