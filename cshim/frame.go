// SPDX-License-Identifier: Apache-2.0

package cshim

/*
#include "camshim.h"
*/
import "C"

import (
	"math"
	"structs"
	"unsafe"
)

// NoTime stands for a time that the source does not give, in [Packet] only.
const NoTime int64 = math.MinInt64

// Limits bounds what input can make a decoder do. Zero fields mean the default.
type Limits struct {
	MaxPixels int64 // coded size of a picture; default 64 Mi
	MaxAlloc  int64 // bytes of one libav allocation; process-wide, the last open wins; default 512 MiB
	MaxPacket int32 // bytes of one compressed picture; default 16 MiB
}

// c returns the shim's form of l.
func (l Limits) c() C.csh_limits {
	return C.csh_limits{
		max_pixels: C.int64_t(l.MaxPixels),
		max_alloc:  C.int64_t(l.MaxAlloc),
		max_packet: C.int32_t(l.MaxPacket),
	}
}

// Packet describes one compressed picture. It has the layout of csh_packet.
type Packet struct {
	_     structs.HostLayout
	PTSNS int64  // nanoseconds, or NoTime
	DTSNS int64  // nanoseconds, or NoTime
	Tag   uint64 // comes back in Frame.Tag
	Size  int32  // bytes; set by Demuxer.Next, 0 while it drains the decoder; ignored by Send
	Flags uint32 // FlagKey; FlagCorrupt and FlagDiscontinuity are passed on to the picture
}

// Frame describes one decoded picture. It has the layout of csh_frame.
type Frame struct {
	_              structs.HostLayout
	PTSNS          int64  // nanoseconds; derived where the stream has none
	Tag            uint64 // of the packet that began the picture
	DecodedMonoNS  int64  // CLOCK_MONOTONIC
	Width          int32  // visible size, pixels
	Height         int32
	CodedWidth     int32 // at least the visible size
	CodedHeight    int32
	PixFmt         int32 // libav's number of the decoder's output format, for messages
	Codec          Codec
	Matrix         int32 // ITU-T H.273, 2 = unspecified
	Primaries      int32
	Transfer       int32
	Range          int32 // 0 unknown, 1 limited, 2 full
	ChromaLocation int32 // as AVChromaLocation numbers it
	Rotation       int32 // quarter turns clockwise that show it upright
	Exact          int32 // 1: NV12 has the decoder's samples unchanged; 0: chroma or depth converted
	Flags          uint32
}

// NV12 says where a picture goes in the caller's memory. It has the layout of csh_nv12.
type NV12 struct {
	_        structs.HostLayout
	YOffset  uint64 // bytes from the start of the memory
	UVOffset uint64
	YStride  uint32 // bytes from one row to the next
	UVStride uint32
}

// TightNV12 returns the layout without padding of a picture of that size, and its length in bytes.
// Odd sizes are rounded up to whole chroma pairs and rows.
func TightNV12(width, height int32) (NV12, int) {
	pairs := (uint64(width) + 1) / 2
	rows := (uint64(height) + 1) / 2
	luma := uint64(width) * uint64(height)
	return NV12{UVOffset: luma, YStride: uint32(width), UVStride: uint32(2 * pairs)}, int(luma + 2*pairs*rows)
}

// Stream describes the video stream of a container.
type Stream struct {
	Codec      Codec  // CodecNone if the shim cannot decode it
	CodecName  string // libav's name, for messages
	Width      int32  // as the container says; 0 = unknown
	Height     int32
	FPSNum     int32 // average frame rate; 0/0 = unknown
	FPSDen     int32
	DurationNS int64 // 0 = unknown
	StartNS    int64
}

// streamOf copies the shim's description.
func streamOf(s *C.csh_stream) Stream {
	return Stream{
		Codec:      Codec(s.codec),
		CodecName:  C.GoString(&s.codec_name[0]),
		Width:      int32(s.width),
		Height:     int32(s.height),
		FPSNum:     int32(s.fps_num),
		FPSDen:     int32(s.fps_den),
		DurationNS: int64(s.duration_ns),
		StartNS:    int64(s.start_ns),
	}
}

// The structs that cross as they are have the size of their C form, and their fields its offsets:
// a difference either way does not compile.
var (
	_ [unsafe.Sizeof(C.csh_packet{})]byte         = [unsafe.Sizeof(Packet{})]byte{}
	_ [unsafe.Offsetof(C.csh_packet{}.tag)]byte   = [unsafe.Offsetof(Packet{}.Tag)]byte{}
	_ [unsafe.Offsetof(C.csh_packet{}.size)]byte  = [unsafe.Offsetof(Packet{}.Size)]byte{}
	_ [unsafe.Offsetof(C.csh_packet{}.flags)]byte = [unsafe.Offsetof(Packet{}.Flags)]byte{}

	_ [unsafe.Sizeof(C.csh_frame{})]byte                   = [unsafe.Sizeof(Frame{})]byte{}
	_ [unsafe.Offsetof(C.csh_frame{}.tag)]byte             = [unsafe.Offsetof(Frame{}.Tag)]byte{}
	_ [unsafe.Offsetof(C.csh_frame{}.decoded_mono_ns)]byte = [unsafe.Offsetof(Frame{}.DecodedMonoNS)]byte{}
	_ [unsafe.Offsetof(C.csh_frame{}.width)]byte           = [unsafe.Offsetof(Frame{}.Width)]byte{}
	_ [unsafe.Offsetof(C.csh_frame{}.height)]byte          = [unsafe.Offsetof(Frame{}.Height)]byte{}
	_ [unsafe.Offsetof(C.csh_frame{}.coded_width)]byte     = [unsafe.Offsetof(Frame{}.CodedWidth)]byte{}
	_ [unsafe.Offsetof(C.csh_frame{}.coded_height)]byte    = [unsafe.Offsetof(Frame{}.CodedHeight)]byte{}
	_ [unsafe.Offsetof(C.csh_frame{}.pix_fmt)]byte         = [unsafe.Offsetof(Frame{}.PixFmt)]byte{}
	_ [unsafe.Offsetof(C.csh_frame{}.codec)]byte           = [unsafe.Offsetof(Frame{}.Codec)]byte{}
	_ [unsafe.Offsetof(C.csh_frame{}.matrix)]byte          = [unsafe.Offsetof(Frame{}.Matrix)]byte{}
	_ [unsafe.Offsetof(C.csh_frame{}.primaries)]byte       = [unsafe.Offsetof(Frame{}.Primaries)]byte{}
	_ [unsafe.Offsetof(C.csh_frame{}.transfer)]byte        = [unsafe.Offsetof(Frame{}.Transfer)]byte{}
	_ [unsafe.Offsetof(C.csh_frame{}._range)]byte          = [unsafe.Offsetof(Frame{}.Range)]byte{}
	_ [unsafe.Offsetof(C.csh_frame{}.chroma_location)]byte = [unsafe.Offsetof(Frame{}.ChromaLocation)]byte{}
	_ [unsafe.Offsetof(C.csh_frame{}.rotation)]byte        = [unsafe.Offsetof(Frame{}.Rotation)]byte{}
	_ [unsafe.Offsetof(C.csh_frame{}.exact)]byte           = [unsafe.Offsetof(Frame{}.Exact)]byte{}
	_ [unsafe.Offsetof(C.csh_frame{}.flags)]byte           = [unsafe.Offsetof(Frame{}.Flags)]byte{}

	_ [unsafe.Sizeof(C.csh_nv12{})]byte             = [unsafe.Sizeof(NV12{})]byte{}
	_ [unsafe.Offsetof(C.csh_nv12{}.uv_offset)]byte = [unsafe.Offsetof(NV12{}.UVOffset)]byte{}
	_ [unsafe.Offsetof(C.csh_nv12{}.y_stride)]byte  = [unsafe.Offsetof(NV12{}.YStride)]byte{}
	_ [unsafe.Offsetof(C.csh_nv12{}.uv_stride)]byte = [unsafe.Offsetof(NV12{}.UVStride)]byte{}
)
