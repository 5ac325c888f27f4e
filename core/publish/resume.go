// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

const (
	// searchBack is how many entries of a stream are looked at for the newest one of ours, when its
	// last one is not.
	searchBack = 64
	// replayMost is how much is sent again at most when Redis comes back without the stream: no more
	// than the ring's descriptor table holds.
	replayMost = 4000
)

// errGone reports that the connection broke, not that Redis refused.
var errGone = errors.New("connection lost")

// entryID is the id of a stream entry.
type entryID struct{ ms, seq uint64 }

func parseID(text string) (entryID, error) {
	ms, seq, ok := strings.Cut(text, "-")
	var id entryID
	var err error
	if id.ms, err = strconv.ParseUint(ms, 10, 64); err == nil && ok {
		id.seq, err = strconv.ParseUint(seq, 10, 64)
	}
	if err != nil || !ok {
		return entryID{}, fmt.Errorf("%q is not the id of a stream entry", text)
	}
	return id, nil
}

// resume reads the last ids of the streams, as one pipeline, and sets their positions. It returns an
// error only if the connection is gone; a refusal puts that stream's next attempt off.
//
// XINFO STREAM's last-generated-id is what XADD compares with. The newest entry's id is not: it may
// be gone by trimming or XDEL.
func (p *Publisher) resume(now time.Time, streams []*stream) error {
	b := p.conn.client.B()
	commands := make([]rueidis.Completed, 0, len(streams))
	for _, s := range streams {
		commands = append(commands, b.XinfoStream().Key(s.key).Build())
	}
	for i, reply := range p.conn.do(commands...) {
		if err := reply.NonRedisError(); err != nil {
			return fmt.Errorf("read the last ids: %w", err)
		}
		s := streams[i]
		last, exists, err := lastID(reply)
		var ours *entryID
		if err == nil && exists && last.ms > s.ms {
			if ours, err = p.searchOurs(s); errors.Is(err, errGone) {
				return err
			}
		}
		if err != nil {
			p.refuse(now, s, fmt.Errorf("read the last id of stream %q: %w", s.key, err))
			continue
		}
		before := s.ms
		p.mu.Lock()
		for _, it := range s.resumeAt(last, exists, ours) {
			p.count(&it)
		}
		p.mu.Unlock()
		s.synced = true
		if s.ms != before && (ours == nil || *ours != last) {
			p.rebased(now, s, last)
		}
	}
	return nil
}

func lastID(reply rueidis.RedisResult) (last entryID, exists bool, err error) {
	info, err := reply.AsMap()
	if err != nil {
		if strings.Contains(err.Error(), "no such key") {
			return entryID{}, false, nil
		}
		return entryID{}, false, err
	}
	id := info["last-generated-id"]
	text, err := id.ToString()
	if err != nil {
		return entryID{}, false, err
	}
	last, err = parseID(text)
	return last, err == nil, err
}

// searchOurs looks for the newest entry that came from the present epoch of the stream's ring. It
// returns nil if there is none among the last few.
func (p *Publisher) searchOurs(s *stream) (*entryID, error) {
	replies := p.conn.do(p.conn.client.B().Xrevrange().Key(s.key).End("+").Start("-").Count(searchBack).Build())
	if err := replies[0].NonRedisError(); err != nil {
		return nil, fmt.Errorf("%w: %w", errGone, err)
	}
	entries, err := replies[0].AsXRange()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.FieldValues["ring"] != s.cam.RingPath || e.FieldValues["epoch"] != s.epoch || e.FieldValues["host"] != s.host {
			continue
		}
		id, err := parseID(e.ID)
		return &id, err
	}
	return nil, nil
}

// resumeAt sets the position behind what Redis has: last is the stream's last id if it exists, ours
// the newest entry of this ring epoch, given only where last is ahead of the ring. It returns those
// records of a failed pipeline that turn out to be stored.
func (s *stream) resumeAt(last entryID, exists bool, ours *entryID) (found []item) {
	base, head := max(1, s.cam.Records.Base()), s.cam.Records.Head()
	next := base
	switch {
	case !exists && s.sent:
		// Redis lost the stream. What it had is sent again as far as the stream would keep it and the
		// ring still has it; what it never had is sent or reported in any case.
		next = min(s.acked+1, sub(head+1, min(s.maxLen, replayMost)))
	case !exists:
		next = s.next
	case last.ms > s.ms && ours != nil && *ours == last:
		s.ms, next = last.ms, last.seq+1 // rebased by an earlier run
	case last.ms > s.ms && ours != nil:
		s.ms, next = last.ms+1, max(ours.seq+1, s.next)
	case last.ms > s.ms:
		s.ms = last.ms + 1
		if s.sent || s.cam.FromHead {
			next = s.next
		}
	case last.ms == s.ms && last.seq > head:
		s.ms = last.ms + 1 // not this ring's numbers
	case last.ms == s.ms:
		next = last.seq + 1
		if s.overtaken.kind == kindRefused && last.seq >= s.acked {
			found = append(found, s.overtaken)
			s.overtaken = item{}
		}
	case s.sent && last.seq >= s.acked:
		next = s.acked + 1 // all is there; only our first half grew since
	case s.sent:
		next = last.seq + 1 // Redis lost the end of the stream
	}
	s.next = max(next, base)
	if !s.sent && s.next > head+1 {
		s.next = max(base, head+1)
	}
	s.acked = s.next - 1
	for _, it := range s.unsure {
		if it.kind != kindRefused && it.to <= s.acked && exists {
			found = append(found, it)
			s.sent = true
		}
	}
	if s.acked >= s.unsureTo {
		s.unsure, s.unsureTo = s.unsure[:0], 0
	}
	return found
}

// sub is a-b, but not below 1.
func sub(a, b uint64) uint64 {
	if a <= b {
		return 1
	}
	return a - b
}

// rebased says that a stream's ids go on in another millisecond than its ring's: the first time at
// once, then as often as other trouble.
func (p *Publisher) rebased(now time.Time, s *stream, last entryID) {
	p.mu.Lock()
	s.stats.Rebased++
	first := s.stats.Rebased == 1
	p.mu.Unlock()
	text := fmt.Sprintf("%d-%d", last.ms, last.seq)
	if !first {
		p.report.trouble(now, "ids moved again", s.cam.Name, fmt.Errorf("stream %q: last id is %s; does anything else add to it?", s.key, text))
		return
	}
	p.log.LogAttrs(context.Background(), slog.LevelWarn, "last id of the stream is ahead of the ring, ids go on behind it",
		slog.String("camera", s.cam.Name), slog.String("stream", s.key), slog.String("last_id", text),
		slog.String("epoch_ms", s.epoch), slog.Uint64("ids_ms", s.ms))
}
