// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"camring/ring"
)

// pair runs a child in this process and returns the supervisor's end; done has Child's result.
func pair(t *testing.T, serve Serve) (parent *Conn, done chan error) {
	t.Helper()
	parent, file, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := FromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan error, 1)
	go func() { done <- Child(theirs, Hello{Detail: "test"}, serve); _ = theirs.Close() }()
	t.Cleanup(func() { _ = parent.Close() })
	if m := receive(t, parent); m.Hello == nil || m.Hello.Protocol != Version || m.Hello.PID == 0 {
		t.Fatalf("first message %+v, want hello", m)
	}
	return parent, done
}

func receive(t *testing.T, c *Conn) Message {
	t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	m, err := c.Receive()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func tell(t *testing.T, c *Conn, m Message) {
	t.Helper()
	if err := c.Send(m); err != nil {
		t.Fatal(err)
	}
}

func startOf(attempt uint64) Message {
	return Message{Start: &Start{Camera: Camera{Name: "cam"}, Attempt: attempt}}
}

func wantEnded(t *testing.T, c *Conn, attempt uint64, reason ring.Reason) {
	t.Helper()
	m := receive(t, c)
	if m.Ended == nil || m.Ended.Camera != "cam" || m.Ended.Attempt != attempt || m.Ended.Reason != reason {
		t.Fatalf("message %+v (%+v), want the end of attempt %d with %v", m, m.Ended, attempt, reason)
	}
}

func wantConnected(t *testing.T, c *Conn, attempt uint64) {
	t.Helper()
	if m := receive(t, c); m.Connected == nil || m.Connected.Camera != "cam" || m.Connected.Attempt != attempt {
		t.Fatalf("message %+v, want connected of attempt %d", m, attempt)
	}
}

// obedient connects, and ends when it is told to.
func obedient(ctx context.Context, _ Start, _ *Mirror, _ *slog.Logger, connected func(Connected)) Ended {
	connected(Connected{})
	<-ctx.Done()
	return Ended{Reason: StopOf(ctx).Reason}
}

func TestChildServesUntilStopped(t *testing.T) {
	parent, done := pair(t, obedient)
	tell(t, parent, startOf(1))
	wantConnected(t, parent, 1)
	tell(t, parent, startOf(2))
	wantEnded(t, parent, 2, ring.ReasonInternal) // refused: it is being served
	tell(t, parent, Message{Stop: &Stop{Camera: "cam", Reason: ring.ReasonNoPackets}})
	wantEnded(t, parent, 1, ring.ReasonNoPackets)
	tell(t, parent, Message{Stop: &Stop{Camera: "cam"}})     // late: nothing is served
	tell(t, parent, Message{State: &State{Camera: "other"}}) // of a camera that is not here
	tell(t, parent, startOf(3))
	wantConnected(t, parent, 3)
	tell(t, parent, Message{Quit: &Quit{}})
	wantEnded(t, parent, 3, ring.ReasonShutdown)
	if err := <-done; err != nil {
		t.Errorf("after quit: %v", err)
	}
}

// An attempt that follows a stop at once waits until the one before has ended, and never beside it.
func TestStartWaitsForAnAttemptThatIsBeingStopped(t *testing.T) {
	goodbye := make(chan struct{})
	var running atomic.Int32
	parent, _ := pair(t, func(ctx context.Context, s Start, m *Mirror, log *slog.Logger, connected func(Connected)) Ended {
		if running.Add(1) > 1 {
			t.Error("two attempts at one camera at once")
		}
		defer running.Add(-1)
		ended := obedient(ctx, s, m, log, connected)
		<-goodbye
		return ended
	})
	tell(t, parent, startOf(1))
	wantConnected(t, parent, 1)
	tell(t, parent, Message{Stop: &Stop{Camera: "cam", Reason: ring.ReasonTimeout}})
	tell(t, parent, startOf(2))
	tell(t, parent, startOf(3)) // one may wait
	wantEnded(t, parent, 3, ring.ReasonInternal)
	tell(t, parent, Message{Stop: &Stop{Camera: "cam", Reason: ring.ReasonTimeout}})
	wantEnded(t, parent, 2, ring.ReasonTimeout) // it never began
	tell(t, parent, startOf(4))
	tell(t, parent, startOf(5))
	wantEnded(t, parent, 5, ring.ReasonInternal) // so 4 waits by now
	goodbye <- struct{}{}
	seen := map[uint64]bool{}
	for range 2 { // the end of 1 and the beginning of 4, in whichever order
		switch m := receive(t, parent); {
		case m.Ended != nil:
			seen[m.Ended.Attempt] = true
		case m.Connected != nil:
			seen[m.Connected.Attempt] = true
		}
	}
	if !seen[1] || !seen[4] {
		t.Errorf("news of attempts %v, want of 1 and 4", seen)
	}
	close(goodbye)
}

func TestChildEndsWithItsSupervisor(t *testing.T) {
	stopped := make(chan Stopped, 1)
	parent, done := pair(t, func(ctx context.Context, s Start, m *Mirror, log *slog.Logger, connected func(Connected)) Ended {
		ended := obedient(ctx, s, m, log, connected)
		stopped <- StopOf(ctx)
		return ended
	})
	tell(t, parent, startOf(1))
	wantConnected(t, parent, 1)
	if err := parent.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Errorf("child returned %v, want EOF", err)
	}
	if s := <-stopped; s.Final {
		t.Error("the rings were given up, though the next supervisor goes on with them")
	}
}

// A camera that does not end must not keep the process.
func TestChildQuitsWithoutAnAttemptThatHangs(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	parent, done := pair(t, func(_ context.Context, _ Start, _ *Mirror, _ *slog.Logger, connected func(Connected)) Ended {
		connected(Connected{})
		<-release
		return Ended{}
	})
	tell(t, parent, startOf(1))
	wantConnected(t, parent, 1)
	tell(t, parent, Message{Quit: &Quit{}})
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the child waits for ever")
	}
}

func TestStateReachesTheMirror(t *testing.T) {
	mirrors := make(chan *Mirror, 1)
	parent, _ := pair(t, func(ctx context.Context, s Start, m *Mirror, log *slog.Logger, connected func(Connected)) Ended {
		mirrors <- m
		return obedient(ctx, s, m, log, connected)
	})
	tell(t, parent, startOf(1))
	wantConnected(t, parent, 1)
	tell(t, parent, Message{State: &State{Camera: "cam", State: ring.StateStalled, Reason: ring.ReasonNoFrames}})
	tell(t, parent, startOf(2))
	wantEnded(t, parent, 2, ring.ReasonInternal) // so the state has been handled
	if s, r := (<-mirrors).Get(); s != ring.StateStalled || r != ring.ReasonNoFrames {
		t.Errorf("mirror has %v (%v)", s, r)
	}
}

// Debug records that a camera causes do not suppress the others, and what is left out is counted.
func TestLogsAreLimited(t *testing.T) {
	parent, _ := pair(t, func(ctx context.Context, _ Start, _ *Mirror, log *slog.Logger, _ func(Connected)) Ended {
		for range 10 * logsPerSecond {
			log.DebugContext(ctx, "packet dropped")
		}
		log.With("a", 1).WithGroup("g").WarnContext(ctx, "matters", "b", 2)
		return Ended{Reason: ring.ReasonTimeout}
	})
	tell(t, parent, startOf(1))
	debug, warned := 0, false
	for {
		m := receive(t, parent)
		if m.Ended != nil {
			break
		}
		switch {
		case m.Log == nil:
			t.Fatalf("message %+v", m)
		case m.Log.Level == int(slog.LevelDebug):
			debug++
		default:
			warned = m.Log.Text == "matters" && m.Log.Attrs["camera"] == "cam" && m.Log.Attrs["a"] == "1" && m.Log.Attrs["g.b"] == "2"
		}
	}
	if !warned {
		t.Error("the warning was suppressed, or lost its attributes")
	}
	if debug < logsPerSecond || debug > 5*logsPerSecond {
		t.Errorf("%d of %d debug records, at most %d a second may pass", debug, 10*logsPerSecond, logsPerSecond)
	}
}
