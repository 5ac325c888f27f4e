// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"log/slog"
	"time"

	"camring/ring"
)

const (
	// hungAfter is how long a capture thread may be silent; it says that it lives every 200 ms. A file's
	// may wait for its disk as well.
	hungAfter     = 2 * time.Second
	fileReadAfter = 5 * time.Second
	// hungLooks is how often it must have been found silent: if this process or the whole machine stood
	// still, time has passed for all.
	hungLooks = 15
	// answerWithin is how long a child may take to end an attempt.
	answerWithin = 5 * time.Second
)

// heartbeat is that of a capture thread, as it stands in the header of the frame ring.
type heartbeat struct {
	last  int64
	since time.Time // when last was seen first
	looks int       // since then
}

// silent notes the heartbeat and reports whether it has stood still for longer than limit.
func (h *heartbeat) silent(now time.Time, beat int64, limit time.Duration) bool {
	if beat != h.last {
		*h = heartbeat{last: beat, since: now}
		return false
	}
	h.looks++
	return h.looks >= hungLooks && now.Sub(h.since) > limit
}

// unanswered is an order to end an attempt that has not been obeyed yet.
type unanswered struct {
	p       *process // nil: there is none
	attempt uint64
	since   time.Time
}

func (u *unanswered) ask(now time.Time, p *process, attempt uint64) {
	if u.p == nil && p.cmd != nil {
		*u = unanswered{p: p, attempt: attempt, since: now}
	}
}

func (u *unanswered) answered(p *process, attempt uint64) {
	if u.p == p && u.attempt == attempt {
		*u = unanswered{}
	}
}

func (u *unanswered) forget(p *process) {
	if u.p == p {
		*u = unanswered{}
	}
}

// checkHung kills the process of a camera that hangs in it: a thread that is stuck in a library, or a
// process that is stopped, comes back no other way. Its other cameras are back within a second or so.
func (s *Supervisor) checkHung(now time.Time, c *camera) {
	if u := c.unanswered; u.p != nil && now.Sub(u.since) > answerWithin {
		c.unanswered = unanswered{}
		s.killHung(u.p, c, "an attempt has not ended "+answerWithin.String()+" after it was told to")
	}
	limit := hungAfter
	if c.spec.Kind == "file" {
		limit += fileReadAfter
	}
	if w := c.worker; c.captured && w.ready && c.watch.frames != nil && c.watch.frames.WriterPID() == w.cmd.Process.Pid {
		if c.beat.silent(now, c.watch.frames.HeartbeatMonoNS(), limit) {
			c.beat = heartbeat{}
			s.killHung(w, c, "its decoder has shown no sign of life for "+limit.String())
		}
	}
}

func (s *Supervisor) killHung(p *process, c *camera, why string) {
	p.log.LogAttrs(context.Background(), slog.LevelError, "process hangs, killing it", slog.String("camera", c.cfg.Name), slog.String("why", why))
	_ = p.cmd.Process.Kill()
}

// release removes what an ended or killed child has left of the camera's rings, as the child would have
// done: what a registered reader holds stays, and says that the camera has stopped or ended.
func (c *camera) release() {
	if w := c.watch; w.frames != nil && left(w.framePath, w.frames.State) {
		f, err := ring.OpenFrameWriter(ring.FrameConfig{
			Dir: c.spec.Dir, Camera: c.spec.Name, Output: c.spec.Output, Slots: c.spec.Slots, GID: c.spec.GID,
		})
		if err == nil {
			_ = f.Stop()
		}
	}
	if w := c.watch; w.packets != nil && left(w.packetPath, w.packets.State) {
		p, err := ring.OpenPacketWriter(ring.PacketConfig{Dir: c.spec.Dir, Camera: c.spec.Name, GID: c.spec.GID})
		if err == nil {
			_ = p.Stop()
		}
	}
}

// left reports whether a ring is still there that ought to be removed or to say that it has stopped.
func left(path string, state func() (ring.State, ring.Reason, int64)) bool {
	readers, err := ring.Readers(path)
	if err != nil || !exists(path) {
		return false
	}
	st, _, _ := state()
	return len(readers) == 0 || (st != ring.StateStopped && st != ring.StateEnded)
}
