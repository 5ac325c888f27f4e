// SPDX-License-Identifier: Apache-2.0

package cshim

import (
	"testing"

	"camring/ring"
)

func TestNumbersAreThoseOfTheRingLayout(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want int64
	}{
		{"no codec", int64(CodecNone), int64(ring.CodecNone)},
		{"H.264", int64(CodecH264), int64(ring.CodecH264)},
		{"H.265", int64(CodecH265), int64(ring.CodecH265)},
		{"MJPEG", int64(CodecMJPEG), int64(ring.CodecMJPEG)},
		{"VP8", int64(CodecVP8), int64(ring.CodecVP8)},
		{"VP9", int64(CodecVP9), int64(ring.CodecVP9)},
		{"AV1", int64(CodecAV1), int64(ring.CodecAV1)},
		{"MPEG-4", int64(CodecMPEG4), int64(ring.CodecMPEG4)},
		{"key", FlagKey, int64(ring.FlagKey)},
		{"corrupt", FlagCorrupt, int64(ring.FlagCorrupt)},
		{"discontinuity", FlagDiscontinuity, int64(ring.FlagDiscontinuity)},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %d, want %d as in the ring", c.name, c.got, c.want)
		}
	}
}
