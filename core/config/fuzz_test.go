// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/url"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"camring/ring"
)

// FuzzConfig: no file crashes the reader; what it accepts keeps the promises of the types, and what
// it refuses is refused in UTF-8 text of bounded length with a place.
func FuzzConfig(f *testing.F) {
	for _, c := range badInputs {
		f.Add(c.yaml)
	}
	if data, err := os.ReadFile(exampleFile); err == nil {
		f.Add(string(data))
	}
	f.Add(string(demoYAML))
	f.Add("cameras: {a: &x {url: x.mp4}, b: {<<: *x, topic: !!str 5}}\nredis: off\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "password_file") {
			t.Skip("reads files")
		}
		cfg, err := Parse("fuzz.yaml", []byte(text), envOf(map[string]string{"A": "x", "SECRET": "hunter2"}))
		if err != nil {
			message := err.Error()
			if len(message) > 100_000 || !utf8.ValidString(message) {
				t.Fatalf("an error of %d bytes", len(message))
			}
			for line := range strings.SplitSeq(message, "\n") {
				if !strings.HasPrefix(line, "fuzz.yaml:") {
					t.Fatalf("a line without its place: %q", line)
				}
			}
			if strings.Contains(message, "hunter2") && !strings.Contains(text, "hunter2") {
				t.Fatalf("the content of a variable shows in %q", message)
			}
			return
		}
		topics := map[string]bool{}
		for _, c := range cfg.Cameras {
			known := c.Source.Kind == KindRTSP || c.Source.Kind == KindFile || c.Source.Kind == KindTest
			if !ring.ValidName(c.Name) || !ring.ValidName(c.Output) || !known ||
				c.Slots < minSlots || c.Slots > maxSlots || c.Topic == "" || c.Enabled && topics[c.Topic] {
				t.Fatalf("accepted %+v", c)
			}
			topics[c.Topic] = c.Enabled || topics[c.Topic]
		}
	})
}

// FuzzSourceURL: what is accepted is one of the three kinds, reads as itself again and contains no
// credentials; errors never quote the password.
func FuzzSourceURL(f *testing.F) {
	for _, s := range []string{
		"rtsp://h/x", "rtsps://H:322/a?b=c", "rtsp://[::1]:554/", "rtsp://u@h", "rtsp://u:p@@h/", "RTSP://h/%zz",
		"rtsp://h:0/", "rtsp:h", "file:///a%20b", "file://localhost/a", "file:a", "/a/../b", "a.mp4", "./a:b", "~/x",
		"test:", "test:pattern", "test:pattern?size=642x362&fps=5", "test:bars", "concat:a|b", "pipe:0", "exec:x",
		"unix:/x", "v4l2:/dev/video0", "0", "-", "", " ", "data:;base64,x", "rtsp://h/user=a&password=b#c",
	} {
		f.Add(s, "user")
	}
	f.Fuzz(func(t *testing.T, text, user string) {
		const canary = "c4n4ry"
		for _, candidate := range []string{text, strings.Replace(text, "://", "://"+user+":"+canary+"@", 1)} {
			s, gotUser, password, given, err := parseSource(candidate, "/dir")
			if err != nil {
				if strings.Contains(err.Error(), canary) && !strings.Contains(text, canary) {
					t.Fatalf("%q: the password shows in %v", candidate, err)
				}
				continue
			}
			if !given && (gotUser != "" || password != "") {
				t.Fatalf("%q: credentials from nowhere", candidate)
			}
			again := s.URL
			if s.Kind == KindFile {
				again = (&url.URL{Scheme: "file", Path: s.Path}).String() // a bare path may not begin with ~, say
				if !strings.HasPrefix(s.Path, "/") || s.URL != "" {
					t.Fatalf("%q: got %#v, want an absolute path", candidate, s)
				}
			}
			if s.Kind == KindRTSP && strings.Contains(s.URL, "@") {
				continue // without its user, an @ in the path looks like a password with a /
			}
			s2, _, _, twice, err := parseSource(again, "/dir")
			if err != nil || twice || s2 != s {
				t.Fatalf("%q: %q reads as %+v (%v), want itself without credentials", candidate, again, s2, err)
			}
			if given && strings.Contains(s.URL, canary) && !strings.Contains(text, canary) {
				t.Fatalf("%q: the password is in %q", candidate, s.URL)
			}
		}
	})
}
