// SPDX-License-Identifier: Apache-2.0

package api

import (
	"sort"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"camring/core/status"
	"camring/ring"
)

// scrape returns every value of one scrape by "name{label=value,...}".
func scrape(t *testing.T, snap *status.Snapshot) map[string]float64 {
	t.Helper()
	got := get(handler(func() *status.Snapshot { return snap }), "GET", "/metrics")
	if got.code != 200 {
		t.Fatalf("metrics: %d %s", got.code, got.body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(got.body))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for name, f := range families {
		for _, m := range f.GetMetric() {
			key := name
			if labels := labelText(m.GetLabel()); labels != "" {
				key += "{" + labels + "}"
			}
			values[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
		}
	}
	return values
}

func labelText(labels []*dto.LabelPair) string {
	var pairs []string
	for _, l := range labels {
		pairs = append(pairs, l.GetName()+"="+l.GetValue())
	}
	sort.Strings(pairs)
	return strings.Join(pairs, ",")
}

func TestMetricsAreTheSnapshotsValues(t *testing.T) {
	got := scrape(t, sample())
	for name, want := range map[string]float64{
		"camring_camera_frames_published_total{camera=front}":      1200,
		"camring_camera_frames_corrupt_total{camera=front}":        2,
		"camring_camera_gaps_total{camera=front}":                  1,
		"camring_camera_drops_total{camera=front,cause=no_slot}":   3,
		"camring_camera_drops_total{camera=front,cause=decode}":    4,
		"camring_camera_drops_total{camera=front,cause=lapped}":    0,
		"camring_camera_events_total{camera=front,event=rtp_lost}": 7,
		"camring_camera_received_bytes_total{camera=front}":        5000,
		"camring_camera_state{camera=front,state=live}":            1,
		"camring_camera_state{camera=front,state=backoff}":         0,
		"camring_camera_state{camera=yard,state=backoff}":          1,
		"camring_camera_reconnects_total{camera=front}":            2,
		"camring_camera_published_frames_per_second{camera=front}": 24.5,
		"camring_camera_latency_p50_seconds{camera=front}":         0.004,
		"camring_camera_latency_p99_seconds{camera=front}":         0.0095,
		"camring_camera_frame_age_seconds{camera=front}":           0.016,
		"camring_ring_bytes{camera=front,kind=frame,output=main}":  1 << 20,
		"camring_ring_slots{camera=front,kind=frame,output=main}":  8,
		"camring_ring_readers{camera=front,kind=packet,output=}":   1,
		"camring_process_up{index=0,role=receiver}":                1,
		"camring_process_up{index=1,role=worker}":                  0,
		"camring_process_restarts_total{index=1,role=worker}":      5,
		"camring_redis_connected":                                  1,
		"camring_redis_records_total":                              1200,
		"camring_redis_flush_mean_seconds":                         0.0005,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", name, v, ok, want)
		}
	}
	for _, absent := range []string{"camring_camera_frame_age_seconds{camera=yard}", "camring_camera_packet_age_seconds{camera=yard}"} {
		if v, ok := got[absent]; ok {
			t.Errorf("%s is %v before the first picture", absent, v)
		}
	}
	for _, runtime := range []string{"go_goroutines", "process_open_fds"} {
		if got[runtime] == 0 {
			t.Errorf("no %s", runtime)
		}
	}
	var states int
	for name, v := range got {
		if strings.HasPrefix(name, "camring_camera_state{camera=front") {
			states += int(v)
		}
	}
	if states != 1 {
		t.Errorf("a camera is in %d states", states)
	}
}

func TestMetricsWithoutASnapshotOrRedis(t *testing.T) {
	if got := scrape(t, nil); got["go_goroutines"] == 0 || got["camring_redis_connected"] != 0 {
		t.Errorf("before the first snapshot: %v", got)
	}
	snap := sample()
	snap.Redis = status.Redis{Mode: "off"}
	for name := range scrape(t, snap) {
		if strings.HasPrefix(name, "camring_redis") {
			t.Errorf("%s although Redis is off", name)
		}
	}
}

// ours counts the series that are not the Go runtime's.
func ours(values map[string]float64) (n int) {
	for name := range values {
		if strings.HasPrefix(name, "camring_") {
			n++
		}
	}
	return n
}

func TestUnknownCountersMakeNoSeries(t *testing.T) {
	snap := sample()
	before := ours(scrape(t, snap))
	snap.Cameras[0].Drops["invented"] = 1
	snap.Cameras[0].Counters["invented"] = 1
	snap.Cameras[0].Rings = append(snap.Cameras[0].Rings, snap.Cameras[0].Rings[0])
	if after := ours(scrape(t, snap)); after != before || before == 0 {
		t.Errorf("%d series before, %d after", before, after)
	}
	if n := ring.Counters; n != 18 {
		t.Errorf("the ring has %d counters: decide what the new one is to metrics", n)
	}
}

func TestMetricNamesFollowTheRules(t *testing.T) {
	got := get(handler(sampleOnce()), "GET", "/metrics")
	var text strings.Builder
	for line := range strings.Lines(got.body) {
		if strings.Contains(line, "camring_") {
			text.WriteString(line)
		}
	}
	problems, err := promlint.New(strings.NewReader(text.String())).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
