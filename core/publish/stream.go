// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"errors"
	"sort"
	"strconv"
	"time"

	"camring/ring"
)

// stream is one camera's way into its Redis stream. The publisher's goroutine only, except for the
// part that says otherwise.
type stream struct {
	cam    Camera
	key    string
	host   string
	maxLen uint64
	epoch  string // of the ring: CreatedMS in decimal

	ms    uint64 // first half of the ids; CreatedMS unless the stream's last id was ahead
	next  uint64 // sequence to send next; acked+1 except while a batch is being gathered
	acked uint64 // newest sequence Redis has, as far as we know
	sent  bool   // acked is from a reply, not only a place to start

	synced  bool // the last id has been read on this connection
	retryAt time.Time
	fails   int // in a row; > 0 also means: probe with one record

	// What was in flight when a pipeline failed: it may be stored, or still become so.
	unsure   []item
	unsureTo uint64

	overtaken item // to be reported as refused; kind is kindRefused when it is set

	// of the batch that is being settled
	refusedFrom, refusedTo, refusedCount uint64
	rebaseAfter                          bool

	leaveBy time.Time // removed: close when drained, or then

	// Publisher.mu guards below.
	stats        CameraStats
	oldestWallNS int64
}

func newStream(cam Camera, host string, maxLen, head uint64) *stream {
	s := &stream{cam: cam, key: cam.Topic, host: host, maxLen: maxLen}
	s.stats.Name, s.stats.Stream = cam.Name, cam.Topic
	s.ms = s.readEpoch()
	s.next = max(1, cam.Records.Base())
	if cam.FromHead {
		s.next = max(s.next, head+1)
	}
	s.acked = s.next - 1
	return s
}

// readEpoch notes the ring's epoch and returns its creation time in milliseconds.
func (s *stream) readEpoch() uint64 {
	ms := max(0, s.cam.Records.CreatedMS())
	s.epoch = strconv.FormatInt(ms, 10)
	return uint64(ms)
}

// ready reports whether records may be sent now.
func (s *stream) ready(now time.Time) bool { return s.synced && !now.Before(s.retryAt) }

// failed puts the next attempt off.
func (s *stream) failed(now time.Time) {
	s.retryAt = now.Add(backoff(s.fails))
	s.fails++
}

// behind is the number of records that wait in the ring.
func (s *stream) behind() uint64 {
	if head := s.cam.Records.Head(); head >= s.next {
		return head - s.next + 1
	}
	return 0
}

// gather adds at most quota records to b. It returns an error of the ring, after which the records so
// far still stand.
func (s *stream) gather(b *batch, quota int, d *ring.FrameDesc) error {
	if s.overtaken.kind == kindRefused {
		// Its id is the last one that was stored, one rebase later: behind all that is there, before
		// all that follows.
		if b.full || !b.appendLost(s.overtaken, reasonRefused, s.acked, time.Now().UnixNano()) {
			return nil
		}
		s.overtaken = item{} // put back by unsend or settleOne
		quota--
	}
	head := s.cam.Records.Head()
	for ; quota > 0 && s.next <= head && !b.full; quota-- {
		switch err := s.cam.Records.Describe(s.next, d); {
		case err == nil && d.Flags&ring.FlagGap != 0:
			if !b.appendGap(s, d) {
				return nil
			}
			s.next++
		case err == nil:
			if !b.appendFrame(s, d) {
				return nil
			}
			s.next++
		case errors.Is(err, ring.ErrLapped):
			it := item{s: s, from: s.next, to: s.lappedTo(head, d), kind: kindLapped}
			it.lost = it.to - it.from + 1
			if !b.appendLost(it, ring.ReasonLapped.String(), it.to, time.Now().UnixNano()) {
				return nil
			}
			s.next = it.to + 1
		case errors.Is(err, ring.ErrNotPublished):
			return nil
		default:
			return err
		}
	}
	return nil
}

// lappedTo is the last of the records from next on that the ring no longer has. The ring's table may go
// round further while it is searched; then the next record is lapped as well and makes a gap record of
// its own.
func (s *stream) lappedTo(head uint64, d *ring.FrameDesc) uint64 {
	for i := range s.unsure {
		// The same gap was in flight before. With the same end it has the same id, and is stored once.
		if it := &s.unsure[i]; it.kind == kindLapped && it.from == s.next {
			return it.to
		}
	}
	kept := sort.Search(int(head-s.next), func(i int) bool {
		return !errors.Is(s.cam.Records.Describe(s.next+1+uint64(i), d), ring.ErrLapped)
	})
	return s.next + uint64(kept)
}

// follow moves to the ring's next epoch once all of this one is stored.
func (s *stream) follow() error {
	moved, err := s.cam.Records.Follow()
	if err != nil || !moved {
		return err
	}
	last := s.ms
	created := s.readEpoch()
	base := max(1, s.cam.Records.Base())
	switch {
	case created > last:
		s.ms = created
	case base <= s.acked: // numbers start again, so the first half of the ids has to grow
		s.ms = last + 1
	}
	if base <= s.acked {
		s.next, s.acked = base, base-1
	}
	// Otherwise next stays: what lies between it and base is described as lapped.
	return nil
}

// overtakenIn reports whether the stream's report of refused records is among the items.
func (s *stream) overtakenIn(items []item) bool {
	for i := range items {
		if items[i].s == s && items[i].kind == kindRefused {
			return true
		}
	}
	return false
}

// unsend notes that a pipeline with these items failed: next goes back, and the items may have been
// stored all the same.
func (s *stream) unsend(items []item) {
	for i := range items {
		if it := &items[i]; it.s == s && it.kind == kindRefused {
			s.overtaken = *it
		}
	}
	if last := s.next - 1; last > s.unsureTo || len(s.unsure) == 0 {
		s.unsure = s.unsure[:0]
		for i := range items {
			if items[i].s == s {
				s.unsure = append(s.unsure, items[i])
			}
		}
		s.unsureTo = max(s.unsureTo, last)
	}
	s.next = s.acked + 1
	s.synced = false
}
