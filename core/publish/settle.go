// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// outcome is what Redis said to one XADD.
type outcome uint8

const (
	stored outcome = iota
	older          // "equal or smaller than the target stream top item"
	refused
)

// judge tells an outcome from a reply. Redis has no code for either; the words are in its
// t_stream.c since streams exist, and in valkey's.
func judge(err error) outcome {
	switch {
	case err == nil:
		return stored
	case strings.Contains(err.Error(), "equal or smaller"):
		return older
	}
	return refused
}

// settle takes the replies of one pipeline, in order, and moves every stream's position. It returns the
// first error of a record that Redis refused, and whose it was.
func (p *Publisher) settle(now time.Time, b *batch, replies []rueidis.RedisResult) (whose *stream, first error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range b.items {
		it := &b.items[i]
		err := replies[i].Error()
		if it.s.settleOne(it, judge(err)) {
			p.count(it)
			continue
		}
		it.s.stats.Refused++
		it.s.stats.LastError = err.Error()
		p.stats.Refused++
		if first == nil {
			first, whose = err, it.s
		}
	}
	for i := range b.items {
		b.items[i].s.settled(now)
	}
	return whose, first
}

// settleOne notes one reply and reports whether the record is stored.
//
// "Older" only means stored for what was in flight when a pipeline failed: the server may have gone on
// reading the dead connection after it told the new one its last id. Anything else that is older was
// overtaken by another writer, so the last id has to be read again.
func (s *stream) settleOne(it *item, o outcome) bool {
	if o == older && it.kind != kindRefused && it.to <= s.unsureTo {
		o = stored
	}
	if o == older {
		s.synced = false
	}
	switch {
	case o == stored && it.kind == kindRefused:
		s.fails = 0
	case o == stored:
		if s.refusedCount > 0 {
			s.overtake()
		}
		s.acked, s.sent, s.fails = it.to, true, 0
		if s.acked >= s.unsureTo {
			s.unsure, s.unsureTo = s.unsure[:0], 0
		}
	case it.kind == kindRefused:
		s.overtaken = *it
		s.refusedTo = max(s.refusedTo, 1) // so that settled puts the next attempt off
	default:
		if s.refusedCount == 0 {
			s.refusedFrom = it.from
		}
		s.refusedTo = it.to
		s.refusedCount += it.to - it.from + 1
	}
	return o == stored
}

// overtake handles that Redis stored a record after it had refused earlier ones of the same
// pipeline, which can happen when memory or permission comes back in the middle of one. Those cannot be
// stored in their place any more. A new first half of the ids makes room for a gap record right
// behind what is stored.
func (s *stream) overtake() {
	it := item{s: s, from: s.refusedFrom, to: s.refusedTo, lost: s.refusedCount, kind: kindRefused}
	if s.overtaken.kind == kindRefused { // one from before is still waiting
		it.from = s.overtaken.from
		it.lost += s.overtaken.lost
	}
	s.overtaken = it
	s.refusedFrom, s.refusedTo, s.refusedCount = 0, 0, 0
	s.rebaseAfter = true
}

// settled ends one pipeline for a stream; calling it again for the same pipeline does nothing.
func (s *stream) settled(now time.Time) {
	if s.rebaseAfter {
		s.ms++
		s.rebaseAfter = false
	}
	if s.refusedTo > 0 {
		s.failed(now)
	} else if s.fails == 0 {
		s.stats.LastError = ""
	}
	s.refusedFrom, s.refusedTo, s.refusedCount = 0, 0, 0
	s.next = s.acked + 1
}

// count adds one stored record to the statistics; Publisher.mu is held.
func (p *Publisher) count(it *item) {
	p.stats.Records++
	it.s.stats.Records++
	if it.kind != kindFrame {
		p.stats.GapRecords++
		it.s.stats.GapRecords++
	}
	p.stats.Lost += it.lost
	it.s.stats.Lost += it.lost
}
