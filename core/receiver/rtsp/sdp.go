// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"

	"camring/ring"
)

// maxTracks bounds a session description; cameras have two to four.
const maxTracks = 16

// videoOnly returns the description without its other tracks, so that an audio track that the
// library cannot parse does not cost the video.
func videoOnly(sdp []byte) ([]byte, *Failure) {
	if !bytes.HasPrefix(bytes.TrimLeft(sdp, "\r\n\t \xef\xbb\xbf"), []byte("v=")) {
		return nil, newFailure(ring.ReasonProtocol, "the description of the stream is not SDP").
			hint("check that the URL leads to an RTSP camera")
	}
	var out []byte
	tracks, videos, keep := 0, 0, true
	for line := range bytes.Lines(sdp) {
		if kind, isTrack := bytes.CutPrefix(line, []byte("m=")); isTrack {
			tracks++
			if keep = bytes.HasPrefix(kind, []byte("video ")); keep {
				videos++
			}
		}
		if keep {
			out = append(out, line...)
		}
	}
	switch {
	case tracks > maxTracks:
		return nil, newFailure(ring.ReasonProtocol, "the stream has %d tracks, at most %d are accepted", tracks, maxTracks).
			hint("check that the URL leads to an RTSP camera")
	case videos == 0:
		return nil, newFailure(ring.ReasonNoVideo, "the stream has no video track").
			hint("check the path in the URL; it may name an audio-only or metadata stream")
	}
	return out, nil
}

// pickTrack returns the first video track with a codec that can be received.
func pickTrack(desc *description.Session) (*description.Media, format.Format, *Failure) {
	var unknown []string
	for _, media := range desc.Medias {
		if media.Type != description.MediaTypeVideo || media.IsBackChannel {
			continue
		}
		for _, f := range media.Formats {
			if codecOf(f) != ring.CodecNone {
				return media, f, nil
			}
			name := f.RTPMap()
			if name == "" {
				name = fmt.Sprintf("payload type %d", f.PayloadType())
			}
			unknown = append(unknown, fmt.Sprintf("%.40q", name))
		}
	}
	if unknown == nil {
		return nil, nil, newFailure(ring.ReasonNoVideo, "the stream has no video track").
			hint("check the path in the URL")
	}
	return nil, nil, newFailure(ring.ReasonCodec, "video codec %s is not supported", strings.Join(unknown, ", ")).
		hint("set the camera to H.264 or H.265")
}

func codecOf(f format.Format) ring.Codec {
	switch f.(type) {
	case *format.H264:
		return ring.CodecH264
	case *format.H265:
		return ring.CodecH265
	case *format.MJPEG:
		return ring.CodecMJPEG
	case *format.VP8:
		return ring.CodecVP8
	case *format.VP9:
		return ring.CodecVP9
	case *format.AV1:
		return ring.CodecAV1
	case *format.MPEG4Video:
		return ring.CodecMPEG4
	}
	return ring.CodecNone
}
