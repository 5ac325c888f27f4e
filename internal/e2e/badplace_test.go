// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"camring/core/status"
	"camring/internal/testcam"
	"camring/ring"
)

// smallTest is a configuration of one small synthetic camera.
func smallTest(dir, listen string) string {
	return fmt.Sprintf("redis: off\nhttp: {listen: %q}\nring: {dir: %s}\ncameras:\n  front: test:pattern?size=320x180&fps=10\n", listen, dir)
}

// refused runs camring with a configuration that it must refuse with exit code 1, and returns what it
// says.
func refused(t *testing.T, config string, adjust func(*exec.Cmd)) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "camring"), "run", "-c", config)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if adjust != nil {
		adjust(cmd)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("camring ended with %v, want exit code 1\n%s", err, out.String())
	}
	return out.String()
}

func contains(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not contain %q", text, want)
		}
	}
}

// mountSmall mounts a file system of the given size in memory, as Docker does for /dev/shm.
func mountSmall(t *testing.T, bytes int) string {
	t.Helper()
	needRoot(t, "mount a small tmpfs")
	dir := ringDir(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, fmt.Sprintf("size=%d,mode=755", bytes)); err != nil {
		t.Fatalf("mount a small tmpfs: %v (in a container this needs CAP_SYS_ADMIN)", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func TestFaultS01_TooSmallSharedMemoryCostsOnlyTheCamerasThatDoNotFit(t *testing.T) {
	t.Parallel()
	dir := mountSmall(t, 8<<20)
	clip := patternClip(t, 1920, 1080, 10, 10, 10)
	cam, err := testcam.Start(testcam.Options{Clips: map[string]string{"p": clip}})
	if err != nil {
		t.Fatal(err)
	}
	defer cam.Close()
	tr := startIn(t, dir, fmt.Sprintf("redis: off\ncameras:\n  small: test:pattern?size=320x180&fps=10\n  large: test:pattern?size=1920x1080&fps=10\n  net: %s\n", cam.URL("p")))
	s := tr.until(20*time.Second, "the small camera is live and the large ones are not", func(s *status.Snapshot) bool {
		return find(s, "small").State == ring.StateLive &&
			hasBeen(find(s, "large"), ring.StateBackoff, ring.ReasonNoSpace) && hasBeen(find(s, "net"), ring.StateBackoff, ring.ReasonNoSpace)
	})
	for _, name := range []string{"large", "net"} {
		c := find(s, name)
		contains(t, c.Detail, dir, "--shm-size", "slots", "mount -o remount,size=")
		m := regexp.MustCompile(`needs (\d+) bytes .* has (\d+) `).FindStringSubmatch(c.Detail)
		if m == nil {
			t.Fatalf("%s: %q does not say how much is needed and available", name, c.Detail)
		}
		need, _ := strconv.Atoi(m[1])
		available, _ := strconv.Atoi(m[2])
		if need < 8*1920*1080*3/2 || available <= 0 || available >= 8<<20 {
			t.Errorf("%s: it says %d needed and %d available", name, need, available)
		}
		t.Logf("%s: %s", name, c.Detail)
	}
	contains(t, tr.log.String(), "no_space")
	more := find(s, "small").Published + 20
	s = tr.until(20*time.Second, "the small camera goes on", func(s *status.Snapshot) bool { return find(s, "small").Published > more })
	for _, p := range s.Processes {
		if p.Restarts > 0 {
			t.Errorf("%s %d was restarted: it did not outlive the full memory", p.Role, p.Index)
		}
	}
	for _, name := range files(t, dir) {
		if strings.HasSuffix(name, ".new") {
			t.Errorf("the attempt left %s", name)
		}
	}
}

func TestFaultS01_NoSpaceAtAllIsNamed(t *testing.T) {
	t.Parallel()
	dir := mountSmall(t, 64<<10)
	if err := os.WriteFile(filepath.Join(dir, "full"), make([]byte, 64<<10), 0o600); err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	tr := startIn(t, dir, "redis: off\ncameras:\n  front: test:pattern?size=320x180&fps=10\n")
	tr.until(10*time.Second, "the camera waits for space", func(s *status.Snapshot) bool {
		return hasBeen(find(s, "front"), ring.StateBackoff, ring.ReasonNoSpace)
	})
}

func TestRingDirectoryWithoutPermissionIsNamedWithTheMend(t *testing.T) {
	t.Parallel()
	t.Run("a directory of our own that is read-only", func(t *testing.T) {
		dir := forNobody(t, "/dev/shm")
		giveAway(t, dir, 0o555)
		said := refused(t, writeConfig(t, smallTest(dir, "off")), asNobody)
		contains(t, said, dir, "cannot be written to", "permission denied", "mend its mode", "ring.dir")
	})
	t.Run("a directory that cannot be made", func(t *testing.T) {
		parent := forNobody(t, "/dev/shm")
		giveAway(t, parent, 0o555)
		said := refused(t, writeConfig(t, smallTest(parent+"/rings", "off")), asNobody)
		contains(t, said, parent+"/rings", "permission denied", "ring.dir")
	})
	t.Run("a file where the directory should be", func(t *testing.T) {
		file := filepath.Join(forNobody(t, "/dev/shm"), "file")
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		said := refused(t, writeConfig(t, smallTest(file, "off")), asNobody)
		contains(t, said, file, "not a directory", "ring.dir")
	})
}

// TestFaultS10_RingDirectoryLeftByRootIsNamedWithTheMend runs camring as root first, as under sudo.
func TestFaultS10_RingDirectoryLeftByRootIsNamedWithTheMend(t *testing.T) {
	t.Parallel()
	needRoot(t, "leave a directory that belongs to root")
	forNobody(t, "")
	for _, c := range []struct {
		name string
		end  syscall.Signal
	}{{"stopped", syscall.SIGTERM}, {"killed", syscall.SIGKILL}} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(ringDir(t), "rings")
			if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
				t.Fatal(err)
			}
			config := writeConfig(t, smallTest(dir, "off"))
			root := startProcess(t, dir, config, nil)
			root.live(15 * time.Second)
			if err := root.cmd.Process.Signal(c.end); err != nil {
				t.Fatal(err)
			}
			_ = root.wait(5 * time.Second)
			said := refused(t, config, asNobody)
			contains(t, said, dir, "belongs to uid 0", "this process is uid 65534", `"sudo rm -r `+dir+`"`, "ring.dir")
			t.Log(said)
			// The mend works.
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			giveAway(t, filepath.Dir(dir), 0o755)
			startProcess(t, dir, config, asNobody).live(15 * time.Second)
		})
	}
}

func TestPortInUseIsNamedWithWhatToDo(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	dir, addr := ringDir(t), l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	said := refused(t, writeConfig(t, smallTest(dir, addr)), nil)
	contains(t, said, addr, "another program", "ss -ltnp", port, "http.listen")
	for _, name := range files(t, dir) {
		if name != "supervisor.lock" {
			t.Errorf("%s was left", name)
		}
	}
	// The directory is free again.
	startProcess(t, dir, writeConfig(t, smallTest(dir, "off")), nil).live(15 * time.Second)
}

func TestFaultS09_SecondCamringOnADirectoryIsRefusedAndTheFirstUnharmed(t *testing.T) {
	t.Parallel()
	tr := start(t, "cameras:\n  front: test:pattern?size=320x180&fps=10\n") // with a private Redis
	before := tr.live(15 * time.Second)
	r, err := ring.OpenFrames(ring.FramePath(tr.dir, "front", "main"), ring.ReaderOptions{Name: "watcher"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for range 2 {
		said := refused(t, writeConfig(t, smallTest(tr.dir, "off")), nil)
		contains(t, said, "another camring runs in "+tr.dir, "process "+strconv.Itoa(tr.cmd.Process.Pid), "stop it", "ring.dir")
	}
	head := r.Head()
	after := tr.until(10*time.Second, "frames flow", func(s *status.Snapshot) bool {
		return find(s, "front").Published > find(before, "front").Published+10 && r.Head() > head
	})
	if find(after, "front").State != ring.StateLive || len(find(after, "front").History) != len(find(before, "front").History) {
		t.Errorf("the first was disturbed: %+v", find(after, "front").History)
	}
	if a, b := children(before), children(after); fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("the processes were %v and are %v", a, b)
	}
	eventually(t, 5*time.Second, "records go on", func() bool { return uint64(len(records(tr, t, "front"))) > head })
}
