// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtp"

	"camring/ring"
)

// strayLimit is how many packets in a row may be late, or of another source, before they are taken
// for a restart of the stream. It is the size of the library's reorder window.
const strayLimit = 64

// picture is one assembled picture of any codec.
type picture struct {
	parts [][]byte // valid until the next call
	key   bool
	// starts reports whether the beginning of the picture is known to be there.
	starts bool
	// dts has the bytes in the form that the DTS extractor of the codec takes; nil = DTS equals PTS.
	dts [][]byte
}

// assembler turns the packets of one picture into the picture. One per session; not concurrent.
type assembler interface {
	// add takes the next packet of the picture. An error means that part of the picture is lost.
	add(pkt *rtp.Packet) error
	// take returns the picture and makes room for the next; false if there is nothing to decode.
	take() (picture, bool)
	// size returns the visible size in pixels, 0 if it is not known yet.
	size() (width, height int)
}

// stream is the video track of a session: packets in, access units out.
//
// Thread: all but the atomics belong to the goroutine of the library that reads RTP.
type stream struct {
	session  *session
	media    *description.Media
	format   format.Format
	pictures assembler

	ssrc    atomic.Uint32
	lastRTP atomic.Int64 // CLOCK_MONOTONIC

	started bool // a packet was accepted
	stopped bool // deliver has failed
	nextSeq uint16
	stray   int    // late or foreign packets since the last good one
	lost    uint32 // packets, since the last unit

	// The picture that is being received.
	open      bool
	timestamp uint32
	gapBefore bool // packets are missing between it and the one before
	joined    bool // it is the first of the session, which may have begun in its middle
	dirty     bool // packets of it are missing
	received  int64

	damaged bool // what follows refers to something missing, until the next whole keyframe
	clock   clock
	unit    AccessUnit // reused for every delivery

	lostTotal, strayTotal, badTotal uint64
}

func newStream(s *session, media *description.Media, f format.Format) (*stream, error) {
	pictures, order, err := newAssembler(f)
	if err != nil {
		return nil, err
	}
	return &stream{
		session: s, media: media, format: f, pictures: pictures, joined: true,
		clock: clock{rate: int64(f.ClockRate()), order: order},
		unit:  AccessUnit{Codec: codecOf(f)},
	}, nil
}

// skip takes packets of the track that belong to another format: only their numbers matter.
func (st *stream) skip(pkt *rtp.Packet) { st.follow(pkt) }

// packet takes one packet of the video. The error is that of deliver.
func (st *stream) packet(pkt *rtp.Packet) error {
	gap, ok := st.follow(pkt)
	if !ok || st.stopped {
		return nil
	}
	if st.open && pkt.Timestamp != st.timestamp {
		st.dirty = st.dirty || gap // the missing packets may be its last ones
		if err := st.finish(); err != nil {
			return err
		}
	}
	switch {
	case !st.open:
		st.open, st.dirty, st.gapBefore, st.timestamp = true, false, gap, pkt.Timestamp
	case gap:
		st.dirty = true
	}
	st.received = monotonicNS()
	st.lastRTP.Store(st.received)
	if err := st.pictures.add(pkt); err != nil {
		st.dirty = true
		if st.badTotal++; st.badTotal == 1 { // the totals tell the rest
			st.session.cfg.Log.LogAttrs(context.Background(), slog.LevelDebug, "picture damaged", slog.Any("err", err))
		}
	}
	if pkt.Marker {
		return st.finish()
	}
	return nil
}

// follow checks the source and the number of a packet. ok is false for a packet to be dropped; gap
// reports that packets are missing in front of it.
func (st *stream) follow(pkt *rtp.Packet) (gap, ok bool) {
	missing := pkt.SequenceNumber - st.nextSeq
	foreign := st.started && pkt.SSRC != st.ssrc.Load()
	switch {
	case !st.started:
	case foreign || missing >= 1<<15: // of another source, or late, or a duplicate
		st.strayTotal++
		if st.stray++; st.stray <= strayLimit {
			return false, false
		}
		gap = true // the camera has restarted its numbering: nobody knows what is missing
	case missing > 0:
		gap = true
		st.lost += uint32(missing)
		st.lostTotal += uint64(missing)
	}
	if !st.started || foreign {
		st.started = true
		st.ssrc.Store(pkt.SSRC)
	}
	st.stray, st.nextSeq = 0, pkt.SequenceNumber+1
	return gap, true
}

// finish ends the picture that is being received and delivers it.
func (st *stream) finish() error {
	pic, ok := st.pictures.take()
	st.open = false
	whole := !st.dirty && (pic.starts || !st.gapBefore && !st.joined)
	if !ok {
		// Parameter sets that came alone are no picture; the next one still follows the gap.
		st.damaged = st.damaged || st.dirty || st.gapBefore
		return nil
	}
	st.joined = false
	switch {
	case pic.key && whole:
		st.damaged = false
	case st.gapBefore || !whole:
		st.damaged = true
	}
	return st.send(pic)
}

func (st *stream) send(pic picture) error {
	u := &st.unit
	u.Parts, u.Key, u.Corrupt, u.Lost = pic.parts, pic.key, st.damaged, st.lost
	u.PTS, u.DTS = st.clock.stamp(st.timestamp, pic, st.damaged)
	u.Width, u.Height = st.pictures.size()
	u.ReceivedMonoNS = st.received
	st.captureTime(u)
	st.session.announceOnce()
	err := st.session.deliver(u)
	st.lost = 0
	st.stopped = err != nil
	return err
}

// captureTime fills the capture time of a unit.
func (st *stream) captureTime(u *AccessUnit) {
	age, wall := monotonicNS()-u.ReceivedMonoNS, realtimeNS()
	u.Clock, u.ErrorUS = ring.ClockArrival, ring.ErrorUnknown
	u.CaptureMonoNS, u.CaptureWallNS = u.ReceivedMonoNS, wall-age
	sent, ok := st.session.client.PacketNTP(st.media, &rtp.Packet{
		Header: rtp.Header{PayloadType: st.format.PayloadType(), Timestamp: st.timestamp},
	})
	if !ok {
		return
	}
	if delay := u.CaptureWallNS - sent.UnixNano(); delay >= 0 && delay <= maxSenderDelay {
		u.Clock = ring.ClockSender
		u.CaptureMonoNS -= delay
		u.CaptureWallNS -= delay
	}
}

// logTotals says once per session what went wrong in it.
func (st *stream) logTotals(ctx context.Context, log *slog.Logger) {
	if st.lostTotal+st.strayTotal+st.badTotal > 0 {
		log.LogAttrs(ctx, slog.LevelInfo, "packets lost in session", slog.Uint64("lost", st.lostTotal),
			slog.Uint64("stray", st.strayTotal), slog.Uint64("malformed", st.badTotal))
	}
}
