// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"camring/core/control"
	"camring/core/status"
	"camring/core/version"
)

func (s *Supervisor) takeSnapshot(now time.Time) {
	shot := &status.Snapshot{
		Time: now, Version: version.Version, Started: s.started, Host: s.host, RingDir: s.cfg.Ring.Dir,
		Cameras: []status.Camera{}, Processes: []status.Process{}, Redis: s.redisStatus(),
	}
	for _, c := range s.cameras {
		shot.Cameras = append(shot.Cameras, c.status())
	}
	for _, p := range s.processes {
		sp := status.Process{Role: p.role, Index: p.index, Started: p.started, Restarts: p.restarts}
		if p.cmd != nil {
			sp.PID = p.cmd.Process.Pid
		}
		for _, c := range p.cameras {
			sp.Cameras = append(sp.Cameras, c.cfg.Name)
		}
		shot.Processes = append(shot.Processes, sp)
	}
	if s.private != nil {
		shot.Processes = append(shot.Processes, status.Process{Role: "redis", PID: s.private.PID(), Started: s.started, Restarts: uint64(max(s.private.Starts()-1, 0))})
	}
	s.snapshot.Store(shot)
}

func (c *camera) status() status.Camera {
	m := c.machine
	out := status.Camera{
		Name: c.cfg.Name, Source: c.cfg.Source.Redacted(), Kind: c.spec.Kind,
		State: m.State, Reason: m.Reason, Detail: m.Detail, Since: m.Since, History: slices.Clone(m.History),
		Sessions: c.sessions, Reconnects: c.reconnects, Transport: c.connected.Transport,
		StreamKey: c.cfg.StreamKey, CameraID: c.cfg.CameraID, Topic: c.cfg.Topic, Group: c.cfg.Group, Location: c.cfg.Location,
		Rings: []status.Ring{},
	}
	if !m.RetryAt.IsZero() {
		at := m.RetryAt
		out.RetryAt = &at
	}
	c.watch.fill(&out)
	return out
}

func (s *Supervisor) redisStatus() status.Redis {
	r := s.redis
	if s.publisher == nil {
		return r
	}
	st := s.publisher.Stats()
	r.Connected, r.Error = st.Connected, st.LastError
	if st.Connected && time.Since(st.LastErrorAt) > time.Minute {
		r.Error = ""
	}
	r.Records, r.Gaps, r.Lost, r.Batches, r.Retries = st.Records, st.GapRecords, st.Lost, st.Batches, st.Retries
	if st.Batches > 0 {
		r.FlushMean = st.FlushTotal.Seconds() * 1e3 / float64(st.Batches)
	}
	r.FlushMax = st.FlushMax.Seconds() * 1e3
	r.OldestMS = st.OldestAge.Milliseconds()
	return r
}

// childLog writes a child's log record with ours.
func (s *Supervisor) childLog(p *process, l *control.Log) {
	attrs := make([]slog.Attr, 0, len(l.Attrs))
	for _, k := range slices.Sorted(maps.Keys(l.Attrs)) {
		attrs = append(attrs, slog.String(k, l.Attrs[k]))
	}
	p.log.LogAttrs(context.Background(), slog.Level(l.Level), l.Text, attrs...) //nolint:sloglint // the child's constant
}

// childLine writes a line that a child wrote to stderr: the runtime's, or a library's. Any goroutine.
func (s *Supervisor) childLine(p *process, line string) {
	p.log.LogAttrs(context.Background(), slog.LevelWarn, "stderr", slog.String("line", line))
}
