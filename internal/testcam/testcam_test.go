// SPDX-License-Identifier: Apache-2.0

package testcam

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"camring/internal/testcam/testclip"
	"camring/internal/testutil"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// packetTimes returns PTS and DTS of every packet of a file, as ffmpeg sees them.
func packetTimes(t *testing.T, file string) (pts, dts []int64) {
	t.Helper()
	// Columns: stream, dts, pts, duration, size, hash.
	out := testutil.FFmpeg(t, "-copyts", "-i", file, "-c", "copy", "-f", "framemd5", "-")
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(line, ",")
		if strings.HasPrefix(line, "#") || len(fields) < 6 {
			continue
		}
		d, err1 := strconv.ParseInt(strings.TrimSpace(fields[1]), 10, 64)
		p, err2 := strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64)
		if err1 != nil || err2 != nil {
			t.Fatalf("cannot read %q", line)
		}
		pts, dts = append(pts, p), append(dts, d)
	}
	return pts, dts
}

func TestClipHasEveryPictureWithItsTimes(t *testing.T) {
	for _, c := range []struct {
		name string
		spec testclip.Spec
	}{
		{"H.264 without B-frames", testclip.Spec{}},
		{"H.264 with B-frames", testclip.Spec{BFrames: 2}},
		{"H.265 with B-frames", testclip.Spec{Codec: "h265", BFrames: 2, Seconds: 1}},
		{"a rate that the clock does not divide", testclip.Spec{FPS: 23, Seconds: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := testclip.Make(t, c.spec)
			pts, dts := packetTimes(t, file)
			got, err := readClip(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.units) != len(pts) || len(pts) == 0 {
				t.Fatalf("got %d pictures, want %d", len(got.units), len(pts))
			}
			for i, u := range got.units {
				if u.pts != pts[i]-dts[0] || u.dts != dts[i]-dts[0] {
					t.Fatalf("picture %d: got PTS %d DTS %d, want %d %d", i, u.pts, u.dts, pts[i]-dts[0], dts[i]-dts[0])
				}
			}
			fps := int64(c.spec.FPS)
			if fps == 0 {
				fps = 25
			}
			if want := int64(len(pts)) * clockRate / fps; got.period < want-1 || got.period > want+1 {
				t.Errorf("got period %d, want %d", got.period, want)
			}
		})
	}
}

func TestJPEGPicturesAreSplit(t *testing.T) {
	file := testclip.Make(t, testclip.Spec{Codec: "mjpeg", Seconds: 1, FPS: 5})
	c, err := readClip(file)
	if err != nil {
		t.Fatal(err)
	}
	var joined []byte
	for _, u := range c.units {
		joined = append(joined, u.nalus[0]...)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.units) != 5 || !bytes.Equal(joined, data) {
		t.Errorf("got %d pictures of %d bytes together, want 5 of %d", len(c.units), len(joined), len(data))
	}
}

func TestStartSaysWhatIsWrongWithAClip(t *testing.T) {
	text := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(text, bytes.Repeat([]byte("not a video\n"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, file, want string }{
		{"missing", "/nonexistent/clip.ts", "no such file"},
		{"a directory", t.TempDir(), "not a regular file"},
		{"not a video", text, "MPEG-TS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Start(Options{Clips: map[string]string{"x": c.file}})
			if err == nil {
				s.Close()
				t.Fatal("got no error")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.file) {
				t.Errorf("got %q, want it to contain %q and the file", err, c.want)
			}
		})
	}
}

func TestPortInUseIsAnError(t *testing.T) {
	file := testclip.Make(t, testclip.Spec{Seconds: 1, FPS: 5})
	first, err := Start(Options{Clips: map[string]string{"x": file}})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := Start(Options{Listen: first.Addr(), Clips: map[string]string{"x": file}})
	if err == nil {
		second.Close()
		t.Fatal("got no error")
	}
	if !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %q", err)
	}
}

func TestFFmpegPlaysTheCamera(t *testing.T) {
	file := testclip.Make(t, testclip.Spec{BFrames: 2, Seconds: 1})
	for _, transport := range []string{"tcp", "udp"} {
		t.Run(transport, func(t *testing.T) {
			s, err := Start(Options{
				Clips: map[string]string{"front": file}, Username: "u", Password: "p", UDP: true, PerClient: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			url := strings.Replace(s.URL("front"), "rtsp://", "rtsp://u:p@", 1)
			// Two passes, so that the seam is among them.
			got := sums(testutil.FFmpeg(t, "-rtsp_transport", transport, "-i", url, "-frames:v", "50",
				"-fps_mode", "passthrough", "-f", "framemd5", "-"))
			pass := sums(testutil.FFmpeg(t, "-i", file, "-fps_mode", "passthrough", "-f", "framemd5", "-"))
			if got != pass+pass {
				t.Errorf("got pictures\n%s\nwant twice\n%s", got, pass)
			}
			if s.Sessions() != 1 {
				t.Errorf("got %d sessions, want 1", s.Sessions())
			}
		})
	}
}

// sums returns the md5 column of a framemd5 listing.
func sums(listing []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(listing)) {
		if !strings.HasPrefix(line, "#") {
			b.WriteString(line[strings.LastIndex(line, ",")+1:])
		}
	}
	return b.String()
}
