// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"camring/core/status"
	"camring/ring"
)

// sample is a system with one camera that is well and one that is not.
func sample() *status.Snapshot {
	now := time.Now()
	return &status.Snapshot{
		Time: now, Version: "v1.2.3", Started: now.Add(-time.Minute), Host: "host", RingDir: "/dev/shm/camring",
		Cameras: []status.Camera{
			{
				Name: "front", Source: "rtsp://10.0.0.5/main", Kind: "rtsp", State: ring.StateLive, Since: now.Add(-50 * time.Second),
				SourceFPS: 25, PublishedFPS: 24.5, LatencyP50: 4, LatencyP99: 9.5, PacketAgeMS: 12, FrameAgeMS: 16,
				Published: 1200, Corrupt: 2, Gaps: 1, Sessions: 3, Reconnects: 2,
				Drops:    map[string]uint64{"no_slot": 3, "drop_decode": 4},
				Counters: map[string]uint64{"packet_bytes": 5000, "packet_rtp_lost": 7},
				Rings: []status.Ring{
					{Path: "/dev/shm/camring/front.main.ring", Kind: "frame", Output: "main", Epoch: 1, Head: 1201, Slots: 8, Bytes: 1 << 20, Readers: 2, WriterPID: 77},
					{Path: "/dev/shm/camring/front.packets", Kind: "packet", Epoch: 2, Bytes: 2 << 20, Readers: 1},
				},
			},
			{
				Name: "yard", Kind: "rtsp", State: ring.StateBackoff, Reason: ring.ReasonUnreachable,
				Detail: "10.0.0.6 does not answer: check its power and network", PacketAgeMS: -1, FrameAgeMS: -1,
			},
		},
		Processes: []status.Process{
			{Role: "receiver", PID: 76, Cameras: []string{"front", "yard"}},
			{Role: "worker", Index: 1, Restarts: 5},
		},
		Redis: status.Redis{Mode: "private", Connected: true, Records: 1200, FlushMean: 0.5},
	}
}

// serve starts a server on a free loopback port and returns its address.
func serve(t *testing.T, snapshot func() *status.Snapshot) string {
	t.Helper()
	listeners, err := Listen("127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	run(t, snapshot, listeners)
	return listeners[0].Addr().String()
}

// run serves until the test ends, and fails it if Serve does.
func run(t *testing.T, snapshot func() *status.Snapshot, listeners []net.Listener) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- New(snapshot, slog.New(slog.DiscardHandler)).Serve(ctx, listeners...) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("serve: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("serve did not return after its context ended")
		}
	})
}

type answer struct {
	code   int
	header http.Header
	body   string
}

func ask(t *testing.T, method, url, host string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

func handler(snapshot func() *status.Snapshot) http.Handler {
	return New(snapshot, slog.New(slog.DiscardHandler)).routes()
}

func get(h http.Handler, method, path string) answer {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return answer{w.Code, w.Header(), w.Body.String()}
}

func TestRoutes(t *testing.T) {
	well, ill := sample(), sample()
	well.Cameras[1].State = ring.StateDisabled
	stuck := sample()
	stuck.Time = time.Now().Add(-time.Minute)
	const problemType, jsonType, textType = "application/problem+json", "application/json", "text/plain"
	for _, c := range []struct {
		name         string
		snapshot     *status.Snapshot
		method, path string
		code         int
		contentType  string
		want         []string
	}{
		{"the index lists the routes", ill, "GET", "/", 200, textType, []string{"/healthz", "/api/v1/cameras"}},
		{"health does not depend on cameras", ill, "GET", "/healthz", 200, jsonType, []string{`"status": "ok"`, `"cameras": 2`, `"live": 1`, `"version": "v1.2.3"`}},
		{"health before the first snapshot", nil, "GET", "/healthz", 200, jsonType, []string{`"starting"`}},
		{"health of a supervisor that is stuck", stuck, "GET", "/healthz", 503, problemType, []string{"restart camring"}},
		{"readiness names the camera, its reason and the mend", ill, "GET", "/readyz", 503, problemType, []string{`"name": "yard"`, `"reason": "unreachable"`, `"state": "backoff"`, "check its power"}},
		{"a disabled camera is no obstacle", well, "GET", "/readyz", 200, jsonType, []string{`"ready": true`, `"live": 1`}},
		{"not ready before the first snapshot", nil, "GET", "/readyz", 503, problemType, []string{"starting"}},
		{"status has everything", ill, "GET", "/api/v1/status", 200, jsonType, []string{`"redis"`, `"processes"`, `"front"`}},
		{"cameras", ill, "GET", "/api/v1/cameras", 200, jsonType, []string{`"front"`, `"yard"`, `"state": "live"`}},
		{"no cameras are an empty list", &status.Snapshot{}, "GET", "/api/v1/cameras", 200, jsonType, []string{`"cameras": []`}},
		{"cameras before the first snapshot", nil, "GET", "/api/v1/cameras", 503, problemType, []string{"starting"}},
		{"one camera", ill, "GET", "/api/v1/cameras/front", 200, jsonType, []string{`"published_total": 1200`}},
		{"unknown camera", ill, "GET", "/api/v1/cameras/side", 404, problemType, []string{"/api/v1/cameras lists"}},
		{"unknown page", ill, "GET", "/api/v2", 404, problemType, []string{"Not Found"}},
		{"HEAD is GET without a body", ill, "HEAD", "/api/v1/cameras", 200, jsonType, nil},
		{"nothing can be changed", ill, "POST", "/api/v1/cameras", 405, problemType, []string{"read-only"}},
		{"nothing can be removed", ill, "DELETE", "/api/v1/cameras/front", 405, problemType, []string{"read-only"}},
		{"metrics are read-only too", ill, "PUT", "/metrics", 405, problemType, []string{"read-only"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := get(handler(func() *status.Snapshot { return c.snapshot }), c.method, c.path)
			if got.code != c.code || !strings.HasPrefix(got.header.Get("Content-Type"), c.contentType) {
				t.Errorf("got %d %s, want %d %s", got.code, got.header.Get("Content-Type"), c.code, c.contentType)
			}
			for _, want := range c.want {
				if !strings.Contains(got.body, want) {
					t.Errorf("no %q in %s", want, got.body)
				}
			}
			if c.code == 405 && got.header.Get("Allow") != "GET, HEAD" {
				t.Errorf("Allow is %q", got.header.Get("Allow"))
			}
		})
	}
}

func TestCamerasAreTheSnapshotsOwn(t *testing.T) {
	snap := sample()
	got := get(handler(func() *status.Snapshot { return snap }), "GET", "/api/v1/cameras")
	var list struct{ Cameras []status.Camera }
	if err := json.Unmarshal([]byte(got.body), &list); err != nil {
		t.Fatal(err)
	}
	want, _ := json.Marshal(snap.Cameras)
	have, _ := json.Marshal(list.Cameras)
	if string(have) != string(want) {
		t.Errorf("got %s\nwant %s", have, want)
	}
}

func TestDescriptionMatchesTheInterface(t *testing.T) {
	var doc struct {
		Paths      map[string]any
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	snap := sample()
	h := handler(func() *status.Snapshot { return snap })
	if err := json.Unmarshal([]byte(get(h, "GET", "/api/v1/openapi.json").body), &doc); err != nil {
		t.Fatal(err)
	}
	for path := range doc.Paths {
		if got := get(h, "GET", strings.ReplaceAll(path, "{name}", "front")); got.code == 404 {
			t.Errorf("%s is described and not served", path)
		}
		if !strings.Contains(indexPage, path) {
			t.Errorf("%s is not in the index", path)
		}
	}
	for name, v := range map[string]any{
		"Snapshot": status.Snapshot{}, "Camera": status.Camera{}, "Ring": status.Ring{}, "Process": status.Process{},
		"Redis": status.Redis{}, "Health": health{}, "Readiness": readiness{}, "CameraList": cameraList{}, "Problem": problem{},
	} {
		typ := reflect.TypeOf(v)
		want := map[string]bool{}
		for field := range typ.Fields() {
			key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			want[key] = true
			if doc.Components.Schemas[name].Properties[key] == nil {
				t.Errorf("%s.%s is sent and not described", name, key)
			}
		}
		for key := range doc.Components.Schemas[name].Properties {
			if !want[key] {
				t.Errorf("%s.%s is described and not sent", name, key)
			}
		}
	}
}

func TestServeEndsWithAClientThatNeverAsks(t *testing.T) {
	dir := t.TempDir()
	listeners, err := Listen("127.0.0.1:0", dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- New(sample, slog.New(slog.DiscardHandler)).Serve(ctx, listeners...) }()
	for _, l := range listeners {
		conn, err := net.Dial(l.Addr().Network(), l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// Half a request: accepted and never finished.
		if _, err := io.WriteString(conn, "GET /healthz HT"); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("serve: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("serve waits for a client")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestServeReportsABrokenListener(t *testing.T) {
	listeners, err := Listen("127.0.0.1:0", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := listeners[0].Close(); err != nil {
		t.Fatal(err)
	}
	if err := New(sample, slog.New(slog.DiscardHandler)).Serve(t.Context(), listeners...); err == nil {
		t.Error("no error of a listener that is closed")
	}
}
