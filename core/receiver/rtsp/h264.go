// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// seiRecoveryPoint is the payload type of a recovery point message (H.264, D.1.1): streams with
// intra refresh or open GOPs have these instead of IDR pictures.
const seiRecoveryPoint = 6

// h264Syntax implements nalSyntax.
type h264Syntax struct {
	sps, pps      paramSets
	width, height int
}

func h264Type(nalu []byte) h264.NALUType { return h264.NALUType(nalu[0] & 0x1F) }

func (*h264Syntax) role(nalu []byte) role {
	switch t := h264Type(nalu); t {
	case h264.NALUTypeIDR:
		return roleKeySlice
	case h264.NALUTypeNonIDR, h264.NALUTypeDataPartitionA, h264.NALUTypeDataPartitionB, h264.NALUTypeDataPartitionC:
		return roleSlice
	case h264.NALUTypeSPS, h264.NALUTypePPS:
		return roleParameters
	case h264.NALUTypeAccessUnitDelimiter:
		return roleDelimiter
	default:
		return roleOther
	}
}

func (*h264Syntax) recovers(nalu []byte) bool {
	return h264Type(nalu) == h264.NALUTypeSEI && nalu[1] == seiRecoveryPoint
}

// starts: first_mb_in_slice is 0, one set bit.
func (*h264Syntax) starts(slice []byte) bool { return slice[1]&0x80 != 0 }

func (s *h264Syntax) learn(nalu []byte) {
	if h264Type(nalu) == h264.NALUTypePPS {
		s.pps.put(golombAt(nalu, 1), nalu)
		return
	}
	// Profile, constraints and level are in front of the number.
	if !s.sps.put(golombAt(nalu, 4), nalu) {
		return
	}
	var sps h264.SPS
	if err := sps.Unmarshal(nalu); err == nil {
		s.width, s.height = sps.Width(), sps.Height()
	}
}

func (s *h264Syntax) parameters(nalus [][]byte) ([][]byte, bool) {
	if len(s.sps.sets) == 0 || len(s.pps.sets) == 0 {
		return nalus, false
	}
	return s.pps.appendTo(s.sps.appendTo(nalus)), true
}

func (s *h264Syntax) size() (width, height int) { return s.width, s.height }
