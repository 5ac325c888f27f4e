// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"net/url"
	"time"

	"camring/core/config"
	"camring/core/control"
	"camring/core/lifecycle"
	"camring/ring"
)

// camera is one camera at run time. The supervisor's loop owns it.
type camera struct {
	cfg     config.Camera
	spec    control.Camera
	host    string // of a network camera: connects to it are limited
	machine *lifecycle.Machine
	watch   *ringWatch

	receiver *process // nil for sources that the worker reads itself
	worker   *process
	account  *account // nil without a login

	attempt  uint64 // of the source, in the process that talks to it
	capture  uint64 // of the worker's capture, for network cameras
	captured bool   // the worker serves the camera
	oldHead  uint64 // of the frame ring before we ran: with more in it, a worker resumes
	deaths   int    // of the worker, in a row, without a picture between
	reached  bool   // the attempt in flight has reached its source
	told     told

	sessions   uint64
	reconnects uint64
	connected  control.Connected
	beat       heartbeat
	unanswered unanswered
	published  bool // the publisher knows the camera
	existed    bool // the frame ring was there before we were
}

func newCamera(cfg config.Camera, dir string, gid int) *camera {
	c := &camera{cfg: cfg, spec: control.Camera{
		Name: cfg.Name, Kind: cfg.Source.Kind, URL: cfg.Source.URL, Path: cfg.Source.Path,
		Username: cfg.Username, Password: cfg.Password.Reveal(), Transport: cfg.Transport,
		Loop: cfg.Loop, Pace: cfg.Pace, Output: cfg.Output, Slots: cfg.Slots, Dir: dir, GID: gid,
		Width: cfg.Source.Pattern.Width, Height: cfg.Source.Pattern.Height, FPS: cfg.Source.Pattern.FPS,
	}}
	if u, err := url.Parse(cfg.Source.URL); err == nil && c.network() {
		c.host = u.Host
	}
	c.watch = newRingWatch(ring.FramePath(dir, cfg.Name, cfg.Output), ring.PacketPath(dir, cfg.Name), c.network())
	return c
}

// network reports whether a receiver talks to the source.
func (c *camera) network() bool { return c.spec.Kind == "rtsp" }

// source is the process that talks to the source; nil for a disabled camera.
func (c *camera) source() *process {
	if c.network() {
		return c.receiver
	}
	return c.worker
}

// begin starts an attempt, if the process that makes it is there.
func (c *camera) begin() bool {
	p := c.source()
	if p == nil || !p.ready {
		return false
	}
	c.attempt++
	c.reached = false
	start := &control.Start{Camera: c.spec, Attempt: c.attempt, Resume: c.resumes()}
	if !c.network() {
		start.SkipGOP = c.deaths > 1
		c.captured = true
	}
	p.send(control.Message{Start: start})
	return true
}

// decode starts the worker's capture of a network camera, unless it runs.
func (c *camera) decode() {
	if c.captured || !c.network() || !c.worker.ready {
		return
	}
	c.capture++
	spec := c.spec
	spec.URL, spec.Username, spec.Password = "", "", "" // a worker has no secrets
	c.worker.send(control.Message{Start: &control.Start{
		Camera: spec, Attempt: c.capture, Resume: c.resumes(), SkipGOP: c.deaths > 1,
	}})
	c.captured = true
	c.worker.send(control.Message{State: &control.State{Camera: c.cfg.Name, State: c.told.state, Reason: c.told.reason}})
}

// resumes reports whether a picture has been published since we run. The worker that did so has ended,
// and the ring was looked at since.
func (c *camera) resumes() bool { return c.watch.head() > c.oldHead }

// abort ends the attempt in flight.
func (c *camera) abort(now time.Time, reason ring.Reason) {
	p := c.source()
	c.unanswered.ask(now, p, c.attempt)
	p.send(control.Message{Stop: &control.Stop{Camera: c.cfg.Name, Reason: reason}})
}
