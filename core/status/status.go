// SPDX-License-Identifier: Apache-2.0

// Package status is what camring says about itself: the plain values behind /api/v1/cameras,
// /metrics, camring list and camring top. A [Snapshot] is made by the supervisor's loop and never
// changed afterwards; anybody may keep one.
package status

import (
	"time"

	"camring/ring"
)

// Snapshot is the whole system at one moment.
type Snapshot struct {
	Time      time.Time `json:"time"`
	Version   string    `json:"version"`
	Started   time.Time `json:"started"`
	Host      string    `json:"host"`
	RingDir   string    `json:"ring_dir"`
	Cameras   []Camera  `json:"cameras"` // sorted by name
	Processes []Process `json:"processes"`
	Redis     Redis     `json:"redis"`
}

// Camera is one configured camera.
type Camera struct {
	Name   string `json:"name"`
	Source string `json:"source"` // without credentials
	Kind   string `json:"kind"`   // rtsp, file, test

	State   ring.State  `json:"state"`
	Reason  ring.Reason `json:"reason,omitempty"`
	Detail  string      `json:"detail,omitempty"` // one sentence for a person: what failed and what to do
	Since   time.Time   `json:"since"`            // when State was entered
	RetryAt *time.Time  `json:"retry_at,omitempty"`
	History []Change    `json:"history"` // the newest changes of state, oldest first, at most 32

	Sessions   uint64 `json:"sessions"`   // connections to the source that were opened
	Reconnects uint64 `json:"reconnects"` // of those, after a loss
	Transport  string `json:"transport,omitempty"`
	Codec      string `json:"codec,omitempty"`
	Decoder    string `json:"decoder,omitempty"` // what decoded the newest frame
	Width      int    `json:"width,omitempty"`
	Height     int    `json:"height,omitempty"`

	SourceFPS    float64 `json:"source_fps"`    // pictures that arrived, per second, over the last seconds
	PublishedFPS float64 `json:"published_fps"` // pictures published, likewise

	// Latency is from the last byte of the compressed picture to its publication, over the last 1024
	// frames; a file's begins when it was read.
	LatencyP50 float64 `json:"latency_p50_ms"`
	LatencyP99 float64 `json:"latency_p99_ms"`

	PacketAgeMS int64 `json:"packet_age_ms"` // since the last picture arrived; -1 = never
	FrameAgeMS  int64 `json:"frame_age_ms"`  // since the last picture was published; -1 = never

	Published uint64            `json:"published_total"`
	Gaps      uint64            `json:"gaps_total"`
	Corrupt   uint64            `json:"corrupt_total"`
	Drops     map[string]uint64 `json:"drops_total"` // by cause; causes with 0 are left out
	Counters  map[string]uint64 `json:"counters"`    // every other counter of both rings that is not 0

	Rings []Ring `json:"rings"`

	// The camera's keys, as they stand in its metadata records.
	StreamKey string `json:"stream_key"`
	CameraID  string `json:"camera_id"`
	Topic     string `json:"topic"`
	Group     string `json:"group"`
	Location  string `json:"location"`
}

// Change is one change of a camera's state.
type Change struct {
	Time   time.Time   `json:"time"`
	State  ring.State  `json:"state"`
	Reason ring.Reason `json:"reason,omitempty"`
}

// Ring is one ring file of a camera.
type Ring struct {
	Path      string `json:"path"`
	Kind      string `json:"kind"`   // frame, packet
	Output    string `json:"output"` // frame rings
	Epoch     uint64 `json:"epoch"`
	Head      uint64 `json:"head"`
	Slots     int    `json:"slots,omitempty"`
	Bytes     uint64 `json:"bytes"` // size of the file
	Readers   int    `json:"readers"`
	WriterPID int    `json:"writer_pid"`
}

// Process is one process of the tree.
type Process struct {
	Role     string    `json:"role"` // receiver, worker, redis
	Index    int       `json:"index"`
	PID      int       `json:"pid"` // 0 = not running
	Cameras  []string  `json:"cameras,omitempty"`
	Started  time.Time `json:"started"`
	Restarts uint64    `json:"restarts"`
}

// Redis is the metadata plane.
type Redis struct {
	Mode      string  `json:"mode"` // private, url, off
	Address   string  `json:"address,omitempty"`
	Connected bool    `json:"connected"`
	Error     string  `json:"error,omitempty"`
	Records   uint64  `json:"records_total"`
	Gaps      uint64  `json:"gaps_total"`
	Lost      uint64  `json:"lost_total"` // records that became part of a gap record
	Batches   uint64  `json:"batches_total"`
	Retries   uint64  `json:"retries_total"`
	FlushMean float64 `json:"flush_mean_ms"`
	FlushMax  float64 `json:"flush_max_ms"`
	OldestMS  int64   `json:"oldest_unsent_ms"`
}
