// SPDX-License-Identifier: Apache-2.0

package testpattern

import (
	"errors"
	"fmt"
)

// ErrTorn reports that parts of the picture belong to different pictures. Never normal: whatever
// carried the picture let a writer and a reader at it at once, or a decoder concealed a loss.
var ErrTorn = errors.New("picture is torn")

// ErrUnreadable reports that no band of the picture could be read: it is no test pattern, is drawn
// at another size, or has lost too much in coding.
var ErrUnreadable = errors.New("picture carries no readable code")

// Reading is what a picture says about itself.
type Reading struct {
	Number uint64
	WallNS int64 // CLOCK_REALTIME when it was drawn
	Bands  int   // how many of the four bands could be read; fewer than four after heavy coding loss
}

// Samples between these two are too grey to accuse anybody of a tear with. Coding noise seldom
// crosses half of the distance between black and white.
const (
	surelyBlack = 85
	surelyWhite = 166
	middle      = (black + white) / 2
)

// Read reads back what [Draw] drew into the luma plane y of a picture of this size; stride is in
// bytes. The picture may have been through lossy coding.
//
// The error is [ErrTorn], with the reading of the uppermost readable band, or [ErrUnreadable], or
// says that the plane is shorter than the size asks for.
func Read(y []byte, width, height, stride int) (Reading, error) {
	if err := CheckSize(width, height); err != nil {
		return Reading{}, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if stride < width || len(y) < (height-1)*stride+width {
		return Reading{}, fmt.Errorf("luma plane of %d bytes is too short for %dx%d with stride %d", len(y), width, height, stride)
	}
	p := plane{layout: newLayout(width, height), y: y, stride: stride}
	var got Reading
	torn := false
	for b := range bands {
		c := p.readBand(b)
		number, wallNS, err := c.decode()
		switch {
		case err != nil:
		case got.Bands == 0:
			got = Reading{Number: number, WallNS: wallNS, Bands: 1}
		case number != got.Number || wallNS != got.WallNS:
			torn = true
		default:
			got.Bands++
		}
	}
	if got.Bands == 0 {
		return Reading{}, ErrUnreadable
	}
	if torn || p.contradicts(encode(got.Number, got.WallNS)) {
		return got, ErrTorn
	}
	return got, nil
}

type plane struct {
	layout
	y      []byte
	stride int
}

// readBand decides each block of band b by the mean of its inner half.
func (p plane) readBand(b int) (c code) {
	for i := range c {
		top := p.top(b, i/columns)
		sum, n := 0, 0
		for y := top + p.blockHeight/4; y < top+p.blockHeight-p.blockHeight/4; y++ {
			sum += p.sample(y, i%columns)
			n++
		}
		c[i] = sum > n*middle
	}
	return c
}

// contradicts reports whether any pixel row of any band clearly shows another code: a tear inside a
// block changes no mean, and one near the edge of the picture no band.
func (p plane) contradicts(c code) bool {
	for b := range bands {
		for r := range blockRows {
			for y := p.top(b, r); y < p.top(b, r+1); y++ {
				for col := range columns {
					s := p.sample(y, col)
					if bit := c[r*columns+col]; bit && s < surelyBlack || !bit && s > surelyWhite {
						return true
					}
				}
			}
		}
	}
	return false
}

// sample returns the mean of the inner half of column c of blocks on one pixel row.
func (p plane) sample(y, c int) int {
	left, right := p.left(c), p.left(c+1)
	quarter := (right - left) / 4
	row := p.y[y*p.stride+left+quarter : y*p.stride+right-quarter]
	sum := 0
	for _, luma := range row {
		sum += int(luma)
	}
	return sum / len(row)
}
