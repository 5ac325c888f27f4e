// SPDX-License-Identifier: Apache-2.0

// Package supervisor is the process `camring run`: it starts receivers, workers and the private
// Redis, drives every camera's state machine, publishes the metadata and keeps the status.
//
// Start at [Run]. One goroutine, the loop, owns all state; children, timers and the publisher talk to
// it through channels, and everybody else reads the [status.Snapshot] it leaves.
//
// # What can go wrong
//
// A child may die or hang at any time; the loop starts another and the rings repair the rest. If this
// process dies, its children die with it and the rings stay: the next one goes on with them.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/user"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"camring/core/config"
	"camring/core/control"
	"camring/core/lifecycle"
	"camring/core/publish"
	"camring/core/status"
	"camring/core/version"
	"camring/ring"
)

const (
	lookEvery     = 100 * time.Millisecond
	snapshotEvery = 200 * time.Millisecond
	connectsHost  = 4 // attempts in flight at one host
	killAfter     = 1600 * time.Millisecond
	eventQueue    = 256
)

// Options are what the command line adds to the configuration.
type Options struct {
	Once   bool   // end when every file camera has ended
	Worker string // path of camring-worker; "" = beside this program or in PATH
	Log    *slog.Logger
}

// Supervisor runs one configuration. Make it with [New]; Snapshot may be called by any goroutine.
type Supervisor struct {
	cfg     *config.Config
	opt     Options
	log     *slog.Logger
	worker  string
	started time.Time
	host    string
	lock    *os.File

	cameras   []*camera
	byName    map[string]*camera
	accounts  map[string]*account
	processes []*process
	events    chan event
	spawner   *spawner
	publisher *publish.Publisher
	private   *publish.Private
	redis     status.Redis

	snapshot atomic.Pointer[status.Snapshot]
}

// ErrOnceFailed reports that a file camera of `run --once` did not reach its end.
var ErrOnceFailed = errors.New("not every file was read to its end")

// New checks what can be checked before anything is started, and takes the ring directory.
func New(cfg *config.Config, opt Options) (*Supervisor, error) {
	gid, err := groupID(cfg.Ring.Group)
	if err != nil {
		return nil, err
	}
	if err := ring.MakeDir(cfg.Ring.Dir); err != nil {
		return nil, err
	}
	s := &Supervisor{
		cfg: cfg, opt: opt, log: opt.Log, started: time.Now(),
		byName: map[string]*camera{}, accounts: map[string]*account{}, events: make(chan event, eventQueue), spawner: newSpawner(),
	}
	s.host, _ = os.Hostname()
	if s.worker, err = findWorker(opt.Worker); err != nil {
		return nil, err
	}
	if s.lock, err = ring.LockDir(cfg.Ring.Dir); err != nil {
		return nil, err
	}
	for _, c := range cfg.Cameras {
		s.add(newCamera(c, cfg.Ring.Dir, gid))
	}
	if opt.Once && !s.anyFile() {
		_ = s.lock.Close()
		return nil, errors.New("--once ends when every file camera has ended, and none is configured")
	}
	s.takeSnapshot(time.Now())
	return s, nil
}

func (s *Supervisor) add(c *camera) {
	now := time.Now()
	c.machine = lifecycle.New(now, c.cfg.Enabled, rand.Float64)
	c.existed = exists(c.watch.framePath)
	c.oldHead = c.watch.head()
	s.cameras = append(s.cameras, c)
	s.byName[c.cfg.Name] = c
	if !c.cfg.Enabled {
		return
	}
	c.worker = s.place(roleWorker, camerasPerWorker, c)
	if c.network() {
		c.receiver = s.place(roleReceiver, camerasPerReceiver, c)
		c.account = s.account(c)
	}
}

// place puts a camera into the first process of the role that has room.
func (s *Supervisor) place(role string, room int, c *camera) *process {
	n := 0
	for _, p := range s.processes {
		if p.role != role {
			continue
		}
		n++
		if len(p.cameras) < room {
			p.cameras = append(p.cameras, c)
			return p
		}
	}
	p := &process{role: role, index: n, cameras: []*camera{c}}
	p.log = s.log.With("process", role+" "+strconv.Itoa(n))
	s.processes = append(s.processes, p)
	return p
}

func (s *Supervisor) anyFile() bool {
	for _, c := range s.cameras {
		if c.cfg.Enabled && c.spec.Kind == "file" {
			return true
		}
	}
	return false
}

// Snapshot is the newest status; never nil, never changed, at most a second old while Run runs.
func (s *Supervisor) Snapshot() *status.Snapshot { return s.snapshot.Load() }

// Close gives the ring directory back; for a Supervisor that will not run.
func (s *Supervisor) Close() error { return s.lock.Close() }

// Run runs until ctx ends, then stops everything within two seconds. With Once it returns when every
// file has ended: nil, or [ErrOnceFailed].
func (s *Supervisor) Run(ctx context.Context) error {
	defer func() { _ = s.lock.Close() }()
	stopRedis := s.startRedis()
	err := s.loop(ctx)
	s.stopChildren()
	stopRedis()
	for _, c := range s.cameras {
		c.watch.close()
	}
	return err
}

// loop is the one goroutine that owns cameras and processes.
func (s *Supervisor) loop(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var shot time.Time
	for {
		now := time.Now()
		s.restart(now)
		s.drive(now)
		if now.Sub(shot) >= snapshotEvery {
			shot = now
			s.takeSnapshot(now)
		}
		if s.opt.Once {
			if done, err := s.onceDone(); done {
				s.takeSnapshot(now)
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case e := <-s.events:
			s.handle(time.Now(), e)
			for range len(s.events) { // looking at every camera after each would cost too much
				s.handle(time.Now(), <-s.events)
			}
		case <-look.C:
		}
	}
}

// restart starts the processes that are not running and may.
func (s *Supervisor) restart(now time.Time) {
	for _, p := range s.processes {
		switch {
		case p.cmd == nil && !now.Before(p.restartAt):
			if err := p.spawn(s.spawner, s.worker, s.events, s.childLine); err != nil {
				p.log.LogAttrs(context.Background(), slog.LevelError, "process cannot be started", slog.String("err", err.Error()))
				p.started = now
				p.died(now)
			}
		case p.cmd != nil && !p.ready && now.Sub(p.started) > helloWithin:
			p.log.LogAttrs(context.Background(), slog.LevelError, "process said nothing after its start, killing it")
			_ = p.cmd.Process.Kill()
			p.started = now
		}
	}
}

// drive looks at every camera's rings and moves its state machine.
func (s *Supervisor) drive(now time.Time) {
	connecting := map[string]int{}
	for _, c := range s.cameras {
		if c.machine.State == ring.StateConnecting && c.machine.Attempting() && c.host != "" {
			connecting[c.host]++
		}
	}
	for _, c := range s.cameras {
		if !c.cfg.Enabled {
			continue
		}
		s.look(now, c)
		if c.machine.Wants(now) {
			c.account.park(now, c)
		}
		if c.machine.Wants(now) && (c.host == "" || connecting[c.host] < connectsHost) && c.account.admits(now) && c.begin() {
			c.machine.Begun(now)
			connecting[c.host]++
		}
		packets := age(ring.MonoNS(), c.watch.lastPacket)
		flowing := packets >= 0 && packets < 1000
		if c.machine.Tick(now, c.watch.interval(), flowing, c.worker.ready) == lifecycle.Abort {
			c.abort(now, c.machine.Reason)
		}
		s.checkHung(now, c)
		s.tell(c)
	}
}

// look reads what is new in a camera's rings.
func (s *Supervisor) look(now time.Time, c *camera) {
	if c.watch.look(now) {
		c.deaths = 0
		c.machine.Frame(now)
		s.toPublisher(c)
	}
}

// handle deals with news from a child.
func (s *Supervisor) handle(now time.Time, e event) {
	if e.life != e.p.life {
		return
	}
	switch {
	case e.gone:
		s.lost(now, e.p, e.exit)
	case e.msg.Hello != nil:
		s.hello(e.p, e.msg.Hello)
	case e.msg.Connected != nil:
		s.reached(now, e.p, e.msg.Connected)
	case e.msg.Ended != nil:
		s.ended(now, e.p, e.msg.Ended)
	case e.msg.Log != nil:
		s.childLog(e.p, e.msg.Log)
	}
}

func (s *Supervisor) hello(p *process, h *control.Hello) {
	if h.Protocol != control.Version || h.Version != version.Version {
		p.log.LogAttrs(context.Background(), slog.LevelError, "process is of another version: build and install both programs together",
			slog.String("version", h.Version), slog.String("want", version.Version))
		for _, c := range p.cameras {
			c.machine.Detail = fmt.Sprintf("the %s is version %q, camring is %q: build and install both together", p.role, h.Version, version.Version)
		}
		_ = p.cmd.Process.Kill()
		return
	}
	p.ready = true
	p.log.LogAttrs(context.Background(), slog.LevelDebug, "process ready", slog.Int("pid", h.PID), slog.String("detail", h.Detail))
	for _, c := range p.cameras {
		// A network camera whose session has gone on without a worker is decoded again at once. One
		// without a session gets the last of it now, not when it comes back, and a ring that is alive.
		if p.role == roleWorker && c.network() && (c.reached || c.resumes()) {
			c.decode()
		}
	}
}

func (s *Supervisor) reached(now time.Time, p *process, m *control.Connected) {
	c := s.byName[m.Camera]
	if c == nil || m.Attempt != c.attempt || (c.network() && p.role != roleReceiver) {
		return
	}
	c.connected = *m
	c.reached = true
	if c.sessions++; c.sessions > 1 {
		c.reconnects++
	}
	c.account.welcomed()
	c.machine.Connected(now)
	c.decode()
}

func (s *Supervisor) ended(now time.Time, p *process, m *control.Ended) {
	c := s.byName[m.Camera]
	if c == nil {
		return
	}
	c.unanswered.answered(p, m.Attempt)
	failure := lifecycle.Failure{Reason: m.Reason, Detail: m.Detail, RetryAfter: m.RetryAfter}
	if c.network() && p.role == roleWorker {
		if m.Attempt != c.capture {
			return
		}
		// The decoder gave up: the session is of no use without it.
		c.captured = false
		if !c.machine.Attempting() || !c.reached { // nor is there a session; what the camera waits for stays
			return
		}
		c.abort(now, m.Reason)
		c.attempt++ // what the receiver still says of the session does not matter
		c.reached = false
		c.machine.Ended(now, failure)
		return
	}
	if m.Attempt != c.attempt {
		return
	}
	if !c.network() {
		c.captured = false
	}
	c.reached = false
	c.machine.Ended(now, failure)
	if m.Reason == ring.ReasonBadCredentials {
		c.account.refused(now, m.Detail)
	}
}

// lost deals with the death of a child.
func (s *Supervisor) lost(now time.Time, p *process, exit error) {
	why := "exited"
	if exit != nil {
		why = exit.Error()
	}
	p.log.LogAttrs(context.Background(), slog.LevelError, "process died, starting another", slog.String("why", why), slog.Int("cameras", len(p.cameras)))
	p.died(now)
	for _, c := range p.cameras {
		c.unanswered.forget(p)
		if p.role == roleWorker {
			s.look(now, c) // its last pictures are not its successor's
		}
		switch {
		case p.role == roleReceiver:
			if c.machine.Attempting() {
				c.reached = false
				c.machine.Ended(now, lifecycle.Failure{Reason: ring.ReasonReceiverLost, Detail: "the receiver process died: " + why, Immediate: true})
			}
		case c.network():
			c.captured = false
			c.deaths++
			c.machine.WorkerLost(now)
		case c.machine.Attempting():
			c.captured = false
			c.deaths++
			c.machine.Ended(now, lifecycle.Failure{Reason: ring.ReasonWorkerLost, Detail: "the worker process died: " + why, Immediate: true})
		}
	}
}

func (s *Supervisor) onceDone() (bool, error) {
	var errs []error
	for _, c := range s.cameras {
		if !c.cfg.Enabled || c.spec.Kind != "file" {
			continue
		}
		switch c.machine.State {
		case ring.StateEnded:
		case ring.StateUnsupported, ring.StateBackoff:
			if c.machine.Reason == ring.ReasonWorkerLost && c.deaths < 3 {
				return false, nil
			}
			errs = append(errs, fmt.Errorf("%w: camera %s: %s: %s", ErrOnceFailed, c.cfg.Name, c.machine.Reason, c.machine.Detail))
		default:
			return false, nil
		}
	}
	return true, errors.Join(errs...)
}

// stopChildren stops the workers, then the receivers: a worker reads packet rings, and a ring that
// somebody reads is left behind. Whoever has not stopped in time is killed.
func (s *Supervisor) stopChildren() {
	deadline := time.Now().Add(killAfter)
	s.stopRole(roleWorker, time.Now().Add(killAfter*3/4))
	s.stopRole(roleReceiver, deadline)
	for _, c := range s.cameras {
		if c.cfg.Enabled {
			c.release()
		}
	}
}

func (s *Supervisor) stopRole(role string, deadline time.Time) {
	var sending sync.WaitGroup
	defer sending.Wait()
	left := 0
	for _, p := range s.processes {
		if p.role == role && p.cmd != nil {
			left++
			conn, child := p.conn, p.cmd.Process // the loop below forgets them when it ends
			sending.Go(func() {
				if err := conn.Send(control.Message{Quit: &control.Quit{}}); err != nil {
					_ = child.Kill()
				}
			})
		}
	}
	late := time.After(time.Until(deadline))
	for left > 0 {
		select {
		case e := <-s.events:
			if s.stopping(e) && e.p.role == role {
				left--
			}
		case <-late:
			for _, p := range s.processes {
				if p.role == role && p.cmd != nil {
					p.log.LogAttrs(context.Background(), slog.LevelError, "process did not stop in time, killing it")
					_ = p.cmd.Process.Kill()
				}
			}
		}
	}
}

// stopping deals with news from a child that has been told to stop, and reports whether it has ended.
func (s *Supervisor) stopping(e event) bool {
	switch {
	case e.life != e.p.life:
	case e.gone:
		e.p.cmd, e.p.conn, e.p.ready = nil, nil, false
		return true
	case e.msg.Log != nil:
		s.childLog(e.p, e.msg.Log)
	case e.msg.Ended != nil && e.msg.Ended.Detail != "":
		e.p.log.LogAttrs(context.Background(), slog.LevelWarn, "camera stopped", slog.String("camera", e.msg.Ended.Camera),
			slog.String("detail", e.msg.Ended.Detail))
	}
	return false
}

func groupID(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("ring.group: %w: create it (groupadd %s) or remove the key", err, name)
	}
	return strconv.Atoi(g.Gid)
}
