// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"log/slog"
	"sync"

	"camring/core/publish"
	"camring/core/status"
	"camring/ring"
)

// startRedis starts the metadata plane and returns how to stop it. Whatever goes wrong here, frames
// flow: the error is in the log and in the status.
func (s *Supervisor) startRedis() (stop func()) {
	r := s.cfg.Redis
	s.redis = status.Redis{Mode: r.Mode}
	if r.Mode == "off" {
		return func() {}
	}
	var target publish.Target
	stopPrivate := func() {}
	log := s.log.With("part", "publish")
	switch r.Mode {
	case "private":
		ctx, cancel := context.WithCancel(context.Background())
		private, err := publish.StartPrivate(ctx, publish.PrivateOptions{Dir: s.cfg.Ring.Dir, Log: log})
		if err != nil {
			cancel()
			return s.noRedis(err)
		}
		s.private = private
		target = private.Target()
		stopPrivate = func() { cancel(); <-private.Done() }
	default:
		var err error
		if target, err = publish.ParseURL(r.URL); err != nil {
			return s.noRedis(err)
		}
		target.Username, target.Password = r.Username, r.Password.Reveal()
	}
	s.redis.Address = target.String()
	s.publisher = publish.New(publish.Options{Target: target, Batch: r.Batch, MaxLen: r.MaxLen, Log: log, Host: s.host})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.publisher.Run(ctx); err != nil {
			log.LogAttrs(ctx, slog.LevelError, "publisher ended", slog.String("err", err.Error()))
		}
	})
	return func() {
		cancel()
		running.Wait()
		stopPrivate()
	}
}

func (s *Supervisor) noRedis(err error) func() {
	s.redis.Error = err.Error()
	s.log.LogAttrs(context.Background(), slog.LevelError, "no metadata will be sent; frames are not affected", slog.String("err", err.Error()))
	return func() {}
}

// toPublisher hands a camera's frame ring to the publisher, once there is one.
func (s *Supervisor) toPublisher(c *camera) {
	if c.published || s.publisher == nil {
		return
	}
	r, err := ring.OpenFrames(c.watch.framePath, ring.ReaderOptions{})
	if err != nil {
		return // tried again with the next picture
	}
	c.published = true
	s.publisher.Add(publish.Camera{
		Name: c.cfg.Name, StreamKey: c.cfg.StreamKey, CameraID: c.cfg.CameraID, Topic: c.cfg.Topic,
		Group: c.cfg.Group, Location: c.cfg.Location, Output: c.cfg.Output, RingPath: c.watch.framePath,
		Records: &records{FrameReader: r}, FromHead: c.existed,
	})
}

// records is a frame ring as the publisher reads it: it follows to a new epoch only behind the last
// record that was asked for.
type records struct {
	*ring.FrameReader
	asked uint64
}

func (r *records) Describe(seq uint64, d *ring.FrameDesc) error {
	r.asked = max(r.asked, seq)
	return r.FrameReader.Describe(seq, d)
}

func (r *records) Follow() (bool, error) {
	r.Seek(r.asked + 1)
	return r.FrameReader.Follow()
}
