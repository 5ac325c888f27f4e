// SPDX-License-Identifier: Apache-2.0

package api

import (
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"camring/core/status"
	"camring/ring"
)

const maxScrapes = 4 // at once; more are refused

// metric is one family: its description, its type, and how to write it.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func counter(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("camring_"+name, help, labels, nil), prometheus.CounterValue}
}

func gauge(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("camring_"+name, help, labels, nil), prometheus.GaugeValue}
}

var (
	buildInfo = gauge("build_info", "1, with the version as a label.", "version", "go_version")
	started   = gauge("start_time_seconds", "When camring run started, in seconds since 1970.")

	cameraState      = gauge("camera_state", "1 for the state that the camera is in, 0 for the others.", "camera", "state")
	cameraSince      = gauge("camera_state_since_seconds", "When the camera's state began, in seconds since 1970.", "camera")
	cameraPublished  = counter("camera_frames_published_total", "Frames published in the frame ring.", "camera")
	cameraCorrupt    = counter("camera_frames_corrupt_total", "Of those, frames that are known to be damaged.", "camera")
	cameraGaps       = counter("camera_gaps_total", "Gap records: interruptions of the picture.", "camera")
	cameraDrops      = counter("camera_drops_total", "Pictures that arrived and were not published, by cause.", "camera", "cause")
	cameraEvents     = counter("camera_events_total", "Other events that the camera's rings count.", "camera", "event")
	cameraBytes      = counter("camera_received_bytes_total", "Compressed bytes put into the packet ring.", "camera")
	cameraSessions   = counter("camera_sessions_total", "Connections to the source that were opened.", "camera")
	cameraReconnects = counter("camera_reconnects_total", "Of those, after a loss.", "camera")
	cameraSourceFPS  = gauge("camera_source_frames_per_second", "Pictures that arrived per second, over the last seconds.", "camera")
	cameraFPS        = gauge("camera_published_frames_per_second", "Pictures published per second, over the last seconds.", "camera")
	cameraP50        = gauge("camera_latency_p50_seconds", "Median time from a picture's last byte to its publication, over the last 1024.", "camera")
	cameraP99        = gauge("camera_latency_p99_seconds", "99th percentile of the same.", "camera")
	cameraPacketAge  = gauge("camera_packet_age_seconds", "Time since the last picture arrived; absent before the first.", "camera")
	cameraFrameAge   = gauge("camera_frame_age_seconds", "Time since the last picture was published; absent before the first.", "camera")

	ringBytes   = gauge("ring_bytes", "Size of the ring file: shared memory in use.", "camera", "kind", "output")
	ringSlots   = gauge("ring_slots", "Slots of the frame ring.", "camera", "kind", "output")
	ringReaders = gauge("ring_readers", "Readers registered with the ring.", "camera", "kind", "output")
	ringEpoch   = gauge("ring_epoch", "Epoch of the ring: how often its file was made anew.", "camera", "kind", "output")

	processUp       = gauge("process_up", "1 if the child process runs.", "role", "index")
	processRestarts = counter("process_restarts_total", "Times the child process was started again.", "role", "index")
	processCameras  = gauge("process_cameras", "Cameras that the child process serves.", "role", "index")

	redisConnected = gauge("redis_connected", "1 if Redis answers; absent if it is off.")
	redisRecords   = counter("redis_records_total", "Metadata records written to Redis.")
	redisGaps      = counter("redis_gaps_total", "Gap records written to Redis.")
	redisLost      = counter("redis_records_lost_total", "Records that became part of a gap record.")
	redisBatches   = counter("redis_batches_total", "Pipelines sent to Redis.")
	redisRetries   = counter("redis_retries_total", "Pipelines sent again after a failure.")
	redisFlushMean = gauge("redis_flush_mean_seconds", "Mean time from sending a pipeline to its last reply.")
	redisFlushMax  = gauge("redis_flush_max_seconds", "Longest such time since the start.")
	redisOldest    = gauge("redis_oldest_unsent_seconds", "Age of the oldest record that Redis has not got.")

	families = []metric{
		buildInfo, started, cameraState, cameraSince, cameraPublished, cameraCorrupt, cameraGaps, cameraDrops,
		cameraEvents, cameraBytes, cameraSessions, cameraReconnects, cameraSourceFPS, cameraFPS, cameraP50,
		cameraP99, cameraPacketAge, cameraFrameAge, ringBytes, ringSlots, ringReaders, ringEpoch, processUp,
		processRestarts, processCameras, redisConnected, redisRecords, redisGaps, redisLost, redisBatches,
		redisRetries, redisFlushMean, redisFlushMax, redisOldest,
	}
)

// collector turns one snapshot per scrape into metrics. Every label is from the configuration or from
// a fixed list, so the number of series is bounded by the number of cameras.
type collector struct {
	snapshot func() *status.Snapshot
}

func metricsHandler(snapshot func() *status.Snapshot, log *slog.Logger) http.Handler {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(
		collector{snapshot},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError, // one bad value must not hide the others
		MaxRequestsInFlight: maxScrapes,
	})
}

// Describe lists every family there can be.
func (c collector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range families {
		to <- m.desc
	}
}

// Collect writes the families that the snapshot has values for.
func (c collector) Collect(to chan<- prometheus.Metric) {
	snap := c.snapshot()
	if snap == nil {
		return
	}
	put := func(m metric, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(m.desc, m.kind, v, labels...)
	}
	put(buildInfo, 1, snap.Version, runtime.Version())
	put(started, float64(snap.Started.UnixNano())/1e9)
	for i := range snap.Cameras {
		collectCamera(put, &snap.Cameras[i])
	}
	for _, p := range snap.Processes {
		labels := []string{p.Role, strconv.Itoa(p.Index)}
		put(processUp, one(p.PID != 0), labels...)
		put(processRestarts, float64(p.Restarts), labels...)
		put(processCameras, float64(len(p.Cameras)), labels...)
	}
	if r := &snap.Redis; r.Mode != "off" {
		put(redisConnected, one(r.Connected))
		put(redisRecords, float64(r.Records))
		put(redisGaps, float64(r.Gaps))
		put(redisLost, float64(r.Lost))
		put(redisBatches, float64(r.Batches))
		put(redisRetries, float64(r.Retries))
		put(redisFlushMean, r.FlushMean/1e3)
		put(redisFlushMax, r.FlushMax/1e3)
		put(redisOldest, float64(r.OldestMS)/1e3)
	}
}

func collectCamera(put func(m metric, v float64, labels ...string), c *status.Camera) {
	for s := ring.StateNone; s <= ring.StateEnded; s++ {
		put(cameraState, one(c.State == s), c.Name, s.String())
	}
	put(cameraSince, float64(c.Since.UnixNano())/1e9, c.Name)
	put(cameraPublished, float64(c.Published), c.Name)
	put(cameraCorrupt, float64(c.Corrupt), c.Name)
	put(cameraGaps, float64(c.Gaps), c.Name)
	put(cameraSessions, float64(c.Sessions), c.Name)
	put(cameraReconnects, float64(c.Reconnects), c.Name)
	put(cameraSourceFPS, c.SourceFPS, c.Name)
	put(cameraFPS, c.PublishedFPS, c.Name)
	put(cameraP50, c.LatencyP50/1e3, c.Name)
	put(cameraP99, c.LatencyP99/1e3, c.Name)
	if c.PacketAgeMS >= 0 {
		put(cameraPacketAge, float64(c.PacketAgeMS)/1e3, c.Name)
	}
	if c.FrameAgeMS >= 0 {
		put(cameraFrameAge, float64(c.FrameAgeMS)/1e3, c.Name)
	}
	collectCounters(put, c)
	for _, r := range c.Rings {
		labels := []string{c.Name, r.Kind, r.Output}
		put(ringBytes, float64(r.Bytes), labels...)
		put(ringReaders, float64(r.Readers), labels...)
		put(ringEpoch, float64(r.Epoch), labels...)
		if r.Slots > 0 {
			put(ringSlots, float64(r.Slots), labels...)
		}
	}
}

// collectCounters writes every counter of the rings, those that are 0 as well: a rate needs to see
// them begin. The packet ring's have a prefix in the status.
func collectCounters(put func(m metric, v float64, labels ...string), c *status.Camera) {
	for i := range ring.Counters {
		n := ring.Counter(i)
		cause := strings.TrimPrefix(n.String(), "drop_")
		switch {
		case n.Drop():
			put(cameraDrops, float64(max(c.Drops[n.String()], c.Drops[cause])), c.Name, cause)
		case n == ring.CountBytes:
			put(cameraBytes, float64(c.Counters["packet_"+n.String()]), c.Name)
		case n == ring.CountPublished, n == ring.CountGaps, n == ring.CountCorrupt: // have families of their own
		default:
			put(cameraEvents, float64(c.Counters[n.String()]+c.Counters["packet_"+n.String()]), c.Name, n.String())
		}
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
