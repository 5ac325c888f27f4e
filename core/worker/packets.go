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
	// silent is the packet whose picture is the newest that was published before this process began;
	// everything up to it is decoded without being published. 0 = nothing is silent.
	silent uint64
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
	last, _ := c.out.w.LastPacket()
	head := c.r.Head()
	if start.SkipGOP {
		c.r.Seek(head + 1)
		c.out.w.Count(ring.CountDropRestart, head-min(last, head))
		return c.out.gap(ring.StatePriming, ring.ReasonWorkerLost, uint32(min(head-min(last, head), math.MaxUint32-1)), head)
	}
	if start.Resume && last > 0 && last <= head {
		// The GOP of the last published picture is still here: decode it again in silence, then go on
		// where the process before stopped. Nothing is lost and nothing comes twice.
		if key := c.r.SeekKey(last); key > 0 {
			c.silent = last
			return nil
		}
		// Only a later GOP is: what lies between is lost.
		key := c.r.SeekKey(head)
		if key == 0 {
			c.r.Seek(head + 1)
			key = head + 1
		}
		c.out.w.Count(ring.CountDropRestart, key-last-1)
		return c.out.gap(ring.StatePriming, ring.ReasonWorkerLost, uint32(min(key-last-1, math.MaxUint32-1)), key)
	}
	// A first start: the current GOP gives a picture at once, if it is of this receiver's session. What
	// an earlier receiver left is old.
	if key := c.r.SeekKey(head); key > last {
		if d, err := c.r.Describe(key); err == nil && d.RunID == c.r.RunID() {
			return nil
		}
	}
	c.r.Seek(max(head, last) + 1)
	return nil
}

// packet handles one record of the packet ring.
func (c *packetCapture) packet(p *ring.Packet) error {
	if p.Missed > 0 {
		c.out.w.Count(ring.CountDropLapped, p.Missed)
		if err := c.out.gap(ring.StateLive, ring.ReasonLapped, uint32(min(p.Missed, math.MaxUint32-1)), p.Seq); err != nil {
			return err
		}
		c.waitKey = true
		c.silent = 0
	}
	if p.Flags&ring.FlagGap != 0 {
		if p.Seq <= c.silent {
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
			c.out.discontinuity = c.out.discontinuity || p.Flags&ring.FlagDiscontinuity != 0
		}
	}
	if c.waitKey && !key {
		c.out.w.Count(ring.CountDropNoKeyframe, 1)
		return nil
	}
	c.waitKey = false
	return c.decode(p)
}

func (c *packetCapture) reopen(codec ring.Codec) error {
	c.waitKey = true
	if c.dec != nil && codec == c.codec {
		return c.dec.Flush()
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
	c.meta[p.Seq%inFlight] = p.PacketDesc
	packet := cshim.Packet{PTSNS: p.PTSNS, DTSNS: p.DTSNS, Tag: p.Seq, Flags: uint32(p.Flags & (ring.FlagKey | ring.FlagCorrupt))}
	var frame cshim.Frame
	ready, err := c.dec.Send(p.Data, &packet, &frame)
	for ; ; ready, err = c.dec.Receive(&frame) {
		if err != nil {
			c.out.w.Count(ring.CountDropDecode, 1)
			return nil
		}
		if !ready {
			return nil
		}
		if c.stillSilent(frame.Tag) {
			continue
		}
		if err := c.out.picture(c.dec, &frame, c.origin(frame.Tag)); err != nil {
			return err
		}
	}
}

// stillSilent reports whether the picture of packet tag has been published before. The decoder brings
// pictures out in the same order as last time, so everything up to the last published one has been,
// whatever its packet sequence.
func (c *packetCapture) stillSilent(tag uint64) bool {
	if c.silent == 0 {
		return false
	}
	if tag > c.silent+reorder { // it never came: damaged this time
		c.silent = 0
		return false
	}
	if tag == c.silent {
		c.silent = 0
	}
	c.out.w.Count(ring.CountDecodedSilently, 1)
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
