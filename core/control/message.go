// SPDX-License-Identifier: Apache-2.0

// Package control is how camring's processes speak to each other: one JSON object a line, over a
// socket pair that the supervisor makes before it starts a child.
//
// The supervisor tells a child which cameras to serve; the child tells what becomes of each. One
// [Start] is one attempt: a child never retries, the supervisor decides when. Pictures never pass
// here, they are in the rings; and what can be read from a ring's header (state, counters, head) is
// not repeated here.
//
// A closed socket is an order to stop: a child that loses its supervisor ends.
package control

import (
	"time"

	"camring/ring"
)

// Version is the version of the protocol. Both ends are built together; a child of another version is
// refused, so that a half-made update is noticed at once.
const Version = 1

// FD is the file descriptor of a child's end of the socket pair.
const FD = 3

// Message is one line. Exactly one field is set.
type Message struct {
	// From the supervisor.
	Start *Start `json:"start,omitempty"`
	Stop  *Stop  `json:"stop,omitempty"`
	State *State `json:"state,omitempty"`
	Quit  *Quit  `json:"quit,omitempty"`

	// From the child.
	Hello     *Hello     `json:"hello,omitempty"`
	Connected *Connected `json:"connected,omitempty"`
	Ended     *Ended     `json:"ended,omitempty"`
	Log       *Log       `json:"log,omitempty"`
}

// Start begins one attempt at a camera. A child that already serves the camera refuses with [Ended].
type Start struct {
	Camera Camera `json:"camera"`
	// Attempt numbers the attempts at a camera; it comes back in Connected and Ended, so that a late
	// answer to an old attempt is recognised.
	Attempt uint64 `json:"attempt"`
	// Resume says that this supervisor has had the camera served before: go on behind what was
	// published, and publish nothing twice.
	Resume bool `json:"resume,omitempty"`
	// SkipGOP says that the last two processes died on this camera: wait for a keyframe that is not in
	// the packet ring yet.
	SkipGOP bool `json:"skip_gop,omitempty"`
}

// Camera is what a child needs to know to serve a camera.
type Camera struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"` // rtsp (receiver and worker), file, test (worker)
	URL       string `json:"url,omitempty"`
	Username  string `json:"username,omitempty"`
	Password  string `json:"password,omitempty"` // the socket pair is the only way it travels
	Transport string `json:"transport,omitempty"`
	Path      string `json:"path,omitempty"`
	Loop      bool   `json:"loop,omitempty"`
	Pace      string `json:"pace,omitempty"`
	Width     int    `json:"width,omitempty"` // test pattern
	Height    int    `json:"height,omitempty"`
	FPS       int    `json:"fps,omitempty"`
	Output    string `json:"output"`
	Slots     int    `json:"slots"`
	Dir       string `json:"dir"` // of the rings
	GID       int    `json:"gid"` // of the ring files; -1 = the process's
}

// Stop ends the attempt at a camera. The answer is [Ended] with the reason given here.
type Stop struct {
	Camera string      `json:"camera"`
	Reason ring.Reason `json:"reason"`
	// Final says that no other attempt follows in this process: the rings may go.
	Final bool `json:"final,omitempty"`
}

// State tells a worker the camera's state, for the header of the frame ring.
type State struct {
	Camera string      `json:"camera"`
	State  ring.State  `json:"state"`
	Reason ring.Reason `json:"reason"`
}

// Quit ends the child: it stops every camera as by a final Stop, and exits.
type Quit struct{}

// Hello is a child's first message.
type Hello struct {
	Protocol int    `json:"protocol"`
	Version  string `json:"version"`
	PID      int    `json:"pid"`
	Detail   string `json:"detail,omitempty"` // worker: library versions
}

// Connected says that an attempt has reached its source.
type Connected struct {
	Camera    string     `json:"camera"`
	Attempt   uint64     `json:"attempt"`
	Codec     ring.Codec `json:"codec"`
	Width     int        `json:"width,omitempty"` // 0 = not known before the first picture
	Height    int        `json:"height,omitempty"`
	Transport string     `json:"transport,omitempty"`
}

// Ended says that an attempt is over, whatever ended it.
type Ended struct {
	Camera     string        `json:"camera"`
	Attempt    uint64        `json:"attempt"`
	Reason     ring.Reason   `json:"reason"`
	Detail     string        `json:"detail,omitempty"` // for a person; without secrets
	RetryAfter time.Duration `json:"retry_after,omitempty"`
}

// Log is one log record of a child; the supervisor writes it with its own.
type Log struct {
	Level int               `json:"level"` // slog's
	Text  string            `json:"text"`
	Attrs map[string]string `json:"attrs,omitempty"`
}
