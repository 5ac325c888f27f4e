// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"camring/core/version"
	"camring/ring"
)

// stopWithin is how long a child's cameras have for a planned stop; the supervisor kills after more.
const stopWithin = 1500 * time.Millisecond

// Serve makes one attempt at a camera and returns what ended it. connected is called at most once.
// When ctx ends, its cause is a [*Stopped].
type Serve func(ctx context.Context, start Start, state *Mirror, log *slog.Logger, connected func(Connected)) Ended

// Stopped is the cause with which a camera's context ends.
type Stopped struct {
	Reason ring.Reason
	Final  bool
}

// Error says why.
func (s *Stopped) Error() string { return "stopped: " + s.Reason.String() }

// StopOf returns how a camera's context was ended.
func StopOf(ctx context.Context) Stopped {
	if s, ok := errors.AsType[*Stopped](context.Cause(ctx)); ok {
		return *s
	}
	return Stopped{Reason: ring.ReasonShutdown}
}

// Child runs the child's side of the protocol until the supervisor says quit or is gone: it says
// hello, makes the attempts with serve, one goroutine each, and reports their ends. It returns nil
// after quit, and io.EOF if the supervisor is gone.
func Child(conn *Conn, hello Hello, serve Serve) error {
	// A terminal, timeout(1) and systemd send these to the whole group; a child that died of one would
	// leave its rings. The supervisor decides, and if it is gone the socket says so.
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM)
	log := slog.New(NewHandler(conn))
	hello.Protocol, hello.Version, hello.PID = Version, version.Version, os.Getpid()
	if err := conn.Send(Message{Hello: &hello}); err != nil {
		return err
	}
	c := child{conn: conn, serve: serve, log: log, cameras: map[string]*attempt{}}
	for {
		m, err := conn.Receive()
		if err != nil {
			c.stopAll(false) // the rings stay: whoever is started next goes on with them
			return err
		}
		switch {
		case m.Start != nil:
			c.start(*m.Start)
		case m.Stop != nil:
			c.stop(m.Stop.Camera, &Stopped{Reason: m.Stop.Reason, Final: m.Stop.Final})
		case m.State != nil:
			c.state(*m.State)
		case m.Quit != nil:
			c.stopAll(true)
			return nil
		}
	}
}

type child struct {
	conn    *Conn
	serve   Serve
	log     *slog.Logger
	running sync.WaitGroup

	mu      sync.Mutex // guards below
	cameras map[string]*attempt
	ending  bool // no attempt begins any more
}

type attempt struct {
	cancel  context.CancelCauseFunc
	mirror  Mirror
	stopped bool
	next    *Start // begins when this one, which has been stopped, has ended
}

// start begins an attempt. While one that has been stopped still says goodbye to its source, the next
// waits for it.
func (c *child) start(s Start) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.cameras[s.Camera.Name]
	switch {
	case a == nil:
		c.begin(s)
	case a.stopped && a.next == nil:
		a.next = &s
	default:
		c.running.Go(func() {
			c.say(Message{Ended: &Ended{Camera: s.Camera.Name, Attempt: s.Attempt, Reason: ring.ReasonInternal, Detail: "the camera is still being served"}})
		})
	}
}

// begin runs an attempt. The caller holds mu.
func (c *child) begin(s Start) {
	ctx, cancel := context.WithCancelCause(context.Background())
	a := &attempt{cancel: cancel}
	c.cameras[s.Camera.Name] = a
	c.running.Go(func() {
		defer cancel(nil)
		log := c.log.With("camera", s.Camera.Name)
		ended := c.serve(ctx, s, &a.mirror, log, func(info Connected) {
			info.Camera, info.Attempt = s.Camera.Name, s.Attempt
			c.say(Message{Connected: &info})
		})
		ended.Camera, ended.Attempt = s.Camera.Name, s.Attempt
		c.mu.Lock()
		delete(c.cameras, s.Camera.Name)
		if a.next != nil && !c.ending {
			c.begin(*a.next)
			c.cameras[s.Camera.Name].mirror.v.Store(a.mirror.v.Load())
		}
		c.mu.Unlock()
		c.say(Message{Ended: &ended})
	})
}

func (c *child) stop(name string, why *Stopped) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.cameras[name]
	if a == nil {
		return
	}
	if n := a.next; n != nil { // it has not begun
		a.next = nil
		c.running.Go(func() {
			c.say(Message{Ended: &Ended{Camera: name, Attempt: n.Attempt, Reason: why.Reason, Detail: "the attempt before it has not ended"}})
		})
	}
	a.stopped = true
	a.cancel(why)
}

func (c *child) state(s State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.cameras[s.Camera]; a != nil {
		a.mirror.set(s.State, s.Reason)
	}
}

// stopAll ends every attempt and waits, but not for ever: a thread that hangs in a library must not
// keep the process.
func (c *child) stopAll(final bool) {
	c.mu.Lock()
	c.ending = true
	for _, a := range c.cameras {
		a.cancel(&Stopped{Reason: ring.ReasonShutdown, Final: final})
	}
	c.mu.Unlock()
	done := make(chan struct{})
	go func() { c.running.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(stopWithin):
	}
}

// say sends; if that fails the supervisor is gone, and Receive will say so.
func (c *child) say(m Message) { _ = c.conn.Send(m) }
