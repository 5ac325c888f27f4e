// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"time"

	"golang.org/x/sys/unix"
)

// maxSenderDelay is how old a camera may say a picture is, in nanoseconds, before its clock is taken
// to be wrong. A camera whose clock is ahead of ours says that a picture is not taken yet.
const maxSenderDelay = int64(10 * time.Second)

// dtsExtractor reconstructs decoding times from the order of the pictures; units of 90 kHz.
type dtsExtractor interface {
	Extract(nalus [][]byte, pts int64) (int64, error)
}

// clock turns RTP timestamps into times since the first unit.
type clock struct {
	rate  int64               // Hz
	order func() dtsExtractor // nil: pictures are sent in the order they are shown

	started   bool
	last      uint32
	ticks     int64 // of last, since the first unit
	dts       int64 // ticks of the unit before
	extractor dtsExtractor
}

// stamp returns the times of a picture. damaged says that pictures are missing, which confuses the
// extractor: it starts anew at the next whole keyframe.
func (c *clock) stamp(timestamp uint32, pic picture, damaged bool) (pts, dts time.Duration) {
	first := !c.started
	if first {
		c.started, c.last = true, timestamp
	}
	c.ticks += int64(int32(timestamp - c.last)) // the shorter way round: pictures are not in order
	c.last = timestamp
	decode := c.decodeTicks(pic, damaged)
	if !first {
		decode = max(decode, c.dts)
	}
	c.dts = decode
	return c.duration(c.ticks), c.duration(decode)
}

func (c *clock) decodeTicks(pic picture, damaged bool) int64 {
	if c.order == nil || pic.dts == nil {
		return c.ticks
	}
	if damaged {
		c.extractor = nil
	}
	if c.extractor == nil {
		if damaged || !pic.key {
			return c.ticks
		}
		c.extractor = c.order()
	}
	dts, err := c.extractor.Extract(pic.dts, c.ticks)
	if err != nil {
		c.extractor = nil // a stream it does not understand; try again at the next keyframe
		return c.ticks
	}
	return dts
}

// duration converts ticks without overflow: ticks in nanoseconds times the rate would last a day.
func (c *clock) duration(ticks int64) time.Duration {
	whole, rest := ticks/c.rate, ticks%c.rate
	return time.Duration(whole)*time.Second + time.Duration(rest)*time.Second/time.Duration(c.rate)
}

func monotonicNS() int64 { return clockNS(unix.CLOCK_MONOTONIC) }

func realtimeNS() int64 { return clockNS(unix.CLOCK_REALTIME) }

func clockNS(id int32) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		panic("clock_gettime of a clock that every Linux has: " + err.Error())
	}
	return ts.Nano()
}
