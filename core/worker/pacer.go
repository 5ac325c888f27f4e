// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"time"

	"camring/ring"
)

// late is how far behind its schedule a pacer may fall before it starts a new one: a machine that was
// suspended must not play what it missed in a burst.
const late = time.Second

// pacer makes pictures come at their own times. It belongs to one thread.
type pacer struct {
	realtime bool
	begun    bool
	zero     int64 // CLOCK_MONOTONIC at which PTS 0 is due
}

// wait sleeps until the picture with the PTS is due and returns when that was, in CLOCK_MONOTONIC
// nanoseconds; 0 for one that does not pace. tick is called at least every idle.
func (p *pacer) wait(ctx context.Context, pts int64, tick func()) int64 {
	if !p.realtime {
		return 0
	}
	now := ring.MonoNS()
	if !p.begun || now-(p.zero+pts) > int64(late) || p.zero+pts-now > int64(time.Minute) {
		p.begun, p.zero = true, now-pts
	}
	due := p.zero + pts
	for ctx.Err() == nil {
		left := time.Duration(due - ring.MonoNS())
		if left <= 0 {
			break
		}
		time.Sleep(min(left, idle))
		tick()
	}
	return due
}
