// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"camring/core/status"
	"camring/ring"
)

var bin string // directory of the built programs

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "camring-e2e-")
	if err == nil {
		bin = dir
		err = errors.Join(
			build(dir, "./cmd/camring", "CGO_ENABLED=0"),
			build(dir, "./cmd/camring-worker", "CGO_ENABLED=1"),
		)
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func build(dir, pkg, env string) error {
	cmd := exec.Command("go", "build", "-o", dir, pkg)
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), env)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// tree is a running `camring run` and what belongs to it.
type tree struct {
	t    *testing.T
	dir  string // of the rings
	cmd  *exec.Cmd
	log  *logBuffer
	done chan error
	web  *http.Client
}

// ringDir makes a ring directory in shared memory that goes with the test.
func ringDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "camring-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// start runs camring with a configuration, to which the ring directory and a free HTTP port are added.
func start(t *testing.T, yaml string, args ...string) *tree {
	t.Helper()
	return startIn(t, ringDir(t), yaml, args...)
}

func startIn(t *testing.T, dir, yaml string, args ...string) *tree {
	t.Helper()
	config := filepath.Join(t.TempDir(), "camring.yaml")
	if err := os.WriteFile(config, []byte(yaml+"\nring: {dir: "+dir+"}\nhttp: {listen: off}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return startProcess(t, dir, config, nil, args...)
}

// startProcess runs camring with a configuration file as it is; adjust, which may be nil, changes what
// the process gets besides.
func startProcess(t *testing.T, dir, config string, adjust func(*exec.Cmd), args ...string) *tree {
	t.Helper()
	tr := &tree{t: t, dir: dir, log: &logBuffer{}, done: make(chan error, 1)}
	tr.cmd = exec.Command(filepath.Join(bin, "camring"), append([]string{"run", "-c", config}, args...)...)
	tr.cmd.Stdout, tr.cmd.Stderr = tr.log, tr.log
	if adjust != nil {
		adjust(tr.cmd)
	}
	if err := tr.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { tr.done <- tr.cmd.Wait() }()
	socket := filepath.Join(dir, "api.sock")
	tr.web = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	t.Cleanup(func() {
		tr.web.CloseIdleConnections()
		_ = tr.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-tr.done:
		case <-time.After(5 * time.Second):
			_ = tr.cmd.Process.Kill()
			t.Error("camring did not stop within 5 s of SIGTERM")
		}
		if t.Failed() {
			t.Logf("camring's log:\n%s", tr.log)
		}
	})
	return tr
}

// wait waits for camring to end by itself.
func (tr *tree) wait(limit time.Duration) error {
	tr.t.Helper()
	select {
	case err := <-tr.done:
		tr.done <- err
		return err
	case <-time.After(limit):
		tr.t.Fatalf("camring still runs after %v", limit)
		return nil
	}
}

// snapshot reads the status over the UNIX socket.
func (tr *tree) snapshot() (*status.Snapshot, error) {
	resp, err := tr.web.Get("http://localhost/api/v1/status")
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", resp.Status)
	}
	s := &status.Snapshot{}
	return s, json.NewDecoder(resp.Body).Decode(s)
}

// until polls the status until ok says yes.
func (tr *tree) until(limit time.Duration, what string, ok func(*status.Snapshot) bool) *status.Snapshot {
	tr.t.Helper()
	var last *status.Snapshot
	eventually(tr.t, limit, what, func() bool {
		s, err := tr.snapshot()
		if err != nil {
			return false
		}
		last = s
		return ok(s)
	}, func() string {
		text, _ := json.MarshalIndent(last, "", " ")
		return string(text)
	})
	return last
}

// live waits until every camera is live.
func (tr *tree) live(limit time.Duration) *status.Snapshot {
	tr.t.Helper()
	return tr.until(limit, "every camera is live", func(s *status.Snapshot) bool {
		for _, c := range s.Cameras {
			if c.State != ring.StateLive {
				return false
			}
		}
		return len(s.Cameras) > 0
	})
}

func find(s *status.Snapshot, name string) status.Camera {
	for _, c := range s.Cameras {
		if c.Name == name {
			return c
		}
	}
	return status.Camera{}
}

// pid returns the process of a role that serves a camera.
func pid(t *testing.T, s *status.Snapshot, role, camera string) int {
	t.Helper()
	for _, p := range s.Processes {
		if p.Role == role && (camera == "" || strings.Contains(" "+strings.Join(p.Cameras, " ")+" ", " "+camera+" ")) && p.PID > 0 {
			return p.PID
		}
	}
	t.Fatalf("no %s process serves %q: %+v", role, camera, s.Processes)
	return 0
}

// camring runs a command of the command line to its end.
func camring(t *testing.T, limit time.Duration, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "camring"), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("camring %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// eventually polls until ok says yes; it fails the test after limit.
func eventually(t *testing.T, limit time.Duration, what string, ok func() bool, detail ...func() string) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(deadline) {
			for _, d := range detail {
				t.Log(d())
			}
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// alive reports whether a process exists and is no zombie.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// logBuffer collects a process's output; safe for concurrent use.
type logBuffer struct {
	mu  sync.Mutex // guards below
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
