// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// leaveSocket makes a UNIX socket as a killed process leaves it.
func leaveSocket(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestPortInUseSaysWhatToDo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	_, err = Listen(taken.Addr().String(), dir)
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("got %v, want %v", err, ErrInUse)
	}
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for _, want := range []string{taken.Addr().String(), "ss -ltnp 'sport = :" + port + "'", "http.listen", "CAMRING_HTTP_LISTEN"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestSocketIsForOwnerAndGroup(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	listeners, err := Listen("", dir)
	if err != nil {
		t.Fatal(err)
	}
	run(t, sampleOnce(), listeners)
	info, err := os.Stat(filepath.Join(dir, SocketName))
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Fatalf("socket: %v, %v; want mode 660", info, err)
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, SocketName))
		},
	}}
	res, err := client.Get("http://camring/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("got %s", res.Status)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	dir := t.TempDir()
	leaveSocket(t, filepath.Join(dir, SocketName))
	listeners, err := Listen("", dir)
	if err != nil {
		t.Fatal(err)
	}
	run(t, sampleOnce(), listeners)
}

func TestSocketThatIsAnsweredIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	first, err := Listen("", dir)
	if err != nil {
		t.Fatal(err)
	}
	run(t, sampleOnce(), first)
	_, err = Listen("127.0.0.1:0", dir)
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "ring.dir") || !strings.Contains(err.Error(), dir) {
		t.Errorf("second camring: %v, want %v with the directory and ring.dir", err, ErrInUse)
	}
	if _, err := os.Stat(filepath.Join(dir, SocketName)); err != nil {
		t.Errorf("the first one's socket: %v", err)
	}
}

func TestFileInPlaceOfTheSocketStays(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, SocketName)
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("", dir); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error that names %s", err, path)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "mine" {
		t.Errorf("file has %q, %v", data, err)
	}
}

func TestAddressesThatCannotBe(t *testing.T) {
	for _, c := range []struct{ name, addr, dir, want string }{
		{"no port", "127.0.0.1", "", "host:port"},
		{"an address of another machine", "192.0.2.1:9670", "", "http.listen"},
		{"a directory with too long a path", "", "/tmp/" + strings.Repeat("x", 110), "shorter ring.dir"},
	} {
		t.Run(c.name, func(t *testing.T) {
			listeners, err := Listen(c.addr, c.dir)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v; want an error with %q", listeners, err, c.want)
			}
		})
	}
}
