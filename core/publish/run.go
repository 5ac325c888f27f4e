// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const (
	pingAfter    = 2 * time.Second // of silence, to notice that Redis has gone
	observeEvery = 250 * time.Millisecond
)

// Run sends until ctx ends, then once more what has come meanwhile, for at most stopTimeout, and closes
// every Records. Redis being away is not an error: Run keeps trying. A private Redis should outlive it.
//
// Thread: owns the connection, the streams and their Records.
// Stops:  when ctx ends; a pipeline in flight is given stopTimeout.
func (p *Publisher) Run(ctx context.Context) error {
	p.mu.Lock()
	again := p.running
	p.running = true
	p.mu.Unlock()
	if again {
		return errRunTwice
	}
	defer p.end()

	ticker := time.NewTicker(p.batch)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			now := time.Now()
			p.apply(now)
			if p.conn != nil {
				p.send(now, stopTimeout)
			}
			return nil
		case <-ticker.C:
			p.tick(ctx, time.Now())
		}
	}
}

// tick does what is due, with at most one exchange with Redis unless there is a backlog.
func (p *Publisher) tick(ctx context.Context, now time.Time) {
	p.apply(now)
	switch unsynced := p.unsynced(now); {
	case p.conn == nil && now.Before(p.nextDial):
	case p.conn == nil:
		p.dial(ctx, now)
	case len(unsynced) > 0:
		p.lastIO = now
		if err := p.resume(now, unsynced); err != nil {
			p.drop(now, err)
		}
	default:
		p.send(now, p.batch)
		if p.conn != nil && now.Sub(p.lastIO) > pingAfter {
			p.lastIO = now
			if err := p.conn.do(p.conn.client.B().Ping().Build())[0].NonRedisError(); err != nil {
				p.drop(now, err)
			}
		}
	}
	p.leave(now)
	p.observe(now)
}

// unsynced returns the streams whose last id has to be read and may be.
func (p *Publisher) unsynced(now time.Time) []*stream {
	if p.conn == nil {
		return nil
	}
	var list []*stream
	for _, s := range p.streams {
		if !s.synced && !now.Before(s.retryAt) && len(list) < maxCommands {
			list = append(list, s)
		}
	}
	return list
}

func (p *Publisher) dial(ctx context.Context, now time.Time) {
	conn, err := connect(ctx, p.target)
	if err != nil {
		if ctx.Err() == nil {
			p.drop(now, err)
		}
		return
	}
	p.conn, p.lastIO = conn, now
	p.mu.Lock()
	p.stats.Connected = true
	p.mu.Unlock()
}

// drop gives the connection up, if there is one, and puts the next attempt off.
func (p *Publisher) drop(now time.Time, err error) {
	if p.conn != nil {
		p.conn.close()
		p.conn = nil
	}
	for _, s := range p.streams {
		s.synced = false
	}
	p.nextDial = now.Add(backoff(p.fails))
	p.fails++
	p.mu.Lock()
	p.stats.Connected = false
	p.stats.Retries++
	p.noteError(now, err)
	p.mu.Unlock()
	p.report.trouble(now, "no connection to redis", "", err)
}

// refuse puts one stream off because of what Redis answered.
func (p *Publisher) refuse(now time.Time, s *stream, err error) {
	s.failed(now)
	p.mu.Lock()
	s.stats.LastError = err.Error()
	p.noteError(now, err)
	p.mu.Unlock()
	p.report.trouble(now, "redis refuses records", s.cam.Name, err)
}

// noteError needs Publisher.mu.
func (p *Publisher) noteError(now time.Time, err error) {
	p.stats.LastError, p.stats.LastErrorAt = err.Error(), now
}

// send gathers what is new and sends it as one pipeline. Only when that one was full does it send
// another one, and so on for at most budget: a backlog drains as fast as Redis takes it, and
// in the ordinary case there is one write per batch interval.
func (p *Publisher) send(now time.Time, budget time.Duration) {
	for first := true; p.conn != nil; first = false {
		p.gather(now, first)
		if len(p.sending.items) == 0 {
			return
		}
		p.flush(now)
		if !p.sending.full || time.Since(now) >= budget {
			return
		}
	}
}

// gather fills the next pipeline. Every stream gets its share first; what is left over goes to those
// that have more. Who is first changes, so that a full pipeline starves nobody.
func (p *Publisher) gather(now time.Time, follow bool) {
	b := &p.sending
	b.reset()
	n := len(p.streams)
	if n == 0 {
		return
	}
	p.turn = (p.turn + 1) % n
	share := max(1, maxCommands/n)
	for pass := range 2 {
		for i := range n {
			s := p.streams[(p.turn+i)%n]
			quota := share
			switch {
			case b.full:
				return
			case !s.ready(now), pass == 1 && s.fails > 0:
				continue
			case s.fails > 0:
				quota = 1 // a refused stream shows with one record that it is accepted again
			case pass == 1:
				quota = maxCommands
			}
			err := s.gather(b, quota, &p.desc)
			if err == nil && follow && pass == 0 && s.next == s.acked+1 && s.behind() == 0 {
				err = s.follow()
			}
			if err != nil {
				p.refuse(now, s, fmt.Errorf("ring %s: %w", s.cam.RingPath, err))
			}
		}
	}
}

// flush sends the gathered pipeline and settles its replies.
func (p *Publisher) flush(now time.Time) {
	b := &p.sending
	began := time.Now()
	replies := p.conn.do(b.build(p.conn.client.B(), p.maxLen)...)
	took := time.Since(began)
	p.lastIO = now
	for _, r := range replies {
		if err := r.NonRedisError(); err != nil {
			// One deadline covers all: nothing is known of any record.
			for _, s := range p.streams {
				if s.next != s.acked+1 || s.overtakenIn(b.items) {
					s.unsend(b.items)
				}
			}
			p.drop(now, err)
			return
		}
	}
	whose, err := p.settle(now, b, replies)

	p.mu.Lock()
	p.stats.Batches++
	p.stats.MaxBatch = max(p.stats.MaxBatch, len(b.items))
	p.stats.FlushLast, p.stats.FlushMax = took, max(p.stats.FlushMax, took)
	p.stats.FlushTotal += took
	if err != nil {
		p.noteError(now, err)
	}
	p.mu.Unlock()

	switch {
	case err != nil && needsNewConnection(err):
		p.drop(now, err)
	case err != nil:
		p.fails = 0
		p.report.trouble(now, "redis refuses records", whose.cam.Name, err)
	default:
		p.fails = 0
		p.report.fine(p.target)
	}
}

// needsNewConnection reports an answer that will be the same for ever on this connection: the user is
// no longer logged in, or the server is no longer the primary.
func needsNewConnection(err error) bool {
	return strings.HasPrefix(err.Error(), "NOAUTH") || strings.HasPrefix(err.Error(), "READONLY")
}

// observe notes what waits in the rings, for Stats.
func (p *Publisher) observe(now time.Time) {
	if now.Sub(p.observed) < observeEvery {
		return
	}
	p.observed = now
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.streams {
		s.stats.Unsent = s.behind()
		switch {
		case s.stats.Unsent == 0:
			s.oldestWallNS = 0
		case s.cam.Records.Describe(s.next, &p.desc) == nil:
			s.oldestWallNS = p.desc.PublishedWallNS
		} // a lapped record's time is not known any more: the last one stands
	}
}

// end closes everything.
func (p *Publisher) end() {
	if p.conn != nil {
		p.conn.close()
		p.conn = nil
	}
	p.mu.Lock()
	p.ended, p.stats.Connected = true, false
	pending := p.pending
	p.pending = nil
	p.observeLast()
	p.mu.Unlock()
	for _, s := range p.streams {
		s.close(p)
	}
	for _, c := range pending {
		if c.cam.Records != nil {
			_ = c.cam.Records.Close()
		}
	}
}

// observeLast leaves in the statistics what could not be sent; Publisher.mu is held.
func (p *Publisher) observeLast() {
	for _, s := range p.streams {
		s.stats.Unsent = s.behind()
	}
}
