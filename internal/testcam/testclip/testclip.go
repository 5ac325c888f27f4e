// SPDX-License-Identifier: Apache-2.0

// Package testclip makes clips for tests with ffmpeg. It is apart from testcam so that programs
// which contain a test camera do not contain package testing.
package testclip

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"camring/internal/testutil"
)

// Spec says what a clip is like. The zero value is 2 s of a 320x240 test picture in H.264, 25 fps,
// a keyframe each second, no B-frames.
type Spec struct {
	Codec   string // "h264", "h265", "mjpeg"
	Width   int
	Height  int
	FPS     int
	Seconds int
	GOP     int      // pictures from keyframe to keyframe
	BFrames int      // in a row, at most
	Source  string   // a file to encode instead of the test picture; keeps its own size, rate and length
	Args    []string // more arguments for ffmpeg's output
}

// Make encodes a clip into the test's own directory and returns its path.
func Make(t testing.TB, spec Spec) string {
	t.Helper()
	or := func(v, standard int) int {
		if v == 0 {
			return standard
		}
		return v
	}
	fps := or(spec.FPS, 25)
	input := []string{"-i", spec.Source}
	if spec.Source == "" {
		input = []string{"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%dx%d:rate=%d:duration=%d",
			or(spec.Width, 320), or(spec.Height, 240), fps, or(spec.Seconds, 2))}
	}
	gop, bframes := strconv.Itoa(or(spec.GOP, fps)), strconv.Itoa(spec.BFrames)
	out := filepath.Join(t.TempDir(), "clip.ts")
	var codec []string
	switch spec.Codec {
	case "", "h264":
		codec = []string{
			"-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", gop, "-bf", bframes,
			"-sc_threshold", "0", "-x264-params", "b-adapt=0", "-f", "mpegts",
		}
	case "h265":
		codec = []string{
			"-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", gop,
			"-x265-params", "log-level=error:scenecut=0:b-adapt=0:open-gop=0:bframes=" + bframes +
				":keyint=" + gop + ":min-keyint=" + gop, "-f", "mpegts",
		}
	case "mjpeg": // standard tables: RTP does not carry others
		out = filepath.Join(t.TempDir(), "clip.mjpeg")
		codec = []string{"-c:v", "mjpeg", "-huffman", "default", "-pix_fmt", "yuvj420p", "-q:v", "5", "-f", "mjpeg"}
	default:
		t.Fatalf("no recipe for codec %q", spec.Codec)
	}
	args := append(append(input, "-an"), codec...)
	testutil.FFmpeg(t, append(append(args, spec.Args...), out)...)
	return out
}
