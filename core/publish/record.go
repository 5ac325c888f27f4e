// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"math"

	"camring/ring"
)

// reasonRefused is the reason of a gap record for frames whose own record Redis refused. The ring
// knows no such reason: nothing is wrong with the frames.
const reasonRefused = "refused"

// The functions below write the fields of docs/metadata.md; a test compares the two. Fields whose
// value is not known are left out, and a camera leaves out the same ones all the time: records with
// the same fields in the same order share the names in Redis' memory.

// appendFrame adds the record of one frame. It returns false if the batch is full.
func (b *batch) appendFrame(s *stream, d *ring.FrameDesc) bool {
	b.begin(s, s.ms, d.Seq)
	b.text("cam_id", s.cam.StreamKey)
	b.int("ts_ns", d.PublishedWallNS)
	b.uint("width", uint64(d.Width))
	b.uint("height", uint64(d.Height))
	b.text("format", d.Format.String())
	b.flag("is_similar", d.Flags&ring.FlagSimilar != 0)
	if d.Flags&ring.FlagSimilar != 0 {
		b.uint("reference_seq", d.ReferenceSeq)
		b.float("similarity_score", math.Float32frombits(d.Score))
	}
	b.text("stream_group_key", s.cam.Group)
	b.text("camera_location", s.cam.Location)
	b.appendOrigin(s, d.Seq)
	b.uint("frame_id", d.FrameID)
	b.int("pts_ns", d.PTSNS)
	if d.CaptureWallNS != 0 {
		b.int("capture_ns", d.CaptureWallNS)
		b.text("capture_clock", d.CaptureClock.String())
		if d.CaptureErrorUS != ring.ErrorUnknown {
			b.uint("capture_error_us", uint64(d.CaptureErrorUS))
		}
	}
	if d.ReceivedMonoNS != 0 {
		b.int("latency_us", (d.PublishedMonoNS-d.ReceivedMonoNS)/1000)
	}
	b.text("codec", ring.Codec(d.Codec).String())
	b.text("decoder", d.Decoder.String())
	b.uint("matrix", uint64(d.Matrix))
	b.text("range", d.Range.String())
	b.flag("key", d.Flags&ring.FlagKey != 0)
	b.flag("corrupt", d.Flags&ring.FlagCorrupt != 0)
	b.flag("discontinuity", d.Flags&ring.FlagDiscontinuity != 0)
	return b.end(item{s: s, from: d.Seq, to: d.Seq, kind: kindFrame})
}

// appendGap adds a gap record of the ring's writer.
func (b *batch) appendGap(s *stream, d *ring.FrameDesc) bool {
	b.begin(s, s.ms, d.Seq)
	b.text("event", "gap")
	b.text("cam_id", s.cam.StreamKey)
	b.int("ts_ns", d.PublishedWallNS)
	b.text("reason", d.Reason.String())
	b.text("state", d.GapState.String())
	if d.GapMissing != ring.ErrorUnknown {
		b.uint("missing", uint64(d.GapMissing))
	}
	b.appendOrigin(s, d.Seq)
	return b.end(item{s: s, from: d.Seq, to: d.Seq, kind: kindGap})
}

// appendLost adds the gap record for the records from..to, of which missing never reached Redis. seq
// is the second half of its id, nowNS the wall clock.
func (b *batch) appendLost(it item, reason string, seq uint64, nowNS int64) bool {
	s := it.s
	b.begin(s, s.ms, seq)
	b.text("event", "gap")
	b.text("cam_id", s.cam.StreamKey)
	b.int("ts_ns", nowNS)
	b.text("reason", reason)
	b.uint("missing", it.lost)
	b.uint("from_seq", it.from)
	b.uint("to_seq", it.to)
	b.appendOrigin(s, seq)
	return b.end(it)
}

// appendOrigin adds what every record has. ring and epoch say whose sequence seq is: resuming relies
// on them where the id alone does not tell.
func (b *batch) appendOrigin(s *stream, seq uint64) {
	b.text("camera", s.cam.Name)
	b.text("camera_id", s.cam.CameraID)
	b.text("output", s.cam.Output)
	b.text("host", s.host)
	b.text("ring", s.cam.RingPath)
	b.text("epoch", s.epoch)
	b.uint("seq", seq)
}
