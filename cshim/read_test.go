// SPDX-License-Identifier: Apache-2.0

package cshim

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"camring/internal/testutil"
)

// picture is what a test keeps of a decoded picture.
type picture struct {
	frame Frame
	sum   string // md5 of the tightly packed NV12
}

// reading is one pass over a file.
type reading struct {
	stream   Stream
	pictures []picture
	packets  int
	refused  int // packets answered with ErrInvalidData
	err      error
}

func testDeadline() int64 { return Deadline(30 * time.Second) }

// take converts the held picture, checking canaries around and between the planes.
func take(t testing.TB, d *Decoder, f *Frame) picture {
	t.Helper()
	const canary, gap = 0xA5, 24
	tight, size := TightNV12(f.Width, f.Height)
	// Padded strides and a gap between the planes, so that a mistake in either shows.
	padded := NV12{YOffset: gap, YStride: tight.YStride + 7, UVStride: tight.UVStride + 9}
	rows, pairRows := int(f.Height), (int(f.Height)+1)/2
	padded.UVOffset = gap + uint64(padded.YStride)*uint64(rows) + gap
	buf := slices.Repeat([]byte{canary}, int(padded.UVOffset)+int(padded.UVStride)*pairRows+gap)
	if err := d.NV12(buf, &padded); err != nil {
		t.Fatalf("NV12 of %dx%d, format %d: %v", f.Width, f.Height, f.PixFmt, err)
	}
	packed := make([]byte, 0, size)
	for _, plane := range []struct {
		offset uint64
		stride uint32
		length uint32
		rows   int
	}{
		{padded.YOffset, padded.YStride, tight.YStride, rows},
		{padded.UVOffset, padded.UVStride, tight.UVStride, pairRows},
	} {
		for i := range plane.rows {
			row := buf[int(plane.offset)+i*int(plane.stride):]
			packed = append(packed, row[:plane.length]...)
			for _, b := range row[plane.length:plane.stride] {
				if b != canary {
					t.Fatalf("byte written behind row %d of %dx%d", i, f.Width, f.Height)
				}
			}
		}
	}
	for i := range gap {
		if buf[i] != canary || buf[len(buf)-1-i] != canary {
			t.Fatalf("byte written outside the planes of %dx%d", f.Width, f.Height)
		}
	}
	if len(packed) != size {
		t.Fatalf("got %d bytes of NV12, want %d", len(packed), size)
	}
	return picture{*f, md5Of(packed)}
}

func md5Of(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

// readAll decodes what the demuxer still has. It stops at the end or at an error other than a refused
// packet.
func readAll(t testing.TB, m *Demuxer, d *Decoder) reading {
	t.Helper()
	r := reading{stream: m.Stream()}
	var p Packet
	var f Frame
	for tag := uint64(1); ; tag++ {
		ok, err := m.Next(d, tag, testDeadline(), &p, &f)
		if p.Size > 0 {
			r.packets++
		}
		switch {
		case errors.Is(err, ErrInvalidData):
			r.refused++
		case err != nil:
			r.err = err
			return r
		case ok:
			r.pictures = append(r.pictures, take(t, d, &f))
		}
	}
}

// readFile decodes a whole file.
func readFile(t testing.TB, path string) reading {
	t.Helper()
	m, d := openFile(t, path)
	return readAll(t, m, d)
}

// openFile opens a demuxer and its decoder, closed when the test ends.
func openFile(t testing.TB, path string) (*Demuxer, *Decoder) {
	t.Helper()
	m, err := OpenDemuxer(path, testDeadline(), Limits{})
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	t.Cleanup(func() { closeHandle(t, m) })
	d, err := m.Decoder(Limits{})
	if err != nil {
		t.Fatalf("open a decoder for %s: %v", path, err)
	}
	t.Cleanup(func() { closeHandle(t, d) })
	return m, d
}

func closeHandle(t testing.TB, c interface{ Close() error }) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// reference is ffmpeg's own decode of a file: the md5 of each picture as tightly packed NV12.
//
// format is what the file's pictures are, so that ffmpeg converts nothing; toNV12 turns one of them
// into NV12 and says how many bytes it has.
func reference(t testing.TB, path, format string, width, height int, toNV12 func(raw []byte, width, height int) []byte,
	rawSize int,
) []string {
	t.Helper()
	raw := testutil.FFmpeg(t, "-threads", "1", "-flags", "unaligned", "-noautorotate", "-i", path,
		"-map", "0:v:0", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", format, "-")
	if len(raw) == 0 || len(raw)%rawSize != 0 {
		t.Fatalf("ffmpeg wrote %d bytes, want a multiple of %d (%s, %dx%d)", len(raw), rawSize, format, width, height)
	}
	var sums []string
	for one := range slices.Chunk(raw, rawSize) {
		sums = append(sums, md5Of(toNV12(one, width, height)))
	}
	return sums
}

// interleave turns I420 into NV12.
func interleave(raw []byte, width, height int) []byte {
	pairs, rows := (width+1)/2, (height+1)/2
	luma := width * height
	u, v := raw[luma:luma+pairs*rows], raw[luma+pairs*rows:]
	out := slices.Clone(raw[:luma])
	for i := range u {
		out = append(out, u[i], v[i])
	}
	return out
}

// i420Size is the length of one 4:2:0 picture.
func i420Size(width, height int) int {
	return width*height + 2*((width+1)/2)*((height+1)/2)
}

// checkEqual compares a reading with the reference, picture by picture.
func checkEqual(t *testing.T, got reading, want []string) {
	t.Helper()
	if !errors.Is(got.err, EOF) {
		t.Errorf("got %v at the end, want EOF", got.err)
	}
	if got.refused != 0 {
		t.Errorf("got %d packets refused, want none", got.refused)
	}
	if len(got.pictures) != len(want) {
		t.Fatalf("got %d pictures, want %d", len(got.pictures), len(want))
	}
	for i, p := range got.pictures {
		if p.sum != want[i] {
			t.Fatalf("picture %d: got md5 %s, want %s", i, p.sum, want[i])
		}
		if p.frame.Flags&FlagCorrupt != 0 {
			t.Errorf("picture %d of an undamaged stream is flagged as corrupt", i)
		}
		if i > 0 && p.frame.PTSNS <= got.pictures[i-1].frame.PTSNS {
			t.Errorf("picture %d: got time %d after %d, want it to go forward", i, p.frame.PTSNS, got.pictures[i-1].frame.PTSNS)
		}
	}
}

// encode makes a short clip of a moving test picture with ffmpeg's encoder options and returns its
// path; name's suffix picks the container.
func encode(t testing.TB, name string, width, height int, options string) string {
	t.Helper()
	source := "testsrc2"
	if width%2 != 0 || height%2 != 0 {
		source = "testsrc" // testsrc2 makes even sizes only
	}
	return encodeFrom(t, name, fmt.Sprintf("%s=size=%dx%d:rate=25", source, width, height), 20, options)
}

// encodeFrom encodes frames pictures of a lavfi source.
func encodeFrom(t testing.TB, name, source string, frames int, options string) string {
	t.Helper()
	path := t.TempDir() + "/" + name
	args := []string{"-f", "lavfi", "-i", source, "-frames:v", strconv.Itoa(frames)}
	args = append(args, strings.Fields(options)...)
	testutil.FFmpeg(t, append(args, path)...)
	return path
}

// ffmpegRaw returns ffmpeg's own decode of a file in its own format.
func ffmpegRaw(t testing.TB, path, format string) []byte {
	t.Helper()
	return testutil.FFmpeg(t, "-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", format, "-")
}
