// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roleVar makes the test binary play one part of a test in a process of its own.
const roleVar = "CAMRING_RING_TEST_ROLE"

// roles are the parts; each gets the arguments after the role's name.
var roles = map[string]func(args []string) error{
	"write":  roleWrite,
	"hold":   roleHold,
	"read":   roleRead,
	"create": roleCreate,
	"attach": roleAttach,
}

// TestMain plays a role or runs the tests, and afterwards wants every mapping and lock of a ring gone.
func TestMain(m *testing.M) {
	if role := strings.Fields(os.Getenv(roleVar)); len(role) > 0 {
		if err := roles[role[0]](role[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if left := leftOver(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "rings still mapped or open after the tests:\n%s", left)
		code = 1
	}
	os.Exit(code)
}

// leftOver lists mappings and descriptors of ring files in this process.
func leftOver() string {
	var out strings.Builder
	ours := func(s string) bool {
		return strings.Contains(s, ".ring") || strings.Contains(s, ".packets")
	}
	maps, _ := os.ReadFile("/proc/self/maps")
	for line := range strings.Lines(string(maps)) {
		if ours(line) {
			out.WriteString(line)
		}
	}
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && ours(to) {
			fmt.Fprintf(&out, "fd %s: %s\n", fd.Name(), to)
		}
	}
	return out.String()
}

// play starts this binary in a role and returns once it has written its first line.
func play(t *testing.T, role string, attr *syscall.SysProcAttr) (cmd *exec.Cmd, firstLine string) {
	t.Helper()
	cmd = exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVar+"="+role)
	cmd.SysProcAttr = attr
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line := make([]byte, 4096)
	n, err := out.Read(line)
	if err != nil {
		t.Fatalf("%s wrote nothing: %v, %v", role, err, cmd.Wait())
	}
	return cmd, strings.TrimSpace(string(line[:n]))
}

// kill ends a process at once and waits for it.
func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

// shmDir is an empty directory where rings live in production, open to other users.
func shmDir(t testing.TB) string {
	t.Helper()
	base := "/dev/shm"
	if info, err := os.Stat(base); err != nil || !info.IsDir() {
		base = ""
	}
	dir, err := os.MkdirTemp(base, "camring-test-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// eventually polls until done says true; the deadline is generous, because the machine may be busy.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}
