// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	socketName  = "redis.sock"
	socketRoom  = 107 // bytes in sockaddr_un.sun_path, less the final NUL
	healthyFor  = 30 * time.Second
	termTimeout = 500 * time.Millisecond // SIGTERM, then SIGKILL: stopped within a second
)

// ErrNoServer reports that neither redis-server nor valkey-server is in PATH. Frames do not need it;
// metadata does.
var ErrNoServer = errors.New("neither redis-server nor valkey-server is installed: " +
	"install one (apt-get install redis-server), name a Redis in the configuration, or write redis: off")

// PrivateOptions say how [StartPrivate] runs its Redis.
type PrivateOptions struct {
	Dir string // for the socket; made with mode 0700 if it is missing
	Log *slog.Logger
}

// Private is a Redis of our own: a child process on a UNIX socket that only this user can open, without
// persistence. It is started again when it dies, and does not outlive this process.
type Private struct {
	binary string
	dir    string
	socket string
	log    *slog.Logger
	done   chan struct{}
	pid    atomic.Int64
	starts atomic.Int64
}

// StartPrivate looks for redis-server, then valkey-server, in PATH and keeps one running until ctx ends.
// It returns before the server listens: a [Publisher] waits for it as for any other Redis. It returns
// [ErrNoServer] if there is none.
func StartPrivate(ctx context.Context, o PrivateOptions) (*Private, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("private redis: %w", err)
	}
	p := &Private{dir: dir, socket: filepath.Join(dir, socketName), log: o.Log, done: make(chan struct{})}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	for _, name := range []string{"redis-server", "valkey-server"} {
		if p.binary, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if err != nil {
		return nil, ErrNoServer
	}
	if len(p.socket) > socketRoom {
		return nil, fmt.Errorf("private redis: the path of its socket %s has %d bytes, the kernel takes %d: use a shorter directory",
			p.socket, len(p.socket), socketRoom)
	}
	if strings.ContainsAny(p.dir, "\"\\\n\r") {
		return nil, fmt.Errorf("private redis: directory %q has a character that its configuration cannot hold", p.dir)
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, fmt.Errorf("private redis: %w", err)
	}
	go p.keep(ctx)
	return p, nil
}

// Target is where the server listens.
func (p *Private) Target() Target { return Target{Network: "unix", Addr: p.socket} }

// PID is the server's process id, 0 while there is none. It may be stale when it returns.
func (p *Private) PID() int { return int(p.pid.Load()) }

// Starts is how often the server has been started.
func (p *Private) Starts() int { return int(p.starts.Load()) }

// Done is closed when the server has gone for good and its socket is removed, within a second of the end
// of ctx.
func (p *Private) Done() <-chan struct{} { return p.done }

// config is the server's whole configuration. It goes through standard input: ps shows nothing of it.
//
// noeviction, because what an eviction takes is a whole stream, the consumer groups on it included, and
// nobody is told; a refused XADD is seen, waits in the ring and is sent later. The streams are
// trimmed anyway: 256 MB is about 900 cameras of 1000 records, at 258 bytes a record (MEMORY USAGE).
func (p *Private) config() string {
	return fmt.Sprintf(`port 0
unixsocket "%s"
unixsocketperm 600
dir "%s"
daemonize no
databases 1
save ""
appendonly no
maxmemory 256mb
maxmemory-policy noeviction
maxclients 256
loglevel warning
logfile ""
always-show-logo no
`, p.socket, p.dir)
}

// keep starts the server again and again.
//
// Thread: locked to its OS thread for as long as there is a child, because the death signal of a child is
// sent when the thread that started it ends, not the process.
// Stops:  when ctx ends.
func (p *Private) keep(ctx context.Context) {
	runtime.LockOSThread()
	// Given back, not ended with the goroutine: the thread may have started other children before, whose
	// death signal would be sent.
	defer runtime.UnlockOSThread()
	defer close(p.done)
	defer func() { _ = os.Remove(p.socket) }()
	for deaths := 0; ; deaths++ {
		began := time.Now()
		err := p.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > healthyFor {
			deaths = 0
		}
		wait := backoff(deaths)
		p.log.LogAttrs(ctx, slog.LevelWarn, "private redis ended, starting it again",
			slog.String("program", p.binary), slog.Any("err", err), slog.Duration("backoff", wait))
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// once runs the server until it ends, at the latest when ctx does.
func (p *Private) once(ctx context.Context) error {
	_ = os.Remove(p.socket) // of a server that was killed
	cmd := exec.Command(p.binary, "-")
	cmd.Stdin = strings.NewReader(p.config())
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.Dir = p.dir
	// A group of its own: Ctrl-C in a terminal goes to us, who still have records to send.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	said := &lastLine{log: p.log}
	cmd.Stdout, cmd.Stderr = said, said
	cmd.WaitDelay = termTimeout
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.binary, err)
	}
	p.starts.Add(1)
	p.pid.Store(int64(cmd.Process.Pid))
	defer p.pid.Store(0)

	ended := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(termTimeout):
			_ = cmd.Process.Kill()
		}
	}()
	err := cmd.Wait()
	close(ended)
	<-stopped
	switch {
	case err == nil:
		err = errors.New("it stopped by itself")
	case said.line != "":
		err = fmt.Errorf("%w: %s", err, said.line)
	}
	return err
}

// lastLine logs what the server says and keeps the last line. Only the goroutine of exec.Cmd writes, and
// it has ended when Wait returns.
type lastLine struct {
	log  *slog.Logger
	line string
}

func (l *lastLine) Write(b []byte) (int, error) {
	lines := bufio.NewScanner(strings.NewReader(string(b)))
	for lines.Scan() {
		if text := strings.TrimSpace(lines.Text()); text != "" {
			l.line = text
			l.log.Debug("private redis", slog.String("said", text))
		}
	}
	return len(b), nil
}

var _ io.Writer = (*lastLine)(nil)
