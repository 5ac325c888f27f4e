// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"log/slog"
	"time"

	"camring/core/control"
	"camring/ring"
)

const (
	// sameAgain is how often a camera that keeps failing for the same reason says so.
	sameAgain = time.Minute
	// linesPerMinute bounds what one flapping camera may add to the log.
	linesPerMinute = 6
)

// told is what the log and the worker know of a camera's state.
type told struct {
	state  ring.State
	reason ring.Reason

	failing bool // the last line was about a failure
	why     ring.Reason
	at      time.Time // of that line
	minute  time.Time
	lines   int
	left    uint64 // changes that were only logged at debug level
}

// tell logs a change of a camera's state and passes it on to the worker, for the ring's header.
func (s *Supervisor) tell(c *camera) {
	m := c.machine
	if c.told.state == m.State && c.told.reason == m.Reason {
		return
	}
	c.told.state, c.told.reason = m.State, m.Reason
	level := slog.LevelInfo
	if trouble(m.State) {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("camera", c.cfg.Name), slog.String("state", m.State.String())}
	if m.Reason != ring.ReasonNone {
		attrs = append(attrs, slog.String("reason", m.Reason.String()))
	}
	if m.Detail != "" && m.State != ring.StateConnecting { // then it is of the attempt before
		attrs = append(attrs, slog.String("detail", m.Detail))
	}
	if wait := time.Until(m.RetryAt); wait > 0 {
		attrs = append(attrs, slog.Duration("retry_in", wait.Round(10*time.Millisecond)))
	}
	loud, left := c.told.loud(time.Now(), m.State, m.Reason)
	if !loud {
		level = slog.LevelDebug
	}
	if left > 0 {
		attrs = append(attrs, slog.Uint64("suppressed", left))
	}
	s.log.LogAttrs(context.Background(), level, "camera", attrs...)
	if c.captured {
		c.worker.send(control.Message{State: &control.State{Camera: c.cfg.Name, State: m.State, Reason: m.Reason}})
	}
}

func trouble(s ring.State) bool {
	switch s {
	case ring.StateLive, ring.StateConnecting, ring.StatePriming, ring.StateEnded, ring.StateDisabled:
		return false
	}
	return true
}

// loud reports whether a change deserves a line, and how many before it did not get one: attempts
// after a failure are no news until they succeed, nor is the same failure again within a minute, and a
// camera that flaps says only so much.
func (t *told) loud(now time.Time, state ring.State, reason ring.Reason) (loud bool, left uint64) {
	if now.Sub(t.minute) >= time.Minute {
		t.minute, t.lines = now, 0
	}
	switch {
	case t.failing && (state == ring.StateConnecting || state == ring.StatePriming):
	case trouble(state) && t.failing && reason == t.why && now.Sub(t.at) < sameAgain:
	case t.lines >= linesPerMinute:
	default:
		loud = true
	}
	if !loud {
		t.left++
		return false, 0
	}
	t.lines++
	if t.failing = trouble(state); t.failing {
		t.why, t.at = reason, now
	}
	left, t.left = t.left, 0
	return true, left
}
