// SPDX-License-Identifier: Apache-2.0

package config

import "log/slog"

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
	Width, Height int // pixels, 16 to 8192
	FPS           int // pictures per second, 1 to 240
}

// Redacted returns the source for people to read: the URL or the path, with the values of query
// parameters and of anything that looks like a password replaced by three asterisks (some cameras
// want their credentials in the path).
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
