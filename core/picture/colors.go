// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"fmt"
	"strconv"

	"camring/ring"
)

// Matrix coefficients as ITU-T H.273, table 4 numbers them.
const (
	matrixIdentity    = 0 // RGB: impossible with subsampled chroma, so the stream does not mean it
	matrixBT709       = 1
	matrixUnspecified = 2
	matrixReserved    = 3
	matrixFCC         = 4
	matrixBT470BG     = 5 // the same numbers as BT.601
	matrixBT601       = 6
	matrixSMPTE240    = 7
	matrixBT2020NCL   = 9
)

// standardHeight is the tallest standard-definition picture: 576 lines.
const standardHeight = 576

// Colors says how the samples of a picture are understood.
type Colors struct {
	Matrix        uint32 // ITU-T H.273; never 2, unspecified
	Range         ring.Range
	MatrixGuessed bool // the stream states no matrix: BT.709 above 576 rows, else BT.601
	RangeGuessed  bool // the stream states no range: limited
}

// ColorsOf decides matrix and range of a picture. The error names a matrix that cannot be converted.
func ColorsOf(d ring.FrameDesc) (Colors, error) {
	c := Colors{Matrix: d.Matrix, Range: d.Range}
	switch c.Matrix {
	case matrixIdentity, matrixUnspecified, matrixReserved:
		c.MatrixGuessed = true
		c.Matrix = matrixBT601
		if d.Height > standardHeight {
			c.Matrix = matrixBT709
		}
	}
	if c.Range != ring.RangeFull && c.Range != ring.RangeLimited {
		c.Range, c.RangeGuessed = ring.RangeLimited, true
	}
	if _, _, ok := lumaWeights(c.Matrix); !ok {
		return Colors{}, fmt.Errorf("colour matrix %d of ITU-T H.273 cannot be converted to RGB", c.Matrix)
	}
	return c, nil
}

// String says it for people, for example "BT.709 (not stated, taken from the height), limited range".
func (c Colors) String() string {
	name := "matrix " + strconv.FormatUint(uint64(c.Matrix), 10)
	switch c.Matrix {
	case matrixBT709:
		name = "BT.709"
	case matrixBT470BG, matrixBT601:
		name = "BT.601"
	case matrixFCC:
		name = "FCC"
	case matrixSMPTE240:
		name = "SMPTE 240M"
	case matrixBT2020NCL:
		name = "BT.2020"
	}
	if c.MatrixGuessed {
		name += " (not stated, taken from the height)"
	}
	name += ", " + c.Range.String() + " range"
	if c.RangeGuessed {
		name += " (not stated)"
	}
	return name
}

// lumaWeights returns the shares of red and blue in luma: H.273, KR and KB.
func lumaWeights(matrix uint32) (kr, kb float64, ok bool) {
	switch matrix {
	case matrixBT709:
		return 0.2126, 0.0722, true
	case matrixFCC:
		return 0.30, 0.11, true
	case matrixBT470BG, matrixBT601:
		return 0.299, 0.114, true
	case matrixSMPTE240:
		return 0.212, 0.087, true
	case matrixBT2020NCL:
		return 0.2627, 0.0593, true
	}
	return 0, 0, false
}
