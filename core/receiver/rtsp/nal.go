// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"errors"
	"fmt"

	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph265"
	"github.com/pion/rtp"
)

// Bounds of one picture. The library's own assembly stops at 50 units of H.264 and 21 of H.265,
// which pictures of many slices exceed.
const (
	maxNALUs       = 1024
	maxPictureSize = 8 << 20 // bytes; the library's bound of a single unit
)

var (
	startCode  = []byte{0, 0, 0, 1}
	errTooBig  = fmt.Errorf("picture exceeds %d NAL units or %d MiB", maxNALUs, maxPictureSize>>20)
	errNoStart = errors.New("picture of a stream that had begun before")
)

// role says what a NAL unit is for.
type role int

const (
	roleOther      role = iota // SEI, filler, end of sequence
	roleDelimiter              // access unit delimiter: always first
	roleParameters             // VPS, SPS, PPS
	roleSlice
	roleKeySlice
)

// nalSyntax is what differs between H.264 and H.265.
type nalSyntax interface {
	role(nalu []byte) role
	// recovers reports whether a unit that is no slice makes the picture a point to start from.
	recovers(nalu []byte) bool
	// starts reports whether a slice is the first of its picture.
	starts(slice []byte) bool
	// learn stores a parameter set.
	learn(nalu []byte)
	// parameters appends all sets, in decoding order; false if some kind is missing.
	parameters(nalus [][]byte) ([][]byte, bool)
	size() (width, height int)
}

// nalAssembler assembles pictures that consist of NAL units.
type nalAssembler struct {
	nalSyntax
	depacketize func(*rtp.Packet) ([][]byte, error)

	nalus   [][]byte // of the picture that is being received
	bytes   int
	ordered [][]byte // of the picture that was taken, reused
	parts   [][]byte // the same with start codes, reused
}

// add takes the units of a packet. The marker bit is set on every packet the library sees, so that
// it hands units over at once instead of assembling pictures: ours knows where one ends without a
// marker, and what its timestamp was.
func (a *nalAssembler) add(pkt *rtp.Packet) error {
	marked := *pkt
	marked.Marker = true
	nalus, err := a.depacketize(&marked)
	switch {
	case errors.Is(err, rtph264.ErrMorePacketsNeeded), errors.Is(err, rtph265.ErrMorePacketsNeeded):
		return nil
	case errors.Is(err, rtph264.ErrNonStartingPacketAndNoPrevious),
		errors.Is(err, rtph265.ErrNonStartingPacketAndNoPrevious):
		return errNoStart
	case err != nil:
		return err
	}
	for _, nalu := range nalus {
		if len(nalu) < 2 { // no unit with content is shorter
			continue
		}
		if len(a.nalus) == maxNALUs || a.bytes+len(nalu) > maxPictureSize {
			return errTooBig
		}
		a.nalus = append(a.nalus, nalu)
		a.bytes += len(nalu)
	}
	return nil
}

// take puts the picture together: the delimiter if there is one, all parameter sets if it is a
// keyframe, and the rest in the order it came.
func (a *nalAssembler) take() (picture, bool) {
	nalus := a.nalus
	a.nalus, a.bytes = a.nalus[:0], 0
	var key, slices, starts bool
	for _, nalu := range nalus {
		switch r := a.role(nalu); r {
		case roleParameters:
			a.learn(nalu)
		case roleSlice, roleKeySlice:
			if !slices {
				slices, starts = true, a.starts(nalu)
			}
			key = key || r == roleKeySlice
		case roleOther:
			key = key || a.recovers(nalu)
		case roleDelimiter:
		}
	}
	if !slices {
		return picture{}, false
	}
	a.ordered = a.ordered[:0]
	if a.role(nalus[0]) == roleDelimiter {
		a.ordered = append(a.ordered, nalus[0])
		nalus = nalus[1:]
	}
	if key { // without its parameter sets nothing can start from it
		a.ordered, key = a.parameters(a.ordered)
	}
	for _, nalu := range nalus {
		if r := a.role(nalu); r != roleDelimiter && (r != roleParameters || !key) {
			a.ordered = append(a.ordered, nalu)
		}
	}
	a.parts = a.parts[:0]
	for _, nalu := range a.ordered {
		a.parts = append(a.parts, startCode, nalu)
	}
	return picture{parts: a.parts, key: key, starts: starts, dts: a.ordered}, true
}
