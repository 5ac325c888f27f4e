// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"camring/core/status"
	"camring/internal/testcam"
	"camring/internal/testutil"
	"camring/ring"
)

func TestMistakeInTheConfigurationIsNamedWithItsPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, yaml string
		want       []string
	}{
		{
			"unknown key", "cameras:\n  front:\n    url: rtsp://h/p\n    trnsport: tcp\n",
			[]string{":4:5: ", `"trnsport"`, `did you mean "transport"?`},
		},
		{
			"unknown section", "cameras:\n  front: test:pattern\nrediss: off\n",
			[]string{":3:1: ", `"rediss"`, `did you mean "redis"?`},
		},
		{"wrong type", "cameras:\n  front:\n    url: test:pattern\n    slots: many\n", []string{":4:12: ", "slots", "many", "2 to 64"}},
		{"a list where a map is wanted", "cameras:\n  - test:pattern\n", []string{":2:3: ", "cameras"}},
		{"a camera name that leads out of the directory", "cameras:\n  ../x: test:pattern\n", []string{":2:3: ", `"../x"`, "a-z, 0-9, _ and -"}},
		{"a source that runs a command", "cameras:\n  front: exec:/bin/sh\n", []string{":2:10: ", "want rtsp://"}},
		{"a test picture without room for its pattern", "cameras:\n  front: test:pattern?size=160x90\n", []string{":2:10: ", "320x180 to 8192x8192"}},
		{"no YAML", "cameras: [\n", []string{":1:"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "camring.yaml")
			if err := os.WriteFile(file, []byte(c.yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, command := range []string{"run", "validate"} {
				_, errs, code := camring(t, 10*time.Second, command, "-c", file)
				if code != 78 {
					t.Errorf("%s: exit %d, want 78", command, code)
				}
				for _, want := range append(c.want, file) {
					if !strings.Contains(errs, want) {
						t.Errorf("%s: %q does not contain %q", command, errs, want)
					}
				}
			}
		})
	}
}

func TestMissingConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	_, errs, code := camring(t, 10*time.Second, "run", "-c", "/nonexistent/camring.yaml")
	if code != 78 || !strings.Contains(errs, "/nonexistent/camring.yaml") || !strings.Contains(errs, "no such file") {
		t.Errorf("exit %d: %q", code, errs)
	}
}

// badSource is one row of [TestFaultN34_BadSourceIsNamedAndTheOthersRun].
type badSource struct {
	name   string // of the camera
	url    string
	state  ring.State
	reason ring.Reason
	detail []string // what happened, and what to do
}

func badSources(t *testing.T, dir string) []badSource {
	t.Helper()
	file := func(name string, mode os.FileMode, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	closed := closedPort(t)
	silent := startScripted(t, func(request) string { return "" })
	audio := startScripted(t, describing("m=audio 0 RTP/AVP 8", "a=rtpmap:8 PCMA/8000", "a=control:trackID=0"))
	strange := startScripted(t, describing("m=video 0 RTP/AVP 96", "a=rtpmap:96 H263-1998/90000", "a=control:trackID=0"))
	empty := startScripted(t, func(r request) string { return "RTSP/1.0 404 Not Found\r\nCSeq: " + r.cseq + "\r\n\r\n" })

	huffyuv := filepath.Join(dir, "huffyuv.mkv")
	testutil.FFmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=5:duration=1", "-c:v", "huffyuv", huffyuv)
	sound := filepath.Join(dir, "sound.mkv")
	testutil.FFmpeg(t, "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "pcm_s16le", sound)
	if err := os.Chmod(huffyuv, 0o644); err != nil {
		t.Fatal(err)
	}
	secret := file("unreadable.mp4", 0, "nobody may read this")
	folder := filepath.Join(dir, "folder.mp4")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "pipe.mp4")
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	backoff, unsupported := ring.StateBackoff, ring.StateUnsupported
	return []badSource{
		{"refused", "rtsp://" + closed + "/p", backoff, ring.ReasonRefused, []string{closed, "connection refused", "check the port"}},
		{"silent", silent.url(), backoff, ring.ReasonTimeout, []string{silent.listener.Addr().String(), "no answer in time", "check that the camera is on"}},
		{"unknown-host", "rtsp://camera.invalid/p", backoff, ring.ReasonUnreachable, []string{"camera.invalid", "check the host name"}},
		{"no-stream", empty.url(), backoff, ring.ReasonNotFound, []string{"no such stream", "check the path"}},
		{"audio-only", audio.url(), unsupported, ring.ReasonNoVideo, []string{"no video track", "check the path"}},
		{"h263", strange.url(), unsupported, ring.ReasonCodec, []string{"H263-1998", "H.264"}},
		{"huffyuv", huffyuv, unsupported, ring.ReasonCodec, []string{huffyuv, "huffyuv", "convert it"}},
		{"sound", sound, unsupported, ring.ReasonNoVideo, []string{sound, "no video track"}},
		{"text", file("notes.mp4", 0o644, strings.Repeat("no video\n", 1000)), unsupported, ring.ReasonNotVideo, []string{"notes.mp4", "not a video file"}},
		{"nothing", file("empty.mp4", 0o644, ""), unsupported, ring.ReasonNotVideo, []string{"empty.mp4"}},
		{"folder", folder, unsupported, ring.ReasonNotVideo, []string{folder, "not a regular file"}},
		{"pipe", fifo, unsupported, ring.ReasonNotVideo, []string{fifo, "not a regular file"}},
		{"missing", filepath.Join(dir, "missing.mp4"), backoff, ring.ReasonNotFound, []string{"missing.mp4", "does not exist"}},
		{"unreadable", secret, backoff, ring.ReasonPermission, []string{secret, "may not be read by uid", "mode or owner"}},
	}
}

// hasBeen reports whether a camera has been in a state for a reason and still says why. The state
// itself may be over before anybody looks: the first pauses are short.
func hasBeen(c status.Camera, state ring.State, reason ring.Reason) bool {
	return c.Detail != "" && slices.ContainsFunc(c.History, func(h status.Change) bool {
		return h.State == state && h.Reason == reason
	})
}

// TestFaultN34_BadSourceIsNamedAndTheOthersRun has one camera per mistake, and one that works, in one
// camring that does not run as root.
func TestFaultN34_BadSourceIsNamedAndTheOthersRun(t *testing.T) {
	t.Parallel()
	dir := forNobody(t, "")
	rows := badSources(t, dir)
	var yaml strings.Builder
	rings := forNobody(t, "/dev/shm")
	fmt.Fprintf(&yaml, "redis: off\nhttp: {listen: off}\nring: {dir: %s}\ncameras:\n  good: test:pattern?size=320x180&fps=10\n", rings)
	for _, r := range rows {
		fmt.Fprintf(&yaml, "  %s: %s\n", r.name, r.url)
	}
	tr := startProcess(t, rings, writeConfig(t, yaml.String()), asNobody)
	for _, r := range rows {
		s := tr.until(25*time.Second, r.name+" is "+r.state.String(), func(s *status.Snapshot) bool {
			return hasBeen(find(s, r.name), r.state, r.reason)
		})
		c := find(s, r.name)
		for _, want := range r.detail {
			if !strings.Contains(c.Detail, want) {
				t.Errorf("%s: detail %q does not contain %q", r.name, c.Detail, want)
			}
		}
		if strings.Contains(c.Detail, strconv.Quote(r.name)) {
			t.Errorf("%s: detail %q names the camera, which stands beside it", r.name, c.Detail)
		}
		if c.State == r.state && c.RetryAt == nil {
			t.Errorf("%s: it is not said when the next attempt is", r.name)
		}
		if !strings.Contains(tr.log.String(), r.reason.String()) {
			t.Errorf("%s: the log does not say %v", r.name, r.reason)
		}
		t.Logf("%s: %v: %s", r.name, r.reason, c.Detail)
	}
	before := find(tr.until(10*time.Second, "the good camera is live", func(s *status.Snapshot) bool {
		return find(s, "good").State == ring.StateLive
	}), "good")
	after := find(tr.until(10*time.Second, "it goes on", func(s *status.Snapshot) bool {
		return find(s, "good").Published > before.Published+5
	}), "good")
	if len(after.History) != len(before.History) {
		t.Errorf("the good camera was disturbed: %+v", after.History)
	}
	// The reason does not vanish while the next attempt is under way, or nobody would ever see it.
	s := tr.until(15*time.Second, "the silent camera is tried again", func(s *status.Snapshot) bool {
		return find(s, "silent").State == ring.StateConnecting
	})
	if c := find(s, "silent"); !strings.Contains(c.Detail, "no answer in time") {
		t.Errorf("while it connects again, the silent camera's detail is %q", c.Detail)
	}
	for _, p := range s.Processes {
		if p.Restarts > 0 {
			t.Errorf("%s %d was restarted %d times", p.Role, p.Index, p.Restarts)
		}
	}
}

func TestFaultN12_WrongPasswordIsTriedTwiceAndParked(t *testing.T) {
	t.Parallel()
	clip := patternClip(t, 320, 180, 10, 20, 10)
	clips := map[string]string{"p": clip, "q": clip}
	locked, err := testcam.Start(testcam.Options{Clips: clips, Username: "admin", Password: "right"})
	if err != nil {
		t.Fatal(err)
	}
	defer locked.Close()
	open, err := testcam.Start(testcam.Options{Clips: clips, Username: "admin", Password: "right"})
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	tr := start(t, fmt.Sprintf(`redis: off
defaults: {username: admin, password: wrong}
cameras:
  parked: %s
  also: %s
  third: %[1]s
  good: {url: %[3]s, password: right}
  test: test:pattern?size=320x180&fps=10
`, locked.URL("p"), locked.URL("q"), open.URL("p")))
	s := tr.until(20*time.Second, "all cameras with the wrong password are parked, the others live", func(s *status.Snapshot) bool {
		for _, c := range s.Cameras {
			want := ring.StateAuthFailed
			if c.Name == "good" || c.Name == "test" {
				want = ring.StateLive
			}
			if c.State != want {
				return false
			}
		}
		return true
	})
	for _, name := range []string{"parked", "also", "third"} {
		c := find(s, name)
		if c.Reason != ring.ReasonBadCredentials || !strings.Contains(c.Detail, "check username and password") {
			t.Errorf("%s: reason %v, detail %q", name, c.Reason, c.Detail)
		}
		if c.RetryAt == nil || time.Until(*c.RetryAt) < 4*time.Minute {
			t.Errorf("%s: next attempt at %v, want five minutes from now", name, c.RetryAt)
		}
	}
	// Parked is parked: whoever tries again would do it while the others publish this much.
	more := find(s, "good").Published + 30
	tr.until(20*time.Second, "the good camera goes on", func(s *status.Snapshot) bool { return find(s, "good").Published > more })
	if n := locked.AuthAttempts(); n < 1 || n > 2 {
		t.Errorf("the password was tried %d times, want at most 2 for all cameras of one account", n)
	}
	if open.AuthAttempts() != 1 {
		t.Errorf("the right password was sent %d times, want once", open.AuthAttempts())
	}
}
