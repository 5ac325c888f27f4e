// SPDX-License-Identifier: Apache-2.0

// Package cshim decodes compressed pictures to NV12 with libav and libyuv. It is the only package
// that uses cgo; camshim.h is the contract between its two halves.
//
// # Where to start
//
// [OpenDemuxer] reads a local video file: [Demuxer.Decoder], then [Demuxer.Next] until [EOF].
// [OpenDecoder] takes packets from elsewhere: [Decoder.Send] one access unit at a time. Either way a
// returned picture stays in the decoder until the next call and [Decoder.NV12] writes it into memory
// of the caller.
//
// # Concurrency
//
// A handle belongs to one goroutine at a time. [Demuxer.Interrupt] is the exception: any goroutine,
// any time. libav's state is per handle; the limit on single allocations and the log level are
// process-wide.
//
// # What can go wrong
//
// Every error is an [Error], a negative AVERROR code, and matches the errno it stands for. A memory
// error inside libav kills the process: run this package where that is affordable.
package cshim

/*
#cgo CFLAGS: -std=c11 -Wall -Wextra
#cgo pkg-config: libavformat libavcodec libavutil libswscale
#cgo LDFLAGS: -lyuv -lm
#cgo noescape csh_versions
#cgo nocallback csh_versions
#cgo noescape csh_strerror
#cgo nocallback csh_strerror
#include "camshim.h"
*/
import "C"

import "unsafe"

// Padding is how many bytes of capacity a buffer needs behind a packet handed to [Decoder.Send].
const Padding = C.CSH_PADDING

// Codec is a video codec. The numbers are those of the ring layout.
type Codec int32

// The codecs that the shim can decode where the installed libav can.
const (
	CodecNone  Codec = C.CSH_CODEC_NONE
	CodecH264  Codec = C.CSH_CODEC_H264
	CodecH265  Codec = C.CSH_CODEC_H265
	CodecMJPEG Codec = C.CSH_CODEC_MJPEG
	CodecVP8   Codec = C.CSH_CODEC_VP8
	CodecVP9   Codec = C.CSH_CODEC_VP9
	CodecAV1   Codec = C.CSH_CODEC_AV1
	CodecMPEG4 Codec = C.CSH_CODEC_MPEG4
)

// Flags of packets and frames. The numbers are those of the ring layout.
const (
	FlagKey           = C.CSH_FLAG_KEY           // decodable alone
	FlagCorrupt       = C.CSH_FLAG_CORRUPT       // damaged: loss, decoder error or concealment
	FlagDiscontinuity = C.CSH_FLAG_DISCONTINUITY // does not follow the picture before
)

// String returns the codec's usual name in lower case.
func (c Codec) String() string {
	switch c {
	case CodecH264:
		return "h264"
	case CodecH265:
		return "h265"
	case CodecMJPEG:
		return "mjpeg"
	case CodecVP8:
		return "vp8"
	case CodecVP9:
		return "vp9"
	case CodecAV1:
		return "av1"
	case CodecMPEG4:
		return "mpeg4"
	default:
		return "unknown"
	}
}

// Available reports whether the installed libav can decode c in software.
func (c Codec) Available() bool { return C.csh_have_decoder(C.int32_t(c)) == 1 }

// init silences libav before anything can use it, and lets the shim count its complaints, which is
// how damage that libav conceals is noticed.
func init() { SetLogLevel(-1) }

// SetLogLevel makes libav write its log of that level (its AV_LOG_ numbers: 16 errors, 32 info, 48
// debug) and below to standard error; a negative level means nothing, which is the default.
func SetLogLevel(level int) { C.csh_set_log_level(C.int(level)) }

// Versions returns the versions of the libraries in use, for humans.
func Versions() string {
	var buf [256]byte
	C.csh_versions((*C.char)(unsafe.Pointer(&buf[0])), C.size_t(len(buf)))
	return cstring(buf[:])
}

// cstring returns the text before the first NUL of buf.
func cstring(buf []byte) string {
	for i, c := range buf {
		if c == 0 {
			return string(buf[:i])
		}
	}
	return string(buf)
}
