// SPDX-License-Identifier: Apache-2.0

package testpattern

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"camring/internal/testutil"
)

const guard = 0xA5 // stands where nothing may be drawn

// newPicture returns a picture with strides that leave room behind each row, all bytes guard.
func newPicture(width, height int) Picture {
	p := Picture{Width: width, Height: height, YStride: width + 13, UVStride: width + 17}
	p.Y = make([]byte, height*p.YStride)
	p.UV = make([]byte, (height+1)/2*p.UVStride)
	fill(p.Y, guard)
	fill(p.UV, guard)
	return p
}

func drawn(width, height int, number uint64, wallNS int64) Picture {
	p := newPicture(width, height)
	Draw(p, number, wallNS)
	return p
}

func read(p Picture) (Reading, error) { return Read(p.Y, p.Width, p.Height, p.YStride) }

func TestReadReturnsWhatDrawDrew(t *testing.T) {
	for _, size := range [][2]int{
		{MinWidth, MinHeight},
		{321, 181},
		{560, 320},
		{642, 362},
		{640, 480},
		{333, 517},
		{1279, 719},
		{1280, 720},
		{1920, 1080},
		{3840, 2160},
		{4097, 180},
		{320, 4001},
	} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			for _, want := range []Reading{
				{0, 0, bands},
				{1, 1_700_000_000_000_000_000, bands},
				{math.MaxUint64, -1, bands},
				{1 << 63, math.MinInt64, bands},
			} {
				p := drawn(size[0], size[1], want.Number, want.WallNS)
				if got, err := read(p); got != want || err != nil {
					t.Errorf("got %+v, %v, want %+v", got, err, want)
				}
				checkRange(t, p)
			}
		})
	}
}

// checkRange checks that every visible sample is within limited range and nothing behind a row was
// written.
func checkRange(t *testing.T, p Picture) {
	t.Helper()
	for i, v := range p.Y {
		if inside := i%p.YStride < p.Width; inside && (v < 16 || v > 235) || !inside && v != guard {
			t.Fatalf("luma at row %d, column %d is %d", i/p.YStride, i%p.YStride, v)
		}
	}
	for i, v := range p.UV {
		if inside := i%p.UVStride < chromaBytes(p.Width); inside && (v < 16 || v > 240) || !inside && v != guard {
			t.Fatalf("chroma at row %d, column %d is %d", i/p.UVStride, i%p.UVStride, v)
		}
	}
}

func TestEveryPictureOfAnySizeReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(MinWidth, 900).Draw(t, "width")
		height := rapid.IntRange(MinHeight, 700).Draw(t, "height")
		want := Reading{rapid.Uint64().Draw(t, "number"), rapid.Int64().Draw(t, "wall"), bands}
		if got, err := read(drawn(width, height, want.Number, want.WallNS)); got != want || err != nil {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestTearIsSeenAtEveryRow(t *testing.T) {
	for _, size := range [][2]int{{MinWidth, MinHeight}, {641, 363}, {1280, 720}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			// Neighbours differ in the fewest bits.
			old, young := drawn(size[0], size[1], 41, 1_000_000), drawn(size[0], size[1], 42, 1_000_000)
			for row := 1; row < size[1]; row++ {
				copyRow(old.Y, young.Y, old.YStride, row-1)
				if got, err := read(old); !errors.Is(err, ErrTorn) {
					t.Fatalf("split at row %d: got %+v, %v, want ErrTorn", row, got, err)
				}
			}
		})
	}
}

func copyRow(dst, src []byte, stride, row int) { copy(dst[row*stride:][:stride], src[row*stride:]) }

func TestTearBetweenAnyTwoPicturesIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(MinWidth, 700).Draw(t, "width")
		height := rapid.IntRange(MinHeight, 500).Draw(t, "height")
		// Within 2^40 of each other: the uppermost blocks hold no more of the number.
		a := rapid.Uint64().Draw(t, "a")
		b := a + rapid.Uint64Range(1, 1<<40-1).Draw(t, "distance")
		wall := rapid.Int64Range(0, 1<<61).Draw(t, "wall")
		old, young := drawn(width, height, a, wall), drawn(width, height, b, wall+rapid.Int64Range(0, 1e9).Draw(t, "later"))
		row := rapid.IntRange(1, height-1).Draw(t, "row")
		copy(old.Y, young.Y[:row*young.YStride])
		if got, err := read(old); !errors.Is(err, ErrTorn) {
			t.Fatalf("got %+v, %v, want ErrTorn", got, err)
		}
	})
}

func TestLossyCodingKeepsTheCodeAndTheTear(t *testing.T) {
	for _, c := range []struct {
		name          string
		width, height int
		codec         []string
	}{
		{"H.264 at the smallest size and a poor quality", MinWidth, MinHeight, []string{"-c:v", "libx264", "-crf", "36"}},
		{"H.264 with B-frames", 642, 362, []string{"-c:v", "libx264", "-crf", "30", "-bf", "2"}},
		{"H.264 as a camera sends it", 1280, 720, []string{"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-b:v", "2M"}},
		{"MJPEG", 640, 480, []string{"-c:v", "mjpeg", "-q:v", "12"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			const frames = 12
			luma := recode(t, c.width, c.height, frames, c.codec)
			var before []byte
			for n := range frames {
				y := luma[n]
				want := Reading{uint64(n), wallOf(n), bands}
				if got, err := Read(y, c.width, c.height, c.width); got != want || err != nil {
					t.Fatalf("got %+v, %v, want %+v", got, err, want)
				}
				if n == 1 {
					for row := 1; row < c.height; row++ {
						copyRow(before, y, c.width, row-1)
						if got, err := Read(before, c.width, c.height, c.width); !errors.Is(err, ErrTorn) {
							t.Fatalf("torn at row %d: got %+v, %v, want ErrTorn", row, got, err)
						}
					}
				}
				before = append([]byte(nil), y...)
			}
		})
	}
}

func wallOf(n int) int64 { return 1_700_000_000_000_000_000 + int64(n)*33_366_700 }

// recode sends pictures 0 to frames-1 through an encoder and back and returns their luma planes.
func recode(t *testing.T, width, height, frames int, codec []string) [][]byte {
	t.Helper()
	testutil.Need(t, "ffmpeg")
	dir := t.TempDir()
	raw, coded := dir+"/raw.nv12", dir+"/coded.mkv"
	var pixels []byte
	for n := range frames {
		p := drawn(width, height, uint64(n), wallOf(n))
		for y := range height {
			pixels = append(pixels, p.Y[y*p.YStride:][:width]...)
		}
		for y := range (height + 1) / 2 {
			pixels = append(pixels, p.UV[y*p.UVStride:][:chromaBytes(width)]...)
		}
	}
	if err := os.WriteFile(raw, pixels, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-f", "rawvideo", "-pix_fmt", "nv12", "-s", strconv.Itoa(width) + "x" + strconv.Itoa(height), "-r", "30", "-i", raw}
	args = append(append(args, codec...), "-strict", "unofficial", "-pix_fmt", "yuv420p", "-color_range", "tv", coded)
	testutil.FFmpeg(t, args...)
	out := testutil.FFmpeg(t, "-i", coded, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
	size := width*height + 2*((width+1)/2)*((height+1)/2)
	if len(out) != frames*size {
		t.Fatalf("got %d bytes from ffmpeg, want %d pictures of %d", len(out), frames, size)
	}
	luma := make([][]byte, frames)
	for n := range frames {
		luma[n] = out[n*size:][:width*height]
	}
	return luma
}

func TestReadRefuses(t *testing.T) {
	flat := make([]byte, 640*480)
	stripes := make([]byte, 640*480)
	for i := range stripes {
		stripes[i] = byte(i * 7)
	}
	for _, c := range []struct {
		name                  string
		y                     []byte
		width, height, stride int
		unreadable            bool
	}{
		{"a black picture", flat, 640, 480, 640, true},
		{"a picture without a code", stripes, 640, 480, 640, true},
		{"a picture below the minimum", flat, 160, 120, 160, true},
		{"a pattern read at another size", drawn(1280, 720, 5, 5).Y, 1000, 480, 1293, true},
		{"a plane that is one byte short", flat[1:], 640, 480, 640, false},
		{"a stride below the width", flat, 640, 480, 639, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Read(c.y, c.width, c.height, c.stride)
			if err == nil || errors.Is(err, ErrUnreadable) != c.unreadable || errors.Is(err, ErrTorn) {
				t.Errorf("got %+v, %v, want an error, ErrUnreadable %v", got, err, c.unreadable)
			}
		})
	}
}

func TestReadToleratesALostBand(t *testing.T) {
	p := drawn(640, 480, 7, 8)
	l := newLayout(640, 480)
	for y := l.top(1, 0); y < l.top(1, blockRows); y++ {
		fill(p.Y[y*p.YStride:][:p.Width], 128)
	}
	if got, err := read(p); err != nil || got != (Reading{7, 8, bands - 1}) {
		t.Errorf("got %+v, %v, want picture 7 from three bands", got, err)
	}
}

func TestBackgroundMoves(t *testing.T) {
	a, b := drawn(640, 480, 1, 0), drawn(640, 480, 2, 0)
	row := newLayout(640, 480).top(1, 0) - 2 // between two bands
	if string(a.Y[row*a.YStride:][:640]) == string(b.Y[row*b.YStride:][:640]) {
		t.Error("luma between the bands is the same in two pictures")
	}
	if string(a.UV[row/2*a.UVStride:][:640]) == string(b.UV[row/2*b.UVStride:][:640]) {
		t.Error("chroma between the bands is the same in two pictures")
	}
}

func BenchmarkDraw(b *testing.B) {
	for _, size := range [][2]int{{1280, 720}, {1920, 1080}} {
		b.Run(fmt.Sprintf("res=%dx%d", size[0], size[1]), func(b *testing.B) {
			p := newPicture(size[0], size[1])
			b.SetBytes(int64(size[0] * size[1] * 3 / 2))
			b.ReportAllocs()
			n := uint64(0)
			for b.Loop() {
				Draw(p, n, int64(n))
				n++
			}
		})
	}
}
