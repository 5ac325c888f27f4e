// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtp"
)

// FuzzAssembler feeds packets to every assembler and the DTS extractors: whatever comes, nothing
// panics. It checks nothing else.
func FuzzAssembler(f *testing.F) {
	for _, seed := range [][]byte{
		idr(1), inter(1), testSPS, testPPS,
		{0x78, 0, 2, 0x65, 0x88, 0, 3, 0x41, 0x9a, 0x24}, // STAP-A
		{0x7c, 0x85, 0x88, 0x84},                         // FU-A
		{0x26, 0x01, 0xaf},
		{0x60, 0x01, 0, 3, 0x26, 0x01, 8}, // H.265 slice, aggregation
		{0x10, 0x0a, 0x0b, 0, 0, 0},
		{0x90, 0x80, 1, 0x10, 1}, // AV1, VP8
		{0, 0, 0, 0, 1, 80, 40, 30, 0xff, 0xd9},
		{0x42, 0x01}, // MJPEG
	} {
		f.Add(seed, seed, byte(0))
	}
	f.Fuzz(func(t *testing.T, first, second []byte, which byte) {
		formats := []format.Format{
			&format.H264{PacketizationMode: 1, SPS: testSPS, PPS: testPPS}, &format.H265{},
			&format.MJPEG{}, &format.VP8{}, &format.VP9{}, &format.AV1{}, &format.MPEG4Video{},
		}
		a, order, err := newAssembler(formats[int(which)%len(formats)])
		if err != nil {
			t.Fatal(err)
		}
		c := clock{rate: 90000, order: order}
		for i, payload := range [][]byte{first, second, first, second} {
			_ = a.add(&rtp.Packet{ // an error is an answer
				Header:  rtp.Header{SequenceNumber: uint16(i), Timestamp: uint32(i / 2), Marker: i%2 == 1},
				Payload: bytes.Clone(payload),
			})
			if pic, ok := a.take(); ok {
				c.stamp(uint32(i), pic, false)
			}
		}
	})
}

// FuzzAnswers feeds descriptions and headers to what reads them before the library does.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(h264SDP()), `Digest realm="cam", stale=true`, "RTP/AVP;unicast;source=1.2.3.4")
	f.Fuzz(func(t *testing.T, sdp []byte, offer, transport string) {
		if out, failure := videoOnly(sdp); failure == nil && (len(out) > len(sdp) || bytes.Contains(out, []byte("\nm=audio"))) {
			t.Errorf("got %q", out)
		}
		isStale(base.HeaderValue{offer})
		header := base.Header{"Transport": {transport}}
		pinSource(header)
		if strings.Contains(strings.ToLower(header["Transport"][0]), ";source=") {
			t.Errorf("got %q", header["Transport"])
		}
		parseRetryAfter(offer, time.Now())
		to, failure := parseTarget(Config{URL: "rtsps://camera/x"})
		if failure != nil {
			t.Fatal(failure)
		}
		if next, failure := to.redirect(offer); failure == nil && (next.address() != to.address() || next.url.Scheme != schemeSecure) {
			t.Errorf("redirect to %q accepted", offer)
		}
	})
}
