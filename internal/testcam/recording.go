// SPDX-License-Identifier: Apache-2.0

package testcam

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts/codecs"
	"github.com/pion/rtp"
)

const (
	clockRate   = 90000 // Hz, of MPEG-TS and of RTP video
	maxClipSize = 1 << 30
	jpegTicks   = clockRate / 25 // what ffmpeg assumes for files of JPEG pictures
	payloadType = 96
)

type codec int

const (
	codecH264 codec = iota
	codecH265
	codecMJPEG
)

// clip is a recording in memory. Times are in ticks of clockRate since the first unit's DTS.
type clip struct {
	codec  codec
	units  []unit // in decoding order
	period int64  // of one pass
	lead   int64  // the most that a picture is shown after it is sent
	params [][]byte
}

// unit is one compressed picture.
type unit struct {
	pts, dts int64
	nalus    [][]byte // of MJPEG: one picture
}

// readClip reads a file whole.
func readClip(path string) (*clip, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > maxClipSize:
		return nil, fmt.Errorf("%s has %d MiB, at most %d are played from memory", path, info.Size()>>20, maxClipSize>>20)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := &clip{}
	if bytes.HasPrefix(data, []byte{0xFF, 0xD8}) {
		c.splitJPEG(data)
	} else if err := c.demux(data); err != nil {
		return nil, fmt.Errorf("%s: %w (an MPEG-TS file with H.264 or H.265 is needed)", path, err)
	}
	if len(c.units) < 2 {
		return nil, fmt.Errorf("%s has %d pictures, at least 2 are needed", path, len(c.units))
	}
	c.finish()
	return c, nil
}

// demux reads the first H.264 or H.265 track of an MPEG-TS file.
func (c *clip) demux(data []byte) error {
	r := &mpegts.Reader{R: bytes.NewReader(data)}
	if err := r.Initialize(); err != nil {
		return err
	}
	add := func(pts, dts int64, nalus [][]byte) error {
		c.units = append(c.units, unit{pts: pts, dts: dts, nalus: nalus})
		return nil
	}
	found := false
	for _, t := range r.Tracks() {
		switch t.Codec.(type) {
		case *codecs.H264:
			c.codec = codecH264
			r.OnDataH264(t, add)
		case *codecs.H265:
			c.codec = codecH265
			r.OnDataH265(t, add)
		default:
			continue
		}
		found = true
		break
	}
	if !found {
		return errors.New("no H.264 or H.265 track")
	}
	var broken error
	r.OnDecodeError(func(err error) { broken = err })
	for {
		err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return broken // a clip with holes would be a bad reference
		case err != nil:
			return err
		}
	}
}

// splitJPEG splits concatenated pictures: a start marker right behind an end marker.
func (c *clip) splitJPEG(data []byte) {
	c.codec = codecMJPEG
	seam := []byte{0xFF, 0xD9, 0xFF, 0xD8}
	for len(data) > 0 {
		end := len(data)
		if i := bytes.Index(data, seam); i >= 0 {
			end = i + 2
		}
		at := int64(len(c.units)) * jpegTicks
		c.units = append(c.units, unit{pts: at, dts: at, nalus: [][]byte{data[:end]}})
		data = data[end:]
	}
}

// finish makes times relative and finds the period: the last picture lasts as long as the average.
func (c *clip) finish() {
	first, last := c.units[0].dts, c.units[len(c.units)-1].dts
	intervals := int64(len(c.units) - 1)
	c.period = last - first + (last-first+intervals/2)/intervals
	for i := range c.units {
		u := &c.units[i]
		u.pts, u.dts = u.pts-first, u.dts-first
		c.lead = max(c.lead, u.pts-u.dts)
		for _, nalu := range u.nalus {
			if i == 0 && c.isParams(nalu) {
				c.params = append(c.params, nalu)
			}
		}
	}
}

func (c *clip) isParams(nalu []byte) bool {
	switch c.codec {
	case codecH264:
		t := h264.NALUType(nalu[0] & 0x1F)
		return t == h264.NALUTypeSPS || t == h264.NALUTypePPS
	case codecH265:
		t := h265.NALUType(nalu[0] >> 1 & 0x3F)
		return t == h265.NALUType_VPS_NUT || t == h265.NALUType_SPS_NUT || t == h265.NALUType_PPS_NUT
	}
	return false
}

// format returns a new description of the track's codec.
func (c *clip) format() format.Format {
	param := func(i int) []byte {
		if i < len(c.params) {
			return c.params[i]
		}
		return nil
	}
	switch c.codec {
	case codecH265:
		return &format.H265{PayloadTyp: payloadType, VPS: param(0), SPS: param(1), PPS: param(2)}
	case codecMJPEG:
		return &format.MJPEG{}
	default:
		return &format.H264{PayloadTyp: payloadType, PacketizationMode: 1, SPS: param(0), PPS: param(1)}
	}
}

// describe returns a new description of the stream; each stream of the library needs its own.
func (c *clip) describe() *description.Session {
	return &description.Session{Medias: []*description.Media{{
		Type: description.MediaTypeVideo, Formats: []format.Format{c.format()},
	}}}
}

// encoder returns a function that cuts pictures into packets; it keeps the packet numbers.
func (c *clip) encoder() (func([][]byte) ([]*rtp.Packet, error), error) {
	switch f := c.format().(type) {
	case *format.H264:
		e, err := f.CreateEncoder()
		if err != nil {
			return nil, err
		}
		return e.Encode, nil
	case *format.H265:
		e, err := f.CreateEncoder()
		if err != nil {
			return nil, err
		}
		return e.Encode, nil
	case *format.MJPEG:
		e, err := f.CreateEncoder()
		if err != nil {
			return nil, err
		}
		return func(pictures [][]byte) ([]*rtp.Packet, error) { return e.Encode(pictures[0]) }, nil
	default:
		return nil, fmt.Errorf("no encoder for %T", f)
	}
}
