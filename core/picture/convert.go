// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"image"
	"math"

	"camring/ring"
)

const (
	fixed = 16 // fractional bits of the transform
	// Interpolated chroma is in 16ths: weights in quarters, in both directions.
	chromaBits = 4
	chromaZero = 128 << chromaBits
)

// transform turns luma and interpolated chroma into RGB, in fixed point.
type transform struct {
	luma           [256]int32 // with the half that rounds
	rv, gu, gv, bu int32      // for each 16th of a chroma step
}

func newTransform(c Colors) *transform {
	kr, kb, _ := lumaWeights(c.Matrix)
	kg := 1 - kr - kb
	black, lumaScale, chromaScale := 0.0, 1.0, 1.0
	if c.Range == ring.RangeLimited {
		black, lumaScale, chromaScale = 16, 255.0/219, 255.0/224
	}
	t := &transform{}
	for i := range t.luma {
		t.luma[i] = int32(math.Round(((float64(i)-black)*lumaScale + 0.5) * (1 << fixed)))
	}
	step := chromaScale * (1 << (fixed - chromaBits))
	t.rv = int32(math.Round(2 * (1 - kr) * step))
	t.bu = int32(math.Round(2 * (1 - kb) * step))
	t.gv = int32(math.Round(-2 * (1 - kr) * kr / kg * step))
	t.gu = int32(math.Round(-2 * (1 - kb) * kb / kg * step))
	return t
}

// convert fills img row by row: chroma is interpolated vertically once a row, then horizontally.
func convert(img upright, d ring.FrameDesc, p Planes, t *transform) {
	w, h := int(d.Width), int(d.Height)
	across, down := siting(d.ChromaLocation)
	columns := make([]tap, w)
	for x := range columns {
		columns[x] = newTap(x, across, (w+1)/2)
	}
	u, v := make([]int32, (w+1)/2), make([]int32, (w+1)/2) // in quarters
	for y := range h {
		rows := newTap(y, down, (h+1)/2)
		upper, lower := p.UV[rows.first*p.UVStride:], p.UV[rows.second*p.UVStride:]
		for i := range u {
			u[i] = rows.blend(int32(upper[2*i]), int32(lower[2*i]))
			v[i] = rows.blend(int32(upper[2*i+1]), int32(lower[2*i+1]))
		}
		pix, step := img.row(y)
		for x, luma := range p.Y[y*p.YStride:][:w] {
			c := columns[x]
			cb := c.blend(u[c.first], u[c.second]) - chromaZero
			cr := c.blend(v[c.first], v[c.second]) - chromaZero
			base := t.luma[luma]
			i := x * step
			if step < 0 {
				i = (w - 1 - x) * -step
			}
			q := pix[i : i+4 : i+4]
			q[0] = clamp((base + t.rv*cr) >> fixed)
			q[1] = clamp((base + t.gu*cb + t.gv*cr) >> fixed)
			q[2] = clamp((base + t.bu*cb) >> fixed)
			q[3] = 255
		}
	}
}

// tap is the pair of chroma samples around a pixel and the weight of the second, in quarters.
type tap struct {
	first, second int
	weight        int32
}

// newTap finds the taps of the pixel at position; offset is where chroma sample 0 was taken, in
// half pixels: 0 with pixel 0, 1 between pixels 0 and 1, 2 with pixel 1.
func newTap(position, offset, samples int) tap {
	quarters := 2*position - offset
	first := quarters >> 2 // rounds down also below zero
	return tap{
		first:  min(max(first, 0), samples-1),
		second: min(first+1, samples-1),
		weight: int32(quarters & 3),
	}
}

func (t tap) blend(a, b int32) int32 { return a*(4-t.weight) + b*t.weight }

// siting returns the offset of the chroma samples in half pixels, across and down, from a
// descriptor's chroma location.
func siting(location uint8) (across, down int) {
	switch location {
	case 2: // centre
		return 1, 1
	case 3: // top-left
		return 0, 0
	case 4: // top
		return 1, 0
	case 5: // bottom-left
		return 0, 2
	case 6: // bottom
		return 1, 2
	}
	return 0, 1 // left, or not known
}

func clamp(v int32) uint8 { return uint8(min(max(v, 0), 255)) }

// upright is an image that is filled in the order of the unturned picture.
type upright struct {
	rgba          *image.RGBA
	width, height int // of the unturned picture
	turns         uint8
}

func newUpright(width, height int, turns uint8) upright {
	u := upright{width: width, height: height, turns: turns & 3}
	if u.turns&1 == 1 {
		width, height = height, width
	}
	u.rgba = image.NewRGBA(image.Rect(0, 0, width, height))
	return u
}

// row returns where the pixels of row y of the unturned picture go: pixel x is step*x bytes into
// pix, or, if step is negative, that far before its last pixel.
func (u upright) row(y int) (pix []byte, step int) {
	stride := u.rgba.Stride
	switch u.turns {
	case 1: // a quarter clockwise: the top row becomes the right column, downwards
		return u.rgba.Pix[4*(u.height-1-y):], stride
	case 2:
		return u.rgba.Pix[(u.height-1-y)*stride:][:stride], -4
	case 3: // the top row becomes the left column, upwards
		return u.rgba.Pix[4*y:], -stride
	}
	return u.rgba.Pix[y*stride:][:stride], 4
}
