// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // as in tap.go
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"camring/core/api"
	"camring/core/status"
	"camring/ring"
)

// camring runs a command line and returns its exit code and what it printed.
func camring(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	code = execute(ctx, args, &out, &errs)
	return code, out.String(), errs.String()
}

func newWriter(t *testing.T, dir string) *ring.FrameWriter {
	t.Helper()
	w, err := ring.OpenFrameWriter(ring.FrameConfig{Dir: dir, Camera: "front", Output: "main", Slots: 4, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	w.SetState(ring.StateLive, ring.ReasonNone)
	return w
}

// publish publishes a picture of one colour in limited-range BT.601, and returns it without padding.
// The padding is not black, so that it cannot be taken for pixels.
func publish(t *testing.T, w *ring.FrameWriter, width, height int, y, u, v byte) []byte {
	t.Helper()
	d := ring.FrameDesc{PTSNS: int64(w.Head()) * 40e6, Matrix: 6, Range: ring.RangeLimited}
	size, err := ring.NV12Layout(&d, width, height)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Fit(size); err != nil {
		t.Fatal(err)
	}
	slot, err := w.Claim()
	if err != nil {
		t.Fatal(err)
	}
	for i := range slot.Mem {
		slot.Mem[i] = 0xEE
	}
	var packed []byte
	fill := func(plane int, bytes ...byte) {
		rows, rowBytes := d.PlaneSize(plane)
		for row := range rows {
			line := slot.Mem[d.PlaneOffset[plane]+uint64(row)*uint64(d.PlaneStride[plane]):][:rowBytes]
			for i := range line {
				line[i] = bytes[i%len(bytes)]
			}
			packed = append(packed, line...)
		}
	}
	fill(0, y)
	fill(1, u, v)
	if err := w.Publish(slot, &d); err != nil {
		t.Fatal(err)
	}
	return packed
}

// whileTapped runs tap, and f once tap waits for w's next frame: what f publishes, tap sees.
func whileTapped(t *testing.T, dir string, w *ring.FrameWriter, f func(), args ...string) (code int, stdout, stderr string) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		code, stdout, stderr = camring(t, append([]string{"tap", "front", "--ring-dir", dir, "--timeout", "30s"}, args...)...)
	}()
	waitForReader(t, w)
	f()
	<-done
	return code, stdout, stderr
}

// waitForReader returns when a reader sleeps on w's ring: only then does the writer call a wake.
func waitForReader(t *testing.T, w *ring.FrameWriter) {
	t.Helper()
	r, err := ring.OpenFrames(w.Path(), ring.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	before := r.Counter(ring.CountWakes)
	for deadline := time.Now().Add(20 * time.Second); r.Counter(ring.CountWakes) == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody waits for a frame")
		}
		w.SetState(ring.StatePriming, ring.ReasonNone)
		w.SetState(ring.StateLive, ring.ReasonNone)
	}
}

func line(seq int, format string, packed []byte) string {
	sum := md5.Sum(packed) //nolint:gosec // as in tap.go
	return fmt.Sprintf("%d %d %s %s\n", seq, (seq-1)*40e6, format, hex.EncodeToString(sum[:]))
}

func TestTapPrintsTheMD5OfThePixelsWithoutPadding(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir)
	publish(t, w, 66, 50, 1, 2, 3)
	var want string
	code, stdout, stderr := whileTapped(t, dir, w, func() {
		if readers, err := ring.Readers(w.Path()); err != nil || len(readers) != 1 || readers[0].Name != "tap" {
			t.Errorf("registered readers: %v, %v; want tap", readers, err)
		}
		want = line(2, "66 50 NV12", publish(t, w, 66, 50, 40, 90, 160)) + line(3, "66 50 NV12", publish(t, w, 66, 50, 41, 91, 161))
	}, "--frames", "2", "--md5")
	if code != exitOK || stdout != want || stderr != "" {
		t.Errorf("exit %d\n%s%s\nwant\n%s", code, stdout, stderr, want)
	}
}

func TestTapBeginsWithTheFirstFrameOfARingThatAppears(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir)
	done := make(chan string)
	go func() {
		_, stdout, stderr := camring(t, "tap", "front", "--ring-dir", dir, "--timeout", "30s", "--frames", "3")
		done <- stdout + stderr
	}()
	// Whether tap looks before or after the first picture is up to the scheduler; only if before, it
	// must not miss it. The ring has slots for all three.
	time.Sleep(5 * lookEvery)
	for range 3 {
		publish(t, w, 64, 48, 1, 2, 3)
	}
	if got, want := <-done, "1 0 64 48 NV12 -\n2 40000000 64 48 NV12 -\n3 80000000 64 48 NV12 -\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTapWritesRawPixels(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir)
	publish(t, w, 64, 48, 1, 2, 3)
	file := filepath.Join(t.TempDir(), "raw")
	var want []byte
	frames := func() { want = append(publish(t, w, 64, 48, 4, 5, 6), publish(t, w, 64, 48, 7, 8, 9)...) }
	if code, stdout, _ := whileTapped(t, dir, w, frames, "--frames", "2", "--raw", file); code != exitOK || strings.Count(stdout, "\n") != 2 {
		t.Errorf("exit %d, %s", code, stdout)
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Errorf("file has %d bytes, want %d, %v", len(got), len(want), err)
	}
	code, stdout, stderr := whileTapped(t, dir, w, frames, "--frames", "2", "--raw", "-")
	if code != exitOK || stdout != string(want) || strings.Count(stderr, "NV12 -\n") != 2 {
		t.Errorf("to stdout: exit %d, %d bytes, want %d; %s", code, len(stdout), len(want), stderr)
	}
}

func TestTapReportsGapsAndTheEnd(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir)
	publish(t, w, 64, 48, 1, 2, 3)
	events := func() {
		publish(t, w, 64, 48, 1, 2, 3)
		if err := w.PublishGap(&ring.FrameDesc{Reason: ring.ReasonConnectionLost, GapState: ring.StateStalled, GapMissing: 25}); err != nil {
			t.Error(err)
		}
		w.SetState(ring.StateEnded, ring.ReasonEndOfFile)
	}
	code, stdout, stderr := whileTapped(t, dir, w, events)
	if code != exitOK || stdout != "2 40000000 64 48 NV12 -\n" ||
		!strings.Contains(stderr, "gap at sequence 3: 25 frames missing, stalled connection_lost") || !strings.Contains(stderr, "ended after 1 frames") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	w.SetState(ring.StateLive, ring.ReasonNone)
	code, _, stderr = whileTapped(t, dir, w, events, "--frames", "5")
	if code != exitFailure || !strings.Contains(stderr, "after 1 frames of 5") {
		t.Errorf("too few: exit %d, %s", code, stderr)
	}
}

// slowOutput lets the writer lap tap while tap prints its first line.
type slowOutput struct {
	bytes.Buffer
	meanwhile func()
}

func (s *slowOutput) Write(p []byte) (int, error) {
	if s.meanwhile != nil {
		s.meanwhile()
		s.meanwhile = nil
	}
	return s.Buffer.Write(p)
}

func TestTapCountsLappedFrames(t *testing.T) {
	for _, c := range []struct {
		name         string
		latest       bool
		second, note string
	}{
		{"in order it says how many it lost", false, "12 ", "9 frames lapped, 9 in all"},
		{"with --latest they are left out on purpose", true, "12 ", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			w := newWriter(t, dir)
			publish(t, w, 64, 48, 1, 2, 3)
			published := make(chan struct{}) // the second frame, by the test itself: a writer has one owner
			if c.latest {
				close(published)
			}
			out := &slowOutput{meanwhile: func() {
				<-published
				for range 10 { // sequences 3 to 12 in a ring of 4 slots
					publish(t, w, 64, 48, 1, 2, 3)
				}
			}}
			var notes bytes.Buffer
			f := tapFlags{output: "main", frames: 2, timeout: 30 * time.Second, latest: c.latest}
			if c.latest { // begins with what is there
				publish(t, w, 64, 48, 1, 2, 3)
				if err := tap(t.Context(), dir, "front", f, out, &notes); err != nil {
					t.Fatal(err)
				}
			} else {
				done := make(chan error)
				go func() { done <- tap(t.Context(), dir, "front", f, out, &notes) }()
				waitForReader(t, w)
				publish(t, w, 64, 48, 1, 2, 3)
				close(published)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			lines := strings.Split(out.String(), "\n")
			if !strings.HasPrefix(lines[0], "2 ") || !strings.HasPrefix(lines[1], c.second) ||
				!strings.Contains(notes.String(), c.note) || (c.note == "") != (notes.Len() == 0) {
				t.Errorf("got %q and %q", lines, notes.String())
			}
		})
	}
}

func TestTapSaysWhyNothingComes(t *testing.T) {
	dir := t.TempDir()
	other := newWriter(t, dir)
	publish(t, other, 64, 48, 1, 2, 3)
	other.SetState(ring.StateStalled, ring.ReasonNoPackets)
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"no such ring, but others", []string{"yard"}, []string{"yard", dir, "front (main)", "camring list"}},
		{"no such output", []string{"front", "--output", "small"}, []string{`"small"`, "front (main)"}},
		{"no ring at all", []string{"yard", "--ring-dir", t.TempDir()}, []string{"camring run"}},
		{"a camera that stands still", []string{"front"}, []string{"stalled", "no_packets"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := camring(t, append([]string{"tap", "--timeout", "50ms", "--ring-dir", dir}, c.args...)...)
			if code != exitFailure || stdout != "" || strings.Count(stderr, "camring: ") != 1 {
				t.Errorf("exit %d, %q, %q", code, stdout, stderr)
			}
			for _, want := range c.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("no %q in: %s", want, stderr)
				}
			}
		})
	}
}

// closedPipe is a stdout that nobody reads any more.
type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}
}

func TestClosedPipeEndsQuietly(t *testing.T) {
	var errs bytes.Buffer
	if code := execute(t.Context(), []string{"version"}, closedPipe{}, &errs); code != exitOK || errs.Len() != 0 {
		t.Errorf("exit %d, %q", code, errs.String())
	}
}

func TestSnapshotHasTheColoursOfTheCamera(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir)
	publish(t, w, 66, 50, 81, 90, 240) // red in limited-range BT.601
	for _, name := range []string{"out.png", "out.JPG"} {
		path := filepath.Join(t.TempDir(), name)
		code, stdout, stderr := camring(t, "snapshot", "front", path, "--ring-dir", dir)
		if code != exitOK || stdout+stderr != "" {
			t.Fatalf("%s: exit %d, %s%s", name, code, stdout, stderr)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := image.Decode(f)
		_ = f.Close()
		if err != nil || img.Bounds().Dx() != 66 || img.Bounds().Dy() != 50 {
			t.Fatalf("%s: %v, %v", name, img, err)
		}
		r, g, b, _ := img.At(33, 25).RGBA()
		if r>>8 < 250 || g>>8 > 5 || b>>8 > 5 {
			t.Errorf("%s: colour %d %d %d, want red", name, r>>8, g>>8, b>>8)
		}
	}
}

func TestSnapshotSaysWhenThePictureIsOld(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir)
	publish(t, w, 64, 48, 1, 2, 3)
	w.SetState(ring.StateStalled, ring.ReasonNoPackets)
	code, _, stderr := camring(t, "snapshot", "front", filepath.Join(t.TempDir(), "a.png"), "--ring-dir", dir)
	if code != exitOK || !strings.Contains(stderr, "stalled (no_packets)") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func TestWrongUse(t *testing.T) {
	for _, args := range [][]string{
		{"tap"},
		{"tap", "../x"},
		{"tap", "front", "back"},
		{"tap", "front", "--frames", "-1"},
		{"nonsense"},
		{"snapshot", "front"},
		{"snapshot", "front", "out.gif"},
		{"list", "--yaml"},
		{"validate", "extra"},
	} {
		code, stdout, stderr := camring(t, args...)
		if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "camring: ") || !strings.Contains(stderr, "--help") {
			t.Errorf("%q: exit %d, %q, %q", args, code, stdout, stderr)
		}
	}
}

func TestValidate(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	write(t, good, "cameras:\n  front: rtsp://user:secret@10.0.0.5/main\n  demo: {url: 'test:pattern', slots: 4}\n")
	write(t, bad, "cameras:\n  front: {ulr: rtsp://10.0.0.5/main}\nredsi: {}\n")
	code, stdout, stderr := camring(t, "validate", "-c", good)
	if code != exitOK || stderr != "" || !strings.Contains(stdout, "good.yaml is valid") || !strings.Contains(stdout, "rtsp://10.0.0.5/main") ||
		!strings.Contains(stdout, "37 MB") || strings.Contains(stdout, "secret") {
		t.Errorf("good: exit %d\n%s%s", code, stdout, stderr)
	}
	code, stdout, _ = camring(t, "validate", "-c", good, "--json")
	var v validation
	if err := json.Unmarshal([]byte(stdout), &v); err != nil || code != exitOK || len(v.Cameras) != 2 || v.Cameras[0].Name != "demo" || v.Cameras[0].Slots != 4 {
		t.Errorf("json: exit %d, %v\n%s", code, err, stdout)
	}
	code, stdout, stderr = camring(t, "validate", "-c", bad)
	if code != exitBadConfig || stdout != "" || !strings.Contains(stderr, "camring: "+bad+":2:") || !strings.Contains(stderr, "camring: "+bad+":3:") {
		t.Errorf("bad: exit %d\n%s%s", code, stdout, stderr)
	}
	if code, _, stderr = camring(t, "validate", "-c", filepath.Join(dir, "none.yaml")); code != exitBadConfig || !strings.Contains(stderr, "none.yaml") {
		t.Errorf("missing: exit %d\n%s", code, stderr)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestListAndTopAskTheRunningCamring(t *testing.T) {
	dir := t.TempDir()
	for _, command := range []string{"list", "top"} {
		code, stdout, stderr := camring(t, command, "--ring-dir", dir)
		if code != exitFailure || stdout != "" || !strings.Contains(stderr, "`camring run`") || !strings.Contains(stderr, dir) {
			t.Errorf("%s without a camring: exit %d, %q, %q", command, code, stdout, stderr)
		}
	}
	listeners, err := api.Listen("", dir)
	if err != nil {
		t.Fatal(err)
	}
	snap := &status.Snapshot{
		Time: time.Now(), Version: "v9",
		Cameras: []status.Camera{{Name: "front", State: ring.StateBackoff, Reason: ring.ReasonRefused, Published: 77, Source: "rtsp://10.0.0.5/main"}},
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = api.New(func() *status.Snapshot { return snap }, slog.New(slog.DiscardHandler)).Serve(ctx, listeners...)
	}()
	defer func() { cancel(); <-done }()
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"list"}, []string{"CAMERA", "front", "backoff", "refused", "77", "rtsp://10.0.0.5/main"}},
		{[]string{"list", "--json"}, []string{`"name": "front"`, `"published_total": 77`}},
		{[]string{"top", "--once"}, []string{"camring v9", "front", "backoff: refused"}},
		{[]string{"top"}, []string{"camring v9"}},
	} {
		code, stdout, stderr := camring(t, append(c.args, "--ring-dir", dir)...)
		if code != exitOK || stderr != "" || strings.Contains(stdout, "\x1b") {
			t.Errorf("%q: exit %d, %q", c.args, code, stderr)
		}
		for _, want := range c.want {
			if !strings.Contains(stdout, want) {
				t.Errorf("%q: no %q in\n%s", c.args, want, stdout)
			}
		}
	}
}

func TestCleanRemovesEverythingThatIsNotInUse(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir)
	publish(t, w, 64, 48, 1, 2, 3)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: filepath.Join(dir, "redis.sock")})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)

	code, stdout, stderr := camring(t, "clean", "--dir", dir)
	if code != exitFailure || stdout != "" || !strings.Contains(stderr, w.Path()+" has a writer") || !strings.Contains(stderr, "redis.sock is answered") {
		t.Errorf("in use: exit %d, %q, %q", code, stdout, stderr)
	}
	lock, err := ring.LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	_ = l.Close()
	code, stdout, stderr = camring(t, "clean", "--ring-dir", dir)
	if code != exitFailure || stdout != "" || !strings.Contains(stderr, "another camring runs in "+dir) {
		t.Errorf("camring runs: exit %d, %q, %q", code, stdout, stderr)
	}
	_ = lock.Close()
	code, stdout, stderr = camring(t, "clean", "--ring-dir", dir)
	if want := w.Path() + "\n" + filepath.Join(dir, "redis.sock") + "\n"; code != exitOK || stdout != want || stderr != "" {
		t.Errorf("left behind: exit %d, %q, %q; want %q", code, stdout, stderr, want)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("still there: %v, %v", left, err)
	}
	if code, stdout, stderr = camring(t, "clean", "--dir", filepath.Join(dir, "none")); code != exitOK || stdout+stderr != "" {
		t.Errorf("no directory: exit %d, %q, %q", code, stdout, stderr)
	}
}

func TestVersionAndCompletion(t *testing.T) {
	if code, stdout, _ := camring(t, "version"); code != exitOK || !strings.HasPrefix(stdout, "camring ") {
		t.Errorf("exit %d, %q", code, stdout)
	}
	_, stdout, _ := camring(t, "version", "--json")
	var v map[string]string
	if err := json.Unmarshal([]byte(stdout), &v); err != nil || v["version"] == "" {
		t.Errorf("%v, %q", err, stdout)
	}
	dir := t.TempDir()
	publish(t, newWriter(t, dir), 64, 48, 1, 2, 3)
	if _, stdout, _ := camring(t, "__complete", "--ring-dir", dir, "tap", ""); !strings.Contains(stdout, "front\n") {
		t.Errorf("completion of a camera: %q", stdout)
	}
	if code, stdout, _ := camring(t, "completion", "bash"); code != exitOK || !strings.Contains(stdout, "camring") {
		t.Errorf("completion: exit %d", code)
	}
}

func TestErrorsArePrintedOnceEach(t *testing.T) {
	var b bytes.Buffer
	printError(&b, errors.Join(errors.New("one"), io.EOF))
	if got := b.String(); got != "camring: one\ncamring: EOF\n" {
		t.Errorf("got %q", got)
	}
}
