// SPDX-License-Identifier: Apache-2.0

// Package config reads what a person configures: one YAML file, the environment, or the list of
// cameras on make's command line.
//
// [Find] says which file to read, [Load] reads it, [Parse] does the work. The result is plain data
// with every default filled in and every value checked; nothing in it changes afterwards, so any
// number of goroutines may read it.
//
// # Errors
//
// All mistakes of a file are reported together: the error is an errors.Join of [*Error] values in
// the order of the file, one "file:line:column: message" each. No key is ever ignored: an unknown
// one is an error that names the nearest valid one, and one that a later version will know is
// refused as not supported by this one.
//
// # Secrets
//
// Passwords are of type [Secret], which shows itself only through [Secret.Reveal], and no [Source]
// contains one. Errors quote neither passwords nor what an environment variable held.
package config

import (
	"time"

	"camring/ring"
)

// Config is a checked configuration.
type Config struct {
	Path    string   // file it came from, as given to Load or Parse; "" for FromCameras
	Cameras []Camera // sorted by name
	Redis   Redis
	HTTP    HTTP
	Ring    Ring
	Log     Log
}

// Camera is one configured camera.
type Camera struct {
	Name      string // [a-z0-9][a-z0-9_-]{0,62}, unique
	Enabled   bool
	Source    Source
	Username  string // "" for none; only for rtsp and rtsps
	Password  Secret
	Transport string // rtsp and rtsps: "auto", "tcp" or "udp"
	Loop      bool   // files: begin again at the end
	Pace      string // files: "realtime" (by timestamps) or "fast" (as fast as they decode)
	Slots     int    // slots of the frame ring, 2 to 64

	StreamKey string // any text, as metadata records carry it
	CameraID  string
	Topic     string // Redis stream of the metadata, unique among the enabled cameras
	Group     string
	Location  string
	Output    string // name of the primary output, whose frames the metadata describes
}

// Redis says where metadata goes.
type Redis struct {
	Mode     string // "private" (a child of ours), "url" or "off"
	URL      string // mode "url": redis, rediss or unix, without user and password
	Username string
	Password Secret
	Batch    time.Duration // one pipeline per so much, 1 ms to 1 s
	MaxLen   int           // approximate length each stream is trimmed to, 1 to 10,000,000
}

// HTTP is the status server.
type HTTP struct {
	Listen string // host:port; "" for none
}

// Ring says where rings lie and how large they are.
type Ring struct {
	Dir   string // absolute
	Group string // group that may read the rings; "" for the process's own
	Slots int    // default for cameras, 2 to 64
}

// Log says what is logged, and how.
type Log struct {
	Level  string // "debug", "info", "warn" or "error"
	Format string // "auto" (colours on a terminal), "text" or "json"
}

// Default returns the configuration of an empty file: no cameras, a private Redis.
func Default() *Config {
	return &Config{
		Redis: Redis{Mode: "private", Batch: 25 * time.Millisecond, MaxLen: 1000},
		HTTP:  HTTP{Listen: "127.0.0.1:9670"},
		Ring:  Ring{Dir: ring.DefaultDir(), Slots: 8},
		Log:   Log{Level: "info", Format: "auto"},
	}
}

// defaultCamera is a camera before anything was said about it.
func defaultCamera() Camera {
	return Camera{
		Enabled: true, Transport: "auto", Pace: "realtime",
		Group: "default", Location: "Unknown", Output: "main",
	}
}
