// SPDX-License-Identifier: Apache-2.0

package cshim

/*
#cgo noescape csh_decoder_open
#cgo nocallback csh_decoder_open
#cgo noescape csh_decoder_send
#cgo nocallback csh_decoder_send
#cgo noescape csh_decoder_receive
#cgo nocallback csh_decoder_receive
#cgo noescape csh_decoder_nv12
#cgo nocallback csh_decoder_nv12
#cgo noescape csh_decoder_close
#cgo nocallback csh_decoder_close
#cgo nocallback csh_decoder_flush
#include "camshim.h"
*/
import "C"

import (
	"syscall"
	"unsafe"
)

// Decoder turns packets of one stream into pictures: one thread, low delay, software. It belongs to
// one goroutine at a time.
type Decoder struct {
	c *C.csh_decoder
}

// OpenDecoder opens a decoder for packets that carry their own parameters: H.264 and H.265 as Annex B
// with parameter sets before each keyframe, AV1 as temporal units, the others as they are.
//
// It returns [ErrDecoderNotFound] if the installed libav lacks the codec.
func OpenDecoder(codec Codec, limits Limits) (*Decoder, error) {
	var c *C.csh_decoder
	l := limits.c()
	if err := averror(C.csh_decoder_open(&c, C.int32_t(codec), &l)); err != nil {
		return nil, err
	}
	opened(unsafe.Pointer(c))
	return &Decoder{c: c}, nil
}

// Send gives the decoder one access unit and fetches a picture if one is ready: true with *frame
// filled. The picture is held until the next call. After true, call [Decoder.Receive] until it says
// false; sending before that may return EAGAIN, with the packet not taken.
//
// data must have [Padding] bytes of capacity behind it, else the answer is EINVAL; it is not kept.
// [ErrInvalidData] means that the packet was refused: go on with the next one. [ErrTooLarge] means
// that it, or the picture in it, is above a limit.
func (d *Decoder) Send(data []byte, packet *Packet, frame *Frame) (bool, error) {
	if len(data) == 0 || cap(data)-len(data) < Padding {
		*frame = Frame{}
		return false, Error(-int32(syscall.EINVAL))
	}
	ret := C.csh_decoder_send(d.c, (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(data))),
		C.size_t(len(data)), (*C.csh_packet)(unsafe.Pointer(packet)), (*C.csh_frame)(unsafe.Pointer(frame)))
	return ret == 1, averror(ret)
}

// Drain begins the end of the stream and fetches a picture, as [Decoder.Send] does. Call
// [Decoder.Receive] afterwards until it returns [EOF]. [Decoder.Flush] makes the decoder take packets
// again.
func (d *Decoder) Drain(frame *Frame) (bool, error) {
	ret := C.csh_decoder_send(d.c, nil, 0, nil, (*C.csh_frame)(unsafe.Pointer(frame)))
	return ret == 1, averror(ret)
}

// Receive fetches a further picture, as [Decoder.Send] does, or [EOF] when all are out after
// [Decoder.Drain].
func (d *Decoder) Receive(frame *Frame) (bool, error) {
	ret := C.csh_decoder_receive(d.c, (*C.csh_frame)(unsafe.Pointer(frame)))
	return ret == 1, averror(ret)
}

// NV12 writes the held picture into base, which may be shared memory and is not kept. Range and
// matrix are never converted.
//
// It returns ENOSPC if a plane would leave base, EINVAL if no picture is held and
// [ErrUnsupportedFormat] for a picture that is not YUV.
func (d *Decoder) NV12(base []byte, planes *NV12) error {
	return averror(C.csh_decoder_nv12(d.c, (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(base))),
		C.size_t(len(base)), (*C.csh_nv12)(unsafe.Pointer(planes))))
}

// Flush forgets everything sent so far; the decoder stays open and waits for a keyframe.
func (d *Decoder) Flush() error { return averror(C.csh_decoder_flush(d.c)) }

// Close frees the decoder and the picture it holds. Closing again does nothing.
func (d *Decoder) Close() error {
	if d.c == nil {
		return nil
	}
	closed(unsafe.Pointer(d.c))
	return averror(C.csh_decoder_close(&d.c))
}
