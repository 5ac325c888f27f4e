// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"camring/core/control"
	"camring/cshim"
	"camring/ring"
)

const (
	openTimeout = 10 * time.Second
	readTimeout = 5 * time.Second
	// defaultFrameNS spaces pictures whose file does not say how far apart they are: 25 fps.
	defaultFrameNS = int64(40 * time.Millisecond)
)

// fileCapture decodes a local file, once or again and again.
type fileCapture struct {
	start control.Start
	out   *output
	m     *cshim.Demuxer
	dec   *cshim.Decoder

	tag      uint64
	base     int64 // added to the file's PTS: the length of the passes before
	first    int64 // PTS of the pass's first picture
	last     int64 // PTS of the newest picture, with base
	step     int64 // between the newest two
	begun    bool  // a picture of this pass has come
	resumeTo int64 // pictures up to this PTS were published by the process before; 0 = none
	clock    pacer
}

// captureFile publishes the pictures of a file until ctx ends or, without loop, the file does.
func captureFile(ctx context.Context, start control.Start, out *output, connected func(control.Connected)) error {
	m, err := cshim.OpenDemuxer(start.Camera.Path, cshim.Deadline(openTimeout), cshim.Limits{})
	if err != nil {
		return openFailure(start.Camera.Path, err)
	}
	defer func() { _ = m.Close() }()
	defer interruptOn(ctx, m)()
	s := m.Stream()
	if s.Codec == cshim.CodecNone {
		return fail(ring.ReasonCodec, "%s: codec %s is not one that camring decodes: convert it to H.264", start.Camera.Path, s.CodecName)
	}
	dec, err := m.Decoder(cshim.Limits{})
	if err != nil {
		return fail(ring.ReasonCodec, "%s: the installed libav cannot decode %s: %w", start.Camera.Path, s.CodecName, err)
	}
	defer func() { _ = dec.Close() }()
	connected(control.Connected{Codec: ring.Codec(s.Codec), Width: int(s.Width), Height: int(s.Height)})
	c := &fileCapture{start: start, out: out, m: m, dec: dec, step: defaultFrameNS}
	if s.FPSNum > 0 && s.FPSDen > 0 {
		c.step = int64(time.Second) * int64(s.FPSDen) / int64(s.FPSNum)
	}
	c.clock.realtime = start.Camera.Pace != "fast"
	c.resume()
	for {
		err := c.pass(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case !start.Camera.Loop:
			return errEnded
		case !c.begun:
			return fail(ring.ReasonDecode, "%s: no picture in the whole file could be decoded", start.Camera.Path)
		}
		err = errors.Join(m.Rewind(), dec.Flush())
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("rewind %s: %w", start.Camera.Path, err)
		}
		c.base, c.begun = c.last+c.step, false
		out.discontinuity = true
	}
}

// resume continues where the process before stopped: a file that is played once goes on behind the
// last published picture, one that loops begins a new pass with later times. A file that is played
// once always has its own times, so that they tell where to go on.
func (c *fileCapture) resume() {
	last, ok := c.out.w.LastPicture()
	switch {
	case !ok:
	case c.start.Camera.Loop:
		c.tag, c.base = last.PacketSeq, last.PTSNS+c.step
	case c.start.Resume:
		c.resumeTo = last.PTSNS + 1
	}
}

// pass plays the file once.
func (c *fileCapture) pass(ctx context.Context) error {
	var packet cshim.Packet
	var frame cshim.Frame
	for ctx.Err() == nil {
		c.out.tick()
		c.tag++
		ready, err := c.m.Next(c.dec, c.tag, cshim.Deadline(readTimeout), &packet, &frame)
		read := ring.MonoNS()
		switch {
		case errors.Is(err, cshim.EOF):
			return nil
		case errors.Is(err, cshim.ErrInterrupted):
			return nil
		case errors.Is(err, syscall.ETIMEDOUT):
			return fail(ring.ReasonTimeout, "%s: no data for %v", c.start.Camera.Path, readTimeout)
		case errors.Is(err, cshim.ErrInvalidData), errors.Is(err, cshim.ErrTooLarge):
			c.out.w.Count(ring.CountDropDecode, 1)
			continue
		case err != nil: // of the disk, or of memory: the same call would fail again, and again
			return fmt.Errorf("read %s: %w", c.start.Camera.Path, err)
		}
		for ; ready; ready, err = c.dec.Receive(&frame) {
			if err := c.picture(ctx, &frame, read); err != nil {
				return err
			}
		}
		if err != nil && !errors.Is(err, cshim.EOF) {
			c.out.w.Count(ring.CountDropDecode, 1)
		}
	}
	return nil
}

func (c *fileCapture) picture(ctx context.Context, frame *cshim.Frame, read int64) error {
	if !c.begun {
		c.begun, c.first = true, frame.PTSNS
	}
	pts := frame.PTSNS - c.first + c.base
	if pts > c.last {
		if c.last > c.base {
			c.step = pts - c.last
		}
		c.last = pts
	}
	if pts < c.resumeTo {
		c.out.w.Count(ring.CountDecodedSilently, 1)
		return nil
	}
	frame.PTSNS = pts
	due := c.clock.wait(ctx, pts, c.out.tick)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // stopped: serve says why
	}
	from := origin{
		packetSeq: frame.Tag, captureMonoNS: read, captureWallNS: ring.WallNS(),
		captureClock: ring.ClockRead, receivedMonoNS: read,
	}
	if due > 0 { // the simulated camera took the picture when it was due, not when it was read ahead
		from.captureMonoNS, from.receivedMonoNS = due, due
	}
	return c.out.picture(c.dec, frame, from)
}

// interruptOn makes a blocked read return when ctx ends. The function it returns must be called
// before the demuxer is closed.
func interruptOn(ctx context.Context, m *cshim.Demuxer) func() {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(done); m.Interrupt() })
	return func() {
		if !stop() {
			<-done
		}
	}
}

func openFailure(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOENT):
		return fail(ring.ReasonNotFound, "%s does not exist: mend url, or wait until it is there", path)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fail(ring.ReasonPermission, "%s may not be read by uid %d: mend its mode or owner", path, os.Geteuid())
	case errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.EINVAL):
		return fail(ring.ReasonNotVideo, "%s is not a regular file: a file source must be one", path)
	case errors.Is(err, cshim.ErrNoVideo):
		return fail(ring.ReasonNoVideo, "%s has no video track", path)
	case errors.Is(err, cshim.ErrInvalidData):
		return fail(ring.ReasonNotVideo, "%s is not a video file that camring knows (mp4, mkv, ts, avi, flv, H.264, H.265, MJPEG, IVF)", path)
	case errors.Is(err, syscall.ETIMEDOUT):
		return fail(ring.ReasonTimeout, "%s: opening took more than %v", path, openTimeout)
	}
	return fmt.Errorf("open %s: %w", path, err)
}
