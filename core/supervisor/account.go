// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"time"

	"camring/core/lifecycle"
	"camring/ring"
)

// account is a login at a host, shared by all cameras that use it: a recorder has many channels behind
// one, and locks it for all of them. The supervisor's loop owns it.
type account struct {
	cameras  []*camera
	proven   bool // the newest answer was a welcome
	failures int  // refusals in a row
	parked   time.Time
	detail   string // of the newest refusal
}

// account returns the login that a camera uses, or nil if it has none.
func (s *Supervisor) account(c *camera) *account {
	if !c.network() || c.spec.Username == "" {
		return nil
	}
	key := c.host + "\x00" + c.spec.Username
	a := s.accounts[key]
	if a == nil {
		a = &account{}
		s.accounts[key] = a
	}
	a.cameras = append(a.cameras, c)
	return a
}

// admits reports whether one of its cameras may try to log in now. Until a login has succeeded there
// are no more attempts in flight than may fail.
func (a *account) admits(now time.Time) bool {
	switch {
	case a == nil || a.proven:
		return true
	case now.Before(a.parked):
		return false
	}
	tries := a.failures
	for _, c := range a.cameras {
		if c.machine.Attempting() && !c.reached {
			tries++
		}
	}
	return tries < lifecycle.AuthAttempts
}

// welcomed notes a login that succeeded.
func (a *account) welcomed() {
	if a != nil {
		a.proven, a.failures, a.parked = true, 0, time.Time{}
	}
}

// refused notes a login that failed, and parks all cameras of the account if that was the last allowed.
func (a *account) refused(now time.Time, detail string) {
	if a == nil {
		return
	}
	a.proven, a.detail = false, detail
	if a.failures++; a.failures < lifecycle.AuthAttempts {
		return
	}
	a.failures, a.parked = 0, now.Add(lifecycle.AuthPark)
	for _, c := range a.cameras {
		c.machine.Park(now, a.parked, detail)
	}
}

// park parks a camera that was busy with an attempt when its account was.
func (a *account) park(now time.Time, c *camera) {
	if a != nil && now.Before(a.parked) && c.machine.State != ring.StateAuthFailed {
		c.machine.Park(now, a.parked, a.detail)
	}
}
