// SPDX-License-Identifier: Apache-2.0

// Package testpattern draws the pictures of the synthetic camera and reads them back.
//
// Every picture carries its number and the time it was drawn four times, in bands of black and white
// blocks from the first row to the last, so that a picture which was encoded, sent, decoded and
// copied through shared memory tells which picture it is, how old it is, and whether two pictures
// were mixed in it. Between the bands something moves that a person can check by eye.
//
// Start at [Draw] and [Read]. Nothing here has state; all functions may run concurrently.
//
// # What a band holds
//
// Four rows of forty blocks, each at least 8x8 pixels: the number (64 bits), the time (64 bits) and
// a CRC-32 of both, least significant bit first, whitened with a fixed mask so that no value gives
// a flat picture. The first row of blocks holds the low bits of the number and the last one the
// CRC: a tear one pixel from the upper or lower edge still changes blocks.
package testpattern

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// The smallest picture that has room for four bands of blocks that survive lossy coding.
const (
	MinWidth  = columns * minBlock
	MinHeight = 180
)

const (
	bands     = 4
	columns   = 40 // blocks in a row of a band
	blockRows = 4  // rows of blocks in a band
	minBlock  = 8  // pixels; the transform size of MPEG-4 and JPEG

	black = 16 // limited range
	white = 235
)

// code is the content of one band, bit by bit: true is a white block.
type code [columns * blockRows]bool

// mask whitens the code: a run of zeros must not become a run of black blocks.
var mask = [codeBytes]byte{
	0x5a, 0x93, 0xc6, 0x2d, 0xe1, 0x74, 0x1b, 0xb8, 0x4e, 0xd5,
	0x36, 0xa9, 0x67, 0x8c, 0xf2, 0x0d, 0x59, 0xca, 0x35, 0x9e,
}

const codeBytes = columns * blockRows / 8

// CheckSize says whether a picture of this size, in pixels, can carry the pattern.
func CheckSize(width, height int) error {
	if width < MinWidth || height < MinHeight {
		return fmt.Errorf("test pattern of %dx%d: at least %dx%d is needed", width, height, MinWidth, MinHeight)
	}
	return nil
}

func encode(number uint64, wallNS int64) (c code) {
	var raw [codeBytes]byte
	binary.LittleEndian.PutUint64(raw[0:], number)
	binary.LittleEndian.PutUint64(raw[8:], uint64(wallNS))
	binary.LittleEndian.PutUint32(raw[16:], crc32.ChecksumIEEE(raw[:16]))
	for i := range c {
		c[i] = (raw[i/8]^mask[i/8])>>(i%8)&1 == 1
	}
	return c
}

var errCRC = errors.New("wrong CRC")

func (c *code) decode() (number uint64, wallNS int64, err error) {
	raw := mask
	for i, bit := range c {
		if bit {
			raw[i/8] ^= 1 << (i % 8)
		}
	}
	if crc32.ChecksumIEEE(raw[:16]) != binary.LittleEndian.Uint32(raw[16:]) {
		return 0, 0, errCRC
	}
	return binary.LittleEndian.Uint64(raw[0:]), int64(binary.LittleEndian.Uint64(raw[8:])), nil
}

// layout says where the blocks of a picture are.
type layout struct{ width, height, blockHeight int }

func newLayout(width, height int) layout {
	// 1/32 of the height: sixteen rows of blocks, half of the picture.
	return layout{width, height, max(minBlock, height/(2*bands*blockRows))}
}

// top returns the first pixel row of row r of blocks of band b. The first band begins at the first
// pixel row of the picture and the last one ends with its last.
func (l layout) top(b, r int) int {
	return b*(l.height-blockRows*l.blockHeight)/(bands-1) + r*l.blockHeight
}

// left returns the first pixel column of column c of blocks.
func (l layout) left(c int) int { return c * l.width / columns }
