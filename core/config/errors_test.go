// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const testCamera = "cameras: {a: 'test:'}\n"

// badInputs are mistakes with what a person is told. The seeds of the fuzz targets come from here.
var badInputs = []struct{ name, yaml, want string }{
	{"empty", "", "c.yaml: no cameras: want at least one under cameras:, such as front: rtsp://host/path"},
	{"only comments", "# nothing\ncameras:\n  # none\n", "c.yaml: no cameras: want at least one under cameras:, such as front: rtsp://host/path"},
	{"no map", "foo\n", `c.yaml:1:1: want a map, not "foo"`},
	{"a list of cameras", "cameras:\n  - rtsp://h/\n", "c.yaml:2:3: cameras: want a map, not a list"},
	{"unknown key at the top", testCamera + "camera: {}\n", `c.yaml:2:1: unknown key "camera", did you mean "cameras"?`},
	{"unknown key of a camera", "cameras:\n  a:\n    url: 'test:'\n    transprot: tcp\n", `c.yaml:4:5: cameras.a: unknown key "transprot", did you mean "transport"?`},
	{"unknown key with a dash", "cameras: {a: {url: 'test:', Stream-Key: x}}\n", `c.yaml:1:29: cameras.a: unknown key "Stream-Key", did you mean "stream_key"?`},
	{"unknown key with nothing near", testCamera + "log: {colour_of_the_sky: blue}\n", `c.yaml:2:7: log: unknown key "colour_of_the_sky" (known: format, level)`},
	{"key of a single camera among the defaults", testCamera + "defaults: {topic: x}\n", `c.yaml:2:19: defaults.topic: differs between cameras: put it under each of them`},
	{"key of a later version", "cameras: {a: {url: 'test:', fps: 10}}\n", "c.yaml:1:29: cameras.a.fps: not supported by this version"},
	{"key of a later version among the defaults", testCamera + "defaults: {hwaccel: auto}\n", "c.yaml:2:12: defaults.hwaccel: not supported by this version"},
	{"section of a later version", testCamera + "workers: 4\n", "c.yaml:2:1: workers: not supported by this version"},
	{"key twice", "cameras:\n  a: 'test:'\n  a: x.mp4\n", `c.yaml:3:3: cameras: key "a" is there twice`},
	{"section twice", testCamera + "http: {}\nhttp: {}\n", `c.yaml:3:1: key "http" is there twice`},
	{"word for a number", "ring: {slots: many}\n" + testCamera, `c.yaml:1:15: ring.slots: want a whole number from 2 to 64, not "many"`},
	{"text for a number", "ring: {slots: '8'}\n" + testCamera, `c.yaml:1:15: ring.slots: want a whole number from 2 to 64, not "8"`},
	{"number out of range", "cameras:\n  a: {url: 'test:', slots: 65}\n", `c.yaml:2:28: cameras.a.slots: want a whole number from 2 to 64, not "65"`},
	{"list for a text", "cameras:\n  a: {url: [x]}\n", "c.yaml:2:12: cameras.a.url: want text, not a list"},
	{"map for a number", "ring:\n  slots:\n    a: b\n" + testCamera, "c.yaml:3:5: ring.slots: want a whole number from 2 to 64, not a map"},
	{"word for a truth value", "cameras: {a: {url: x, loop: yes}}\n", `c.yaml:1:29: cameras.a.loop: want true or false, not "yes"`},
	{"nothing for a text", "cameras:\n  a:\n    url:\n", "c.yaml:3:5: cameras.a.url: want text, not nothing"},
	{"nothing for a camera", "cameras:\n  a:\n", "c.yaml:2:3: cameras.a: no url: " + allowedSources},
	{"no url", "cameras:\n  a: {username: u}\n", "c.yaml:2:3: cameras.a: no url: " + allowedSources},
	{"duration without unit", testCamera + "redis: {batch: 25}\n", `c.yaml:2:16: redis.batch: want a duration from 1ms to 1s with its unit, such as 1ms, not "25"`},
	{"duration out of range", testCamera + "redis: {batch: 10s}\n", `c.yaml:2:16: redis.batch: want a duration from 1ms to 1s with its unit, such as 1ms, not "10s"`},
	{"unknown transport", "cameras: {a: {url: 'rtsp://h/', transport: quic}}\n", `c.yaml:1:44: cameras.a.transport: want auto, tcp or udp, not "quic"`},
	{"camera name that leaves the folder", "cameras:\n  ../x: 'test:'\n", `c.yaml:2:3: cameras: camera name "../x": want 1 to 63 of a-z, 0-9, _ and -, the first a letter or digit`},
	{"camera name in capitals", "cameras: {Front: 'test:'}\n", `c.yaml:1:11: cameras: camera name "Front": ` + nameRule},
	{"camera name too long", "cameras: {" + strings.Repeat("a", 64) + ": 'test:'}\n", `c.yaml:1:11: cameras: camera name "` + strings.Repeat("a", 64) + `": ` + nameRule},
	{"output name that leaves the folder", "cameras: {a: {url: 'test:', outputs: {../x: {}}}}\n", `c.yaml:1:39: cameras.a.outputs: output name "../x": ` + nameRule},
	{"two outputs", "cameras:\n  a:\n    url: 'test:'\n    outputs:\n      full: {}\n      det: {}\n", "c.yaml:5:7: cameras.a.outputs: want exactly one output: more are not supported by this version"},
	{"scaled output", "cameras: {a: {url: 'test:', outputs: {full: {size: 640x640}}}}\n", "c.yaml:1:46: cameras.a.outputs.full.size: not supported by this version"},
	{"output format of a later version", "cameras: {a: {url: 'test:', outputs: {full: {format: rgb}}}}\n", `c.yaml:1:54: cameras.a.outputs.full.format: not supported by this version: only nv12 is`},
	{"http camera", "cameras: {a: 'http://h/x.mjpg'}\n", "c.yaml:1:14: cameras.a: http: is not supported by this version: " + allowedSources},
	{"device", "cameras: {a: v4l2:/dev/video0}\n", "c.yaml:1:14: cameras.a: v4l2: is not supported by this version: " + allowedSources},
	{"device number", "cameras: {a: 0}\n", "c.yaml:1:14: cameras.a: a device number is not supported by this version: " + allowedSources},
	{"device file", "cameras: {a: /dev/video0}\n", "c.yaml:1:14: cameras.a: a video device is not supported by this version: " + allowedSources},
	{"scheme that joins files", "cameras: {a: 'concat:/etc/passwd|/etc/shadow'}\n", "c.yaml:1:14: cameras.a: sources of this kind are refused: " + allowedSources},
	{"scheme that runs a command", "cameras: {a: {url: 'exec:reboot'}}\n", "c.yaml:1:20: cameras.a.url: sources of this kind are refused: " + allowedSources},
	{"file on another host", "cameras: {a: 'file://h/x'}\n", "c.yaml:1:14: cameras.a: want file:///path, with %3F for ? and %23 for # in it"},
	{"home folder", "cameras: {a: ~/x.mp4}\n", "c.yaml:1:14: cameras.a: ~ is not expanded: write the whole path"},
	{"user in the URL and beside it", "cameras: {a: {url: 'rtsp://u@h/', username: v}}\n", "c.yaml:1:35: cameras.a.username: the URL has a user already: keep one of the two"},
	{"password in the URL and beside it", "cameras: {a: {url: 'rtsp://u:hunter2@h/', password: hunter2}}\n", "c.yaml:1:43: cameras.a.password: the URL has a password already: keep one of the two"},
	{"password and password_file", "cameras: {a: {url: 'rtsp://u@h/', password: hunter2, password_file: /dev/null}}\n", "c.yaml:1:54: cameras.a.password_file: there is a password too: keep one of the two\nc.yaml:1:69: cameras.a.password_file: /dev/null is not a regular file"},
	{"password without user", "cameras: {a: {url: 'rtsp://h/', password: hunter2}}\n", "c.yaml:1:11: cameras.a: a password without a username"},
	{"hash in a password", "cameras: {a: 'rtsp://u:hunter2#@h/'}\n", "c.yaml:1:14: cameras.a: not a URL: write # / ? % and spaces in a password as %23 %2F %3F %25 and %20, or put it under password:"},
	{"slash in a password", "cameras: {a: 'rtsp://u:12/hunter2@h/'}\n", "c.yaml:1:14: cameras.a: @ after the host: write / in a password as %2F, or put it under password:; write %40 if the path has an @"},
	{"key for another kind of source", "cameras: {a: {url: 'rtsp://h/', loop: true}}\n", "c.yaml:1:33: cameras.a.loop: only for files"},
	{"credentials of a file", "cameras: {a: {url: x.mp4, username: u}}\n", "c.yaml:1:27: cameras.a.username: only for rtsp and rtsps"},
	{"test pattern too large", "cameras: {a: 'test:pattern?size=320x9000'}\n", "c.yaml:1:14: cameras.a: want test:pattern?size=WIDTHxHEIGHT&fps=N, 320x180 to 8192x8192 pixels and 1 to 240 fps"},
	{"test pattern without room for the pattern", "cameras: {a: 'test:pattern?size=318x180'}\n", "c.yaml:1:14: cameras.a: want test:pattern?size=WIDTHxHEIGHT&fps=N, 320x180 to 8192x8192 pixels and 1 to 240 fps"},
	{"same topic", "cameras:\n  a: 'test:'\n  b: {url: 'test:', camera_id: a}\n", `c.yaml:3:3: cameras.b: its topic "a_input_topic" is that of camera a too: give one of them another topic or camera_id`},
	{"unset variable", "cameras: {a: 'rtsp://${NO_SUCH}/'}\n", "c.yaml:1:14: cameras.a: the environment variable NO_SUCH is not set: set it, or write ${NO_SUCH:-default}"},
	{"unclosed variable", "cameras: {a: 'rtsp://${HOST/'}\n", "c.yaml:1:14: cameras.a: ${ without its }: write $${ if no variable is meant"},
	{"bad variable name", "cameras: {a: '${a b}'}\n", "c.yaml:1:14: cameras.a: want ${NAME} or ${NAME:-default}; write $${ if no variable is meant"},
	{"redis URL of another kind", testCamera + "redis: http://u:hunter2@h\n", "c.yaml:2:8: redis: not a URL of Redis: want off, private, redis://host:port/db, rediss://host:port/db or unix:///path"},
	{"redis password without a URL", testCamera + "redis: {password: hunter2}\n", "c.yaml:2:9: redis.password: only with a url"},
	{"redis password twice", testCamera + "redis: {url: 'redis://u:hunter2@h', password: hunter2}\n", "c.yaml:2:37: redis.password: the URL has it already: keep one of the two"},
	{"listen without port", testCamera + "http: {listen: localhost}\n", `c.yaml:2:16: http.listen: want host:port, such as 127.0.0.1:9670, or off, not "localhost"`},
	{"relative ring folder", testCamera + "ring: {dir: rings}\n", `c.yaml:2:13: ring.dir: want an absolute path, not "rings"`},
	{"text of two lines", "cameras: {a: {url: 'test:', location: \"a\\nb\"}}\n", `c.yaml:1:39: cameras.a.location: want a text of 1 to 200 characters on one line, not "a\nb"`},
	{"unterminated quote", "cameras:\n  a: {url: rtsp://h/, username: u, password: \"hunter2}\n", "c.yaml:2:46: could not find end character of double-quoted text"},
	{"bracket without end", "cameras: [\n", "c.yaml:1:10: sequence end token ']' not found"},
	{"tab for indentation", "cameras:\n\ta: b\n", "c.yaml:2:1: found character '\\t' that cannot start any token"},
	{"two documents", testCamera + "---\n" + testCamera, "c.yaml:3:8: a second document: want one per file"},
	{"no text", "cameras: \x00\n", "c.yaml:1:10: not text: want UTF-8 without control characters"},
	{"unknown alias", "cameras: {a: *b}\n", "c.yaml:1:11: cameras.a: no url: " + allowedSources + "\nc.yaml:1:14: no anchor &b before this alias"},
	{"tag", "cameras: {a: {url: 'rtsp://u@h/', password: !!binary hunter2}}\n", "c.yaml:1:45: cameras.a.password: want text, not this"},
	{"mistake in an alias is told for each camera", "cameras:\n  a: &a {url: 'test:', slots: 1}\n  b: *a\n", `c.yaml:2:31: cameras.a.slots: want a whole number from 2 to 64, not "1"` + "\n" + `c.yaml:2:31: cameras.b.slots: want a whole number from 2 to 64, not "1"`},
}

func TestBadInputs(t *testing.T) {
	for _, c := range badInputs {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := Parse("c.yaml", []byte(c.yaml), noEnv)
			if cfg != nil || err == nil || err.Error() != c.want {
				t.Errorf("%s\ngot  %v\nwant %s", c.yaml, err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password is in the error")
			}
		})
	}
}

func TestBadEnvironment(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"CAMRING_REDIS_URL":   {"redis://u:hunter2@", "no host, or no port from 1 to 65535: want off, private, redis://host:port/db, rediss://host:port/db or unix:///path"},
		"CAMRING_REDIS_BATCH": {"hunter2", "want a duration from 1ms to 1s with its unit, such as 1ms"},
		"CAMRING_HTTP_LISTEN": {"hunter2", "want host:port, such as 127.0.0.1:9670, or off"},
		"CAMRING_RING_SLOTS":  {"hunter2", "want a whole number from 2 to 64"},
		"CAMRING_LOG_LEVEL":   {"hunter2", "want debug, info, warn or error"},
	} {
		_, err := Parse("c.yaml", []byte(testCamera), envOf(map[string]string{name: c.content}))
		if err == nil || err.Error() != name+": "+c.want {
			t.Errorf("got  %v\nwant %s: %s", err, name, c.want)
		}
	}
}

func TestAllMistakesAreReportedInOrder(t *testing.T) {
	_, err := Parse("c.yaml", []byte(`
cameras:
  Bad: rtsp://h/
  b:
    url: pipe:0
    colour: red
http: {listen: 1}
log: {level: loud}
`), envOf(map[string]string{"CAMRING_RING_SLOTS": "0"}))
	var lines []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			var one *Error
			if !errors.As(e, &one) {
				t.Errorf("got a %T, want an *Error", e)
				continue
			}
			lines = append(lines, fmt.Sprintf("%s %d:%d", one.File, one.Line, one.Column))
		}
	}
	want := "c.yaml 3:3, c.yaml 5:10, c.yaml 6:5, c.yaml 7:16, c.yaml 8:14, CAMRING_RING_SLOTS 0:0"
	if got := strings.Join(lines, ", "); got != want {
		t.Errorf("got  %s\nwant %s\n%v", got, want, err)
	}
}

func TestMistakesAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("cameras:\n")
	for i := range 500 {
		fmt.Fprintf(&b, "  c%d: pipe:0\n", i)
	}
	_, err := Parse("c.yaml", []byte(b.String()), noEnv)
	if n := strings.Count(err.Error(), "\n") + 1; n != maxErrors+1 || !strings.HasSuffix(err.Error(), "more mistakes than these 50") {
		t.Errorf("got %d lines, want %d with a last one that says so", n, maxErrors+1)
	}
}

// TestBombsAreRefused is about files made to eat time or memory: each is refused, with a reason.
func TestBombsAreRefused(t *testing.T) {
	laughs := "cameras:\n  a: &a {url: 'test:', slots: 3, group: x, location: y}\n"
	for c := 'b'; c <= 'k'; c++ {
		alias := "*" + string(c-1)
		laughs += fmt.Sprintf("  %c: &%c {<<: [%s]}\n", c, c, strings.Join([]string{alias, alias, alias, alias, alias, alias, alias, alias, alias}, ", "))
	}
	for _, c := range []struct{ name, text, want string }{
		{"larger than 1 MiB", strings.Repeat("#", maxFileBytes+1), "the file is larger than 1 MiB: this is no configuration"},
		{"a map of very many keys", strings.Repeat("a: b\n", 100_000), "the file has more than 60000 words and marks: this is no configuration"},
		{"brackets", strings.Repeat("[", 50_000), "nested more than 64 deep"},
		{"braces over lines", strings.Repeat("{a:\n", 10_000), "nested more than 64 deep"},
		{"dashes", strings.Repeat("- ", 50_000), "nested more than 64 deep"},
		{"question marks", strings.Repeat("? ", 50_000), "nested more than 64 deep"},
		{"anchors of anchors", "a: " + strings.Repeat("&a ", 20_000), "nested more than 64 deep"},
		{"a billion laughs", laughs, "the aliases in the file stand for more than 100000 entries"},
		{"an anchor that contains itself", "cameras: &a {x: *a}\n", "no anchor &a before this alias"},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			_, err := Parse("c.yaml", []byte(c.text), noEnv)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			t.Logf("%d bytes took %v", len(c.text), time.Since(began))
		})
	}
}

func TestTwoThousandCamerasAreFine(t *testing.T) {
	var b strings.Builder
	b.WriteString("cameras:\n")
	for i := range 2000 {
		fmt.Fprintf(&b, "  cam-%d:\n    url: rtsp://10.0.%d.%d/main\n    username: u\n    password: p\n    location: somewhere\n", i, i/250, i%250)
	}
	cfg, err := Parse("c.yaml", []byte(b.String()), noEnv)
	if err != nil || len(cfg.Cameras) != 2000 {
		t.Fatalf("got %v, want 2000 cameras", err)
	}
}
