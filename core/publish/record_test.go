// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"camring/ring"
)

// sentFields are the names of the fields of the only record that gathering a ring with this descriptor
// gives.
func sentFields(t *testing.T, set func(*ring.FrameDesc)) []string {
	t.Helper()
	r := newFakeRing(createdMS)
	r.publish(1, set)
	s := newStream(camera("front", r), "host", 1000, 0)
	var b batch
	var d ring.FrameDesc
	if err := s.gather(&b, 1, &d); err != nil || len(b.items) != 1 {
		t.Fatal(err, len(b.items))
	}
	return names(t, &b)
}

func names(t *testing.T, b *batch) (list []string) {
	t.Helper()
	for i := 0; i < len(b.args); i += 2 {
		list = append(list, b.args[i].constant)
	}
	sorted := slices.Sorted(slices.Values(list))
	if len(slices.Compact(sorted)) != len(list) {
		t.Errorf("a field is sent twice: %v", list)
	}
	return list
}

func TestDocumentedFieldsAreThoseSent(t *testing.T) {
	text, err := os.ReadFile("../../docs/metadata.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "|---|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	// documented returns the fields whose columns hold one of the words.
	documented := func(column int, words ...string) (list []string) {
		for line := range strings.Lines(table) {
			cells := strings.Split(line, "|")
			if slices.Contains(words, strings.TrimSpace(cells[column])) {
				list = append(list, strings.Trim(cells[1], " `"))
			}
		}
		slices.Sort(list)
		return list
	}
	var lost batch
	s := newStream(camera("front", newFakeRing(createdMS)), "host", 1000, 0)
	lost.appendLost(item{s: s, from: 1, to: 2, lost: 2, kind: kindLapped}, "lapped", 2, 1)

	const frame, gap = 2, 3
	unknown := func(d *ring.FrameDesc) { d.CaptureWallNS, d.ReceivedMonoNS = 0, 0 }
	for _, c := range []struct {
		name string
		want []string
		got  []string
	}{
		{"frame", documented(frame, "always", "known"), sentFields(t, func(*ring.FrameDesc) {})},
		{"frame of which little is known", documented(frame, "always"), sentFields(t, unknown)},
		{
			"similar frame", documented(frame, "always", "known", "similar"),
			sentFields(t, func(d *ring.FrameDesc) { d.Flags |= ring.FlagSimilar }),
		},
		{"gap of the capture", documented(gap, "always", "known", "capture"), sentFields(t, gapFlag)},
		{"gap of the records", documented(gap, "always", "known", "records"), names(t, &lost)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if len(c.want) < 8 {
				t.Fatalf("the table in docs/metadata.md was not found: %q", c.want)
			}
			slices.Sort(c.got)
			if diff := cmp.Diff(c.want, c.got); diff != "" {
				t.Errorf("docs/metadata.md (-) differs from what is sent (+):\n%s", diff)
			}
		})
	}
}

func TestValuesOfAFrame(t *testing.T) {
	t.Parallel()
	server := newServer(t).start()
	p, _ := running(t, Options{Target: server.target(), Host: "h1"})
	r := newFakeRing(createdMS)
	var wall int64
	r.publish(1, func(d *ring.FrameDesc) {
		d.Flags = ring.FlagKey | ring.FlagCorrupt
		wall = d.PublishedWallNS
	})
	p.Add(camera("front", r))
	eventually(t, "the record", func() bool { return server.length("front_topic") == 1 })
	got := server.entries("front_topic")[0].FieldValues
	want := map[string]string{
		"ts_ns": strconv.FormatInt(wall, 10), "capture_ns": strconv.FormatInt(wall-5_000_000, 10),
		"cam_id": "Key of front", "width": "1920", "height": "1080", "format": "NV12", "is_similar": "0",
		"stream_group_key": "default", "camera_location": "Unknown", "camera": "front", "camera_id": "id-front",
		"output": "full", "host": "h1", "ring": "/dev/shm/camring/front.ring", "epoch": "1700000000000", "seq": "1",
		"frame_id": "1", "pts_ns": "33333333", "capture_clock": "arrival", "capture_error_us": "2000",
		"latency_us": "2500", "codec": "h264", "decoder": "software", "matrix": "1", "range": "limited",
		"key": "1", "corrupt": "1", "discontinuity": "0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}
