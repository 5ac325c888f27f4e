// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"camring/core/status"
	"camring/internal/testutil"
	"camring/ring"
)

// startRedis runs a real redis-server on a TCP port of the loopback interface until the test ends.
func startRedis(t *testing.T, addr, more string) {
	t.Helper()
	program := testutil.Need(t, "redis-server")
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-")
	cmd.Dir = t.TempDir()
	cmd.Stdin = strings.NewReader(fmt.Sprintf("bind %s\nport %s\nsave \"\"\nappendonly no\n%s\n", host, port, more))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("redis-server said:\n%s", out.String())
		}
	})
}

// redisCLI runs one command of redis-cli; the password, which may be "", stays out of ps.
func redisCLI(t *testing.T, addr, password string, args ...string) string {
	t.Helper()
	program := testutil.Need(t, "redis-cli")
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, append([]string{"-h", host, "-p", port}, args...)...)
	if cmd.Env = []string{"LC_ALL=C"}; password != "" {
		cmd.Env = append(cmd.Env, "REDISCLI_AUTH="+password)
	}
	out, _ := cmd.CombinedOutput() // it fails until the server is up; the text says so
	return strings.TrimSpace(string(out))
}

func TestFaultR01_WithoutARedisServerFramesFlow(t *testing.T) {
	t.Parallel()
	dir, empty := ringDir(t), t.TempDir()
	config := writeConfig(t, fmt.Sprintf("http: {listen: off}\nring: {dir: %s}\ncameras:\n  front: test:pattern?size=320x180&fps=10\n", dir))
	tr := startProcess(t, dir, config, func(cmd *exec.Cmd) { cmd.Env = []string{"PATH=" + empty} })
	s := tr.until(15*time.Second, "frames flow", func(s *status.Snapshot) bool {
		return find(s, "front").State == ring.StateLive && find(s, "front").Published > 10
	})
	if s.Redis.Mode != "private" || s.Redis.Connected {
		t.Errorf("redis is %+v", s.Redis)
	}
	contains(t, s.Redis.Error, "redis-server", "valkey-server", "install one", "redis: off")
	contains(t, tr.log.String(), "no metadata will be sent", "apt-get install redis-server")
	for _, p := range s.Processes {
		if p.Role == "redis" {
			t.Errorf("a redis process is listed: %+v", p)
		}
	}
}

func TestFaultR01_RecordsComeOnceTheExternalRedisIsUp(t *testing.T) {
	t.Parallel()
	testutil.Need(t, "redis-server")
	addr := closedPort(t)
	tr := start(t, fmt.Sprintf("redis: redis://%s\ncameras:\n  front: test:pattern?size=320x180&fps=10\n", addr))
	s := tr.until(15*time.Second, "frames flow and the status says what is wrong with Redis", func(s *status.Snapshot) bool {
		return find(s, "front").State == ring.StateLive && find(s, "front").Published > 10 && s.Redis.Error != ""
	})
	if s.Redis.Connected || s.Redis.Address != "redis://"+addr {
		t.Errorf("redis is %+v", s.Redis)
	}
	contains(t, s.Redis.Error, addr, "connection refused")
	contains(t, tr.log.String(), "connection refused")
	t.Log(s.Redis.Error)
	startRedis(t, addr, "")
	s = tr.until(20*time.Second, "connected, and every frame since the start has its record", func(s *status.Snapshot) bool {
		return s.Redis.Connected && s.Redis.Records > 20
	})
	if s.Redis.Lost > 0 || s.Redis.Gaps > 0 {
		t.Errorf("%d records lost, %d gaps: the ring held all of them", s.Redis.Lost, s.Redis.Gaps)
	}
	eventually(t, 5*time.Second, "the records are in Redis", func() bool {
		n, err := strconv.Atoi(redisCLI(t, addr, "", "XLEN", "front_input_topic"))
		return err == nil && n > 20
	})
	if first := redisCLI(t, addr, "", "XRANGE", "front_input_topic", "-", "+", "COUNT", "1"); !strings.Contains(strings.SplitN(first, "\n", 2)[0], "-1") {
		t.Errorf("the first record is not that of the first frame:\n%s", first)
	}
}

func TestFaultR11_WrongRedisPasswordIsNamedAndFramesFlow(t *testing.T) {
	t.Parallel()
	addr := closedPort(t)
	startRedis(t, addr, "requirepass right")
	tr := start(t, fmt.Sprintf("redis: {url: redis://%s, password: wrong}\ncameras:\n  front: test:pattern?size=320x180&fps=10\n", addr))
	s := tr.until(15*time.Second, "frames flow and the status says what is wrong with Redis", func(s *status.Snapshot) bool {
		return find(s, "front").State == ring.StateLive && find(s, "front").Published > 10 && strings.Contains(s.Redis.Error, "WRONGPASS")
	})
	if s.Redis.Connected {
		t.Errorf("redis is %+v", s.Redis)
	}
	t.Log(s.Redis.Error)
}
