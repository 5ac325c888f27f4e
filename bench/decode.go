// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"camring/ring"
)

const (
	longFrames  = 600
	shortFrames = 60 // one GOP: what is left of a run when nearly nothing is decoded
	decodeGOP   = 60
	runLimit    = 2 * time.Minute
)

// Decoded is one run of one side.
type Decoded struct {
	Frames int `json:"frames"`
	cost
}

// DecodePair is one interleaved measurement of all sides, on a long clip and on its first GOP.
type DecodePair struct {
	Pair         int     `json:"pair"`
	CamringFirst bool    `json:"camring_first"`
	Camring      Decoded `json:"camring"`
	Libav        Decoded `json:"libav"`
	NV12         Decoded `json:"libav_nv12"` // libav, then libyuv into 8 buffers: nothing but the work a ring needs
	CamringShort Decoded `json:"camring_short"`
	LibavShort   Decoded `json:"libav_short"`
	NV12Short    Decoded `json:"libav_nv12_short"`
}

// Whole is the ratio of the CPU time per frame of the two process trees, from start to end.
func (p *DecodePair) Whole() float64 {
	return perFrame(p.Camring) / perFrame(p.Libav)
}

// Marginal is the ratio of what one more frame costs: start-up and end cancel out.
func (p *DecodePair) Marginal() float64 {
	return marginal(p.Camring, p.CamringShort) / marginal(p.Libav, p.LibavShort)
}

// MarginalNV12 is the ratio of what one more frame costs to that of decoding and converting it without
// a ring.
func (p *DecodePair) MarginalNV12() float64 {
	return marginal(p.Camring, p.CamringShort) / marginal(p.NV12, p.NV12Short)
}

// FloorNV12 is the like ratio of the two floors: what conversion costs by itself.
func (p *DecodePair) FloorNV12() float64 {
	return marginal(p.NV12, p.NV12Short) / marginal(p.Libav, p.LibavShort)
}

// CamringMarginalMS and LibavMarginalMS are the CPU time of one more frame.
func (p *DecodePair) CamringMarginalMS() float64 { return marginal(p.Camring, p.CamringShort) }

// LibavMarginalMS is [DecodePair.CamringMarginalMS] for the floor.
func (p *DecodePair) LibavMarginalMS() float64 { return marginal(p.Libav, p.LibavShort) }

// CamringStartMS and LibavStartMS are the CPU time of a run that does not grow with the clip.
func (p *DecodePair) CamringStartMS() float64 {
	return p.CamringShort.CPUMS() - float64(p.CamringShort.Frames)*p.CamringMarginalMS()
}

// LibavStartMS is [DecodePair.CamringStartMS] for the floor.
func (p *DecodePair) LibavStartMS() float64 {
	return p.LibavShort.CPUMS() - float64(p.LibavShort.Frames)*p.LibavMarginalMS()
}

func perFrame(d Decoded) float64 { return d.CPUMS() / float64(d.Frames) }

func marginal(long, short Decoded) float64 {
	return (long.CPUMS() - short.CPUMS()) / float64(long.Frames-short.Frames)
}

// FileToRing measures the CPU time of camring run --once, all its processes together, from a file to
// its frame ring, against that of a program that only decodes the file with libav.
func FileToRing(ctx context.Context, o *Options) error {
	long, err := makeClip(ctx, o, "decode.mp4", longFrames, decodeGOP)
	if err != nil {
		return err
	}
	short, err := cutClip(ctx, o, long, "short.mp4", shortFrames)
	if err != nil {
		return err
	}
	env := environment(ctx, o, "decode", fmt.Sprintf(" PAIRS=%d", o.Pairs))
	env.Clip = long
	env.Setup = "camring run --once, pace: fast, redis: off, http: {listen: off}, 8 slots; against bench/floor/decode.c; " +
		"one unmeasured run of each side first, then pairs in the order A B C C B A: camring, floor-decode, floor-decode --nv12"
	res := newResults(env)
	for n := range o.Pairs + 1 {
		p := DecodePair{Pair: n, CamringFirst: n%2 == 0}
		for _, run := range []struct {
			clip                 *Clip
			camring, libav, nv12 *Decoded
		}{{long, &p.Camring, &p.Libav, &p.NV12}, {short, &p.CamringShort, &p.LibavShort, &p.NV12Short}} {
			sides := []func() error{
				func() (err error) { *run.camring, err = camringOnce(ctx, o, run.clip); return err },
				func() (err error) { *run.libav, err = libavOnce(ctx, o, run.clip.path); return err },
				func() (err error) { *run.nv12, err = libavOnce(ctx, o, "--nv12", run.clip.path); return err },
			}
			if !p.CamringFirst {
				slices.Reverse(sides)
			}
			for _, side := range sides {
				if err := side(); err != nil {
					return err
				}
			}
			if want := run.clip.Frames; run.camring.Frames != want || run.libav.Frames != want || run.nv12.Frames != want {
				return fmt.Errorf("pair %d: camring published %d pictures, libav decoded %d and %d, of a clip of %d: not a measurement",
					n, run.camring.Frames, run.libav.Frames, run.nv12.Frames, want)
			}
		}
		if n == 0 {
			continue // warm-up: programs and clips come into the page cache
		}
		res.add(p)
		o.say("pair %2d: camring %.3f ms/frame, libav %.3f, whole %.3f, marginal %.3f, against nv12 %.3f", n,
			perFrame(p.Camring), perFrame(p.Libav), p.Whole(), p.Marginal(), p.MarginalNV12())
	}
	return res.write(o.Results)
}

// camringOnce decodes a clip into a new ring and counts what the ring says was published.
func camringOnce(ctx context.Context, o *Options, c *Clip) (Decoded, error) {
	dir, remove, err := ringDir()
	if err != nil {
		return Decoded{}, err
	}
	defer remove()
	config := filepath.Join(dir, "camring.yaml")
	text := fmt.Sprintf("cameras:\n  clip: {url: %q, pace: fast}\nredis: off\nhttp: {listen: off}\nring: {dir: %q}\nlog: {level: warn}\n", c.path, dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return Decoded{}, err
	}
	held := hold(ctx, ring.FramePath(dir, "clip", "main"))
	_, spent, err := command(ctx, runLimit, o.camring(), "run", "--once", "-c", config)
	r := held()
	if r != nil {
		defer func() { _ = r.Close() }()
	}
	if err != nil {
		return Decoded{}, err
	}
	if r == nil {
		return Decoded{}, errors.New("the run ended before its ring was seen")
	}
	return published(r, spent)
}

// hold registers a reader with the ring at path as soon as it is there: a ring that somebody reads
// outlives the run. The reader never waits, so the writer never wakes it. The function it returns ends
// the search and gives the reader, nil if the ring never came.
func hold(ctx context.Context, path string) func() *ring.FrameReader {
	ctx, cancel := context.WithCancel(ctx)
	found := make(chan *ring.FrameReader, 1)
	go func() {
		for {
			if r, err := ring.OpenFrames(path, ring.ReaderOptions{Name: "bench"}); err == nil {
				found <- r
				return
			}
			select {
			case <-ctx.Done():
				found <- nil
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() *ring.FrameReader {
		cancel()
		return <-found
	}
}

// published checks that a finished ring lost nothing.
func published(r *ring.FrameReader, spent cost) (Decoded, error) {
	d := Decoded{Frames: int(r.Counter(ring.CountPublished)), cost: spent}
	for c := range ring.Counter(ring.Counters) {
		if n := r.Counter(c); n > 0 && (c.Drop() || c == ring.CountCorrupt || c == ring.CountGaps) {
			return d, fmt.Errorf("the run counted %d of %v: not a measurement", n, c)
		}
	}
	f, err := r.Latest()
	if err != nil {
		return d, fmt.Errorf("last picture of the run: %w", err)
	}
	if f.Seq != uint64(d.Frames) || f.Width != clipWidth || f.Height != clipHeight || !f.Valid() {
		return d, fmt.Errorf("the ring ends with picture %d of %dx%d after %d: not a measurement", f.Seq, f.Width, f.Height, d.Frames)
	}
	return d, nil
}

// libavOnce runs the floor.
func libavOnce(ctx context.Context, o *Options, args ...string) (Decoded, error) {
	out, spent, err := command(ctx, runLimit, o.Floor, args...)
	if err != nil {
		return Decoded{}, err
	}
	d := Decoded{cost: spent}
	if err := json.Unmarshal(out, &d); err != nil {
		return d, fmt.Errorf("floor-decode said %q: %w", out, err)
	}
	d.cost = spent // by wait4, as for camring
	return d, nil
}
