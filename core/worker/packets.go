// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"

	"camring/core/control"
	"camring/cshim"
	"camring/ring"
)

const (
	// inFlight is how many access units may be between sending and the picture's return: more than
	// any codec reorders (16 in H.264 and H.265).
	inFlight = 64
	// reorder is how far behind its own packet a picture can come out.
	reorder = 16
)

// packetCapture decodes one camera's packet ring.
type packetCapture struct {
	out   *output
	log   *slog.Logger
	r     *ring.PacketReader
	dec   *cshim.Decoder
	codec ring.Codec
	meta  [inFlight]ring.PacketDesc // by packet sequence

	waitKey bool
	// damaged says that a packet could not be decoded: what refers to it is not right either, until the
	// next keyframe.
	damaged bool
	// silent is the packet whose picture is the newest that was published before this process began,
	// silentPTS its time; what came out up to it is decoded without being published. 0 = nothing is.
	silent    uint64
	silentPTS int64
	passed    bool   // the picture of packet silent has come out again
	said      uint64 // gap records up to this packet were published before this process began
}

// capturePackets waits on the packet ring, decodes and publishes, until ctx ends.
func capturePackets(ctx context.Context, start control.Start, out *output, log *slog.Logger) error {
	path := ring.PacketPath(start.Camera.Dir, start.Camera.Name)
	r, err := ring.OpenPackets(path, ring.ReaderOptions{Name: "decoder"})
	if err != nil {
		return fmt.Errorf("packet ring: %w", err)
	}
	c := &packetCapture{out: out, log: log, r: r, waitKey: true}
	defer func() {
		_ = c.r.Close()
		if c.dec != nil {
			_ = c.dec.Close()
		}
	}()
	if err := c.position(start); err != nil {
		return err
	}
	for ctx.Err() == nil {
		out.tick()
		p, err := r.Next(idle)
		switch {
		case errors.Is(err, ring.ErrTimeout):
			continue
		case err != nil:
			return fmt.Errorf("packet ring: %w", err)
		}
		if err := c.packet(&p); err != nil {
			return err
		}
	}
	return nil
}

// position decides where in the packet ring to begin.
func (c *packetCapture) position(start control.Start) error {
	last, ok := c.out.w.LastPicture()
	head := c.r.Head()
	if !start.Resume || !ok || !c.holds(&last) {
		return c.join(start.SkipGOP)
	}
	from := last.PacketSeq // everything up to it has been published, or counted as lost
	if gap, ok := c.out.w.LastGap(); ok && gap.PacketSeq <= head {
		c.said = gap.PacketSeq
		from = max(from, c.said)
	}
	if start.SkipGOP {
		c.r.Seek(head + 1)
		return c.lost(from, head)
	}
	// The GOP of the last published picture is still here: decode it again in silence, then go on where
	// the process before stopped. Nothing is lost and nothing comes twice.
	if key := c.r.SeekKey(last.PacketSeq); key > 0 {
		c.silent, c.silentPTS = last.PacketSeq, last.PTSNS
		return nil
	}
	// Only a later GOP is: what lies between is lost.
	key := c.r.SeekKey(head)
	if key <= last.PacketSeq {
		c.r.Seek(head + 1)
		key = head + 1
	}
	return c.lost(from, key-1)
}

// holds reports whether the packet ring is the one that the picture came from: one that was made anew
// numbers from the beginning.
func (c *packetCapture) holds(d *ring.FrameDesc) bool {
	p, err := c.r.Describe(d.PacketSeq)
	if errors.Is(err, ring.ErrLapped) {
		return true
	}
	return err == nil && p.ReceivedMonoNS == d.ReceivedMonoNS
}

// join begins a capture that continues none. The current GOP gives a picture at once, if it is of this
// receiver's session: what an earlier receiver left is old.
func (c *packetCapture) join(skip bool) error {
	head := c.r.Head()
	if key := c.r.SeekKey(head); key > 0 && !skip {
		if d, err := c.r.Describe(key); err == nil && d.RunID == c.r.RunID() {
			return nil
		}
	}
	c.r.Seek(head + 1)
	return nil
}

// lost records that the packets behind from, up to and including to, will not be decoded.
func (c *packetCapture) lost(from, to uint64) error {
	n := to - min(from, to)
	c.out.w.Count(ring.CountDropRestart, n)
	return c.out.gap(ring.StatePriming, ring.ReasonWorkerLost, uint32(min(n, math.MaxUint32-1)), to)
}

// packet handles one record of the packet ring.
func (c *packetCapture) packet(p *ring.Packet) error {
	if p.Missed > 0 {
		if err := c.drain(); err != nil {
			return err
		}
		c.out.w.Count(ring.CountDropLapped, p.Missed)
		if err := c.out.gap(ring.StateLive, ring.ReasonLapped, uint32(min(p.Missed, math.MaxUint32-1)), p.Seq-1); err != nil {
			return err
		}
		c.waitKey = true
		c.silent = 0
	}
	if p.Flags&ring.FlagGap != 0 {
		if err := c.drain(); err != nil {
			return err
		}
		if p.Seq <= max(c.silent, c.said) {
			return nil
		}
		return c.out.gap(ring.StateStalled, p.Reason, ring.ErrorUnknown, p.Seq)
	}
	key := p.Flags&ring.FlagKey != 0
	if p.Flags&ring.FlagDiscontinuity != 0 || p.Codec != c.codec {
		// A new session: nothing of the old one may be referred to.
		if err := c.reopen(p.Codec); err != nil {
			return err
		}
		if p.Seq > c.silent {
			c.silent = 0
			c.out.discontinuity = c.out.discontinuity || p.Flags&ring.FlagDiscontinuity != 0
		}
	}
	if c.waitKey && !key {
		c.out.w.Count(ring.CountDropNoKeyframe, 1)
		return nil
	}
	c.waitKey = false
	c.damaged = c.damaged && !key
	return c.decode(p)
}

// drain publishes the pictures that the decoder holds back for their order, and empties it: what comes
// next does not continue them.
func (c *packetCapture) drain() error {
	c.waitKey = true
	if c.dec == nil {
		return nil
	}
	var frame cshim.Frame
	ready, err := c.dec.Drain(&frame)
	for ; ready && err == nil; ready, err = c.dec.Receive(&frame) {
		if err := c.picture(&frame); err != nil {
			return err
		}
	}
	if err != nil && !errors.Is(err, cshim.EOF) {
		c.out.w.Count(ring.CountDropDecode, 1)
	}
	return c.dec.Flush()
}

func (c *packetCapture) reopen(codec ring.Codec) error {
	if err := c.drain(); err != nil {
		return err
	}
	if c.dec != nil && codec == c.codec {
		return nil
	}
	if c.dec != nil {
		_ = c.dec.Close()
	}
	c.dec = nil
	dec, err := cshim.OpenDecoder(cshim.Codec(codec), cshim.Limits{})
	if err != nil {
		return fail(ring.ReasonCodec, "the installed libav cannot decode %v: %w", codec, err)
	}
	c.dec, c.codec = dec, codec
	c.log.LogAttrs(context.Background(), slog.LevelInfo, "decoder chosen", slog.String("codec", codec.String()),
		slog.String("decoder", "software"), slog.String("why", "the only kind this version has"))
	return nil
}

func (c *packetCapture) decode(p *ring.Packet) error {
	meta := &c.meta[p.Seq%inFlight]
	*meta = p.PacketDesc
	if c.damaged {
		meta.Flags |= ring.FlagCorrupt
	}
	packet := cshim.Packet{PTSNS: p.PTSNS, DTSNS: p.DTSNS, Tag: p.Seq, Flags: uint32(meta.Flags & (ring.FlagKey | ring.FlagCorrupt))}
	var frame cshim.Frame
	ready, err := c.dec.Send(p.Data, &packet, &frame)
	for ; ready && err == nil; ready, err = c.dec.Receive(&frame) {
		if err := c.picture(&frame); err != nil {
			return err
		}
	}
	if errors.Is(err, cshim.ErrTooLarge) {
		return fail(ring.ReasonCodec, "a picture of %dx%d is larger than camring decodes: choose a smaller stream of the camera", p.Width, p.Height)
	}
	if err != nil {
		c.damaged = true
		c.out.w.Count(ring.CountDropDecode, 1)
	}
	return nil
}

// picture publishes the picture that the decoder holds, unless that was done before.
func (c *packetCapture) picture(frame *cshim.Frame) error {
	if c.stillSilent(frame.Tag, frame.PTSNS) {
		c.out.w.Count(ring.CountDecodedSilently, 1)
		return nil
	}
	return c.out.picture(c.dec, frame, c.origin(frame.Tag))
}

// stillSilent reports whether the picture of packet tag has been published before. The decoder brings
// pictures out in the same order as last time, so everything up to the last published one has been,
// whatever its packet; a decoder that has only just begun may bring a few out early, or not at all.
func (c *packetCapture) stillSilent(tag uint64, pts int64) bool {
	switch {
	case c.silent == 0:
		return false
	case tag > c.silent+reorder:
		c.silent = 0
		return false
	case tag == c.silent:
		c.passed = true
		return true
	case c.passed, tag > c.silent:
		return pts <= c.silentPTS
	}
	return true
}

func (c *packetCapture) origin(tag uint64) origin {
	m := &c.meta[tag%inFlight]
	if m.Seq != tag {
		return origin{packetSeq: tag, captureErrorUS: ring.ErrorUnknown}
	}
	return origin{
		packetSeq: tag, captureMonoNS: m.CaptureMonoNS, captureWallNS: m.CaptureWallNS,
		captureClock: m.CaptureClock, captureErrorUS: m.CaptureErrorUS, receivedMonoNS: m.ReceivedMonoNS,
		flags: m.Flags & ring.FlagCorrupt,
	}
}
