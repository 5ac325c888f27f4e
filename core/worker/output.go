// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"camring/core/control"
	"camring/cshim"
	"camring/ring"
)

// idle bounds every sleep of a capture thread: how late it notices a stop, and how often it says that
// it lives.
const idle = 200 * time.Millisecond

// errEnded reports the end of a file that does not loop. Normal.
var errEnded = errors.New("end of file")

// output is a camera's frame ring as a capture thread fills it. It belongs to that thread.
type output struct {
	w      *ring.FrameWriter
	log    *slog.Logger
	mirror *control.Mirror
	state  ring.State
	reason ring.Reason

	// discontinuity is what the next picture must say; a new writer's first always does.
	discontinuity bool
	desc          ring.FrameDesc
}

// origin is where a picture comes from: what its decoder cannot know.
type origin struct {
	packetSeq      uint64
	captureMonoNS  int64
	captureWallNS  int64
	captureClock   ring.Clock
	captureErrorUS uint32
	receivedMonoNS int64
	flags          ring.Flags
}

func openOutput(c control.Camera, mirror *control.Mirror, log *slog.Logger) (*output, error) {
	w, err := ring.OpenFrameWriter(ring.FrameConfig{Dir: c.Dir, Camera: c.Name, Output: c.Output, Slots: c.Slots, GID: c.GID})
	if err != nil {
		return nil, err
	}
	return &output{w: w, log: log, mirror: mirror, discontinuity: w.Exists() && w.Head() >= w.Base()}, nil
}

// tick says that the writer lives and copies the supervisor's idea of the camera's state.
func (o *output) tick() {
	if !o.w.Exists() {
		return
	}
	o.w.Heartbeat()
	if s, r := o.mirror.Get(); s != ring.StateNone && (s != o.state || r != o.reason) {
		o.state, o.reason = s, r
		o.w.SetState(s, r)
	}
}

// picture converts the picture that d holds straight into a slot and publishes it.
func (o *output) picture(d *cshim.Decoder, f *cshim.Frame, from origin) error {
	if f.PTSNS == cshim.NoTime {
		f.PTSNS = 0
	}
	desc := o.describe(from)
	desc.PTSNS = f.PTSNS
	desc.DecodedMonoNS = f.DecodedMonoNS
	desc.Flags |= ring.Flags(f.Flags) & (ring.FlagKey | ring.FlagCorrupt)
	desc.Matrix, desc.Primaries, desc.Transfer = uint32(f.Matrix), uint32(f.Primaries), uint32(f.Transfer)
	desc.Range = ring.Range(f.Range)
	desc.ChromaLocation, desc.Rotation = uint8(f.ChromaLocation), uint8(f.Rotation)
	desc.Codec, desc.Decoder = uint8(f.Codec), ring.DecoderSoftware
	slot, err := o.claim(int(f.Width), int(f.Height))
	if err != nil {
		return err
	}
	if slot.Mem == nil {
		return nil // dropped and counted
	}
	planes := cshim.NV12{
		YOffset: desc.PlaneOffset[0], UVOffset: desc.PlaneOffset[1],
		YStride: desc.PlaneStride[0], UVStride: desc.PlaneStride[1],
	}
	if err := d.NV12(slot.Mem, &planes); err != nil {
		if errors.Is(err, cshim.ErrUnsupportedFormat) {
			return fail(ring.ReasonCodec, "pixel format %d of the %v decoder cannot be converted to NV12", f.PixFmt, f.Codec)
		}
		o.w.Count(ring.CountDropDecode, 1) // the slot stays odd and is the next candidate
		return nil
	}
	return o.publish(slot)
}

// describe begins the descriptor of a picture.
func (o *output) describe(from origin) *ring.FrameDesc {
	o.desc = ring.FrameDesc{
		PacketSeq: from.packetSeq, Flags: from.flags,
		CaptureMonoNS: from.captureMonoNS, CaptureWallNS: from.captureWallNS,
		CaptureClock: from.captureClock, CaptureErrorUS: from.captureErrorUS,
		ReceivedMonoNS: from.receivedMonoNS,
		Matrix:         2, Primaries: 2, Transfer: 2, // unspecified
	}
	return &o.desc
}

// claim takes a slot for a picture of the size. A slot without memory means that the frame is dropped.
func (o *output) claim(width, height int) (ring.Slot, error) {
	size, err := ring.NV12Layout(&o.desc, width, height)
	if err != nil {
		return ring.Slot{}, fail(ring.ReasonDecode, "%w", err)
	}
	fresh, err := o.w.Fit(size)
	if err != nil {
		return ring.Slot{}, err
	}
	if fresh {
		o.log.LogAttrs(context.Background(), slog.LevelInfo, "frame ring made", slog.Int("width", width), slog.Int("height", height),
			slog.Uint64("epoch", o.w.Epoch()), slog.String("path", o.w.Path()))
	}
	slot, err := o.w.Claim()
	if errors.Is(err, ring.ErrNoSlot) {
		return ring.Slot{}, nil
	}
	return slot, err
}

// publish makes the slot with the pixels of the current descriptor visible.
func (o *output) publish(slot ring.Slot) error {
	d := &o.desc
	d.ConvertedMonoNS = ring.MonoNS()
	if o.discontinuity {
		d.Flags |= ring.FlagDiscontinuity
		o.discontinuity = false
	}
	d.FrameID = o.w.Head() + 1
	if o.state != ring.StateLive {
		o.state, o.reason = ring.StateLive, ring.ReasonNone
		o.w.SetState(ring.StateLive, ring.ReasonNone)
	}
	return o.w.Publish(slot, d)
}

// gap records that pictures are missing, and why; the next picture carries the discontinuity flag.
func (o *output) gap(state ring.State, reason ring.Reason, missing uint32, packetSeq uint64) error {
	o.discontinuity = true
	if !o.w.Exists() || o.w.Head() < o.w.Base() {
		return nil // nothing was published, so nothing is missing
	}
	now := ring.MonoNS()
	d := o.describe(origin{packetSeq: packetSeq, captureMonoNS: now, captureWallNS: ring.WallNS(), captureClock: ring.ClockArrival})
	d.Reason, d.GapState, d.GapMissing = reason, state, missing
	return o.w.PublishGap(d)
}
