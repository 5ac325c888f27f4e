// SPDX-License-Identifier: Apache-2.0

package receiver

import (
	"errors"
	"sync/atomic"

	"camring/core/receiver/rtsp"
	"camring/ring"
)

// sink writes access units into a camera's packet ring. One goroutine at a time: the session's while
// it plays, the attempt's before and after.
type sink struct {
	w    *ring.PacketWriter
	busy atomic.Bool // an attempt has it
	// missing is why pictures are missing since the newest record, if that has not been recorded yet.
	missing ring.Reason
	// cut is set until the first unit of a session has been written.
	cut bool
	// damaged is set when a unit could not be written: what refers to it is not right, until the next
	// keyframe.
	damaged bool
}

// begin says that a session plays.
func (s *sink) begin() {
	s.cut, s.damaged = s.w.Head() >= s.w.Base(), false
	if s.missing != ring.ReasonNone {
		_ = s.gap(s.missing) // a ring that cannot be written fails the first unit as well
	}
	s.w.SetState(ring.StateLive, ring.ReasonNone)
}

func (s *sink) deliver(au *rtsp.AccessUnit) error {
	d := ring.PacketDesc{
		Codec: au.Codec, PTSNS: int64(au.PTS), DTSNS: int64(au.DTS),
		CaptureMonoNS: au.CaptureMonoNS, CaptureWallNS: au.CaptureWallNS,
		CaptureClock: au.Clock, CaptureErrorUS: au.ErrorUS, ReceivedMonoNS: au.ReceivedMonoNS,
		Lost: au.Lost, Width: uint32(au.Width), Height: uint32(au.Height),
	}
	if au.Key {
		d.Flags |= ring.FlagKey
	}
	s.damaged = s.damaged && (!au.Key || au.Corrupt)
	if au.Corrupt || s.damaged {
		d.Flags |= ring.FlagCorrupt
	}
	if s.cut {
		d.Flags |= ring.FlagDiscontinuity
	}
	s.w.Count(ring.CountRTPLost, uint64(au.Lost))
	err := s.w.Publish(&d, au.Parts)
	if errors.Is(err, ring.ErrTooLarge) {
		s.damaged = true
		return nil // counted; the session goes on
	}
	if err == nil {
		s.cut = false
	}
	return err
}

// end records at once that pictures are missing from now on, and why, if any came before.
func (s *sink) end(reason ring.Reason) error {
	s.w.SetState(ring.StateStalled, reason)
	if s.w.Head() < s.w.Base() || s.missing != ring.ReasonNone {
		return nil
	}
	return s.gap(reason)
}

// gap writes a record of the gap, unless the newest record is one: failed attempts add nothing.
func (s *sink) gap(reason ring.Reason) error {
	s.missing = ring.ReasonNone
	if s.w.GapIsNewest() {
		return nil
	}
	now := ring.MonoNS()
	d := ring.PacketDesc{Reason: reason, ReceivedMonoNS: now, CaptureMonoNS: now, CaptureWallNS: ring.WallNS(), CaptureClock: ring.ClockArrival}
	return s.w.PublishGap(&d)
}
