// SPDX-License-Identifier: Apache-2.0

package cshim

/*
#cgo noescape csh_demuxer_open
#cgo nocallback csh_demuxer_open
#cgo noescape csh_demuxer_decoder
#cgo nocallback csh_demuxer_decoder
#cgo noescape csh_demuxer_next
#cgo nocallback csh_demuxer_next
#cgo noescape csh_demuxer_close
#cgo nocallback csh_demuxer_close
#cgo nocallback csh_demuxer_rewind
#cgo nocallback csh_interrupt
#include "camshim.h"
#include <stdlib.h>
*/
import "C"

import (
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Deadline returns the absolute time d from now as the functions of this package take it:
// nanoseconds of CLOCK_MONOTONIC, never 0.
func Deadline(d time.Duration) int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic("cshim: Linux always has CLOCK_MONOTONIC: " + err.Error())
	}
	return max(now.Nano()+int64(d), 1)
}

// Demuxer reads the first video stream of a local file. It belongs to one goroutine at a time, but
// for [Demuxer.Interrupt].
type Demuxer struct {
	stream Stream

	mu sync.Mutex // guards c against Interrupt; the owner alone writes c, and reads it without
	c  *C.csh_demuxer
}

// OpenDemuxer opens a regular file, following symbolic links. path is a name in the file system,
// never a URL. It returns by deadline (see [Deadline]; 0 = none).
//
// It returns [ErrInvalidData] if the file is no known container, [ErrNoVideo] if it has no video,
// EISDIR or EINVAL for a directory, device or pipe, ETIMEDOUT after the deadline, or the errno of
// opening the file.
func OpenDemuxer(path string, deadline int64, limits Limits) (*Demuxer, error) {
	if strings.IndexByte(path, 0) >= 0 {
		return nil, Error(-int32(syscall.EINVAL))
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var (
		c      *C.csh_demuxer
		stream C.csh_stream
		l      = limits.c()
	)
	if err := averror(C.csh_demuxer_open(&c, name, C.int64_t(deadline), &l, &stream)); err != nil {
		return nil, err
	}
	opened(unsafe.Pointer(c))
	return &Demuxer{c: c, stream: streamOf(&stream)}, nil
}

// Stream describes what the demuxer reads.
func (m *Demuxer) Stream() Stream { return m.stream }

// Decoder opens a decoder for the stream, with the parameters that only the container has. The caller
// closes it. It returns [ErrDecoderNotFound] if the installed libav lacks the codec.
func (m *Demuxer) Decoder(limits Limits) (*Decoder, error) {
	var c *C.csh_decoder
	l := limits.c()
	if err := averror(C.csh_demuxer_decoder(m.c, &l, &c)); err != nil {
		return nil, err
	}
	opened(unsafe.Pointer(c))
	return &Decoder{c: c}, nil
}

// Next reads the stream's next packet, sends it to d with tag and fetches a picture if one is ready:
// true with *frame filled. One crossing a packet; all pictures come out by calling nothing else.
// *packet says what was read; its size is 0 when only a picture was fetched, as it is after the end
// of the file, until [EOF].
//
// [ErrInvalidData] means that the packet was refused: go on. ETIMEDOUT before anything was read
// leaves the stream where it was; later, only Rewind and Close are of use.
func (m *Demuxer) Next(d *Decoder, tag uint64, deadline int64, packet *Packet, frame *Frame) (bool, error) {
	ret := C.csh_demuxer_next(m.c, d.c, C.uint64_t(tag), C.int64_t(deadline),
		(*C.csh_packet)(unsafe.Pointer(packet)), (*C.csh_frame)(unsafe.Pointer(frame)))
	return ret == 1, averror(ret)
}

// Rewind goes back to the first picture. The caller flushes the decoder.
func (m *Demuxer) Rewind() error { return averror(C.csh_demuxer_rewind(m.c)) }

// Interrupt makes the call in flight, and all later ones, return [ErrInterrupted]. Any goroutine may
// call it, also after Close.
func (m *Demuxer) Interrupt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.c != nil {
		C.csh_interrupt(m.c)
	}
}

// Close frees the demuxer; decoders made from it stay open. Closing again does nothing. It must not
// run during another call of the owner: interrupt that one first and wait for it.
func (m *Demuxer) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.c == nil {
		return nil
	}
	closed(unsafe.Pointer(m.c))
	return averror(C.csh_demuxer_close(&m.c))
}
