// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpav1"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpfragmented"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpmjpeg"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpvp8"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpvp9"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp8"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"
	"github.com/pion/rtp"
)

// newAssembler returns the assembler of a format, and what reconstructs its decoding order.
func newAssembler(f format.Format) (assembler, func() dtsExtractor, error) {
	switch f := f.(type) {
	case *format.H264:
		dec, err := f.CreateDecoder()
		if err != nil {
			return nil, nil, err
		}
		a := &nalAssembler{nalSyntax: &h264Syntax{}, depacketize: dec.Decode}
		a.seed(f.SPS, f.PPS)
		return a, func() dtsExtractor {
			e := &h264.DTSExtractor{}
			e.Initialize()
			return e
		}, nil
	case *format.H265:
		dec, err := f.CreateDecoder()
		if err != nil {
			return nil, nil, err
		}
		a := &nalAssembler{nalSyntax: &h265Syntax{}, depacketize: dec.Decode}
		a.seed(f.VPS, f.SPS, f.PPS)
		return a, func() dtsExtractor {
			e := &h265.DTSExtractor{}
			e.Initialize()
			return e
		}, nil
	case *format.MJPEG:
		return newFrames(f.CreateDecoder, inspectJPEG)
	case *format.VP8:
		return newFrames(f.CreateDecoder, inspectVP8)
	case *format.VP9:
		return newFrames(f.CreateDecoder, inspectVP9)
	case *format.AV1:
		dec, err := f.CreateDecoder()
		if err != nil {
			return nil, nil, err
		}
		return &frameAssembler{decode: av1Decode(dec), inspect: inspectAV1}, nil, nil
	case *format.MPEG4Video:
		dec, err := f.CreateDecoder()
		if err != nil {
			return nil, nil, err
		}
		return &frameAssembler{decode: dec.Decode, inspect: inspectMPEG4, config: f.Config}, nil, nil
	}
	return nil, nil, fmt.Errorf("no assembler for %T", f)
}

// seed learns the parameter sets of the session description.
func (a *nalAssembler) seed(sets ...[]byte) {
	for _, nalu := range sets {
		if len(nalu) >= 2 && a.role(nalu) == roleParameters {
			a.learn(nalu)
		}
	}
}

// inspect says whether a frame is a keyframe and, where it tells, its size. It may rewrite the frame.
type inspect func(frame []byte) (key bool, width, height int)

// frameAssembler assembles pictures of codecs that the library delivers whole, and only whole.
type frameAssembler struct {
	decode  func(*rtp.Packet) ([]byte, error)
	inspect inspect
	config  []byte // in front of every keyframe that does not have it

	frame         []byte
	parts         [][]byte
	width, height int
}

func newFrames[D interface {
	Decode(*rtp.Packet) ([]byte, error)
}](create func() (D, error), inspect inspect) (assembler, func() dtsExtractor, error) {
	dec, err := create()
	if err != nil {
		return nil, nil, err
	}
	return &frameAssembler{decode: dec.Decode, inspect: inspect}, nil, nil
}

func (a *frameAssembler) add(pkt *rtp.Packet) error {
	frame, err := a.decode(pkt)
	for _, more := range []error{
		rtpmjpeg.ErrMorePacketsNeeded, rtpvp8.ErrMorePacketsNeeded, rtpvp9.ErrMorePacketsNeeded,
		rtpav1.ErrMorePacketsNeeded, rtpfragmented.ErrMorePacketsNeeded,
	} {
		if errors.Is(err, more) {
			return nil
		}
	}
	if err == nil {
		a.frame = frame
	}
	return err
}

func (a *frameAssembler) take() (picture, bool) {
	frame := a.frame
	a.frame = nil
	if len(frame) == 0 {
		return picture{}, false
	}
	key, width, height := a.inspect(frame)
	if width > 0 && height > 0 {
		a.width, a.height = width, height
	}
	a.parts = a.parts[:0]
	if key && a.config != nil && !bytes.HasPrefix(frame, a.config) {
		a.parts = append(a.parts, a.config)
	}
	a.parts = append(a.parts, frame)
	return picture{parts: a.parts, key: key, starts: true}, true
}

func (a *frameAssembler) size() (width, height int) { return a.width, a.height }

// inspectJPEG finds the size in the start-of-frame segment; every JPEG is a keyframe.
func inspectJPEG(frame []byte) (key bool, width, height int) {
	for i := 2; i+9 <= len(frame) && frame[i] == 0xFF; {
		marker, length := frame[i+1], int(binary.BigEndian.Uint16(frame[i+2:]))
		if marker >= 0xC0 && marker <= 0xC2 {
			return true, int(binary.BigEndian.Uint16(frame[i+7:])), int(binary.BigEndian.Uint16(frame[i+5:]))
		}
		if marker == 0xDA { // the picture itself
			break
		}
		i += 2 + length
	}
	return true, 0, 0
}

// inspectVP8 reads the uncompressed header (RFC 6386, 9.1).
func inspectVP8(frame []byte) (key bool, width, height int) {
	if !vp8.IsRandomAccess(frame) || len(frame) < 10 {
		return false, 0, 0
	}
	return true, int(binary.LittleEndian.Uint16(frame[6:]) & 0x3FFF), int(binary.LittleEndian.Uint16(frame[8:]) & 0x3FFF)
}

func inspectVP9(frame []byte) (key bool, width, height int) {
	var h vp9.Header
	if err := h.Unmarshal(frame); err != nil || h.NonKeyFrame {
		return false, 0, 0
	}
	return true, h.Width(), h.Height()
}

// inspectMPEG4 looks for an intra-coded VOP (ISO 14496-2, 6.2.5).
func inspectMPEG4(frame []byte) (key bool, width, height int) {
	i := bytes.Index(frame, []byte{0, 0, 1, 0xB6})
	return i >= 0 && i+4 < len(frame) && frame[i+4]>>6 == 0, 0, 0
}

// temporalDelimiter is an OBU of that type with a size of 0; RTP leaves it out.
var temporalDelimiter = []byte{0x12, 0x00}

// av1Decode makes temporal units as libavcodec wants them: with a delimiter and with sizes.
func av1Decode(dec *rtpav1.Decoder) func(*rtp.Packet) ([]byte, error) {
	return func(pkt *rtp.Packet) ([]byte, error) {
		obus, err := dec.Decode(pkt)
		if err != nil {
			return nil, err
		}
		for _, obu := range obus {
			if len(obu) == 0 {
				return nil, errors.New("empty OBU")
			}
		}
		unit, err := av1.Bitstream(obus).Marshal()
		if err != nil {
			return nil, err
		}
		if unit[0]>>3&0xF != 2 {
			unit = append(bytes.Clone(temporalDelimiter), unit...)
		}
		return unit, nil
	}
}

// inspectAV1: a unit with a sequence header is where decoding can start.
func inspectAV1(frame []byte) (key bool, width, height int) {
	var obus av1.Bitstream
	if err := obus.Unmarshal(frame); err != nil {
		return false, 0, 0
	}
	for _, obu := range obus {
		var header av1.SequenceHeader
		if obu[0]>>3&0xF == 1 && header.Unmarshal(obu) == nil {
			return true, header.Width(), header.Height()
		}
	}
	return false, 0, 0
}
