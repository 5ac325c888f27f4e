// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// h265Syntax implements nalSyntax.
type h265Syntax struct {
	vps, sps, pps paramSets
	width, height int
}

func h265Type(nalu []byte) h265.NALUType { return h265.NALUType(nalu[0] >> 1 & 0x3F) }

func (*h265Syntax) role(nalu []byte) role {
	switch t := h265Type(nalu); {
	case t >= h265.NALUType_BLA_W_LP && t <= h265.NALUType_CRA_NUT:
		return roleKeySlice
	case t < 32: // VCL; reserved types among them
		return roleSlice
	case t == h265.NALUType_VPS_NUT, t == h265.NALUType_SPS_NUT, t == h265.NALUType_PPS_NUT:
		return roleParameters
	case t == h265.NALUType_AUD_NUT:
		return roleDelimiter
	default:
		return roleOther
	}
}

func (*h265Syntax) recovers([]byte) bool { return false } // H.265 has CRA pictures for that

// starts: first_slice_segment_in_pic_flag.
func (*h265Syntax) starts(slice []byte) bool { return len(slice) > 2 && slice[2]&0x80 != 0 }

func (s *h265Syntax) learn(nalu []byte) {
	switch h265Type(nalu) {
	case h265.NALUType_VPS_NUT:
		if len(nalu) > 2 {
			s.vps.put(uint32(nalu[2]>>4), nalu)
		}
	case h265.NALUType_PPS_NUT:
		s.pps.put(golombAt(nalu, 2), nalu)
	default:
		var sps h265.SPS
		if err := sps.Unmarshal(nalu); err != nil {
			s.sps.put(0, nalu) // the decoder may understand it
		} else if s.sps.put(uint32(sps.ID), nalu) {
			s.width, s.height = sps.Width(), sps.Height()
		}
	}
}

func (s *h265Syntax) parameters(nalus [][]byte) ([][]byte, bool) {
	if len(s.vps.sets) == 0 || len(s.sps.sets) == 0 || len(s.pps.sets) == 0 {
		return nalus, false
	}
	return s.pps.appendTo(s.sps.appendTo(s.vps.appendTo(nalus))), true
}

func (s *h265Syntax) size() (width, height int) { return s.width, s.height }
