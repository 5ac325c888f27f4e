// SPDX-License-Identifier: Apache-2.0

package cshim

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"testing"

	"camring/internal/testutil"
)

// needEncoder skips the test if ffmpeg was built without the encoder.
func needEncoder(t testing.TB, name string) {
	t.Helper()
	out, err := exec.Command(testutil.Need(t, "ffmpeg"), "-hide_banner", "-encoders").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^ V\S+ +` + regexp.QuoteMeta(name) + ` `).Match(out) {
		t.Skipf("ffmpeg has no encoder %s", name)
	}
}

const x264 = "-c:v libx264 -preset veryfast -pix_fmt yuv420p "

func TestPicturesEqualFFmpegsOwnDecode(t *testing.T) {
	for _, c := range []struct {
		name    string
		file    string
		encoder string
		options string
		codec   Codec
		format  string
		sizes   [][2]int
	}{
		{"H.264 without B-frames", "a.mp4", "libx264", x264 + "-bf 0", CodecH264, "yuv420p", [][2]int{{320, 240}, {642, 362}}},
		{"H.264 with a pyramid of B-frames", "a.mp4", "libx264", x264 + "-bf 3 -b_strategy 0 -x264-params b-pyramid=normal", CodecH264, "yuv420p", [][2]int{{320, 240}, {642, 362}}},
		{"H.264 with B-frames, raw", "a.h264", "libx264", x264 + "-bf 3 -b_strategy 0", CodecH264, "yuv420p", [][2]int{{320, 240}}},
		{"H.264 with B-frames in a transport stream", "a.ts", "libx264", x264 + "-bf 3 -b_strategy 0 -g 8", CodecH264, "yuv420p", [][2]int{{320, 240}}},
		{"H.264 with B-frames and open GOPs in Matroska", "a.mkv", "libx264", x264 + "-bf 3 -g 8 -x264-params open-gop=1", CodecH264, "yuv420p", [][2]int{{320, 240}}},
		{"H.264 interlaced", "a.mp4", "libx264", x264 + "-flags +ilme+ildct -bf 2", CodecH264, "yuv420p", [][2]int{{320, 240}}},
		{"H.264 full range", "a.mp4", "libx264", x264 + "-color_range pc", CodecH264, "yuvj420p", [][2]int{{320, 240}}},
		{"H.264 tagged BT.709", "a.mp4", "libx264", x264 + "-color_range tv -colorspace bt709 -color_primaries bt709 -color_trc bt709", CodecH264, "yuv420p", [][2]int{{320, 240}}},
		{"H.264 cropped to an odd-looking corner", "a.h264", "libx264", x264 + "-bsf:v h264_metadata=crop_left=6:crop_top=2:crop_right=4:crop_bottom=8", CodecH264, "yuv420p", [][2]int{{310, 230}}},
		{"H.265 with B-frames", "a.mp4", "libx265", "-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=3 -pix_fmt yuv420p", CodecH265, "yuv420p", [][2]int{{320, 240}, {642, 362}}},
		{"MJPEG 4:2:0", "a.avi", "mjpeg", "-c:v mjpeg -q:v 3 -pix_fmt yuvj420p", CodecMJPEG, "yuvj420p", [][2]int{{320, 240}, {642, 362}, {641, 361}}},
		{"MJPEG 4:2:0, raw", "a.mjpeg", "mjpeg", "-c:v mjpeg -q:v 3 -pix_fmt yuvj420p", CodecMJPEG, "yuvj420p", [][2]int{{320, 240}}},
		{"VP8", "a.webm", "libvpx", "-c:v libvpx -deadline realtime -cpu-used 8 -pix_fmt yuv420p", CodecVP8, "yuv420p", [][2]int{{320, 240}, {641, 361}}},
		{"VP8 in IVF", "a.ivf", "libvpx", "-c:v libvpx -deadline realtime -cpu-used 8 -pix_fmt yuv420p", CodecVP8, "yuv420p", [][2]int{{320, 240}}},
		{"VP9 with hidden frames", "a.webm", "libvpx-vp9", "-c:v libvpx-vp9 -deadline good -cpu-used 5 -lag-in-frames 10 -auto-alt-ref 1 -pix_fmt yuv420p", CodecVP9, "yuv420p", [][2]int{{320, 240}, {641, 361}}},
		{"AV1", "a.mkv", "libaom-av1", "-c:v libaom-av1 -cpu-used 8 -usage realtime -pix_fmt yuv420p", CodecAV1, "yuv420p", [][2]int{{320, 240}, {642, 362}}},
		{"AV1 with hidden frames", "a.mkv", "libsvtav1", "-c:v libsvtav1 -preset 12 -pix_fmt yuv420p", CodecAV1, "yuv420p", [][2]int{{320, 240}}},
		{"MPEG-4 without B-frames", "a.mp4", "mpeg4", "-c:v mpeg4 -q:v 4 -pix_fmt yuv420p", CodecMPEG4, "yuv420p", [][2]int{{320, 240}, {642, 362}}},
		{"MPEG-4 with B-frames", "a.mp4", "mpeg4", "-c:v mpeg4 -q:v 4 -bf 2 -pix_fmt yuv420p", CodecMPEG4, "yuv420p", [][2]int{{320, 240}}},
	} {
		for _, size := range c.sizes {
			t.Run(fmt.Sprintf("%s %dx%d", c.name, size[0], size[1]), func(t *testing.T) {
				t.Parallel()
				needEncoder(t, c.encoder)
				if !c.codec.Available() {
					t.Skipf("libav has no %s decoder", c.codec)
				}
				w, h := size[0], size[1]
				sourceW, sourceH := w, h
				if w == 310 { // the crop takes 10 columns and 10 rows
					sourceW, sourceH = 320, 240
				}
				path := encode(t, c.file, sourceW, sourceH, c.options)
				want := reference(t, path, c.format, w, h, interleave, i420Size(w, h))
				got := readFile(t, path)
				if got.stream.Codec != c.codec {
					t.Errorf("got codec %v, want %v", got.stream.Codec, c.codec)
				}
				checkEqual(t, got, want)
				for i, p := range got.pictures {
					if int(p.frame.Width) != w || int(p.frame.Height) != h || p.frame.Exact != 1 || p.frame.Codec != c.codec {
						t.Fatalf("picture %d: got %+v, want %dx%d, exact, %v", i, p.frame, w, h, c.codec)
					}
					if p.frame.CodedWidth < p.frame.Width || p.frame.CodedHeight < p.frame.Height {
						t.Fatalf("picture %d: coded size is below the visible size: %+v", i, p.frame)
					}
				}
				if got.pictures[0].frame.Flags&FlagKey == 0 {
					t.Error("the first picture has no key flag")
				}
			})
		}
	}
}

func TestRealClipEqualsFFmpegsOwnDecode(t *testing.T) {
	path := testutil.SmallClip(t)
	want := reference(t, path, "yuv420p", 560, 320, interleave, i420Size(560, 320))
	got := readFile(t, path)
	checkEqual(t, got, want)
	if len(want) != 166 {
		t.Errorf("got %d pictures, want the 166 the clip has", len(want))
	}
	if s := got.stream; s.Width != 560 || s.Height != 320 || s.FPSNum != 30*s.FPSDen || s.DurationNS < 5e9 || s.DurationNS > 6e9 {
		t.Errorf("got %+v, want 560x320 at 30 fps for 5 to 6 s", s)
	}
}

func TestColourIsDescribedAndNotConverted(t *testing.T) {
	for _, c := range []struct {
		name, file, options                 string
		wantRange, matrix, primaries, curve int32
	}{
		{"full range H.264", "a.mp4", x264 + "-color_range pc", 2, 2, 2, 2},
		{"BT.709 H.264", "a.mp4", x264 + "-color_range tv -colorspace bt709 -color_primaries bt709 -color_trc bt709", 1, 1, 1, 1},
		{"untagged H.264", "a.mp4", x264, 0, 2, 2, 2},
		{"MJPEG is full range", "a.avi", "-c:v mjpeg -pix_fmt yuvj420p", 2, 5, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := readFile(t, encode(t, c.file, 320, 240, c.options))
			if len(got.pictures) == 0 {
				t.Fatal("no pictures")
			}
			f := got.pictures[0].frame
			if f.Range != c.wantRange || f.Matrix != c.matrix || f.Primaries != c.primaries || f.Transfer != c.curve {
				t.Errorf("got range %d, matrix %d, primaries %d, transfer %d; want %d, %d, %d, %d",
					f.Range, f.Matrix, f.Primaries, f.Transfer, c.wantRange, c.matrix, c.primaries, c.curve)
			}
		})
	}
}

func TestRotationIsWhatFFmpegTurnsBy(t *testing.T) {
	plain := encode(t, "a.mp4", 320, 240, x264)
	turns := []string{"null", "transpose=clock", "hflip,vflip", "transpose=cclock"}
	seen := map[int32]bool{}
	for _, degrees := range []string{"0", "90", "180", "270"} {
		path := t.TempDir() + "/r.mp4"
		testutil.FFmpeg(t, "-i", plain, "-c", "copy", "-metadata:s:v:0", "rotate="+degrees, path)
		got := readFile(t, path)
		if len(got.pictures) == 0 {
			t.Fatal("no pictures")
		}
		rotation := got.pictures[0].frame.Rotation
		seen[rotation] = true
		upright := testutil.FFmpeg(t, "-i", path, "-frames:v", "1", "-f", "md5", "-")
		turned := testutil.FFmpeg(t, "-noautorotate", "-i", path, "-vf", turns[rotation], "-frames:v", "1", "-f", "md5", "-")
		if string(upright) != string(turned) {
			t.Errorf("rotate=%s: %d quarter turns clockwise do not give ffmpeg's upright picture", degrees, rotation)
		}
	}
	if len(seen) != 4 {
		t.Errorf("got rotations %v, want all four", seen)
	}
}

func TestRewindRepeatsTheFile(t *testing.T) {
	for _, c := range []struct{ name, file, options string }{
		{"MP4", "a.mp4", x264 + "-bf 3 -g 8"},
		{"Matroska", "a.mkv", x264 + "-bf 3 -g 8"},
		{"transport stream", "a.ts", x264 + "-bf 3 -g 8"},
		{"raw H.264", "a.h264", x264 + "-bf 3 -g 8"},
		{"AVI", "a.avi", "-c:v mjpeg -pix_fmt yuvj420p"},
		{"FLV", "a.flv", x264 + "-bf 3 -g 8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, d := openFile(t, encode(t, c.file, 320, 240, c.options))
			first := readAll(t, m, d)
			if !errors.Is(first.err, EOF) || len(first.pictures) != 20 {
				t.Fatalf("first pass: got %d pictures and %v, want 20 and EOF", len(first.pictures), first.err)
			}
			for pass := 2; pass <= 3; pass++ {
				if err := m.Rewind(); err != nil {
					t.Fatal(err)
				}
				if err := d.Flush(); err != nil {
					t.Fatal(err)
				}
				again := readAll(t, m, d)
				if len(again.pictures) != len(first.pictures) {
					t.Fatalf("pass %d: got %d pictures, want %d", pass, len(again.pictures), len(first.pictures))
				}
				for i, p := range again.pictures {
					if p.sum != first.pictures[i].sum || p.frame.PTSNS != first.pictures[i].frame.PTSNS {
						t.Fatalf("pass %d picture %d: got %s at %d, want %s at %d", pass, i, p.sum, p.frame.PTSNS,
							first.pictures[i].sum, first.pictures[i].frame.PTSNS)
					}
				}
			}
		})
	}
}
