// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"camring/core/control"
)

const (
	roleReceiver = "receiver"
	roleWorker   = "worker"

	camerasPerReceiver = 32
	camerasPerWorker   = 8

	restartMin   = 100 * time.Millisecond
	restartMax   = 5 * time.Second
	restartReset = 10 * time.Second // a process that lived so long starts its successor at once
	helloWithin  = 5 * time.Second
)

// process is one child and the cameras it serves. The supervisor's loop owns it.
type process struct {
	role    string
	index   int
	cameras []*camera
	log     *slog.Logger

	cmd       *exec.Cmd // nil while it is not running
	conn      *control.Conn
	life      uint64 // counts the children of this process, so that late news of an old one are recognised
	ready     bool   // hello has come
	started   time.Time
	restarts  uint64
	quick     int // deaths in a row soon after a start
	restartAt time.Time
}

// event is news from a child, or of its end.
type event struct {
	p    *process
	life uint64
	msg  control.Message
	exit error // what Wait said
	gone bool
}

// spawn starts the child. Its messages and its end come as events.
func (p *process) spawn(s *spawner, worker string, events chan<- event, logLine func(*process, string)) error {
	conn, theirs, err := control.Pair()
	if err != nil {
		return err
	}
	defer func() { _ = theirs.Close() }()
	path, args := "/proc/self/exe", []string{"camring", "receive"}
	if p.role == roleWorker {
		path, args = worker, []string{"camring-worker"}
	}
	cmd := &exec.Cmd{
		Path: path, Args: args, Env: childEnv(p.role, len(p.cameras)),
		ExtraFiles:  []*os.File{theirs}, // becomes control.FD
		SysProcAttr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	}
	cmd.Stderr = &lines{emit: func(text string) { logLine(p, text) }}
	cmd.WaitDelay = time.Second
	if err := s.Start(cmd); err != nil {
		_ = conn.Close()
		return fmt.Errorf("start %s: %w", p.role, err)
	}
	p.life++
	p.cmd, p.conn, p.ready, p.started = cmd, conn, false, time.Now()
	go watch(p, p.life, cmd, conn, events)
	return nil
}

// watch passes a child's messages on and reports its end.
//
// Stops: when the child has ended; the loop reads its events until the last child has.
func watch(p *process, life uint64, cmd *exec.Cmd, conn *control.Conn, events chan<- event) {
	for {
		m, err := conn.Receive()
		if err != nil {
			break
		}
		events <- event{p: p, life: life, msg: m}
	}
	// The socket is closed: the child has ended, or is about to, or has gone mad.
	kill := time.AfterFunc(killAfter, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	kill.Stop()
	_ = conn.Close()
	events <- event{p: p, life: life, gone: true, exit: err}
}

// send tells the child something; one that does not read within a second hangs, and is killed.
func (p *process) send(m control.Message) {
	if p.conn == nil {
		return
	}
	if err := p.conn.Send(m); err != nil {
		p.log.LogAttrs(context.Background(), slog.LevelError, "child does not listen, killing it", slog.String("err", err.Error()))
		_ = p.cmd.Process.Kill()
	}
}

// died notes the end of the child and decides when the next one starts.
func (p *process) died(now time.Time) {
	p.cmd, p.conn, p.ready = nil, nil, false
	p.restarts++
	if now.Sub(p.started) > restartReset {
		p.quick = 0
	}
	wait := time.Duration(0) // the first death is repaired at once
	if p.quick > 0 {
		wait = min(restartMin<<min(p.quick-1, 10), restartMax)
	}
	p.quick++
	p.restartAt = now.Add(wait)
}

// childEnv is what a child needs of our environment, and nothing else: ours may hold passwords.
func childEnv(role string, cameras int) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "LANG", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "GOCOVERDIR", "ASAN_OPTIONS", "GOTRACEBACK"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	if role == roleWorker {
		// Threads that sleep in C keep no P; more than these would only add garbage collector threads.
		env = append(env, "GOMAXPROCS="+strconv.Itoa(min(runtime.NumCPU(), cameras+2)))
	}
	return env
}

// findWorker returns the path of camring-worker: what the caller says, or beside this program, or in
// PATH.
func findWorker(explicit string) (string, error) {
	if explicit != "" {
		return explicit, nil
	}
	self, err := os.Executable()
	if err == nil {
		beside := filepath.Join(filepath.Dir(self), "camring-worker")
		if _, err := os.Stat(beside); err == nil {
			return beside, nil
		}
	}
	path, err := exec.LookPath("camring-worker")
	if err != nil {
		return "", fmt.Errorf("camring-worker is neither beside %s nor in PATH: build both with make build", self)
	}
	return path, nil
}

// lines cuts what a child writes to stderr (a panic, a library's complaint) into lines.
type lines struct {
	emit func(string)
	part []byte
}

const maxLogLine = 2048

func (l *lines) Write(b []byte) (int, error) {
	l.part = append(l.part, b...)
	for {
		i := bytes.IndexByte(l.part, '\n')
		if i < 0 {
			break
		}
		l.emit(string(l.part[:min(i, maxLogLine)]))
		l.part = l.part[i+1:]
	}
	if len(l.part) > maxLogLine {
		l.emit(string(l.part[:maxLogLine]))
		l.part = l.part[:0]
	}
	return len(b), nil
}
