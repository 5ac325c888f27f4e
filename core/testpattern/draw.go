// SPDX-License-Identifier: Apache-2.0

package testpattern

// Picture is the memory of one NV12 picture, owned by the caller.
//
// Y has Height rows of YStride bytes, UV (Height+1)/2 rows of UVStride bytes with (Width+1)/2 pairs
// each; of the last rows only the visible bytes need to be there.
type Picture struct {
	Y, UV             []byte
	Width, Height     int // pixels
	YStride, UVStride int // bytes
}

// period is that of the moving background, in bytes of a row; a power of two.
const period = 512

// ramp and tint hold the background: the luma of one row and its chroma, over and over. A row is
// copied from them at an offset, which costs what copying costs.
var ramp, tint = background()

func background() (luma, chroma [8 * period]byte) {
	for i := range luma {
		x := i % period
		triangle := min(x, period-1-x) // 0 to 255
		luma[i] = byte(40 + triangle*160/255)
		// U rises where V falls, both well inside 16 to 240.
		chroma[i] = byte(64 + triangle/2)
		if i%2 == 1 {
			chroma[i] = byte(191 - triangle/2)
		}
	}
	return luma, chroma
}

// Draw writes picture number, drawn at wallNS (CLOCK_REALTIME, nanoseconds), into p: BT.601, limited
// range. The number may be anything, and pictures may be drawn in any order.
//
// It panics if p's planes are shorter than its size says or if [CheckSize] refuses that size.
func Draw(p Picture, number uint64, wallNS int64) {
	if err := CheckSize(p.Width, p.Height); err != nil {
		panic(err)
	}
	drawBackground(p, number)
	c := encode(number, wallNS)
	l := newLayout(p.Width, p.Height)
	for b := range bands {
		for r := range blockRows {
			drawBlocks(p, l, b, r, c[r*columns:(r+1)*columns])
		}
		drawGrey(p, l.top(b, 0), l.top(b, blockRows))
	}
}

func drawBackground(p Picture, number uint64) {
	shift := int(number*4) & (period - 1)
	barWidth := p.Width / 32
	bar := int(number * 6 % uint64(p.Width-barWidth))
	for y := range p.Height {
		row := p.Y[y*p.YStride:][:p.Width]
		tile(row, &ramp, (shift+y)&(period-1))
		fill(row[bar:bar+barWidth], white)
	}
	for y := range (p.Height + 1) / 2 {
		row := p.UV[y*p.UVStride:][:chromaBytes(p.Width)]
		// Even offsets only: U stays at even places.
		tile(row, &tint, (shift+2*y)&(period-2))
	}
}

// drawBlocks draws one row of blocks: one pixel row by bits, the others by copying it.
func drawBlocks(p Picture, l layout, b, r int, bits []bool) {
	first := p.Y[l.top(b, r)*p.YStride:][:p.Width]
	for c, bit := range bits {
		luma := byte(black)
		if bit {
			luma = white
		}
		fill(first[l.left(c):l.left(c+1)], luma)
	}
	for y := l.top(b, r) + 1; y < l.top(b, r+1); y++ {
		copy(p.Y[y*p.YStride:][:p.Width], first)
	}
}

// drawGrey takes the colour out of the chroma rows that touch pixel rows from to to-1.
func drawGrey(p Picture, from, to int) {
	for y := from / 2; y < (to+1)/2; y++ {
		fill(p.UV[y*p.UVStride:][:chromaBytes(p.Width)], 128)
	}
}

func chromaBytes(width int) int { return 2 * ((width + 1) / 2) }

// tile fills dst with the periodic pattern, beginning offset bytes, less than a period, into it.
func tile(dst []byte, pattern *[8 * period]byte, offset int) {
	for len(dst) > 0 {
		// 7 periods a time, so that the next piece begins at the same offset.
		dst = dst[copy(dst, pattern[offset:offset+7*period]):]
	}
}

func fill(dst []byte, value byte) {
	for i := range dst {
		dst[i] = value
	}
}
