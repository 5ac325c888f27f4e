// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"slices"
	"testing"
	"time"

	"camring/ring"
)

// play drives a machine through one day or more without waiting: now only moves when told.
type play struct {
	t   *testing.T
	m   *Machine
	now time.Time
}

// start makes a machine whose jitter is always the given fraction of the interval.
func start(t *testing.T, jitter float64) *play {
	t.Helper()
	p := &play{t: t, now: time.Unix(1_800_000_000, 0)}
	p.m = New(p.now, true, func() float64 { return jitter })
	return p
}

func (p *play) state(want ring.State, why ring.Reason) {
	p.t.Helper()
	if p.m.State != want || p.m.Reason != why {
		p.t.Fatalf("state is %v (%v), want %v (%v)", p.m.State, p.m.Reason, want, why)
	}
}

// begin waits until the machine wants an attempt, begins it, and returns how long it waited.
func (p *play) begin() time.Duration {
	p.t.Helper()
	wait := max(p.m.RetryAt.Sub(p.now), 0)
	if p.m.RetryAt.IsZero() || p.m.Wants(p.m.RetryAt.Add(-time.Nanosecond)) {
		p.t.Fatalf("no attempt is planned, or it is wanted too early (retry at %v)", p.m.RetryAt)
	}
	p.now = p.now.Add(wait)
	if !p.m.Wants(p.now) {
		p.t.Fatal("the planned time has come and no attempt is wanted")
	}
	p.m.Begun(p.now)
	return wait
}

func (p *play) live() {
	p.t.Helper()
	p.begin()
	p.m.Connected(p.now)
	p.m.Frame(p.now)
	p.state(ring.StateLive, ring.ReasonNone)
}

func (p *play) fail(why ring.Reason) { p.m.Ended(p.now, Failure{Reason: why, Detail: "test"}) }

func TestLostSessionGoesThroughStalledAndBackoffToLive(t *testing.T) {
	p := start(t, 0.5)
	p.live()
	p.now = p.now.Add(time.Minute)
	p.fail(ring.ReasonConnectionLost)
	p.state(ring.StateBackoff, ring.ReasonConnectionLost)
	p.live()
	var got []ring.State
	for _, c := range p.m.History {
		got = append(got, c.State)
	}
	want := []ring.State{
		ring.StateConnecting, ring.StatePriming, ring.StateLive, ring.StateStalled, ring.StateBackoff,
		ring.StateConnecting, ring.StatePriming, ring.StateLive,
	}
	if !slices.Equal(got, want) {
		t.Errorf("history is %v, want %v", got, want)
	}
}

func TestBackoffDoublesToThirtySecondsAndIsJittered(t *testing.T) {
	for _, jitter := range []float64{0, 0.25, 0.999} {
		p := start(t, jitter)
		top := backoffMin
		for n := range 20 {
			wait := p.begin()
			want := max(backoffMin/5, time.Duration(jitter*float64(top)))
			if n == 0 {
				want = 0 // the first attempt of all
			} else {
				top = min(2*top, backoffMax)
			}
			if wait != want {
				t.Fatalf("jitter %v, attempt %d: waited %v, want %v", jitter, n, wait, want)
			}
			p.fail(ring.ReasonRefused)
		}
	}
}

func TestBackoffIsResetByHealthNotByAConnect(t *testing.T) {
	p := start(t, 0.999)
	for range 8 {
		p.live()
		p.now = p.now.Add(2 * time.Second)
		p.fail(ring.ReasonConnectionLost)
	}
	if wait := p.begin(); wait < 20*time.Second {
		t.Errorf("flapping every two seconds: the ninth attempt waited %v only", wait)
	}
	p.m.Connected(p.now)
	p.m.Frame(p.now)
	p.now = p.now.Add(healthyAfter)
	p.m.Frame(p.now)
	p.fail(ring.ReasonConnectionLost)
	if wait := p.begin(); wait > backoffMin {
		t.Errorf("after 30 s of health the next attempt waited %v, want at most %v", wait, backoffMin)
	}
}

func TestFaultN12_WrongPasswordIsTriedTwiceThenParked(t *testing.T) {
	p := start(t, 0.5)
	attempts := 0
	began := p.now
	for p.now.Sub(began) < 5*time.Minute {
		if wait := p.begin(); wait >= AuthPark {
			break
		}
		attempts++
		p.fail(ring.ReasonBadCredentials)
	}
	if attempts != 2 {
		t.Errorf("%d attempts with a wrong password in five minutes, want 2", attempts)
	}
	if p.m.History[len(p.m.History)-2].State != ring.StateAuthFailed {
		t.Errorf("state before the attempt after parking is %v", p.m.History)
	}
}

func TestFaultN02_SilentSourceIsStalledAndAborted(t *testing.T) {
	for _, c := range []struct {
		name     string
		interval time.Duration
		stalls   time.Duration
	}{
		{"30 fps: three seconds", time.Second / 30, 3 * time.Second},
		{"one frame in two seconds: ten intervals", 2 * time.Second, 20 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, 0.5)
			p.live()
			p.now = p.now.Add(c.stalls)
			if a := p.m.Tick(p.now, c.interval, false, true); a != Nothing {
				t.Fatalf("action %v at exactly %v", a, c.stalls)
			}
			p.now = p.now.Add(time.Millisecond)
			if a := p.m.Tick(p.now, c.interval, false, true); a != Abort {
				t.Fatalf("action %v after %v of silence, want abort", a, c.stalls)
			}
			p.state(ring.StateStalled, ring.ReasonNoPackets)
			p.now = p.now.Add(abortWithin + time.Millisecond)
			p.m.Tick(p.now, c.interval, false, true)
			p.state(ring.StateBackoff, ring.ReasonNoPackets)
			if p.m.Attempting() {
				t.Error("a hung attempt still has its turn")
			}
		})
	}
}

func TestDeadlinesOfConnectingAndPriming(t *testing.T) {
	p := start(t, 0.5)
	p.begin()
	p.now = p.now.Add(connectWithin + time.Millisecond)
	if a := p.m.Tick(p.now, 0, false, true); a != Abort {
		t.Fatalf("action %v for an attempt that never connects, want abort", a)
	}
	p.fail(ring.ReasonShutdown) // what the child says of an aborted attempt does not matter
	p.state(ring.StateBackoff, ring.ReasonTimeout)
	p.begin()
	p.m.Connected(p.now)
	p.now = p.now.Add(primeWithin + time.Millisecond)
	if a := p.m.Tick(p.now, 0, true, true); a != Abort {
		t.Fatalf("action %v for packets without a picture, want abort", a)
	}
	p.state(ring.StateStalled, ring.ReasonNoKeyframe)
}

func TestWorkerLossKeepsTheSession(t *testing.T) {
	p := start(t, 0.5)
	p.live()
	p.m.WorkerLost(p.now)
	p.state(ring.StateStalled, ring.ReasonWorkerLost)
	if !p.m.Attempting() {
		t.Fatal("the session was given up")
	}
	p.now = p.now.Add(8 * time.Second)
	if a := p.m.Tick(p.now, 0, true, false); a != Nothing {
		t.Fatalf("action %v while the worker is on its way", a)
	}
	p.m.WorkerLost(p.now) // the successor dies as well
	p.now = p.now.Add(8 * time.Second)
	if a := p.m.Tick(p.now, 0, true, true); a != Nothing {
		t.Fatalf("action %v when the second successor has just come", a)
	}
	p.m.Frame(p.now)
	p.state(ring.StateLive, ring.ReasonNone)
}

func TestWhatCannotWorkIsTriedSeldom(t *testing.T) {
	for reason, want := range map[ring.Reason]struct {
		state ring.State
		least time.Duration
	}{
		ring.ReasonNoVideo:  {ring.StateUnsupported, time.Minute},
		ring.ReasonCodec:    {ring.StateUnsupported, time.Minute},
		ring.ReasonNotVideo: {ring.StateUnsupported, time.Minute},
		ring.ReasonNotFound: {ring.StateBackoff, 5 * time.Second},
	} {
		p := start(t, 0)
		p.begin()
		p.fail(reason)
		p.state(want.state, reason)
		if wait := p.begin(); wait < want.least {
			t.Errorf("%v: tried again after %v, want at least %v", reason, wait, want.least)
		}
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	p := start(t, 0)
	p.begin()
	p.m.Ended(p.now, Failure{Reason: ring.ReasonRefused, RetryAfter: 17 * time.Second})
	if wait := p.begin(); wait != 17*time.Second {
		t.Errorf("tried again after %v, want 17s", wait)
	}
}

func TestEndedFileAndDisabledCameraStayQuiet(t *testing.T) {
	p := start(t, 0)
	p.live()
	p.fail(ring.ReasonEndOfFile)
	p.state(ring.StateEnded, ring.ReasonEndOfFile)
	off := New(p.now, false, func() float64 { return 0 })
	for range 1000 {
		p.now = p.now.Add(time.Minute)
		if p.m.Wants(p.now) || off.Wants(p.now) || p.m.Tick(p.now, 0, false, true) != Nothing {
			t.Fatal("wants an attempt")
		}
	}
}

func TestReasonStaysReadableDuringTheNextAttempt(t *testing.T) {
	p := start(t, 1)
	p.begin()
	p.fail(ring.ReasonTimeout)
	p.begin()
	if p.m.State != ring.StateConnecting || p.m.Detail != "test" {
		t.Errorf("state %v, detail %q, want connecting with the detail of the failure before", p.m.State, p.m.Detail)
	}
	p.m.Connected(p.now)
	if p.m.Detail != "" {
		t.Errorf("connected, and the detail is still %q", p.m.Detail)
	}
}

func TestParkedByAnotherCamera(t *testing.T) {
	p := start(t, 1)
	p.begin()
	p.m.Park(p.now, p.now.Add(AuthPark), "another")
	if p.m.State != ring.StateConnecting {
		t.Errorf("an attempt in flight was disturbed: %v", p.m.State)
	}
	p.fail(ring.ReasonBadCredentials)
	p.m.Park(p.now, p.now.Add(AuthPark), "another")
	p.state(ring.StateAuthFailed, ring.ReasonBadCredentials)
	if wait := p.begin(); wait < AuthPark {
		t.Errorf("the next attempt came after %v, want %v", wait, AuthPark)
	}
}

// TestSlowCameraIsGivenTimeToShowItsRate plays a camera that sends a picture every ten seconds: sessions
// that end before the second one make the next wait longer, until the rate is known.
func TestSlowCameraIsGivenTimeToShowItsRate(t *testing.T) {
	const every = 10 * time.Second
	p := start(t, 0)
	for sessions := 1; ; sessions++ {
		p.live()
		p.now = p.now.Add(every - time.Millisecond)
		for at := p.now.Add(time.Millisecond - every); at.Before(p.now); at = at.Add(100 * time.Millisecond) {
			if p.m.Tick(at, 0, false, true) == Abort {
				p.now = at
				break
			}
		}
		if p.m.State == ring.StateLive {
			if sessions > 3 {
				t.Errorf("%d sessions until one lasted %v", sessions, every)
			}
			break
		}
		if sessions > 10 {
			t.Fatal("no session ever lasts until the second picture")
		}
		p.fail(ring.ReasonShutdown)
	}
	p.m.Frame(p.now)
	p.now = p.now.Add(5 * every)
	if a := p.m.Tick(p.now, every, false, true); a != Nothing {
		t.Errorf("action %v within ten intervals of the known rate", a)
	}
}
