// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"camring/core/testpattern"
)

// The kinds of source.
const (
	KindRTSP = "rtsp" // rtsp:// and rtsps://
	KindFile = "file"
	KindTest = "test"
)

// Source is where a camera's pictures come from. It never contains user or password.
type Source struct {
	Kind    string      // KindRTSP, KindFile or KindTest
	URL     string      // canonical, without user information; "" for files
	Path    string      // absolute path of a file; "" otherwise
	Pattern TestPattern // of KindTest
}

// TestPattern is a synthetic camera.
type TestPattern struct {
	Width, Height int // pixels, 320 to 8192 and 180 to 8192: a smaller one has no room for the pattern
	FPS           int // pictures per second, 1 to 240
}

// Redacted returns the source for people to read: the URL or the path, with the values of whatever
// is named like a credential replaced by three asterisks (some cameras want theirs in the path).
func (s Source) Redacted() string {
	if s.Kind == KindFile {
		return s.Path
	}
	return redact(s.URL)
}

// String is Redacted.
func (s Source) String() string { return s.Redacted() }

// GoString is Redacted for %#v.
func (s Source) GoString() string { return `config.Source("` + s.Redacted() + `")` }

// MarshalText is Redacted for encoders.
func (s Source) MarshalText() ([]byte, error) { return []byte(s.Redacted()), nil }

// LogValue is Redacted for log/slog.
func (s Source) LogValue() slog.Value { return slog.StringValue(s.Redacted()) }

// allowedSources is what an error tells people to write instead.
const allowedSources = "want rtsp://host/path, rtsps://host/path, the path of a file or test:pattern"

var (
	schemeRE = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*):`)
	digitsRE = regexp.MustCompile(`^[0-9]+$`)
	// Sources that a later version reads. Anything else is refused for good: libav and OpenCV
	// know schemes that run commands, join files or open sockets.
	laterSchemes = []string{"v4l2", "http", "https", "opencv"}
)

// parseSource reads what stands under url: of a camera. dir is where relative paths start. user
// and password come from the URL; given says whether it had any, even empty ones. Errors do not
// quote the text.
func parseSource(text, dir string) (s Source, user string, password Secret, given bool, err error) {
	fail := func(err error) (Source, string, Secret, bool, error) { return Source{}, "", "", false, err }
	if strings.ContainsFunc(text, isControl) || strings.TrimSpace(text) != text || text == "" {
		return fail(errors.New(allowedSources + ", without spaces around it or control characters"))
	}
	match := schemeRE.FindStringSubmatch(text)
	switch {
	case digitsRE.MatchString(text):
		return fail(errors.New("a device number is not supported by this version: " + allowedSources))
	case match == nil:
		s, err = parsePath(text, dir)
		return s, "", "", false, err
	}
	switch scheme := strings.ToLower(match[1]); {
	case scheme == "rtsp" || scheme == "rtsps":
		return parseRTSP(text)
	case scheme == "file":
		s, err = parseFileURL(text)
		return s, "", "", false, err
	case scheme == "test":
		s, err = parseTest(text[len("test:"):])
		return s, "", "", false, err
	case slices.Contains(laterSchemes, scheme):
		return fail(errors.New(scheme + ": is not supported by this version: " + allowedSources))
	}
	return fail(errors.New("sources of this kind are refused: " + allowedSources))
}

func parsePath(text, dir string) (Source, error) {
	base := filepath.Base(text)
	switch {
	case text == "-":
		return Source{}, errors.New("standard input is no source: " + allowedSources)
	case text == "~" || strings.HasPrefix(text, "~/"):
		return Source{}, errors.New("~ is not expanded: write the whole path")
	case strings.HasPrefix(filepath.Clean(text), "/dev/video"):
		return Source{}, errors.New("a video device is not supported by this version: " + allowedSources)
	case strings.HasSuffix(text, "/"), base == ".", base == "..":
		return Source{}, errors.New("a folder is no source: " + allowedSources)
	case filepath.IsAbs(text):
		return Source{Kind: KindFile, Path: filepath.Clean(text)}, nil
	}
	return Source{Kind: KindFile, Path: filepath.Join(dir, text)}, nil
}

func parseFileURL(text string) (Source, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.User != nil || u.Host != "" && u.Host != "localhost" ||
		u.RawQuery != "" || u.Fragment != "" || !strings.HasPrefix(u.Path, "/") {
		return Source{}, errors.New("want file:///path, with %3F for ? and %23 for # in it")
	}
	if strings.ContainsFunc(u.Path, isControl) {
		return Source{}, errors.New("control characters in the path")
	}
	return parsePath(u.Path, "/")
}

func parseRTSP(text string) (s Source, user string, password Secret, given bool, err error) {
	fail := func(reason string) (Source, string, Secret, bool, error) {
		return Source{}, "", "", false, errors.New(reason)
	}
	u, err := url.Parse(text)
	if err != nil { // its text quotes the URL, password and all
		if strings.Contains(text, "@") {
			return fail("not a URL: write # / ? % and spaces in a password as %23 %2F %3F %25 and %20, or put it under password:")
		}
		return fail("not a URL: want rtsp://host/path")
	}
	switch port, portErr := strconv.Atoi(u.Port()); {
	case u.Hostname() == "":
		return fail("no host: want rtsp://host/path")
	case strings.ContainsAny(u.Hostname(), `%"'<>\^{|} `) && !strings.Contains(u.Hostname(), ":"):
		return fail("not a host name: want rtsp://host/path")
	case strings.HasSuffix(u.Host, ":"), u.Port() != "" && (portErr != nil || port < 1 || port > 65535):
		return fail("want a port from 1 to 65535")
	case u.Fragment != "" || strings.Contains(text, "#"):
		return fail("a URL ends at #: write %23 if the path or the password has one, or put the password under password:")
	case u.User == nil && strings.Contains(u.Path, "@") && strings.Contains(u.Host, ":"):
		// rtsp://user:12/34@host reads as host "user", port 12.
		return fail("@ after the host: write / in a password as %2F, or put it under password:; write %40 if the path has an @")
	}
	if u.User != nil {
		given = true
		user = u.User.Username()
		plain, _ := u.User.Password()
		password = Secret(plain)
		if strings.ContainsFunc(user+plain, isControl) {
			return fail("control characters in user or password")
		}
		u.User = nil
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	return Source{Kind: KindRTSP, URL: u.String()}, user, password, given, nil
}

// parseTest reads what follows "test:": pattern?size=WIDTHxHEIGHT&fps=N, each part optional.
func parseTest(text string) (Source, error) {
	const want = "want test:pattern?size=WIDTHxHEIGHT&fps=N, 320x180 to 8192x8192 pixels and 1 to 240 fps"
	p := TestPattern{Width: 1280, Height: 720, FPS: 30}
	name, query, _ := strings.Cut(text, "?")
	values, err := url.ParseQuery(query)
	if err != nil || name != "" && name != "pattern" {
		return Source{}, errors.New(want)
	}
	for k, list := range values {
		switch {
		case len(list) != 1:
			err = errors.New("twice")
		case k == "fps":
			p.FPS, err = within(list[0], 1, 240)
		case k == "size":
			width, height, _ := strings.Cut(list[0], "x")
			var errHeight error
			p.Width, err = within(width, testpattern.MinWidth, 8192)
			p.Height, errHeight = within(height, testpattern.MinHeight, 8192)
			err = errors.Join(err, errHeight)
		default:
			err = errors.New("unknown")
		}
		if err != nil {
			return Source{}, errors.New(want)
		}
	}
	canonical := fmt.Sprintf("test:pattern?size=%dx%d&fps=%d", p.Width, p.Height, p.FPS)
	return Source{Kind: KindTest, URL: canonical, Pattern: p}, nil
}

// within returns the decimal number in text, which must be from low to high.
func within(text string, low, high int) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || int(n) < low || int(n) > high {
		return 0, errors.New("out of range")
	}
	return int(n), nil
}
