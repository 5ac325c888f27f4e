// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"os"
	"slices"
	"time"

	"camring/core/status"
	"camring/ring"
)

const (
	rateWindow    = 5 * time.Second // over which frames per second are counted
	latencyWindow = 1024            // frames over which latency is taken
	readersEvery  = time.Second

	quantilesEvery = time.Second
)

// ringWatch looks at a camera's rings as any plain reader does, and keeps what the status shows. The
// supervisor's loop owns it.
type ringWatch struct {
	framePath, packetPath string
	network               bool
	frames                *ring.FrameReader
	packets               *ring.PacketReader
	nextFrame             uint64

	newest      ring.FrameDesc // newest picture
	lastFrameNS int64          // CLOCK_MONOTONIC of the newest publication; 0 = never
	lastPacket  int64          // of the newest arrival
	packetHead  uint64
	latencies   []float64 // milliseconds, a ring of latencyWindow
	latencyAt   int
	sorted      []float64 // scratch
	p50, p99    float64   // of latencies, as of quantilesAt
	quantilesAt int64     // CLOCK_MONOTONIC
	framesIn    rate
	framesOut   rate
	readers     map[string]int
	readersAt   time.Time
}

func newRingWatch(framePath, packetPath string, network bool) *ringWatch {
	return &ringWatch{framePath: framePath, packetPath: packetPath, network: network, readers: map[string]int{}}
}

// look reads what is new and reports whether a picture was published since the last look.
func (w *ringWatch) look(now time.Time) (fresh bool) {
	w.attach()
	if w.frames != nil {
		fresh = w.lookFrames()
		w.framesOut.add(now, w.frames.Counter(ring.CountPublished))
	}
	if w.packets != nil {
		_, _ = w.packets.Follow()
		if head := w.packets.Head(); head != w.packetHead { // lower: another life of the ring
			w.packetHead = head
			w.packets.Seek(head + 1)
			if d, err := w.packets.Describe(head); err == nil && d.Flags&ring.FlagGap == 0 {
				w.lastPacket = d.ReceivedMonoNS
			}
		}
		w.framesIn.add(now, w.packets.Counter(ring.CountPublished))
	}
	if now.Sub(w.readersAt) >= readersEvery {
		w.readersAt = now
		for _, path := range []string{w.framePath, w.packetPath} {
			if readers, err := ring.Readers(path); err == nil {
				w.readers[path] = len(readers)
			}
		}
	}
	return fresh
}

func (w *ringWatch) attach() {
	if w.frames == nil && exists(w.framePath) {
		if r, err := ring.OpenFrames(w.framePath, ring.ReaderOptions{}); err == nil {
			w.frames, w.nextFrame = r, max(r.Head(), r.Base()) // the newest as well, if there is one
			r.Seek(w.nextFrame)
		}
	}
	if w.packets == nil && w.network && exists(w.packetPath) {
		if r, err := ring.OpenPackets(w.packetPath, ring.ReaderOptions{}); err == nil {
			w.packets, w.packetHead = r, r.Head()
		}
	}
}

func (w *ringWatch) lookFrames() (fresh bool) {
	var d ring.FrameDesc
	for {
		head := w.frames.Head()
		for ; w.nextFrame <= head; w.nextFrame++ {
			if err := w.frames.Describe(w.nextFrame, &d); err != nil || d.Flags&ring.FlagGap != 0 {
				continue
			}
			w.newest, fresh = d, true
			w.lastFrameNS = d.PublishedMonoNS
			w.latency(float64(d.PublishedMonoNS-d.ReceivedMonoNS) / 1e6)
		}
		w.frames.Seek(w.nextFrame)
		moved, err := w.frames.Follow()
		if err != nil || !moved {
			return fresh
		}
		w.nextFrame = max(w.nextFrame, w.frames.Base())
		if w.nextFrame > w.frames.Head()+1 {
			w.nextFrame = w.frames.Base()
		}
	}
}

func (w *ringWatch) latency(ms float64) {
	if len(w.latencies) < latencyWindow {
		w.latencies = append(w.latencies, ms)
		return
	}
	w.latencies[w.latencyAt] = ms
	w.latencyAt = (w.latencyAt + 1) % latencyWindow
}

// head is the newest sequence of the frame ring, 0 if there is none.
func (w *ringWatch) head() uint64 {
	if w.attach(); w.frames == nil {
		return 0
	}
	return w.frames.Head()
}

// interval is the usual time between two pictures; 0 if not known.
func (w *ringWatch) interval() time.Duration {
	if fps := w.framesOut.best; fps > 0 {
		return time.Duration(float64(time.Second) / fps)
	}
	return 0
}

// fill writes what the rings say into a camera's status.
func (w *ringWatch) fill(c *status.Camera) {
	now := ring.MonoNS()
	c.FrameAgeMS, c.PacketAgeMS = age(now, w.lastFrameNS), age(now, w.lastPacket)
	c.Drops, c.Counters = map[string]uint64{}, map[string]uint64{}
	c.PublishedFPS = w.framesOut.perSecond()
	c.SourceFPS = c.PublishedFPS
	if now-w.quantilesAt >= int64(quantilesEvery) { // sorting is most of a snapshot's cost
		w.quantilesAt = now
		w.sorted = append(w.sorted[:0], w.latencies...)
		slices.Sort(w.sorted)
		w.p50, w.p99 = quantile(w.sorted, 0.5), quantile(w.sorted, 0.99)
	}
	c.LatencyP50, c.LatencyP99 = w.p50, w.p99
	if w.frames != nil {
		counters(c, w.frames.Counter, "")
		c.Published = w.frames.Counter(ring.CountPublished)
		c.Gaps = w.frames.Counter(ring.CountGaps)
		c.Corrupt = w.frames.Counter(ring.CountCorrupt)
		c.Width, c.Height = int(w.newest.Width), int(w.newest.Height)
		c.Codec, c.Decoder = ring.Codec(w.newest.Codec).String(), w.newest.Decoder.String()
		c.Rings = append(c.Rings, status.Ring{
			Path: w.framePath, Kind: "frame", Output: w.frames.Output(), Epoch: w.frames.Epoch(), Head: w.frames.Head(),
			Slots: w.frames.Slots(), Bytes: w.frames.FileSize(), Readers: w.readers[w.framePath], WriterPID: w.frames.WriterPID(),
		})
	}
	if w.packets != nil {
		c.SourceFPS = w.framesIn.perSecond()
		counters(c, w.packets.Counter, "packet_")
		c.Rings = append(c.Rings, status.Ring{
			Path: w.packetPath, Kind: "packet", Epoch: w.packets.Epoch(), Head: w.packets.Head(),
			Bytes: w.packets.FileSize(), Readers: w.readers[w.packetPath], WriterPID: w.packets.WriterPID(),
		})
	}
}

// counters sorts a ring's counters into drops by cause and the others, leaving zeros out.
func counters(c *status.Camera, value func(ring.Counter) uint64, prefix string) {
	for i := range ring.Counter(ring.Counters) {
		v := value(i)
		switch {
		case v == 0:
		case i.Drop():
			c.Drops[i.String()] += v
		default:
			c.Counters[prefix+i.String()] = v
		}
	}
}

func (w *ringWatch) close() {
	if w.frames != nil {
		_ = w.frames.Close()
	}
	if w.packets != nil {
		_ = w.packets.Close()
	}
}

// rate counts events per second over a sliding window.
type rate struct {
	at    []time.Time
	count []uint64
	best  float64 // the highest rate over a whole window so far
}

func (r *rate) add(now time.Time, count uint64) {
	if n := len(r.count); n > 0 && count < r.count[n-1] { // another life of the ring
		r.at, r.count = nil, nil
	}
	r.at, r.count = append(r.at, now), append(r.count, count)
	for len(r.at) > 2 && now.Sub(r.at[0]) > rateWindow {
		r.at, r.count = r.at[1:], r.count[1:]
	}
	if now.Sub(r.at[0]) > rateWindow/2 {
		r.best = max(r.best, r.perSecond())
	}
}

func (r *rate) perSecond() float64 {
	n := len(r.at) - 1
	if n < 1 {
		return 0
	}
	return float64(r.count[n]-r.count[0]) / r.at[n].Sub(r.at[0]).Seconds()
}

func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func age(now, then int64) int64 {
	if then == 0 {
		return -1
	}
	return max(now-then, 0) / 1e6
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
