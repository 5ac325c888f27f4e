// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"camring/ring"

	"github.com/google/go-cmp/cmp"
)

// noEnv is an empty environment.
func noEnv(string) (string, bool) { return "", false }

// envOf is an environment of just these variables.
func envOf(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := variables[name]
		return v, ok
	}
}

func mustParse(t *testing.T, text string, variables map[string]string) *Config {
	t.Helper()
	cfg, err := Parse("/etc/camring/cam.yaml", []byte(text), envOf(variables))
	if err != nil {
		t.Fatalf("got %v, want no error for\n%s", err, text)
	}
	return cfg
}

func TestOneLineCameraGetsEveryDefault(t *testing.T) {
	got := mustParse(t, "cameras:\n  front: rtsp://10.0.0.5/main\n", nil)
	want := &Config{
		Path: "/etc/camring/cam.yaml",
		Cameras: []Camera{{
			Name: "front", Enabled: true, Source: Source{Kind: KindRTSP, URL: "rtsp://10.0.0.5/main"},
			Transport: "auto", Pace: "realtime", Slots: 8,
			StreamKey: "front", CameraID: "front", Topic: "front_input_topic",
			Group: "default", Location: "Unknown", Output: "main",
		}},
		Redis: Redis{Mode: "private", Batch: 25 * time.Millisecond, MaxLen: 1000},
		HTTP:  HTTP{Listen: "127.0.0.1:9670"},
		Ring:  Ring{Dir: ring.DefaultDir(), Slots: 8},
		Log:   Log{Level: "info", Format: "auto"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	got := mustParse(t, `
redis:
  url: rediss://bob:s%40cret@Redis.Example:6380/2
  batch: 40ms
  maxlen: 5000
http: {listen: off}
ring: {dir: /dev/shm/x/, group: video, slots: 4}
log: {level: debug, format: json}
defaults:
  transport: tcp
  username: admin
  password: default-password
  loop: true
  group: gate
cameras:
  yard:
    url: RTSP://10.0.0.6:8554/main?x=1
    enabled: false
    password: 007
    transport: udp
    slots: 16
    stream_key: Front Door
    camera_id: 5
    topic: yard-frames
    group: outside
    location: "Yard: north"
    outputs: {full: {format: nv12}}
  clip: {url: clips/a.mp4, pace: fast, loop: false}
  bare: clips/b.mp4
  own: rtsp://eve:p%2Fw@h/x
`, nil)
	want := &Config{
		Path: "/etc/camring/cam.yaml",
		Cameras: []Camera{
			{
				Name: "bare", Enabled: true, Source: Source{Kind: KindFile, Path: "/etc/camring/clips/b.mp4"},
				Transport: "auto", Pace: "realtime", Loop: true, Slots: 4, StreamKey: "bare", CameraID: "bare",
				Topic: "bare_input_topic", Group: "gate", Location: "Unknown", Output: "main",
			},
			{
				Name: "clip", Enabled: true, Source: Source{Kind: KindFile, Path: "/etc/camring/clips/a.mp4"},
				Transport: "auto", Pace: "fast", Slots: 4, StreamKey: "clip", CameraID: "clip",
				Topic: "clip_input_topic", Group: "gate", Location: "Unknown", Output: "main",
			},
			{
				Name: "own", Enabled: true, Source: Source{Kind: KindRTSP, URL: "rtsp://h/x"},
				Username: "eve", Password: "p/w", Transport: "tcp", Pace: "realtime", Slots: 4,
				StreamKey: "own", CameraID: "own", Topic: "own_input_topic", Group: "gate",
				Location: "Unknown", Output: "main",
			},
			{
				Name: "yard", Source: Source{Kind: KindRTSP, URL: "rtsp://10.0.0.6:8554/main?x=1"},
				Username: "admin", Password: "007", Transport: "udp", Pace: "realtime", Slots: 16,
				StreamKey: "Front Door", CameraID: "5", Topic: "yard-frames", Group: "outside",
				Location: "Yard: north", Output: "full",
			},
		},
		Redis: Redis{
			Mode: "url", URL: "rediss://redis.example:6380/2", Username: "bob", Password: "s@cret",
			Batch: 40 * time.Millisecond, MaxLen: 5000,
		},
		Ring: Ring{Dir: "/dev/shm/x", Group: "video", Slots: 4},
		Log:  Log{Level: "debug", Format: "json"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestRedisForms(t *testing.T) {
	for _, c := range []struct{ yaml, mode, url string }{
		{"", "private", ""},
		{"redis:\n", "private", ""},
		{"redis:\n  # url: redis://h\n", "private", ""},
		{"redis: private", "private", ""},
		{"redis: off", "off", ""},
		{"redis: Off", "off", ""},
		{"redis: \"off\"", "off", ""},
		{"redis: false", "off", ""},
		{"redis: {url: off}", "off", ""},
		{"redis: redis://h", "url", "redis://h"},
		{"redis: {url: \"redis://h:7000/3\"}", "url", "redis://h:7000/3"},
		{"redis: unix:///run/redis.sock?db=1", "url", "unix:///run/redis.sock?db=1"},
	} {
		t.Run(c.yaml, func(t *testing.T) {
			got := mustParse(t, "cameras: {a: 'test:'}\n"+c.yaml, nil).Redis
			if got.Mode != c.mode || got.URL != c.url {
				t.Errorf("got mode %q, URL %q, want %q, %q", got.Mode, got.URL, c.mode, c.url)
			}
		})
	}
}

func TestEnvironmentWinsOverTheFile(t *testing.T) {
	got := mustParse(t, `
cameras: {a: "test:"}
redis: {url: "redis://file:file@h", batch: 1ms}
http: {listen: 1.2.3.4:1}
ring: {dir: /file, slots: 3}
log: {level: error}
`, map[string]string{
		"CAMRING_REDIS_URL":      "redis://env:e%20nv@other/",
		"CAMRING_REDIS_BATCH":    "50ms",
		"CAMRING_REDIS_MAXLEN":   "7",
		"CAMRING_REDIS_PASSWORD": "of its own",
		"CAMRING_HTTP_LISTEN":    ":8080",
		"CAMRING_RING_DIR":       "/env",
		"CAMRING_RING_GROUP":     "",
		"CAMRING_RING_SLOTS":     "5",
		"CAMRING_LOG_LEVEL":      "debug",
		"CAMRING_LOG_FORMAT":     "text",
	})
	want := &Config{
		Path: got.Path, Cameras: got.Cameras,
		Redis: Redis{
			Mode: "url", URL: "redis://other/", Username: "env", Password: "of its own",
			Batch: 50 * time.Millisecond, MaxLen: 7,
		},
		HTTP: HTTP{Listen: ":8080"},
		Ring: Ring{Dir: "/env", Slots: 5},
		Log:  Log{Level: "debug", Format: "text"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if got.Cameras[0].Slots != 5 {
		t.Errorf("got %d slots for the camera, want the 5 of CAMRING_RING_SLOTS", got.Cameras[0].Slots)
	}
	for _, name := range []string{"CAMRING_REDIS_URL", "CAMRING_REDIS"} {
		off := mustParse(t, "cameras: {a: 'test:'}\nredis: redis://u:p@h", map[string]string{name: "off"})
		if off.Redis.Mode != "off" || off.Redis.Username != "" || off.Redis.Password != "" {
			t.Errorf("%s=off: got %+v, want it off", name, off.Redis)
		}
	}
}

func TestVariablesInValues(t *testing.T) {
	variables := map[string]string{
		"HOST": "10.0.0.9", "PW": "a$b", "SLOTS": "12", "ON": "true", "EMPTY": "", "NESTED": "${HOST}",
	}
	got := mustParse(t, `
cameras:
  yard:
    url: rtsp://${HOST}/main${EMPTY}
    username: $${HOST}
    password: ${PW}$$x$y$
    enabled: ${ON}
    slots: "${SLOTS}"
    group: ${MISSING:-spare} ${EMPTY:-one}
    location: ${NESTED}
`, variables).Cameras[0]
	want := []string{"rtsp://10.0.0.9/main", "${HOST}", "a$b$x$y$", "true", "12", "spare one", "${HOST}"}
	have := []string{
		got.Source.URL, got.Username, got.Password.Reveal(), fmt.Sprint(got.Enabled),
		fmt.Sprint(got.Slots), got.Group, got.Location,
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestAnchorsAndMergeKeys(t *testing.T) {
	got := mustParse(t, `
cameras:
  a: &gate
    url: rtsp://10.0.0.1/a
    transport: tcp
    group: gate
  b:
    <<: *gate
    url: rtsp://10.0.0.1/b
    group: other
`, nil)
	b := got.Cameras[1]
	if b.Source.URL != "rtsp://10.0.0.1/b" || b.Transport != "tcp" || b.Group != "other" {
		t.Errorf("got %+v, want its own url and group, and the transport of a", b)
	}
}

func TestPasswordFile(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"pw": "hunter2\n", "empty": "\n", "two": "hunter2\nhunter3\n", "long": strings.Repeat("hunter2", 1000),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "c.yaml")
	parse := func(file string) (*Config, error) {
		return Parse(path, []byte("cameras:\n  a:\n    url: rtsp://u@h/\n    password_file: "+file+"\n"), noEnv)
	}
	cfg, err := parse("pw")
	if err != nil || cfg.Cameras[0].Password != "hunter2" || cfg.Cameras[0].Username != "u" {
		t.Fatalf("got %+v, %v, want user u and the password of the file", cfg, err)
	}
	for file, want := range map[string]string{
		"empty":   "is empty",
		"two":     "has more than one line or control characters",
		"long":    "is longer than 4096 bytes",
		"missing": "no such file or directory",
		".":       "is not a regular file",
	} {
		_, err := parse(file)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), path+":4:20: cameras.a.password_file: ") {
			t.Errorf("%s: got %v, want %q at 4:20", file, err, want)
		} else if strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: the password is in the error %q", file, err)
		}
	}
}

func TestFromCameras(t *testing.T) {
	got, err := parseCameras("  yard=clips/a.mp4\tfront=rtsp://u:p%20w@Host/x?a=b ", noEnv)
	if err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if got.Path != "" || len(got.Cameras) != 2 {
		t.Fatalf("got %+v, want two cameras and no path", got)
	}
	front, yard := got.Cameras[0], got.Cameras[1]
	if front.Name != "front" || front.Source.URL != "rtsp://host/x?a=b" || front.Username != "u" || front.Password != "p w" {
		t.Errorf("got %+v, want the RTSP camera with its credentials apart", front)
	}
	if yard.Source.Path != filepath.Join(wd, "clips/a.mp4") || yard.Slots != 8 || yard.Topic != "yard_input_topic" {
		t.Errorf("got %+v, want the file relative to the working directory and the defaults", yard)
	}
	for list, want := range map[string]string{
		"":                        `CAMRING_CAMERAS: no cameras: want name=source, such as front=rtsp://host/path`,
		"rtsp://u:hunter2@h/x":    `CAMRING_CAMERAS: camera name "rtsp://***@h/x": ` + nameRule + ", then = and its source",
		"rtsp://u:hunter2@h/x?a=": `CAMRING_CAMERAS: camera name "rtsp://***@h/x?a": ` + nameRule + ", then = and its source",
		"a=test: a=test:":         `CAMRING_CAMERAS: camera a is there twice`,
		"a=pipe:0":                `CAMRING_CAMERAS: a: sources of this kind are refused: ` + allowedSources,
		"a=":                      `CAMRING_CAMERAS: a: ` + allowedSources + `, without spaces around it or control characters`,
	} {
		if _, err := parseCameras(list, noEnv); err == nil || err.Error() != want {
			t.Errorf("%q:\ngot  %v\nwant %s", list, err, want)
		}
	}
}

func TestDemo(t *testing.T) {
	got, err := Demo("rtsp://127.0.0.1:8554/demo", "/tmp/a b#?$.mp4")
	if err != nil {
		t.Fatal(err)
	}
	var sources []string
	for _, c := range got.Cameras {
		sources = append(sources, c.Name+" "+c.Source.String()+fmt.Sprint(" ", c.Loop))
	}
	want := []string{
		"file /tmp/a b#?$.mp4 true", "rtsp rtsp://127.0.0.1:8554/demo false",
		"test test:pattern?size=1280x720&fps=30 false",
	}
	if diff := cmp.Diff(want, sources); diff != "" || got.Path != "" {
		t.Errorf("path %q, want none; want -, got +:\n%s", got.Path, diff)
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	const canary = "hunter2"
	cfg := mustParse(t, `
redis: redis://u:hunter2@h
cameras:
  a: rtsp://u:hunter2@h/user=x_password=hunter2_channel=1?pwd=hunter2&a=b
  b: {url: rtsp://h/, username: u, password: hunter2}
`, nil)
	if cfg.Cameras[0].Password.Reveal() != canary || cfg.Redis.Password.Reveal() != canary {
		t.Fatal("the passwords were not read")
	}
	var log strings.Builder
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		l := slog.New(handler)
		l.Info("x", "config", cfg, "camera", cfg.Cameras[0], "password", cfg.Redis.Password, "source", cfg.Cameras[0].Source)
	}
	encoded, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		log.String(), string(encoded), fmt.Sprintf("%v %+v %#v %+v", cfg, *cfg, *cfg, cfg.Cameras),
		fmt.Sprintf("%v %#v %q %x", cfg.Redis.Password, cfg.Redis.Password, cfg.Redis.Password, cfg.Redis.Password),
	} {
		if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
			t.Errorf("the password shows in %s", text)
		}
	}
	if got := cfg.Cameras[0].Source.Redacted(); got != "rtsp://h/user=***_password=***_channel=1?pwd=***&a=b" {
		t.Errorf("got %s, want the credentials in the path hidden and the rest kept", got)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "xdg"))
	t.Setenv("CAMRING_CONFIG", "")
	path, searched, err := Find("")
	if _, exists := os.Stat("/etc/camring/camring.yaml"); exists == nil {
		t.Skip("this machine has an /etc/camring/camring.yaml")
	}
	places := []string{"camring.yaml", filepath.Join(dir, "xdg/camring/camring.yaml"), "/etc/camring/camring.yaml"}
	if path != "" || !errors.Is(err, ErrNotFound) || !slices.Equal(searched, places) {
		t.Fatalf("got %q, %q, %v, want ErrNotFound after %q", path, searched, err, places)
	}
	for _, p := range searched {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("got %v, want it to list %s", err, p)
		}
	}
	if err := os.MkdirAll(filepath.Dir(places[1]), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T)
		arg  string
		want string
	}{
		{"the user's own", func(t *testing.T) { touch(t, places[1]) }, "", places[1]},
		{"the working directory's before it", func(t *testing.T) { touch(t, places[0]) }, "", places[0]},
		{"the environment's before both", func(t *testing.T) { t.Setenv("CAMRING_CONFIG", "/x/y.yaml") }, "", "/x/y.yaml"},
		{"the option's before all", func(t *testing.T) { t.Setenv("CAMRING_CONFIG", "/x/y.yaml") }, "z.yaml", "z.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.make(t)
			if got, _, err := Find(c.arg); got != c.want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if _, err := Load(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that the file does not exist", err)
	}
	if _, err := Load(filepath.Dir(path)); err == nil || !strings.HasSuffix(err.Error(), "is not a regular file") {
		t.Errorf("got %v, want that a folder is no file", err)
	}
	if err := os.WriteFile(path, []byte("cameras: {a: x.mp4}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(path)
	if err != nil || cfg.Path != path || cfg.Cameras[0].Source.Path != filepath.Join(filepath.Dir(path), "x.mp4") {
		t.Errorf("got %+v, %v, want the file's camera", cfg, err)
	}
}
