// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"errors"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"camring/ring"
)

const (
	// DefaultBatch is the time between two pipelines.
	DefaultBatch = 25 * time.Millisecond
	// DefaultMaxLen is about how many records each stream keeps: half a minute at 30 fps.
	DefaultMaxLen = 1000

	leaveTimeout = time.Second // for what a removed camera still has to send
)

// Records is one camera's frame ring as the publisher reads it. Only Run's goroutine calls its methods,
// except that [Publisher.Add] asks for the head before it hands the Records over. The publisher closes
// it.
type Records interface {
	// CreatedMS is the wall clock in milliseconds when the ring's present epoch was created.
	CreatedMS() int64
	// Base is the sequence of the epoch's first record, at least 1.
	Base() uint64
	// Head is the newest sequence, Base()-1 if there is none. It may grow at any time.
	Head() uint64
	// Describe copies a descriptor: ring.ErrLapped if it was overwritten, ring.ErrNotPublished beyond
	// the head. Any other error is a damaged ring and is tried again later.
	Describe(seq uint64, d *ring.FrameDesc) error
	// Follow moves to a newer epoch if there is one. It is called when everything up to Head is
	// stored in Redis; a record that came between is reported as lapped.
	Follow() (moved bool, err error)
	Close() error
}

// Camera is what the publisher has to know of one camera.
type Camera struct {
	Name      string // unique among the publisher's cameras
	StreamKey string // field cam_id
	CameraID  string
	Topic     string // the Redis stream, this camera's alone
	Group     string // empty = "default"
	Location  string // empty = "Unknown"
	Output    string
	RingPath  string
	Records   Records
	// FromHead makes a stream that does not exist yet begin behind the ring's head at Add, instead of
	// with all the ring holds: for a ring that was there before this process.
	FromHead bool
}

// Options are fixed for a publisher's life.
type Options struct {
	Target Target
	Batch  time.Duration // 0 = DefaultBatch
	MaxLen int           // 0 = DefaultMaxLen
	Log    *slog.Logger  // nil = no log
	Host   string        // field host; empty = the host's name
}

// Publisher sends records to one Redis. Make it with [New].
type Publisher struct {
	target Target
	batch  time.Duration
	keep   uint64
	maxLen string // keep in decimal
	host   string
	log    *slog.Logger

	// Run's goroutine only.
	conn     *connection
	fails    int // connects and pipelines in a row
	nextDial time.Time
	lastIO   time.Time
	observed time.Time
	streams  []*stream
	turn     int // which stream goes first
	sending  batch
	desc     ring.FrameDesc
	report   reporter

	mu      sync.Mutex // guards below
	pending []change
	shown   []*stream // those in streams; their stats are guarded too
	stats   Stats
	running bool
	ended   bool
}

// change is an Add, or a Remove if cam.Records is nil.
type change struct {
	cam  Camera
	head uint64 // at Add
}

// New returns a publisher that does nothing until [Publisher.Run].
func New(o Options) *Publisher {
	if o.Batch <= 0 {
		o.Batch = DefaultBatch
	}
	if o.MaxLen <= 0 {
		o.MaxLen = DefaultMaxLen
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Host == "" {
		o.Host, _ = os.Hostname() // a host without a name has an empty field
	}
	return &Publisher{
		target: o.Target, batch: o.Batch, keep: uint64(o.MaxLen), maxLen: strconv.Itoa(o.MaxLen),
		host: o.Host, log: o.Log, report: reporter{log: o.Log},
	}
}

// Add begins to send a camera's records and takes over its Records. A camera of the same name is
// removed first.
func (p *Publisher) Add(cam Camera) {
	if cam.Group == "" {
		cam.Group = "default"
	}
	if cam.Location == "" {
		cam.Location = "Unknown"
	}
	c := change{cam: cam, head: cam.Records.Head()}
	p.mu.Lock()
	ended := p.ended
	if !ended {
		p.pending = append(p.pending, c)
	}
	p.mu.Unlock()
	if ended {
		_ = cam.Records.Close()
	}
}

// Remove stops sending a camera's records and closes its Records, soon: what is in the ring is still
// sent if Redis takes it within a second.
func (p *Publisher) Remove(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.pending = append(p.pending, change{cam: Camera{Name: name}})
	}
}

// apply makes the cameras what Add and Remove said.
func (p *Publisher) apply(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pending) == 0 {
		return
	}
	var later []change
	waits := map[string]bool{} // a camera whose predecessor has not left yet
	for _, c := range p.pending {
		old := p.find(c.cam.Name)
		if old != nil && old.leaveBy.IsZero() {
			old.leaveBy = now.Add(leaveTimeout)
		}
		switch {
		case waits[c.cam.Name] || old != nil && c.cam.Records != nil:
			waits[c.cam.Name] = true
			later = append(later, c)
		case c.cam.Records != nil:
			p.streams = append(p.streams, newStream(c.cam, p.host, p.keep, c.head))
		}
	}
	p.pending = later
	p.shown = append(p.shown[:0], p.streams...)
}

func (p *Publisher) find(name string) *stream {
	for _, s := range p.streams {
		if s.cam.Name == name {
			return s
		}
	}
	return nil
}

// leave closes the removed cameras that have nothing left to send, or no time.
func (p *Publisher) leave(now time.Time) {
	kept := p.streams[:0]
	for _, s := range p.streams {
		drained := s.synced && s.behind() == 0 && s.overtaken.kind != kindRefused
		if s.leaveBy.IsZero() || !drained && now.Before(s.leaveBy) {
			kept = append(kept, s)
			continue
		}
		s.close(p)
	}
	if len(kept) == len(p.streams) {
		return
	}
	clear(p.streams[len(kept):])
	p.streams = kept
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.shown)
	p.shown = append(p.shown[:0], p.streams...)
}

func (s *stream) close(p *Publisher) {
	if err := s.cam.Records.Close(); err != nil {
		p.log.Warn("frame ring did not close", slog.String("camera", s.cam.Name), slog.Any("err", err))
	}
}

// errRunTwice reports a mistake of the caller.
var errRunTwice = errors.New("publisher: Run was called before")
