// SPDX-License-Identifier: Apache-2.0

// Package lifecycle is the state machine of one camera: what state it is in and why, when to try
// again, when to give up. It does nothing itself: it is told what happened, and says what to do. Time
// and chance are passed in, so a test can play a day in a millisecond.
//
//	connecting ──► priming ──► live ──► stalled ──► backoff ──► connecting
//	                                       │           ├──► auth_failed (parked)
//	                                       └──► live   └──► unsupported (tried again seldom)
//
// A [Machine] belongs to one goroutine.
package lifecycle

import (
	"time"

	"camring/core/status"
	"camring/ring"
)

// The deadlines of the states, and how attempts are spaced.
const (
	connectWithin = 12 * time.Second // the receiver's own deadline is 10 s
	primeWithin   = 30 * time.Second // a camera's GOP may be ten seconds long and more
	abortWithin   = 2 * time.Second  // a hung attempt gives up its turn
	stallAfter    = 3 * time.Second  // without a new picture, or ten frame intervals if that is longer
	stallFrames   = 10
	maxPatience   = 4                // doublings of stallAfter for a camera whose rate is not known: 48 s
	thawAfter     = 10 * time.Second // packets come, pictures do not: how long until a new session

	backoffMin   = 250 * time.Millisecond
	backoffMax   = 30 * time.Second
	healthyAfter = 30 * time.Second // live for so long: the next failure is a first one again

	notFoundMin      = 5 * time.Second
	unsupportedRetry = time.Minute
	historyLength    = 32
)

// An account of a host is tried AuthAttempts times, by all cameras that share it together, and then
// left alone for AuthPark: cameras lock an account that fails more often.
const (
	AuthAttempts = 2
	AuthPark     = 5 * time.Minute
)

// Action is what the owner must do.
type Action int

// The actions.
const (
	Nothing Action = iota
	Begin          // start an attempt
	Abort          // end the attempt in flight, with the machine's reason
)

// Failure is how an attempt ended.
type Failure struct {
	Reason     ring.Reason
	Detail     string        // for a person
	RetryAfter time.Duration // what the source asked for; 0 = nothing
	Immediate  bool          // the first failure of its kind costs no pause: nothing was wrong with the source
}

// Machine is the state of one camera.
type Machine struct {
	State   ring.State
	Reason  ring.Reason
	Detail  string
	Since   time.Time
	RetryAt time.Time // zero unless the state waits for it
	History []status.Change

	random       func() float64 // in [0, 1)
	attempting   bool
	aborting     bool
	deadline     time.Time
	failures     int
	authFailures int
	lastFrame    time.Time
	liveSince    time.Time
	patience     int // how often a stall has come before a second picture
}

// New makes the machine of an enabled or disabled camera; random gives numbers in [0, 1).
func New(now time.Time, enabled bool, random func() float64) *Machine {
	m := &Machine{random: random}
	if !enabled {
		m.enter(now, ring.StateDisabled, ring.ReasonNone, "enabled: false in the configuration")
		return m
	}
	m.enter(now, ring.StateConnecting, ring.ReasonNone, "")
	m.RetryAt = now
	return m
}

// Attempting reports whether an attempt is in flight.
func (m *Machine) Attempting() bool { return m.attempting }

// Wants reports whether the machine wants an attempt now; the owner may keep it waiting, for example
// because too many cameras of a host connect at once.
func (m *Machine) Wants(now time.Time) bool {
	return !m.attempting && !m.RetryAt.IsZero() && !now.Before(m.RetryAt)
}

// Begun says that an attempt has been started.
func (m *Machine) Begun(now time.Time) {
	m.attempting, m.aborting = true, false
	m.RetryAt = time.Time{}
	m.deadline = now.Add(connectWithin)
	if m.State != ring.StateConnecting {
		m.enter(now, ring.StateConnecting, ring.ReasonNone, m.Detail) // what failed stays readable: an attempt may take long
	}
}

// Connected says that the attempt has reached its source.
func (m *Machine) Connected(now time.Time) {
	if !m.attempting || m.State != ring.StateConnecting {
		return
	}
	m.deadline = now.Add(primeWithin)
	m.authFailures = 0
	m.enter(now, ring.StatePriming, ring.ReasonNone, "")
}

// Frame says that a picture was published.
func (m *Machine) Frame(now time.Time) {
	m.lastFrame = now
	if !m.attempting || m.aborting || (m.State != ring.StatePriming && m.State != ring.StateStalled) {
		return
	}
	m.liveSince = now
	m.enter(now, ring.StateLive, ring.ReasonNone, "")
}

// WorkerLost says that the process that decodes has died; its successor goes on with the same
// attempt.
func (m *Machine) WorkerLost(now time.Time) {
	switch {
	case m.State == ring.StateLive || m.State == ring.StatePriming:
		m.enter(now, ring.StateStalled, ring.ReasonWorkerLost, "the worker process died and is being started again")
		m.deadline = now.Add(thawAfter)
	case m.State == ring.StateStalled && m.attempting && !m.aborting: // again: that is not the session's fault
		m.deadline = now.Add(thawAfter)
	}
}

// Ended says that the attempt is over.
func (m *Machine) Ended(now time.Time, f Failure) {
	if m.aborting { // the reason is the one for which it was aborted
		f.Reason, f.Detail = m.Reason, m.Detail
	}
	wasLive := m.State == ring.StateLive
	m.attempting, m.aborting = false, false
	m.deadline = time.Time{}
	if f.Reason == ring.ReasonEndOfFile {
		m.enter(now, ring.StateEnded, f.Reason, "")
		return
	}
	if wasLive {
		m.enter(now, ring.StateStalled, f.Reason, f.Detail)
	}
	if !m.liveSince.IsZero() && now.Sub(m.liveSince) >= healthyAfter && wasLive {
		m.failures = 0
	}
	m.liveSince = time.Time{}
	m.pause(now, f)
}

// Park makes no attempt before until, because another camera's login with the same account was
// refused. An attempt in flight is not disturbed.
func (m *Machine) Park(now, until time.Time, detail string) {
	if m.attempting {
		return
	}
	m.RetryAt = until
	m.authFailures = 0
	m.enter(now, ring.StateAuthFailed, ring.ReasonBadCredentials, detail)
}

// pause decides when to try again.
func (m *Machine) pause(now time.Time, f Failure) {
	m.failures++
	wait := m.backoff()
	state := ring.StateBackoff
	switch f.Reason {
	case ring.ReasonBadCredentials:
		if m.authFailures++; m.authFailures >= AuthAttempts {
			state, wait = ring.StateAuthFailed, AuthPark
			m.authFailures = 0
		}
	case ring.ReasonNoVideo, ring.ReasonCodec, ring.ReasonNotVideo, ring.ReasonRedirect:
		state, wait = ring.StateUnsupported, unsupportedRetry
	case ring.ReasonNotFound:
		wait = max(wait, notFoundMin)
	}
	if f.Immediate && m.failures == 1 {
		wait = 0
	}
	if state == ring.StateBackoff {
		wait = max(wait, f.RetryAfter)
	}
	m.RetryAt = now.Add(wait)
	m.enter(now, state, f.Reason, f.Detail)
}

// backoff is full jitter over an interval that doubles: cameras that were lost together do not come
// back together.
func (m *Machine) backoff() time.Duration {
	top := backoffMax
	if n := m.failures - 1; n < 7 {
		top = min(top, backoffMin<<n)
	}
	return max(backoffMin/5, time.Duration(m.random()*float64(top)))
}

// Tick looks at the deadlines. interval is the usual time between two pictures, 0 if not known;
// packets says whether compressed pictures still arrive; decoding whether the process that decodes
// runs at all.
func (m *Machine) Tick(now time.Time, interval time.Duration, packets, decoding bool) Action {
	if m.aborting {
		if now.After(m.deadline) {
			m.Ended(now, Failure{})
		}
		return Nothing
	}
	if !m.attempting {
		return Nothing
	}
	switch m.State {
	case ring.StateConnecting:
		if now.After(m.deadline) {
			return m.abort(now, ring.ReasonTimeout, "no answer within "+connectWithin.String())
		}
	case ring.StatePriming:
		if now.After(m.deadline) {
			reason, detail := ring.ReasonNoPackets, "connected, but no picture came within "
			if packets {
				reason, detail = ring.ReasonNoKeyframe, "pictures arrive, but none that can be decoded came within "
			}
			return m.abort(now, reason, detail+primeWithin.String())
		}
	case ring.StateLive:
		if now.Sub(m.lastFrame) <= max(stallAfter<<m.patience, stallFrames*interval) {
			return Nothing
		}
		if interval == 0 && m.patience < maxPatience {
			m.patience++ // perhaps it sends a picture every ten seconds: wait longer for the second one
		}
		if packets || !decoding {
			m.enter(now, ring.StateStalled, ring.ReasonNoFrames, "compressed pictures arrive, decoded ones do not")
			m.deadline = now.Add(thawAfter)
			return Nothing
		}
		return m.abort(now, ring.ReasonNoPackets, "the source has sent nothing for "+now.Sub(m.lastFrame).Round(100*time.Millisecond).String())
	case ring.StateStalled: // of our own making: packets come, or the worker is on its way
		if now.After(m.deadline) && decoding {
			return m.abort(now, m.Reason, m.Detail)
		}
	}
	return Nothing
}

func (m *Machine) abort(now time.Time, reason ring.Reason, detail string) Action {
	m.enter(now, ring.StateStalled, reason, detail)
	m.aborting = true
	m.deadline = now.Add(abortWithin)
	m.liveSince = time.Time{}
	return Abort
}

func (m *Machine) enter(now time.Time, s ring.State, reason ring.Reason, detail string) {
	m.Detail = detail
	if s == m.State && reason == m.Reason && len(m.History) > 0 {
		return
	}
	m.State, m.Reason, m.Since = s, reason, now
	m.History = append(m.History, status.Change{Time: now, State: s, Reason: reason})
	if extra := len(m.History) - historyLength; extra > 0 {
		m.History = append([]status.Change(nil), m.History[extra:]...)
	}
}
