// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"image/jpeg"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"camring/internal/testcam"
	"camring/internal/testcam/testclip"
	"camring/internal/testutil"
	"camring/ring"
)

// canary is the password in all tests: it must show up nowhere.
const canary = "s3cr3t-canary/%&"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testLimits are short, but long enough for a loaded machine.
var testLimits = limits{
	connect: 3 * time.Second, silence: 3 * time.Second, teardown: 200 * time.Millisecond,
	redirects: 3, flood: 1 << 20,
}

// hasty is for cameras that never answer.
func hasty() limits {
	l := testLimits
	l.connect, l.silence = 300*time.Millisecond, 300*time.Millisecond
	return l
}

// safeBuffer is a log that goroutines share.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// received is a copy of an access unit, and the hashes of its slices.
type received struct {
	AccessUnit
	data   []byte
	slices []string
}

var errEnough = errors.New("enough units")

// receive runs one session until n units came, and returns them with the stream's description.
func receive(t *testing.T, cfg Config, lim limits, n int) ([]received, StreamInfo, error) {
	t.Helper()
	var log safeBuffer
	cfg.Camera = "front"
	cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var (
		got       []received
		info      StreamInfo
		connected int
	)
	err := run(ctx, cfg, lim, func(i StreamInfo) {
		connected++
		info = i
	}, func(u *AccessUnit) error {
		if connected != 1 {
			t.Errorf("connected was called %d times before a unit, want 1", connected)
		}
		r := received{AccessUnit: *u, data: bytes.Join(u.Parts, nil)}
		r.slices = sliceSums(r.data, u.Codec)
		if got = append(got, r); len(got) == n {
			return errEnough
		}
		return nil
	})
	if ctx.Err() != nil {
		t.Fatalf("got %d units in time, want %d; log:\n%s", len(got), n, log.String())
	}
	text := fmt.Sprintf("%v %+v %s", err, err, log.String())
	if f, ok := errors.AsType[*Failure](err); ok {
		text += f.Hint
		if !strings.Contains(err.Error(), `camera "front"`) {
			t.Errorf("got error %q, want it to name the camera", err)
		}
	}
	if strings.Contains(text, canary) {
		t.Errorf("the password is in an error or in the log:\n%s", text)
	}
	return got, info, err
}

// nalUnits splits Annex B.
func nalUnits(data []byte) [][]byte {
	var out [][]byte
	for part := range bytes.SplitSeq(data, []byte{0, 0, 1}) {
		if part = bytes.TrimRight(part, "\x00"); len(part) > 0 {
			out = append(out, part)
		}
	}
	return out
}

// sliceSums returns the hashes of the slices of Annex B data.
func sliceSums(data []byte, codec ring.Codec) []string {
	var sums []string
	for _, n := range nalUnits(data) {
		slice := codec == ring.CodecH264 && n[0]&0x1F >= 1 && n[0]&0x1F <= 5 ||
			codec == ring.CodecH265 && n[0]>>1&0x3F < 32
		if slice {
			sums = append(sums, fmt.Sprintf("%x", md5.Sum(n)))
		}
	}
	return sums
}

func startCamera(t *testing.T, opt testcam.Options) *testcam.Server {
	t.Helper()
	s, err := testcam.Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestEveryPictureArrivesUnchanged(t *testing.T) {
	for _, c := range []struct {
		name, transport string
		spec            testclip.Spec
		codec           ring.Codec
		raw             string
		sets            int // parameter sets in front of a keyframe
	}{
		{"H.264 over TCP", "tcp", testclip.Spec{}, ring.CodecH264, "h264", 2},
		{"H.264 over UDP", "udp", testclip.Spec{}, ring.CodecH264, "h264", 2},
		{"H.264 with B-frames over TCP", "auto", testclip.Spec{BFrames: 3}, ring.CodecH264, "h264", 2},
		{"H.264 with B-frames over UDP", "udp", testclip.Spec{BFrames: 2}, ring.CodecH264, "h264", 2},
		{"H.264 of many slices", "tcp", testclip.Spec{
			Height: 1088, Width: 64, Seconds: 1, Args: []string{"-slices", "40"},
		}, ring.CodecH264, "h264", 2},
		{"H.265 over TCP", "tcp", testclip.Spec{Codec: "h265", Seconds: 1, GOP: 10, BFrames: 2}, ring.CodecH265, "hevc", 3},
		{"H.265 over UDP", "udp", testclip.Spec{Codec: "h265", Seconds: 1, GOP: 10}, ring.CodecH265, "hevc", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := testclip.Make(t, c.spec)
			var times []time.Duration
			for line := range strings.Lines(string(testutil.FFmpeg(t, "-copyts", "-i", file, "-c", "copy", "-f", "framemd5", "-"))) {
				var stream, dts, pts int64
				if n, _ := fmt.Sscanf(line, "%d, %d, %d,", &stream, &dts, &pts); n == 3 {
					times = append(times, time.Duration(pts)*time.Second/90000)
				}
			}
			want := sliceSums(testutil.FFmpeg(t, "-i", file, "-c", "copy", "-f", c.raw, "-"), c.codec)
			n := len(times)

			cam := startCamera(t, testcam.Options{
				Clips: map[string]string{"front": file}, UDP: true, PerClient: true, Speed: 4,
				Username: "viewer", Password: canary,
			})
			units, info, err := receive(t, Config{
				URL: cam.URL("front"), Username: "viewer", Password: canary, Transport: c.transport,
			}, testLimits, 2*n)
			if !errors.Is(err, errEnough) {
				t.Fatal(err)
			}
			wantTransport := c.transport
			if wantTransport == "auto" {
				wantTransport = "tcp"
			}
			if info.Codec != c.codec || info.Transport != wantTransport || info.Width == 0 || info.Height == 0 {
				t.Errorf("got stream %+v, want %v over %s with a size", info, c.codec, wantTransport)
			}
			if cam.Sessions() != 1 || cam.Connections() != 1 || cam.AuthAttempts() != 1 {
				t.Errorf("got %d sessions, %d connections, %d logins, want 1 of each",
					cam.Sessions(), cam.Connections(), cam.AuthAttempts())
			}
			var got []string
			for i, u := range units {
				got = append(got, u.slices...)
				if wantPTS := times[i%n] - times[0]; i < n && (u.PTS-wantPTS).Abs() > 50*time.Microsecond {
					t.Errorf("unit %d: got PTS %v, want %v", i, u.PTS, wantPTS)
				}
				if i >= n && i > n && u.PTS-units[i-n].PTS != units[n].PTS-units[0].PTS {
					t.Errorf("unit %d: got PTS %v, does not continue the first pass", i, u.PTS)
				}
				if u.DTS > u.PTS+time.Second/10 || i > 0 && u.DTS < units[i-1].DTS {
					t.Errorf("unit %d: got DTS %v after %v with PTS %v", i, u.DTS, units[max(i-1, 0)].DTS, u.PTS)
				}
				if u.Lost != 0 || u.Corrupt {
					t.Errorf("unit %d: got lost %d, corrupt %v, want a whole picture", i, u.Lost, u.Corrupt)
				}
				checkSets(t, i, u, c.sets)
				if u.Width != info.Width || u.Height != info.Height {
					t.Errorf("unit %d: got size %dx%d, want %dx%d", i, u.Width, u.Height, info.Width, info.Height)
				}
			}
			if !slices.Equal(got, append(slices.Clone(want), want...)) {
				t.Errorf("got %d slices, want 2 times the %d of the file, equal", len(got), len(want))
			}
			if !units[0].Key {
				t.Error("the first unit is no keyframe")
			}
		})
	}
}

// checkSets checks that keyframes, and only those, begin with each parameter set exactly once.
func checkSets(t *testing.T, i int, u received, want int) {
	t.Helper()
	sets, sliceSeen := 0, false
	for _, n := range nalUnits(u.data) {
		var isSet, isSlice bool
		if u.Codec == ring.CodecH264 {
			isSet, isSlice = n[0]&0x1F == 7 || n[0]&0x1F == 8, n[0]&0x1F <= 5
		} else {
			isSet, isSlice = n[0]>>1 >= 32 && n[0]>>1 <= 34, n[0]>>1 < 32
		}
		sliceSeen = sliceSeen || isSlice
		if isSet {
			sets++
			if sliceSeen {
				t.Errorf("unit %d: a parameter set is behind a slice", i)
			}
		}
	}
	if u.Key && sets != want || !u.Key && sets != 0 {
		t.Errorf("unit %d: got %d parameter sets with key=%v, want %d in keyframes only", i, sets, u.Key, want)
	}
}

func TestMJPEGPicturesCanBeDecoded(t *testing.T) {
	file := testclip.Make(t, testclip.Spec{Codec: "mjpeg", Width: 320, Height: 240, Seconds: 1})
	cam := startCamera(t, testcam.Options{Clips: map[string]string{"front": file}, PerClient: true, Speed: 4})
	units, info, err := receive(t, Config{URL: cam.URL("front")}, testLimits, 10)
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if info.Codec != ring.CodecMJPEG {
		t.Errorf("got codec %v", info.Codec)
	}
	for i, u := range units {
		img, err := jpeg.Decode(bytes.NewReader(u.data))
		if err != nil {
			t.Fatalf("unit %d: %v", i, err)
		}
		if !u.Key || u.Width != 320 || u.Height != 240 || img.Bounds().Dx() != 320 {
			t.Errorf("unit %d: got key %v, %dx%d, want a keyframe of 320x240", i, u.Key, u.Width, u.Height)
		}
	}
}

func TestCaptureTimeIsTheCamerasOnceItSaysOne(t *testing.T) {
	file := testclip.Make(t, testclip.Spec{BFrames: 2})
	cam := startCamera(t, testcam.Options{Clips: map[string]string{"front": file}, PerClient: true})
	units, _, err := receive(t, Config{URL: cam.URL("front")}, testLimits, 12)
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	sender := 0
	for i, u := range units {
		if u.ReceivedMonoNS == 0 || u.CaptureMonoNS > u.ReceivedMonoNS || u.CaptureMonoNS < u.ReceivedMonoNS-int64(10*time.Second) {
			t.Errorf("unit %d: captured at %d, received at %d", i, u.CaptureMonoNS, u.ReceivedMonoNS)
		}
		if since := time.Since(time.Unix(0, u.CaptureWallNS)); since < 0 || since > time.Minute {
			t.Errorf("unit %d: captured %v ago", i, since)
		}
		if u.ErrorUS != ring.ErrorUnknown {
			t.Errorf("unit %d: got an error bound of %d, none can be known", i, u.ErrorUS)
		}
		if u.Clock == ring.ClockSender {
			sender++
			if u.CaptureMonoNS >= u.ReceivedMonoNS {
				t.Errorf("unit %d: the camera's time is not before the arrival", i)
			}
		} else if u.Clock != ring.ClockArrival || u.CaptureMonoNS != u.ReceivedMonoNS {
			t.Errorf("unit %d: got clock %v, captured at %d, received at %d", i, u.Clock, u.CaptureMonoNS, u.ReceivedMonoNS)
		}
	}
	if units[0].Clock != ring.ClockArrival || sender < 9 {
		t.Errorf("got first clock %v and %d of 12 from the camera, want arrival, then the camera's", units[0].Clock, sender)
	}
}

func TestWrongPasswordIsTriedOnce(t *testing.T) {
	file := testclip.Make(t, testclip.Spec{Seconds: 1, FPS: 5})
	cam := startCamera(t, testcam.Options{
		Clips: map[string]string{"front": file}, Username: "viewer", Password: "right",
	})
	for _, c := range []struct {
		name, user, password, hint string
		logins                     int
	}{
		{"wrong password", "viewer", canary, "check username and password", 1},
		{"wrong user", "nobody", canary, "check username and password", 1},
		{"no credentials", "", "", "set username and password", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := cam.AuthAttempts()
			_, _, err := receive(t, Config{URL: cam.URL("front"), Username: c.user, Password: c.password}, testLimits, 1)
			f := wantReason(t, err, ring.ReasonBadCredentials)
			if !strings.Contains(f.Hint, c.hint) {
				t.Errorf("got hint %q", f.Hint)
			}
			if got := cam.AuthAttempts() - before; got != c.logins {
				t.Errorf("got %d logins, want %d", got, c.logins)
			}
		})
	}
}

func wantReason(t *testing.T, err error, want ring.Reason) *Failure {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a failure with reason %v", err, want)
	}
	if f.Reason != want {
		t.Fatalf("got reason %v (%v), want %v", f.Reason, err, want)
	}
	return f
}

func TestEndOfContextEndsTheSession(t *testing.T) {
	file := testclip.Make(t, testclip.Spec{Seconds: 1})
	cam := startCamera(t, testcam.Options{Clips: map[string]string{"front": file}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := Run(ctx, Config{URL: cam.URL("front")}, func(StreamInfo) {}, func(*AccessUnit) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || errors.As(err, new(*Failure)) {
		t.Errorf("got %v, want the context's error alone", err)
	}
}

func TestClientsOfOnePathShareARunningStream(t *testing.T) {
	file := testclip.Make(t, testclip.Spec{GOP: 5})
	cam := startCamera(t, testcam.Options{Clips: map[string]string{"front": file}, Speed: 4})
	for range 2 {
		units, _, err := receive(t, Config{URL: cam.URL("front")}, testLimits, 12)
		if !errors.Is(err, errEnough) {
			t.Fatal(err)
		}
		keys := 0
		for _, u := range units {
			if u.Key {
				keys++
			}
		}
		if keys < 2 || units[11].Corrupt {
			t.Errorf("got %d keyframes, corrupt %v, want a clean stream", keys, units[11].Corrupt)
		}
	}
	if cam.Sessions() != 2 {
		t.Errorf("got %d sessions, want 2", cam.Sessions())
	}
}

func TestBadConfigurationSaysWhatToWrite(t *testing.T) {
	for _, c := range []struct{ name, url, transport string }{
		{"another scheme", "http://host/x", ""},
		{"credentials in the URL", "rtsp://user:" + canary + "@host/x", ""},
		{"no host", "rtsp:///x", ""},
		{"not a URL", "rtsp://h\x7fost/" + canary, ""},
		{"unknown transport", "rtsp://host/x", "carrier-pigeon"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := receive(t, Config{URL: c.url, Transport: c.transport}, testLimits, 1)
			if f := wantReason(t, err, ring.ReasonProtocol); f.Hint == "" {
				t.Errorf("%v: no hint", err)
			}
		})
	}
}
