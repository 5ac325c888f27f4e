// SPDX-License-Identifier: Apache-2.0

// Package picture turns NV12 pictures of a ring into RGB and into PNG and JPEG files, with the colours
// that the descriptor describes.
//
// Start at [Save] or [Convert]; [ColorsOf] says how a picture will be understood. Everything may run
// concurrently. The planes are only read, and not kept; if they are in a ring, the caller checks
// afterwards that the writer has not overwritten them.
//
// Matrix and range are applied. Primaries and transfer are not: a picture with BT.2020 primaries or
// an HDR transfer looks pale.
package picture

import (
	"fmt"
	"image"

	"camring/ring"
)

// Planes is the memory of one NV12 picture.
type Planes struct {
	Y, UV             []byte
	YStride, UVStride int // bytes from one row to the next
}

const maxSide = 1 << 16 // pixels; more than any codec allows

func (p Planes) check(d ring.FrameDesc) error {
	if d.Format != ring.FormatNV12 {
		return fmt.Errorf("picture is %v: only %v can be converted", d.Format, ring.FormatNV12)
	}
	if d.Width == 0 || d.Height == 0 || d.Width > maxSide || d.Height > maxSide {
		return fmt.Errorf("picture has %dx%d pixels", d.Width, d.Height)
	}
	w, h := int(d.Width), int(d.Height)
	if err := checkPlane("luma", p.Y, p.YStride, w, h); err != nil {
		return err
	}
	return checkPlane("chroma", p.UV, p.UVStride, 2*((w+1)/2), (h+1)/2)
}

func checkPlane(name string, plane []byte, stride, rowBytes, rows int) error {
	if stride < rowBytes || len(plane) < (rows-1)*stride+rowBytes {
		return fmt.Errorf("%s plane has %d bytes with stride %d: too short for %d rows of %d bytes",
			name, len(plane), stride, rows, rowBytes)
	}
	return nil
}

// Convert returns the picture as opaque RGB, turned upright by the descriptor's rotation. Chroma is
// interpolated linearly from where the descriptor says it was sampled; if it does not say, left of
// centre, as H.264 has it by default.
//
// The error says that the planes are shorter than the descriptor promises, or that format or matrix
// cannot be converted.
func Convert(d ring.FrameDesc, p Planes) (*image.RGBA, error) {
	if err := p.check(d); err != nil {
		return nil, err
	}
	colors, err := ColorsOf(d)
	if err != nil {
		return nil, err
	}
	img := newUpright(int(d.Width), int(d.Height), d.Rotation)
	convert(img, d, p, newTransform(colors))
	return img.rgba, nil
}
