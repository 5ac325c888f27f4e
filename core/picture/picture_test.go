// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"camring/internal/testutil"
	"camring/ring"
)

// flat returns a picture of one colour, with strides that leave room.
func flat(width, height int, y, u, v byte) Planes {
	p := Planes{YStride: width + 3, UVStride: width + 5}
	p.Y = bytes.Repeat([]byte{y}, height*p.YStride)
	p.UV = bytes.Repeat([]byte{u, v}, (height+1)/2*p.UVStride/2+1)[:(height+1)/2*p.UVStride]
	for row := range (height + 1) / 2 { // odd strides turn U and V around
		for i := range width + 1 {
			p.UV[row*p.UVStride+i] = [2]byte{u, v}[i%2]
		}
	}
	return p
}

func random(width, height int, seed uint64) Planes {
	p := flat(width, height, 0, 0, 0)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range p.Y {
		p.Y[i] = byte(r.Uint32())
	}
	for i := range p.UV {
		p.UV[i] = byte(r.Uint32())
	}
	return p
}

func desc(width, height int) ring.FrameDesc {
	return ring.FrameDesc{
		Width: uint32(width), Height: uint32(height), Format: ring.FormatNV12,
		Matrix: matrixBT601, Range: ring.RangeLimited, ChromaLocation: 1,
	}
}

func TestPrimaryColours(t *testing.T) {
	// 8-bit codes of pure colours, computed by hand from the equations of BT.601, BT.709 and BT.2020.
	for _, c := range []struct {
		name   string
		matrix uint32
		rng    ring.Range
		yuv    [3]byte
		rgb    [3]int
	}{
		{"limited black", matrixBT709, ring.RangeLimited, [3]byte{16, 128, 128}, [3]int{0, 0, 0}},
		{"limited white", matrixBT709, ring.RangeLimited, [3]byte{235, 128, 128}, [3]int{255, 255, 255}},
		{"full black", matrixBT709, ring.RangeFull, [3]byte{0, 128, 128}, [3]int{0, 0, 0}},
		{"full white", matrixBT709, ring.RangeFull, [3]byte{255, 128, 128}, [3]int{255, 255, 255}},
		{"unknown range is limited", matrixBT709, ring.RangeUnknown, [3]byte{235, 128, 128}, [3]int{255, 255, 255}},
		{"blacker than black stays black", matrixBT709, ring.RangeLimited, [3]byte{0, 128, 128}, [3]int{0, 0, 0}},
		{"BT.601 red", matrixBT601, ring.RangeLimited, [3]byte{81, 90, 240}, [3]int{255, 0, 0}},
		{"BT.470BG red is BT.601 red", matrixBT470BG, ring.RangeLimited, [3]byte{81, 90, 240}, [3]int{255, 0, 0}},
		{"BT.601 green", matrixBT601, ring.RangeLimited, [3]byte{145, 54, 34}, [3]int{0, 255, 0}},
		{"BT.601 blue", matrixBT601, ring.RangeLimited, [3]byte{41, 240, 110}, [3]int{0, 0, 255}},
		{"BT.601 red, full range", matrixBT601, ring.RangeFull, [3]byte{76, 85, 255}, [3]int{255, 0, 0}},
		{"BT.709 red", matrixBT709, ring.RangeLimited, [3]byte{63, 102, 240}, [3]int{255, 0, 0}},
		{"BT.709 green", matrixBT709, ring.RangeLimited, [3]byte{173, 42, 26}, [3]int{0, 255, 0}},
		{"BT.709 blue", matrixBT709, ring.RangeLimited, [3]byte{32, 240, 118}, [3]int{0, 0, 255}},
		{"BT.2020 red", matrixBT2020NCL, ring.RangeLimited, [3]byte{74, 97, 240}, [3]int{255, 0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := desc(6, 4)
			d.Matrix, d.Range = c.matrix, c.rng
			img, err := Convert(d, flat(6, 4, c.yuv[0], c.yuv[1], c.yuv[2]))
			if err != nil {
				t.Fatal(err)
			}
			got := img.RGBAAt(3, 2)
			for i, v := range []uint8{got.R, got.G, got.B} {
				if diff := int(v) - c.rgb[i]; diff < -2 || diff > 2 { // a code is rounded by up to half a step
					t.Errorf("got %v, want %v", got, c.rgb)
				}
			}
			if got.A != 255 {
				t.Errorf("got alpha %d, want 255", got.A)
			}
		})
	}
}

func TestConvertEqualsFloatReference(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {2, 2}, {3, 5}, {17, 9}, {64, 48}} {
		for _, matrix := range []uint32{1, 4, 5, 6, 7, 9} {
			for _, rng := range []ring.Range{ring.RangeLimited, ring.RangeFull} {
				for location := range uint8(7) {
					name := fmt.Sprintf("%dx%d matrix %d %v chroma %d", size[0], size[1], matrix, rng, location)
					d := desc(size[0], size[1])
					d.Matrix, d.Range, d.ChromaLocation = matrix, rng, location
					p := random(size[0], size[1], uint64(matrix))
					img, err := Convert(d, p)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					for y := range size[1] {
						for x := range size[0] {
							want := reference(d, p, x, y)
							got := img.RGBAAt(x, y)
							for i, v := range []uint8{got.R, got.G, got.B} {
								// Half a step for rounding to 8 bits, and what 12 bits of two chroma factors cost.
								if math.Abs(float64(v)-want[i]) > 0.54 {
									t.Fatalf("%s: pixel %d,%d: got %v, want %.2f", name, x, y, got, want)
								}
							}
						}
					}
				}
			}
		}
	}
}

// reference computes one pixel from the definitions, in floating point.
func reference(d ring.FrameDesc, p Planes, x, y int) [3]float64 {
	// Where sample 0 of chroma lies, in luma pixels.
	site := map[uint8][2]float64{0: {0, .5}, 1: {0, .5}, 2: {.5, .5}, 3: {0, 0}, 4: {.5, 0}, 5: {0, 1}, 6: {.5, 1}}[d.ChromaLocation]
	sample := func(component int) float64 {
		cx, cy := (float64(x)-site[0])/2, (float64(y)-site[1])/2
		x0, y0 := math.Floor(cx), math.Floor(cy)
		at := func(i, j float64) float64 {
			i = min(max(i, 0), float64((d.Width+1)/2)-1)
			j = min(max(j, 0), float64((d.Height+1)/2)-1)
			return float64(p.UV[int(j)*p.UVStride+2*int(i)+component])
		}
		fx, fy := cx-x0, cy-y0
		return (at(x0, y0)*(1-fx)+at(x0+1, y0)*fx)*(1-fy) + (at(x0, y0+1)*(1-fx)+at(x0+1, y0+1)*fx)*fy
	}
	luma, cb, cr := float64(p.Y[y*p.YStride+x]), sample(0)-128, sample(1)-128
	if d.Range == ring.RangeFull {
		luma, cb, cr = luma/255, cb/255, cr/255
	} else {
		luma, cb, cr = (luma-16)/219, cb/224, cr/224
	}
	k := map[uint32][2]float64{1: {.2126, .0722}, 4: {.30, .11}, 5: {.299, .114}, 6: {.299, .114}, 7: {.212, .087}, 9: {.2627, .0593}}[d.Matrix]
	r := luma + cr*2*(1-k[0])
	b := luma + cb*2*(1-k[1])
	g := (luma - k[0]*r - k[1]*b) / (1 - k[0] - k[1])
	out := [3]float64{r, g, b}
	for i, v := range out {
		out[i] = min(max(v*255, 0), 255)
	}
	return out
}

func TestConvertAgreesWithFFmpegOnColourBars(t *testing.T) {
	testutil.Need(t, "ffmpeg")
	const width, height = 640, 480
	for _, c := range []struct {
		name, matrix, rng string
		code              uint32
		ring              ring.Range
	}{
		{"BT.709 limited", "bt709", "tv", matrixBT709, ring.RangeLimited},
		{"BT.709 full", "bt709", "pc", matrixBT709, ring.RangeFull},
		{"BT.601 limited", "smpte170m", "tv", matrixBT601, ring.RangeLimited},
		{"BT.2020 limited", "bt2020", "tv", matrixBT2020NCL, ring.RangeLimited},
	} {
		t.Run(c.name, func(t *testing.T) {
			source := fmt.Sprintf("smptehdbars=size=%dx%d:rate=1:duration=1,format=gbrp", width, height)
			toNV12 := fmt.Sprintf("scale=flags=accurate_rnd+full_chroma_inp:out_color_matrix=%s:out_range=%s,format=nv12", c.matrix, c.rng)
			back := fmt.Sprintf("scale=flags=bilinear+accurate_rnd+full_chroma_int:in_color_matrix=%s:in_range=%s,format=rgb24", c.matrix, c.rng)
			raw := testutil.FFmpeg(t, "-f", "lavfi", "-i", source, "-vf", toNV12, "-f", "rawvideo", "-")
			want := testutil.FFmpeg(t, "-f", "lavfi", "-i", source, "-vf", toNV12+","+back, "-f", "rawvideo", "-")
			d := desc(width, height)
			d.Matrix, d.Range = c.code, c.ring
			img, err := Convert(d, Planes{Y: raw[:width*height], UV: raw[width*height:], YStride: width, UVStride: width})
			if err != nil {
				t.Fatal(err)
			}
			// Where colours meet, the two interpolate chroma differently; elsewhere they may round twice.
			compared := 0
			for y := reach; y < height-reach; y++ {
				for x := reach; x < width-reach; x++ {
					i := 3 * (y*width + x)
					if !flatAround(want, i, width) {
						continue
					}
					compared++
					got := img.RGBAAt(x, y)
					for c, v := range []uint8{got.R, got.G, got.B} {
						if diff := int(v) - int(want[i+c]); diff < -2 || diff > 2 {
							t.Fatalf("pixel %d,%d: got %v, ffmpeg has %v", x, y, got, want[i:i+3])
						}
					}
				}
			}
			if compared < width*height*2/3 {
				t.Errorf("compared %d pixels of %d: not the bars that this test is about", compared, width*height)
			}
		})
	}
}

// reach is how far from an edge interpolation may be seen, in pixels.
const reach = 4

// flatAround reports whether the RGB pixel at index i has the colour of those around it.
func flatAround(rgb []byte, i, width int) bool {
	pixel := string(rgb[i : i+3])
	for _, d := range []int{-reach, reach, -reach * width, reach * width, -reach*width - reach, reach*width + reach, reach - reach*width, reach*width - reach} {
		if string(rgb[i+3*d:][:3]) != pixel {
			return false
		}
	}
	return true
}

func TestRotationTurnsThePictureUpright(t *testing.T) {
	const width, height = 5, 3
	p := flat(width, height, 0, 128, 128)
	for y := range height {
		for x := range width {
			p.Y[y*p.YStride+x] = byte(100 + 10*y + x)
		}
	}
	d := desc(width, height)
	d.Range = ring.RangeFull
	for turns, c := range []struct {
		name          string
		width, height int
		corners       [4]uint8 // top left, top right, bottom left, bottom right
	}{
		{"not at all", 5, 3, [4]uint8{100, 104, 120, 124}},
		{"a quarter clockwise", 3, 5, [4]uint8{120, 100, 124, 104}},
		{"half", 5, 3, [4]uint8{124, 120, 104, 100}},
		{"a quarter anticlockwise", 3, 5, [4]uint8{104, 124, 100, 120}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.Rotation = uint8(turns)
			img, err := Convert(d, p)
			if err != nil {
				t.Fatal(err)
			}
			if got := img.Bounds(); got != image.Rect(0, 0, c.width, c.height) {
				t.Fatalf("got %v, want %dx%d", got, c.width, c.height)
			}
			at := func(x, y int) uint8 { return img.RGBAAt(x, y).G }
			got := [4]uint8{at(0, 0), at(c.width-1, 0), at(0, c.height-1), at(c.width-1, c.height-1)}
			if got != c.corners {
				t.Errorf("got corners %v, want %v", got, c.corners)
			}
		})
	}
}

func TestColorsOf(t *testing.T) {
	for _, c := range []struct {
		name           string
		matrix, height uint32
		rng            ring.Range
		want           string
	}{
		{"everything stated", 1, 240, ring.RangeFull, "BT.709, full range"},
		{"BT.601 of a tall picture", 6, 2160, ring.RangeLimited, "BT.601, limited range"},
		{"nothing stated, standard definition", 2, 576, ring.RangeUnknown, "BT.601 (not stated, taken from the height), limited range (not stated)"},
		{"nothing stated, high definition", 2, 577, ring.RangeUnknown, "BT.709 (not stated, taken from the height), limited range (not stated)"},
		{"identity cannot be meant", 0, 1080, ring.RangeLimited, "BT.709 (not stated, taken from the height), limited range"},
		{"BT.2020", 9, 2160, ring.RangeLimited, "BT.2020, limited range"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ColorsOf(ring.FrameDesc{Matrix: c.matrix, Height: c.height, Range: c.rng})
			if err != nil || got.String() != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestConvertRefuses(t *testing.T) {
	good := flat(64, 48, 16, 128, 128)
	for _, c := range []struct {
		name string
		edit func(*ring.FrameDesc, *Planes)
		want string
	}{
		{"another format", func(d *ring.FrameDesc, _ *Planes) { d.Format = ring.FormatI420 }, "I420"},
		{"a matrix that is none", func(d *ring.FrameDesc, _ *Planes) { d.Matrix = 8 }, "matrix 8"},
		{"no pixels", func(d *ring.FrameDesc, _ *Planes) { d.Width = 0 }, "0x48"},
		{"a size no codec has", func(d *ring.FrameDesc, _ *Planes) { d.Height = math.MaxUint32 }, "64x4294967295"},
		{"short luma", func(_ *ring.FrameDesc, p *Planes) { p.Y = p.Y[:47*p.YStride+63] }, "luma plane"},
		{"short chroma", func(_ *ring.FrameDesc, p *Planes) { p.UV = p.UV[:23*p.UVStride+63] }, "chroma plane"},
		{"a stride below the row", func(_ *ring.FrameDesc, p *Planes) { p.UVStride = 62 }, "chroma plane"},
		{"a negative stride", func(_ *ring.FrameDesc, p *Planes) { p.YStride = -64 }, "luma plane"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, p := desc(64, 48), good
			c.edit(&d, &p)
			if _, err := Convert(d, p); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestPlanesMayEndWithTheLastVisibleByte(t *testing.T) {
	p := flat(63, 47, 235, 128, 128)
	p.Y = p.Y[: 46*p.YStride+63 : 46*p.YStride+63]
	p.UV = p.UV[: 23*p.UVStride+64 : 23*p.UVStride+64]
	if _, err := Convert(desc(63, 47), p); err != nil {
		t.Error(err)
	}
}

func TestWritersKeepTheColours(t *testing.T) {
	p := flat(48, 32, 81, 90, 240) // BT.601 red
	for _, c := range []struct {
		name   string
		write  func(*bytes.Buffer) error
		decode func(*bytes.Buffer) (image.Image, error)
	}{
		{"PNG", func(b *bytes.Buffer) error { return WritePNG(b, desc(48, 32), p) }, func(b *bytes.Buffer) (image.Image, error) { return png.Decode(b) }},
		{"JPEG", func(b *bytes.Buffer) error { return WriteJPEG(b, desc(48, 32), p, 95) }, func(b *bytes.Buffer) (image.Image, error) { return jpeg.Decode(b) }},
		{"JPEG of a quality beyond the end", func(b *bytes.Buffer) error { return WriteJPEG(b, desc(48, 32), p, 1000) }, func(b *bytes.Buffer) (image.Image, error) { return jpeg.Decode(b) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := c.write(&b); err != nil {
				t.Fatal(err)
			}
			img, err := c.decode(&b)
			if err != nil {
				t.Fatal(err)
			}
			r, g, bl, _ := img.At(20, 20).RGBA()
			if r>>8 < 251 || g>>8 > 4 || bl>>8 > 4 {
				t.Errorf("got %d %d %d, want red", r>>8, g>>8, bl>>8)
			}
		})
	}
}

func BenchmarkConvert(b *testing.B) {
	p := random(1920, 1080, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Convert(desc(1920, 1080), p); err != nil {
			b.Fatal(err)
		}
	}
}
