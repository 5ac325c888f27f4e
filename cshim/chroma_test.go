// SPDX-License-Identifier: Apache-2.0

package cshim

import (
	"fmt"
	"testing"
)

// planes splits a planar picture with chroma of cw x ch into luma and the two chroma planes.
func planes(raw []byte, width, height, cw, ch int) (y, u, v []byte) {
	luma, chroma := width*height, cw*ch
	return raw[:luma], raw[luma : luma+chroma], raw[luma+chroma : luma+2*chroma]
}

// from422 is the reference for 4:2:2: a chroma sample is the mean of two rows, halves rounded up; a
// last odd row stands for itself.
func from422(raw []byte, width, height int) []byte {
	cw := (width + 1) / 2
	y, u, v := planes(raw, width, height, cw, height)
	out := append([]byte(nil), y...)
	for row := 0; row < height; row += 2 {
		next := min(row+1, height-1)
		for x := range cw {
			for _, p := range [][]byte{u, v} {
				out = append(out, byte((int(p[row*cw+x])+int(p[next*cw+x])+1)/2))
			}
		}
	}
	return out
}

// from444 is the reference for 4:4:4: a chroma sample is the mean of 2x2, halves rounded up; a last
// odd row or column is repeated.
func from444(raw []byte, width, height int) []byte {
	y, u, v := planes(raw, width, height, width, height)
	out := append([]byte(nil), y...)
	for row := 0; row < height; row += 2 {
		below := min(row+1, height-1)
		for x := 0; x < width; x += 2 {
			right := min(x+1, width-1)
			for _, p := range [][]byte{u, v} {
				sum := int(p[row*width+x]) + int(p[row*width+right]) + int(p[below*width+x]) + int(p[below*width+right])
				out = append(out, byte((sum+2)/4))
			}
		}
	}
	return out
}

// fromWide is the reference for 4:2:0 of bits bits in 16, little-endian: the high 8 bits.
func fromWide(bits int) func(raw []byte, width, height int) []byte {
	return func(raw []byte, width, height int) []byte {
		narrow := make([]byte, len(raw)/2)
		for i := range narrow {
			narrow[i] = byte((int(raw[2*i]) | int(raw[2*i+1])<<8) >> (bits - 8))
		}
		return interleave(narrow, width, height)
	}
}

// fromGray is the reference for pictures without chroma: neutral chroma.
func fromGray(raw []byte, width, height int) []byte {
	out := append([]byte(nil), raw...)
	for range 2 * ((width + 1) / 2) * ((height + 1) / 2) {
		out = append(out, 128)
	}
	return out
}

func TestOtherFormatsEqualTheirReference(t *testing.T) {
	for _, c := range []struct {
		name, file, encoder, options, format string
		toNV12                               func(raw []byte, width, height int) []byte
		size                                 func(w, h int) int
		exact                                int32
		sizes                                [][2]int
	}{
		{
			"MJPEG 4:2:2", "a.avi", "mjpeg", "-c:v mjpeg -q:v 3 -pix_fmt yuvj422p", "yuvj422p", from422,
			func(w, h int) int { return w*h + 2*((w+1)/2)*h }, 0,
			[][2]int{{320, 240}, {642, 362}, {641, 361}},
		},
		{
			"MJPEG 4:4:4", "a.avi", "mjpeg", "-c:v mjpeg -q:v 3 -pix_fmt yuvj444p", "yuvj444p", from444,
			func(w, h int) int { return 3 * w * h }, 0,
			[][2]int{{320, 240}, {642, 362}, {641, 361}},
		},
		{
			"H.264 4:2:2", "a.mp4", "libx264", "-c:v libx264 -pix_fmt yuv422p", "yuv422p", from422,
			func(w, h int) int { return w*h + 2*((w+1)/2)*h }, 0,
			[][2]int{{320, 240}},
		},
		{
			"H.264 gray", "a.mp4", "libx264", "-c:v libx264 -pix_fmt gray", "gray", fromGray,
			func(w, h int) int { return w * h }, 1,
			[][2]int{{320, 240}},
		},
		{
			"H.265 of 10 bits", "a.mp4", "libx265", "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p10le",
			"yuv420p10le", fromWide(10), func(w, h int) int { return 2 * i420Size(w, h) }, 0,
			[][2]int{{320, 240}, {642, 362}},
		},
	} {
		for _, s := range c.sizes {
			t.Run(fmt.Sprintf("%s %dx%d", c.name, s[0], s[1]), func(t *testing.T) {
				needEncoder(t, c.encoder)
				path := encode(t, c.file, s[0], s[1], c.options)
				want := reference(t, path, c.format, s[0], s[1], c.toNV12, c.size(s[0], s[1]))
				got := readFile(t, path)
				checkEqual(t, got, want)
				if e := got.pictures[0].frame.Exact; e != c.exact {
					t.Errorf("got exact %d, want %d", e, c.exact)
				}
			})
		}
	}
}

func TestSwscaleFormatsKeepLumaAndRange(t *testing.T) {
	// 4:2:2 of 10 bits has no path in libyuv. Luma is what shows a range conversion: it must be the
	// high bits within one step of rounding.
	path := encode(t, "a.mp4", 320, 240, "-c:v libx264 -pix_fmt yuv422p10le -color_range pc")
	m, d := openFile(t, path)
	var p Packet
	var f Frame
	for {
		ok, err := m.Next(d, 1, testDeadline(), &p, &f)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			break
		}
	}
	layout, size := TightNV12(f.Width, f.Height)
	got := make([]byte, size)
	if err := d.NV12(got, &layout); err != nil {
		t.Fatal(err)
	}
	if f.Exact != 0 || f.Range != 2 {
		t.Errorf("got exact %d, range %d, want 0 and 2", f.Exact, f.Range)
	}
	raw := ffmpegRaw(t, path, "yuv422p10le")
	for i := range 320 * 240 {
		want := (int(raw[2*i]) | int(raw[2*i+1])<<8) >> 2
		if diff := int(got[i]) - want; diff < 0 || diff > 1 {
			t.Fatalf("luma sample %d: got %d, want %d or one more", i, got[i], want)
		}
	}
}
