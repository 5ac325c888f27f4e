// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"bytes"
	"slices"

	"github.com/bluenviron/mediacommon/v2/pkg/bits"
)

// Bounds of what a camera may make us keep. The standards allow 256 sets of a kind; real streams
// have one to three.
const (
	maxParamSets = 32
	maxParamSize = 16 << 10
)

// paramSets are the newest parameter sets of one kind, by their number, in the order they came.
type paramSets struct {
	sets []paramSet
}

type paramSet struct {
	id   uint32
	nalu []byte
}

// put stores a copy of the set and reports whether it is new or has changed.
func (p *paramSets) put(id uint32, nalu []byte) bool {
	if len(nalu) > maxParamSize {
		return false
	}
	i := slices.IndexFunc(p.sets, func(s paramSet) bool { return s.id == id })
	if i >= 0 && bytes.Equal(p.sets[i].nalu, nalu) {
		return false
	}
	set := paramSet{id, bytes.Clone(nalu)}
	switch {
	case i >= 0:
		p.sets[i] = set
	case len(p.sets) == maxParamSets:
		p.sets = append(p.sets[1:], set)
	default:
		p.sets = append(p.sets, set)
	}
	return true
}

func (p *paramSets) appendTo(nalus [][]byte) [][]byte {
	for _, s := range p.sets {
		nalus = append(nalus, s.nalu)
	}
	return nalus
}

// golombAt reads the unsigned Exp-Golomb number after the first skip bytes of a NAL unit, 0 if there
// is none. The numbers of parameter sets are too short to contain emulation prevention.
func golombAt(nalu []byte, skip int) uint32 {
	if len(nalu) <= skip {
		return 0
	}
	pos := 0
	v, err := bits.ReadGolombUnsigned(nalu[skip:min(len(nalu), skip+8)], &pos)
	if err != nil {
		return 0
	}
	return v
}
