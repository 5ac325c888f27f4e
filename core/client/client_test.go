// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"camring/core/api"
	"camring/core/status"
	"camring/ring"
)

// start serves a camring that calls itself host, and returns its TCP address.
func start(t *testing.T, addr, dir, host string) string {
	t.Helper()
	snap := &status.Snapshot{
		Time: time.Now(), Host: host,
		Cameras: []status.Camera{{Name: "front", State: ring.StateStalled, Reason: ring.ReasonNoPackets}},
	}
	listeners, err := api.Listen(addr, dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := api.New(func() *status.Snapshot { return snap }, slog.New(slog.DiscardHandler)).Serve(ctx, listeners...); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return listeners[0].Addr().String()
}

func TestSocketIsAskedFirst(t *testing.T) {
	dir := t.TempDir()
	start(t, "", dir, "socket")
	addr := start(t, "127.0.0.1:0", "", "tcp")
	for _, c := range []struct{ name, dir, addr, want string }{
		{"both", dir, addr, "socket"},
		{"no socket there", t.TempDir(), addr, "tcp"},
		{"only the address", "", addr, "tcp"},
		{"only the socket", dir, "", "socket"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := New(c.dir, c.addr).Snapshot(t.Context())
			if err != nil || got.Host != c.want {
				t.Fatalf("answer of %+v, %v; want %s", got, err, c.want)
			}
			if cam := got.Cameras[0]; cam.State != ring.StateStalled || cam.Reason != ring.ReasonNoPackets {
				t.Errorf("camera is %v %v", cam.State, cam.Reason)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	_ = free.Close()
	dir := t.TempDir()
	_, err = New(dir, addr).Snapshot(t.Context())
	if !errors.Is(err, ErrNotRunning) {
		t.Fatalf("got %v, want %v", err, ErrNotRunning)
	}
	for _, want := range []string{filepath.Join(dir, "api.sock"), addr, "`camring run`"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
}

func TestAnotherProgramAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		code       int
		body, want string
	}{
		"not found":          {404, "<html>", "another program"},
		"a page":             {200, "<html>", "not camring's"},
		"a problem of ours":  {503, `{"detail": "camring is starting"}`, "camring is starting"},
		"a redirect is none": {302, "", "another program"},
	} {
		t.Run(name, func(t *testing.T) {
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.code)
				_, _ = w.Write([]byte(c.body))
			}))
			defer other.Close()
			_, err := New("", other.Listener.Addr().String()).Snapshot(t.Context())
			if err == nil || errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestListenAddressesThatNobodyCanAsk(t *testing.T) {
	for addr, want := range map[string]string{
		":9670": "127.0.0.1:9670", "0.0.0.0:9670": "127.0.0.1:9670", "[::]:9670": "[::1]:9670", "cams:80": "cams:80",
	} {
		if got := reachable(addr); got != want {
			t.Errorf("%s is asked at %s, want %s", addr, got, want)
		}
	}
}
