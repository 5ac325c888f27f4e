// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"camring/internal/testcam"
	"camring/internal/testcam/testclip"
	"camring/internal/testutil"
	"camring/ring"
)

// reference decodes a clip with ffmpeg in its native 4:2:0 format and returns the md5 of every
// picture, tightly packed, U and V interleaved.
func reference(t *testing.T, clip string, width, height int) []string {
	t.Helper()
	testutil.Need(t, "ffmpeg")
	cmd := exec.Command("ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-i", clip, "-map", "0:v:0",
		"-fps_mode", "passthrough", "-f", "rawvideo", "-")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	luma, chroma := width*height, (width+1)/2*((height+1)/2)
	in := make([]byte, luma+2*chroma)
	nv12 := make([]byte, len(in))
	var sums []string
	for r := bufio.NewReaderSize(out, 1<<20); ; {
		_, err := io.ReadFull(r, in)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("ffmpeg's output for %s is no whole number of %dx%d pictures: %v", clip, width, height, err)
		}
		copy(nv12, in[:luma])
		u, v, uv := in[luma:luma+chroma], in[luma+chroma:], nv12[luma:]
		for i := range u {
			uv[2*i], uv[2*i+1] = u[i], v[i]
		}
		sum := md5.Sum(nv12)
		sums = append(sums, hex.EncodeToString(sum[:]))
	}
	if err := cmd.Wait(); err != nil || len(sums) == 0 {
		t.Fatalf("ffmpeg decoded %d pictures of %s: %v", len(sums), clip, err)
	}
	return sums
}

// tap reads frames of a camera with `camring tap --md5` and returns the md5 by sequence.
func tap(t *testing.T, dir, name string, frames int) map[uint64]string {
	t.Helper()
	stdout, stderr, code := camring(t, 2*time.Minute, "--ring-dir", dir, "tap", name, "--md5", "--frames", strconv.Itoa(frames))
	if code != 0 {
		t.Fatalf("tap: exit %d: %s", code, stderr)
	}
	sums := map[uint64]string{}
	for line := range strings.Lines(stdout) {
		f := strings.Fields(line)
		if len(f) != 6 {
			t.Fatalf("tap printed %q, want six fields", line)
		}
		seq, err := strconv.ParseUint(f[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sums[seq] = f[5]
	}
	return sums
}

// onePass compares what was tapped with a clip that plays in a loop from its first picture on, and
// wants every picture of at least one pass. Sequence 1 is the clip's first picture.
func onePass(t *testing.T, got map[uint64]string, want []string) {
	t.Helper()
	seen := map[int]bool{}
	bad := 0
	for seq, sum := range got {
		i := int((seq - 1) % uint64(len(want)))
		seen[i] = true
		if sum != want[i] {
			if bad++; bad <= 3 {
				t.Errorf("sequence %d: md5 %s, want picture %d: %s", seq, sum, i, want[i])
			}
		}
	}
	if len(seen) != len(want) || bad > 0 {
		t.Errorf("%d of the clip's %d pictures were seen, %d frames differ", len(seen), len(want), bad)
	} else {
		t.Logf("%d frames, all %d pictures of a pass, no difference", len(got), len(want))
	}
}

func TestEveryFrameOfAPassIsFFmpegsOwn(t *testing.T) {
	small := filepath.Join(t.TempDir(), "small.ts")
	testutil.FFmpeg(t, "-i", testutil.SmallClip(t), "-an", "-c:v", "libx264", "-preset", "veryfast", "-g", "30", "-bf", "0", small)
	for _, c := range []struct {
		name          string
		clip          string
		width, height int
	}{
		{"the real clip", small, 560, 320},
		{"H.264 with B-frames, 642x362", testclip.Make(t, testclip.Spec{Codec: "h264", Width: 642, Height: 362, FPS: 30, Seconds: 3, GOP: 30, Args: []string{"-bf", "3"}}), 642, 362},
		{"H.265", testclip.Make(t, testclip.Spec{Codec: "h265", Width: 642, Height: 362, FPS: 25, Seconds: 3, GOP: 25}), 642, 362},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := reference(t, c.clip, c.width, c.height)
			cam, err := testcam.Start(testcam.Options{Clips: map[string]string{"clip": c.clip}, PerClient: true})
			if err != nil {
				t.Fatal(err)
			}
			defer cam.Close()
			tr := start(t, fmt.Sprintf("redis: off\ncameras:\n  net: %s\n  file: {url: %s, loop: true}\n", cam.URL("clip"), c.clip))
			tr.live(15 * time.Second)
			for _, name := range []string{"net", "file"} {
				t.Run(name, func(t *testing.T) { onePass(t, tap(t, tr.dir, name, len(want)+10), want) })
			}
		})
	}
}

// TestRangeAndMatrixAreDescribedNotConverted runs full-range BT.709 through the product: the samples are
// ffmpeg's own, and the descriptor says what they mean.
func TestRangeAndMatrixAreDescribedNotConverted(t *testing.T) {
	clip := testclip.Make(t, testclip.Spec{Codec: "h264", Width: 642, Height: 362, FPS: 25, Seconds: 2, GOP: 25, Args: []string{
		"-color_range", "pc", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709",
	}})
	want := reference(t, clip, 642, 362)
	cam, err := testcam.Start(testcam.Options{Clips: map[string]string{"clip": clip}, PerClient: true})
	if err != nil {
		t.Fatal(err)
	}
	defer cam.Close()
	tr := start(t, fmt.Sprintf("redis: off\ncameras:\n  net: %s\n  file: {url: %s, loop: true}\n", cam.URL("clip"), clip))
	tr.live(15 * time.Second)
	for _, name := range []string{"net", "file"} {
		onePass(t, tap(t, tr.dir, name, len(want)+10), want)
		r, err := ring.OpenFrames(ring.FramePath(tr.dir, name, "main"), ring.ReaderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		f, err := r.Latest()
		if err != nil || f.Range != ring.RangeFull || f.Matrix != 1 || f.Primaries != 1 || f.Transfer != 1 {
			t.Errorf("%s: range %v, matrix %d, primaries %d, transfer %d, %v; want full, 1, 1, 1", name, f.Range, f.Matrix, f.Primaries, f.Transfer, err)
		}
		_ = r.Close()
	}
}
