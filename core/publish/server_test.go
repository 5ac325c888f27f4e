// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/redis/rueidis"

	"camring/internal/testutil"
	"camring/ring"
)

// server is a real redis-server on a UNIX socket that syncs every command to its append-only file, so
// that SIGKILL loses nothing it has confirmed.
type server struct {
	t       *testing.T
	program string
	dir     string
	socket  string
	cmd     *exec.Cmd
}

func newServer(t *testing.T) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "pub") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, program: testutil.Need(t, "redis-server"), dir: dir, socket: filepath.Join(dir, "s")}
	t.Cleanup(func() {
		s.kill()
		os.RemoveAll(dir)
	})
	return s
}

// start starts the server and waits until it answers. Starting it again keeps its data.
func (s *server) start() *server {
	s.t.Helper()
	s.cmd = exec.Command(s.program, "--port", "0", "--unixsocket", s.socket, "--dir", s.dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "always", "--enable-debug-command", "yes")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "redis-server to answer", func() bool {
		c, err := connect(context.Background(), s.target())
		if err != nil {
			return false
		}
		defer c.close()
		return c.do(c.client.B().Ping().Build())[0].Error() == nil
	})
	return s
}

func (s *server) target() Target { return Target{Network: "unix", Addr: s.socket} }

func (s *server) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// run sends one command on a connection of its own.
func (s *server) run(words ...string) rueidis.RedisResult {
	s.t.Helper()
	c, err := connect(context.Background(), s.target())
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.close()
	return c.do(c.client.B().Arbitrary(words...).Build())[0]
}

func (s *server) must(words ...string) {
	s.t.Helper()
	if err := s.run(words...).Error(); err != nil {
		s.t.Fatalf("%v: %v", words, err)
	}
}

func (s *server) length(stream string) uint64 {
	n, _ := s.run("XLEN", stream).AsInt64()
	return uint64(n)
}

func (s *server) entries(stream string) []rueidis.XRangeEntry {
	s.t.Helper()
	list, err := s.run("XRANGE", stream, "-", "+").AsXRange()
	if err != nil {
		s.t.Fatalf("XRANGE %s: %v", stream, err)
	}
	return list
}

// wantFrames checks that the stream holds exactly the frames from..to of an epoch, each once, in order.
func (s *server) wantFrames(stream string, ms int64, from, to uint64) {
	s.t.Helper()
	wantFrames(s.t, stream, s.entries(stream), ms, from, to)
}

func wantFrames(t *testing.T, stream string, got []rueidis.XRangeEntry, ms int64, from, to uint64) {
	t.Helper()
	if want := int(to - from + 1); len(got) != want {
		t.Errorf("%s: got %d records, want %d", stream, len(got), want)
	}
	for i, e := range got {
		seq := from + uint64(i)
		if want := strconv.FormatInt(ms, 10) + "-" + strconv.FormatUint(seq, 10); e.ID != want {
			t.Fatalf("%s: record %d: got id %s, want %s", stream, i, e.ID, want)
		}
		if e.FieldValues["seq"] != strconv.FormatUint(seq, 10) || e.FieldValues["event"] != "" {
			t.Fatalf("%s: record %d: got %v, want frame %d", stream, i, e.FieldValues, seq)
		}
	}
}

// running starts a publisher; stop ends it, waits, and may be called twice.
func running(t *testing.T, o Options) (p *Publisher, stop func()) {
	t.Helper()
	o.Log = testLog(t)
	if o.MaxLen == 0 {
		o.MaxLen = 1_000_000 // tests count every record
	}
	p = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return p, stop
}

func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func gapFlag(d *ring.FrameDesc) {
	d.Flags |= ring.FlagGap
	d.Reason, d.GapState, d.GapMissing = ring.ReasonTimeout, ring.StateBackoff, 7
}
