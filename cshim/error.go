// SPDX-License-Identifier: Apache-2.0

package cshim

/*
#include "camshim.h"
#include <libavutil/error.h>
*/
import "C"

import (
	"syscall"
	"unsafe"
)

// Error is a negative AVERROR code of libav or the shim. errors.Is matches it with the
// syscall.Errno it stands for, if it stands for one.
type Error int32

// Results that callers decide on.
const (
	// EOF reports that the last picture has been delivered. Normal: rewind or close.
	EOF Error = C.AVERROR_EOF
	// ErrInterrupted reports a call cut short by [Demuxer.Interrupt]. Normal when stopping: close.
	ErrInterrupted Error = C.AVERROR_EXIT
	// ErrInvalidData reports a packet that the decoder refused (go on with the next one), or a file
	// that is no known container (give up).
	ErrInvalidData Error = C.AVERROR_INVALIDDATA
	// ErrNoVideo reports a container without a video stream. Give up.
	ErrNoVideo Error = C.AVERROR_STREAM_NOT_FOUND
	// ErrDecoderNotFound reports a codec that the installed libav cannot decode. Give up.
	ErrDecoderNotFound Error = C.AVERROR_DECODER_NOT_FOUND
	// ErrUnsupportedFormat reports a picture that is no YUV, or of a kind nobody converts to NV12.
	ErrUnsupportedFormat Error = C.AVERROR_PATCHWELCOME
)

// ErrTooLarge matches errors of packets and pictures above a limit: errors.Is(err, ErrTooLarge).
const ErrTooLarge = syscall.E2BIG

// Error returns libav's text for the code.
func (e Error) Error() string {
	var buf [128]byte
	C.csh_strerror(C.int(e), (*C.char)(unsafe.Pointer(&buf[0])), C.size_t(len(buf)))
	return cstring(buf[:])
}

// Is reports whether target is the errno that e stands for.
func (e Error) Is(target error) bool {
	errno, ok := target.(syscall.Errno)
	return ok && e < 0 && syscall.Errno(-int64(e)) == errno
}

// averror turns a result of the shim into an error, nil if it is none.
func averror(ret C.int) error {
	if ret >= 0 {
		return nil
	}
	return Error(ret)
}
