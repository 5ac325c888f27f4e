// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"slices"
	"strings"
	"time"
)

// Stats are the publisher's counters since New and its state now; a copy, stale when it returns.
type Stats struct {
	Connected   bool
	Records     uint64 // records Redis has stored, gap records included
	GapRecords  uint64 // those of them that say that frames are missing
	Lost        uint64 // frames whose record never reached Redis; each is inside a gap record
	Batches     uint64 // pipelines that Redis answered
	Retries     uint64 // pipelines and connects that failed
	Refused     uint64 // records that Redis refused and that were kept for another attempt
	MaxBatch    int    // most records in one pipeline
	FlushLast   time.Duration
	FlushMax    time.Duration
	FlushTotal  time.Duration // over all Batches
	Unsent      uint64        // records waiting in the rings
	OldestAge   time.Duration // age of the oldest of those; 0 = none
	LastError   string        // never contains a password
	LastErrorAt time.Time
	Cameras     []CameraStats // by name
}

// CameraStats are one camera's part of [Stats].
type CameraStats struct {
	Name       string
	Stream     string // the Redis key
	Records    uint64
	GapRecords uint64
	Lost       uint64
	Refused    uint64
	Rebased    uint64 // times the stream's last id was ahead of the ring
	Unsent     uint64
	OldestAge  time.Duration
	LastError  string // empty once a record was stored again
}

// Stats may be called from any goroutine and does not wait for Redis.
func (p *Publisher) Stats() Stats {
	now := time.Now().UnixNano()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Cameras = make([]CameraStats, 0, len(p.shown))
	for _, c := range p.shown {
		cs := c.stats
		if c.oldestWallNS != 0 && cs.Unsent > 0 {
			cs.OldestAge = max(0, time.Duration(now-c.oldestWallNS))
		}
		s.Unsent += cs.Unsent
		s.OldestAge = max(s.OldestAge, cs.OldestAge)
		s.Cameras = append(s.Cameras, cs)
	}
	slices.SortFunc(s.Cameras, func(a, b CameraStats) int { return strings.Compare(a.Name, b.Name) })
	return s
}
