// SPDX-License-Identifier: Apache-2.0

package top

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"camring/core/status"
	"camring/ring"
)

var update = flag.Bool("update", false, "write the golden files anew")

func sample() *status.Snapshot {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &status.Snapshot{
		Time: now, Version: "v0.1.0", Started: now.Add(-3*time.Minute - 5*time.Second), Host: "nvr", RingDir: "/dev/shm/camring",
		Cameras: []status.Camera{
			{
				Name: "front", State: ring.StateLive, SourceFPS: 25, PublishedFPS: 24.96, LatencyP50: 3.14, LatencyP99: 12.5,
				FrameAgeMS: 38, Published: 4600, Codec: "h264", Decoder: "software", Width: 1920, Height: 1080,
				Drops: map[string]uint64{"drop_no_slot": 2, "drop_decode": 17},
				Rings: []status.Ring{{Kind: "frame", Slots: 8, Bytes: 25_100_000, Readers: 2}, {Kind: "packet", Bytes: 2_100_000, Readers: 1}},
			},
			{
				Name: "garage", State: ring.StateBackoff, Reason: ring.ReasonUnreachable, FrameAgeMS: 61_000, Published: 900,
				Detail: "10.0.0.7:554 does not answer: check its power and its network\x1b[2Jand\ngo",
			},
			{Name: "yard", State: ring.StateConnecting, FrameAgeMS: -1, Codec: "none", Decoder: "none"},
		},
		Processes: []status.Process{{Role: "worker", Restarts: 2}},
		Redis:     status.Redis{Mode: "private", Address: "/dev/shm/camring/redis.sock", Connected: true, Records: 5500, Batches: 4400},
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got+"\n" != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTable(t *testing.T) {
	down := sample()
	down.Cameras = down.Cameras[:1]
	down.Redis = status.Redis{Mode: "url", Address: "redis://cache:6379", Error: "connection refused"}
	off := sample()
	off.Cameras, off.Redis = nil, status.Redis{Mode: "off"}
	for _, c := range []struct {
		name          string
		s             *status.Snapshot
		width, height int
		colour        bool
	}{
		{"wide", sample(), 160, 24, false},
		{"eighty", sample(), 80, 24, false},
		{"narrow", sample(), 40, 24, false},
		{"low", sample(), 160, 6, false},
		{"colour", sample(), 160, 24, true},
		{"redis-down", down, 120, 24, false},
		{"no-cameras", off, 80, 24, false},
		{"starting", nil, 80, 24, false},
	} {
		t.Run(c.name, func(t *testing.T) { golden(t, c.name, Render(c.s, c.width, c.height, c.colour)) })
	}
}

func TestTableNeverLeavesItsSpace(t *testing.T) {
	s := sample()
	for i := range 100 {
		c := s.Cameras[i%3]
		c.Name = fmt.Sprintf("camera-%03d", i)
		s.Cameras = append(s.Cameras, c)
	}
	for width := -1; width < 200; width += 11 {
		for height := -1; height < 60; height += 13 {
			for _, colour := range []bool{false, true} {
				lines := strings.Split(Render(s, width, height, colour), "\n")
				if len(lines) > max(height, 1) {
					t.Fatalf("%dx%d: %d lines", width, height, len(lines))
				}
				for _, l := range lines {
					if n := length(escapes.ReplaceAllString(l, "")); n > max(width, minWidth) {
						t.Fatalf("%dx%d: a line of %d characters: %q", width, height, n, l)
					}
				}
			}
		}
	}
}

func TestCamerasInTroubleAreShownFirstWhenSpaceIsShort(t *testing.T) {
	s := sample()
	for i := range 50 {
		s.Cameras = append([]status.Camera{{Name: fmt.Sprintf("live-%d", i), State: ring.StateLive}}, s.Cameras...)
	}
	got := Render(s, 120, 10, false)
	for _, want := range []string{"garage", "yard", "… and 48 more"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestTextCannotControlTheTerminal(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                       "plain",
		"\x1b[31mred\x1b[0m":          "red",
		"\x1b]0;title\a":              "?]0;title?",
		"a\r\nb\tc":                   "a??b c",
		"8-bit \u009b2J":              "8-bit ?2J",
		"back\u202ewards\u2028":       "back?wards?",
		"Tür \u6f22":                  "Tür \u6f22",
		"bad \xff byte":               "bad \ufffd byte",
		"\x1b[?1049l\x1b[38;5;1m own": " own",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
