// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"camring/internal/testutil"
)

func privateDir(t *testing.T) string {
	t.Helper()
	parent, err := os.MkdirTemp("", "priv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	return filepath.Join(parent, "redis")
}

func TestPrivateRedisIsRestartedAndStopped(t *testing.T) {
	t.Parallel()
	testutil.Need(t, "redis-server")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir := privateDir(t)
	private, err := StartPrivate(ctx, PrivateOptions{Dir: dir, Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	p, stop := running(t, Options{Target: private.Target()})
	r := newFakeRing(createdMS)
	r.publish(10)
	p.Add(camera("front", r))
	eventually(t, "10 records", func() bool { return p.Stats().Records == 10 })

	socket := filepath.Join(dir, socketName)
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: got %v, %v, want mode 0600", info, err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: got %v, %v, want mode 0700", info, err)
	}
	commandLine, _ := os.ReadFile("/proc/" + strconv.Itoa(private.PID()) + "/cmdline")
	if strings.Contains(string(commandLine), "maxmemory") {
		t.Errorf("the command line shows the configuration: %q", commandLine)
	}

	first := private.PID()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another process", func() bool { pid := private.PID(); return pid != 0 && pid != first })
	r.publish(5)
	eventually(t, "the records again, on the new one", func() bool { return p.Stats().Records == 25 })
	stop()

	began := time.Now()
	cancel()
	<-private.Done()
	if took := time.Since(began); took > time.Second {
		t.Errorf("stopping took %v, want at most 1 s", took)
	}
	if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket: got %v, want none", err)
	}
	if private.PID() != 0 || private.Starts() != 2 {
		t.Errorf("got pid %d, %d starts, want 0, 2", private.PID(), private.Starts())
	}
}

func TestPrivateRedisThatHangsIsStoppedInASecond(t *testing.T) {
	t.Parallel()
	testutil.Need(t, "redis-server")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	private, err := StartPrivate(ctx, PrivateOptions{Dir: privateDir(t), Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a process", func() bool { return private.PID() != 0 })
	if err := syscall.Kill(private.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	cancel()
	<-private.Done()
	if took := time.Since(began); took > time.Second {
		t.Errorf("stopping took %v, want at most 1 s", took)
	}
}

// TestHelperOfPrivateRedis is not a test: it is the process that the next one kills.
func TestHelperOfPrivateRedis(t *testing.T) {
	dir := os.Getenv("PRIVATE_REDIS_DIR")
	if dir == "" {
		t.Skip("only as a child of TestPrivateRedisDiesWithItsParent")
	}
	if _, err := StartPrivate(context.Background(), PrivateOptions{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	select {} // until SIGKILL
}

func TestPrivateRedisDiesWithItsParent(t *testing.T) {
	t.Parallel()
	testutil.Need(t, "redis-server")
	dir := privateDir(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelperOfPrivateRedis$")
	cmd.Env = append(os.Environ(), "PRIVATE_REDIS_DIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	target := Target{Network: "unix", Addr: filepath.Join(dir, socketName)}
	answers := func() bool {
		c, err := connect(context.Background(), target)
		if err == nil {
			c.close()
		}
		return err == nil
	}
	eventually(t, "the server to answer", answers)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	eventually(t, "the server to be gone", func() bool { return !answers() })

	ctx, cancel := context.WithCancel(context.Background())
	private, err := StartPrivate(ctx, PrivateOptions{Dir: dir, Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the next one to answer in spite of the old socket", answers)
	cancel()
	<-private.Done()
}

func TestPrivateRedisWithoutAProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := StartPrivate(context.Background(), PrivateOptions{Dir: t.TempDir()})
	if !errors.Is(err, ErrNoServer) {
		t.Errorf("got %v, want ErrNoServer", err)
	}
}

func TestPrivateRedisRefusesALongPath(t *testing.T) {
	testutil.Need(t, "redis-server")
	_, err := StartPrivate(context.Background(), PrivateOptions{Dir: "/tmp/" + strings.Repeat("x", 110)})
	if err == nil || !strings.Contains(err.Error(), "shorter directory") {
		t.Errorf("got %v, want advice to use a shorter directory", err)
	}
}
