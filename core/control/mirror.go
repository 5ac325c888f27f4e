// SPDX-License-Identifier: Apache-2.0

package control

import (
	"sync/atomic"

	"camring/ring"
)

// Mirror is the camera's state as the supervisor last told it; a capture thread copies it into the
// header of its ring. Any thread.
type Mirror struct{ v atomic.Uint64 }

func (m *Mirror) set(s ring.State, r ring.Reason) { m.v.Store(uint64(s)<<32 | uint64(r)) }

// Get returns the state and the reason; [ring.StateNone] if none was told yet.
func (m *Mirror) Get() (ring.State, ring.Reason) {
	v := m.v.Load()
	return ring.State(v >> 32), ring.Reason(uint32(v))
}
