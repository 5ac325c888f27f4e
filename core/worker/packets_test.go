// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"camring/core/control"
	"camring/internal/testcam/testclip"
	"camring/internal/testutil"
	"camring/ring"
)

func ringDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "camring-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// accessUnit is one compressed picture as a receiver writes it.
type accessUnit struct {
	data []byte
	pts  int64
	key  bool
}

// accessUnits makes an H.264 clip and cuts it into access units, in decoding order.
func accessUnits(t testing.TB, spec testclip.Spec) (units []accessUnit) {
	t.Helper()
	clip := testclip.Make(t, spec)
	raw := filepath.Join(t.TempDir(), "clip.h264")
	testutil.FFmpeg(t, "-i", clip, "-c", "copy", "-bsf:v", "h264_metadata=aud=insert,dump_extra", "-f", "h264", raw)
	data, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	// The times, in the packets' order: "stream, dts, pts, duration, size, hash" a line.
	var times []int64
	for line := range strings.Lines(string(testutil.FFmpeg(t, "-i", clip, "-map", "0:v", "-c", "copy", "-copyts", "-f", "framemd5", "-"))) {
		f := strings.Split(line, ",")
		if strings.HasPrefix(line, "#") || len(f) < 6 {
			continue
		}
		pts, err := strconv.ParseInt(strings.TrimSpace(f[2]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		times = append(times, pts*100_000/9)
	}
	delimiter := []byte{0, 0, 0, 1, 9}
	for i, part := range bytes.Split(data, delimiter)[1:] {
		unit := accessUnit{data: append(slices.Clone(delimiter), part...), key: bytes.Contains(part, []byte{0, 0, 1, 0x65})}
		if i < len(times) {
			unit.pts = times[i] - times[0]
		}
		units = append(units, unit)
	}
	if len(units) != len(times) || len(units) == 0 || !units[0].key {
		t.Fatalf("%d access units, %d times", len(units), len(times))
	}
	return units
}

// bench is a camera's two rings, a reader of each picture, and the process that decodes, which can die.
type bench struct {
	t       *testing.T
	dir     string
	packets *ring.PacketWriter
	clock   int64

	capture *packetCapture
	frames  *ring.FrameReader
	next    uint64
	sums    []string // md5 of every picture, and "gap REASON" for every gap
	corrupt []uint64 // packets of pictures with the flag
	cuts    int      // pictures with the discontinuity flag
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: ringDir(t), next: 1}
	b.receive()
	t.Cleanup(func() {
		b.die()
		_ = b.packets.Close()
		if b.frames != nil {
			_ = b.frames.Close()
		}
	})
	return b
}

// receive starts a receiver, or the successor of one.
func (b *bench) receive() {
	b.t.Helper()
	if b.packets != nil {
		_ = b.packets.Close()
	}
	var err error
	if b.packets, err = ring.OpenPacketWriter(ring.PacketConfig{Dir: b.dir, Camera: "cam", GID: -1}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) send(u accessUnit, flags ring.Flags) {
	b.t.Helper()
	b.clock++
	d := ring.PacketDesc{Codec: ring.CodecH264, PTSNS: u.pts, DTSNS: u.pts, Flags: flags, ReceivedMonoNS: ring.MonoNS() + b.clock}
	if u.key {
		d.Flags |= ring.FlagKey
	}
	if err := b.packets.Publish(&d, [][]byte{u.data}); err != nil {
		b.t.Fatal(err)
	}
}

// session sends the units of one session, and how it ended.
func (b *bench) session(units []accessUnit, end ring.Reason) {
	b.t.Helper()
	flags := ring.Flags(0)
	if b.packets.Head() > 0 {
		flags = ring.FlagDiscontinuity
	}
	for _, u := range units {
		b.send(u, flags)
		flags = 0
	}
	if end != ring.ReasonNone {
		if err := b.packets.PublishGap(&ring.PacketDesc{Reason: end, ReceivedMonoNS: ring.MonoNS()}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// start starts a worker.
func (b *bench) start(s control.Start) {
	b.t.Helper()
	s.Camera = control.Camera{Name: "cam", Output: "main", Slots: 8, Dir: b.dir, GID: -1}
	log := slog.New(slog.DiscardHandler)
	out, err := openOutput(s.Camera, &control.Mirror{}, log)
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := ring.OpenPackets(ring.PacketPath(b.dir, "cam"), ring.ReaderOptions{Name: "decoder"})
	if err != nil {
		b.t.Fatal(err)
	}
	b.capture = &packetCapture{out: out, log: log, r: r, waitKey: true}
	if err := b.capture.position(s); err != nil {
		b.t.Fatal(err)
	}
	b.look()
}

// run decodes at most n packets and reports how many there were.
func (b *bench) run(n int) int {
	b.t.Helper()
	for i := range n {
		p, err := b.capture.r.Next(0)
		if errors.Is(err, ring.ErrTimeout) {
			return i
		}
		if err == nil {
			err = b.capture.packet(&p)
		}
		if err != nil {
			b.t.Fatal(err)
		}
		b.look()
	}
	return n
}

// look reads what has been published.
func (b *bench) look() {
	b.t.Helper()
	if b.frames == nil {
		r, err := ring.OpenFrames(ring.FramePath(b.dir, "cam", "main"), ring.ReaderOptions{})
		if err != nil {
			return
		}
		b.frames = r
	}
	for ; b.next <= b.frames.Head(); b.next++ {
		f, err := b.frames.At(b.next)
		if err != nil {
			b.t.Fatalf("record %d: %v", b.next, err)
		}
		if f.Flags&ring.FlagGap != 0 {
			b.sums = append(b.sums, "gap "+f.Reason.String())
			continue
		}
		pixels, err := f.AppendPacked(nil)
		if err != nil {
			b.t.Fatal(err)
		}
		sum := md5.Sum(pixels)
		b.sums = append(b.sums, hex.EncodeToString(sum[:]))
		if f.Flags&ring.FlagCorrupt != 0 {
			b.corrupt = append(b.corrupt, f.PacketSeq)
		}
		if f.Flags&ring.FlagDiscontinuity != 0 {
			b.cuts++
		}
	}
}

// die ends the worker as a kill does: nothing is said, the ring stays.
func (b *bench) die() {
	if b.capture == nil {
		return
	}
	_ = b.capture.out.w.Close()
	_ = b.capture.r.Close()
	if b.capture.dec != nil {
		_ = b.capture.dec.Close()
	}
	b.capture = nil
}

// A worker that dies anywhere, in a stream of two sessions with B-frames: the pictures and gaps of
// both lives together are those of one that lives through.
func TestFaultH12_DeathAfterAnyPacketLosesAndRepeatsNothing(t *testing.T) {
	for _, bframes := range []int{0, 3} {
		t.Run(fmt.Sprintf("%d B-frames", bframes), func(t *testing.T) {
			units := accessUnits(t, testclip.Spec{Width: 64, Height: 64, FPS: 15, GOP: 10, BFrames: bframes})
			fill := func(b *bench) {
				b.session(units[:17], ring.ReasonConnectionLost)
				b.session(units, ring.ReasonNone)
			}
			whole := newBench(t)
			fill(whole)
			whole.packets.Heartbeat()
			whole.start(control.Start{})
			whole.capture.r.Seek(1) // from the beginning, where a worker would join at the newest keyframe
			total := whole.run(1000)
			pictures := slices.DeleteFunc(slices.Clone(whole.sums), func(s string) bool { return strings.HasPrefix(s, "gap") })
			if total != 17+1+len(units) || len(whole.sums) != len(pictures)+1 || len(pictures) < 17+len(units)-bframes-1 {
				t.Fatalf("one life: %d packets, %d pictures, %d gaps", total, len(pictures), len(whole.sums)-len(pictures))
			}
			if whole.cuts != 1 {
				t.Errorf("%d pictures of one life say discontinuity, want the first of the second session", whole.cuts)
			}
			if i := slices.Index(whole.sums, "gap connection_lost"); i != 17 {
				t.Errorf("%d pictures came before the gap, want all 17 of the session", i)
			}
			for n := 1; n < total; n++ {
				b := newBench(t)
				fill(b)
				b.start(control.Start{})
				b.capture.r.Seek(1)
				b.run(n)
				b.die()
				before := len(b.sums)
				b.start(control.Start{Resume: true})
				if b.capture.silent == 0 { // nothing was published yet: it joins, as it did the first time
					b.capture.r.Seek(1)
				}
				b.run(1000)
				if !slices.Equal(b.sums, whole.sums) {
					t.Errorf("killed after packet %d with %d records published: %d records in two lives, want the %d of one life:\n%s\n%s",
						n, before, len(b.sums), len(whole.sums), short(b.sums), short(whole.sums))
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}

func short(sums []string) string {
	var b strings.Builder
	for _, s := range sums {
		if !strings.HasPrefix(s, "gap") {
			s = s[:4]
		}
		fmt.Fprintf(&b, "%s ", s)
	}
	return b.String()
}

// The packets of another life of the packet ring have other numbers: a frame ring that was kept for a
// reader must not make its worker wait for them.
func TestKeptFrameRingDoesNotHoldUpANewPacketRing(t *testing.T) {
	units := accessUnits(t, testclip.Spec{Width: 64, Height: 64, FPS: 15, GOP: 10})
	for _, resume := range []bool{false, true} {
		t.Run(fmt.Sprintf("resume %v", resume), func(t *testing.T) {
			b := newBench(t)
			b.start(control.Start{})
			b.session(units, ring.ReasonNone)
			b.run(1000)
			b.die()
			if err := b.packets.Stop(); err != nil {
				t.Fatal(err)
			}
			b.packets = nil
			b.receive()
			b.session(units[:3], ring.ReasonNone)
			before := len(b.sums)
			b.start(control.Start{Resume: resume})
			b.run(1000)
			if got := len(b.sums) - before; got != 3 {
				t.Errorf("%d pictures of the 3 in the new packet ring, %d before", got, before)
			}
		})
	}
}

// What is counted as lost by one death is not counted again by the next.
func TestSkippedPacketsAreCountedOnce(t *testing.T) {
	units := accessUnits(t, testclip.Spec{Width: 64, Height: 64, FPS: 15, GOP: 10})
	b := newBench(t)
	b.start(control.Start{})
	b.session(units[:5], ring.ReasonNone)
	b.run(3)
	for range 3 {
		b.die()
		b.start(control.Start{Resume: true, SkipGOP: true})
	}
	for _, u := range units[5:] {
		b.send(u, 0)
	}
	b.run(1000)
	if got := b.frames.Counter(ring.CountDropRestart); got != 2 {
		t.Errorf("%d packets counted as lost, want the 2 behind the last picture", got)
	}
	if got := b.frames.Counter(ring.CountDropNoKeyframe); got != 5 {
		t.Errorf("%d packets counted as dropped for want of a keyframe, want the 5 before it", got)
	}
}

// After a packet that cannot be decoded, and after one that the receiver marked, nothing is served as
// clean until the next keyframe.
func TestPicturesAfterDamageAreFlaggedUntilTheNextKeyframe(t *testing.T) {
	units := accessUnits(t, testclip.Spec{Width: 64, Height: 64, FPS: 15, GOP: 10})
	for name, damage := range map[string]func(*accessUnit) ring.Flags{
		"undecodable":       func(u *accessUnit) ring.Flags { u.data = []byte{0, 0, 0, 1, 0x41, 0, 0}; return 0 },
		"marked as corrupt": func(*accessUnit) ring.Flags { return ring.FlagCorrupt },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.start(control.Start{})
			for i, u := range units[:20] {
				flags := ring.Flags(0)
				switch {
				case i == 4:
					flags = damage(&u)
				case i > 4 && i < 10 && name == "marked as corrupt": // as a receiver does
					flags = ring.FlagCorrupt
				}
				b.send(u, flags)
			}
			b.run(1000)
			want := []uint64{6, 7, 8, 9, 10}
			if name == "marked as corrupt" {
				want = []uint64{5, 6, 7, 8, 9, 10}
			}
			if !slices.Equal(b.corrupt, want) {
				t.Errorf("pictures of packets %v are flagged, want %v", b.corrupt, want)
			}
		})
	}
}
