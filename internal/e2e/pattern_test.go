// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"camring/core/testpattern"
	"camring/internal/testutil"
	"camring/ring"
)

// patternClip encodes the test pattern as H.264 in MPEG-TS, one keyframe every gop pictures. Picture
// i carries the number i+1.
func patternClip(t *testing.T, width, height, fps, frames, gop int) string {
	t.Helper()
	testutil.Need(t, "ffmpeg")
	out := filepath.Join(t.TempDir(), "pattern.ts")
	cmd := exec.Command("ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y",
		"-f", "rawvideo", "-pix_fmt", "nv12", "-s", fmt.Sprintf("%dx%d", width, height), "-r", fmt.Sprint(fps), "-i", "-",
		"-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", fmt.Sprint(gop), "-keyint_min", fmt.Sprint(gop), "-sc_threshold", "0",
		"-pix_fmt", "yuv420p", "-b:v", "4M", "-maxrate", "6M", "-bufsize", "6M", out)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, width*height*3/2)
	for i := range frames {
		testpattern.Draw(testpattern.Picture{Y: buf, UV: buf[width*height:], Width: width, Height: height, YStride: width, UVStride: width}, uint64(i+1), int64(i))
		if _, err := in.Write(buf); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			break // ffmpeg says why
		}
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, errs.String())
	}
	return out
}

// goReader reads a camera's frames until stopped and checks every one: accepted pictures are whole
// (the pattern says so), sequences rise, and no packet is published twice.
type goReader struct {
	mu      sync.Mutex // guards below
	frames  int
	torn    int
	twice   int
	lapped  uint64
	order   int
	last    ring.FrameDesc
	at      time.Time // when the newest frame was seen
	numbers []uint64  // of the pattern, in order
	runs    map[uint32]int
	err     error

	stop chan struct{}
	done chan struct{}
}

func readPattern(path string) *goReader {
	g := &goReader{runs: map[uint32]int{}, stop: make(chan struct{}), done: make(chan struct{})}
	go g.run(path)
	return g
}

func (g *goReader) run(path string) {
	defer close(g.done)
	r, err := ring.OpenFrames(path, ring.ReaderOptions{Name: "e2e"})
	if err != nil {
		g.mu.Lock()
		g.err = err
		g.mu.Unlock()
		return
	}
	defer func() { _ = r.Close() }()
	packets := map[uint64]bool{}
	for {
		select {
		case <-g.stop:
			return
		default:
		}
		f, err := r.Next(100 * time.Millisecond)
		if errors.Is(err, ring.ErrTimeout) {
			continue
		}
		if err != nil {
			g.mu.Lock()
			g.err = err
			g.mu.Unlock()
			return
		}
		reading, rerr := testpattern.Read(f.Plane(0), int(f.Width), int(f.Height), int(f.PlaneStride[0]))
		valid := f.Valid()
		g.mu.Lock()
		if !valid {
			g.lapped++
			g.mu.Unlock()
			continue
		}
		g.frames++
		g.at = time.Now()
		if rerr != nil {
			g.torn++
			g.err = fmt.Errorf("sequence %d: %w", f.Seq, rerr)
		}
		if f.Seq <= g.last.Seq {
			g.order++
		}
		if f.PacketSeq != 0 && packets[f.PacketSeq] {
			g.twice++
		}
		packets[f.PacketSeq] = true
		g.numbers = append(g.numbers, reading.Number)
		g.lapped += f.Missed
		g.runs[f.RunID]++
		g.last = f.FrameDesc
		g.mu.Unlock()
	}
}

// newest is the newest frame and when it was seen.
func (g *goReader) newest() (ring.FrameDesc, time.Time, int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last, g.at, g.frames
}

// end stops the reader and fails the test if anything was wrong.
func (g *goReader) end(t *testing.T) {
	t.Helper()
	close(g.stop)
	<-g.done
	if g.err != nil || g.torn > 0 || g.twice > 0 || g.order > 0 {
		t.Errorf("Go reader: %d frames, %d torn, %d published twice, %d out of order, last error %v", g.frames, g.torn, g.twice, g.order, g.err)
	}
	if g.frames == 0 {
		t.Error("Go reader saw no frame")
	}
	t.Logf("Go reader: %d frames of runs %v, %d lapped, none torn, none twice", g.frames, g.runs, g.lapped)
}

// pythonReader is a Python process that reads a camera through the client library and prints a line
// for each frame it accepts.
type pythonReader struct {
	cmd *exec.Cmd
	out *logBuffer
}

const pythonProgram = `
import sys, camring
with camring.open(sys.argv[1], dir=sys.argv[2], name="e2e-python") as reader:
    print("ready", flush=True)
    for frame in reader:
        luma = frame.luma
        total = int(luma[0].sum()) + int(luma[-1].sum())
        if frame.valid():
            print("frame", frame.sequence, frame.packet_sequence, frame.run_id, total, flush=True)
`

func readPython(t *testing.T, dir, camera string) *pythonReader {
	t.Helper()
	testutil.Need(t, "/usr/bin/python3")
	p := &pythonReader{out: &logBuffer{}}
	p.cmd = exec.Command("/usr/bin/python3", "-c", pythonProgram, camera, dir)
	src, err := filepath.Abs("../../clients/python")
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Env = append(os.Environ(), "PYTHONPATH="+src, "PYTHONDONTWRITEBYTECODE=1")
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "the Python reader is attached", func() bool {
		return bytes.Contains([]byte(p.out.String()), []byte("ready"))
	}, p.out.String)
	return p
}

// frames returns what the reader has printed so far: sequence, packet sequence and run of each frame.
func (p *pythonReader) frames(t *testing.T) (list [][3]uint64) {
	t.Helper()
	for line := range bytes.SplitSeq([]byte(p.out.String()), []byte("\n")) {
		var seq, packet, run, sum uint64
		if n, _ := fmt.Sscanf(string(line), "frame %d %d %d %d", &seq, &packet, &run, &sum); n == 4 {
			list = append(list, [3]uint64{seq, packet, run})
		}
	}
	return list
}

func (p *pythonReader) end() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}
