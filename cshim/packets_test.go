// SPDX-License-Identifier: Apache-2.0

package cshim

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"
)

// accessUnits splits an Annex B stream at its access unit delimiters, given by their first byte
// behind the start code and the mask that selects the type in it.
func accessUnits(t testing.TB, stream []byte, mask, delimiter byte) [][]byte {
	t.Helper()
	var starts []int
	for i := 0; i+4 < len(stream); i++ {
		if bytes.HasPrefix(stream[i:], []byte{0, 0, 0, 1}) && stream[i+4]&mask == delimiter {
			starts = append(starts, i)
		}
	}
	if len(starts) == 0 || starts[0] != 0 {
		t.Fatal("the stream does not begin with an access unit delimiter")
	}
	var units [][]byte
	for i, start := range starts {
		end := len(stream)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		units = append(units, padded(stream[start:end]))
	}
	return units
}

// padded copies b into memory with the padding that Send asks for.
func padded(b []byte) []byte { return append(make([]byte, 0, len(b)+Padding), b...) }

// annexB encodes a clip and splits it into access units.
func annexB(t testing.TB, codec Codec, options string) (path string, units [][]byte) {
	t.Helper()
	if codec == CodecH265 {
		path = encode(t, "a.hevc", 320, 240, "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -bsf:v hevc_metadata=aud=insert "+options)
	} else {
		path = encode(t, "a.h264", 320, 240, x264+"-bsf:v h264_metadata=aud=insert "+options)
	}
	stream, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if codec == CodecH265 {
		return path, accessUnits(t, stream, 0x7E, 35<<1)
	}
	return path, accessUnits(t, stream, 0x1F, 9)
}

func openDecoder(t testing.TB, codec Codec, limits Limits) *Decoder {
	t.Helper()
	d, err := OpenDecoder(codec, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeHandle(t, d) })
	return d
}

// sendAll sends the units, skipping nil ones, with their index as tag, and drains the decoder.
// latency is the largest number of units sent after a picture's own before it came out.
func sendAll(t testing.TB, d *Decoder, units [][]byte) (r reading, latency int) {
	t.Helper()
	var f Frame
	collect := func(i int, ok bool, err error) bool {
		switch {
		case errors.Is(err, ErrInvalidData):
			r.refused++
		case err != nil:
			r.err = err
			return false
		case ok:
			r.pictures = append(r.pictures, take(t, d, &f))
			latency = max(latency, i-int(f.Tag))
		}
		return ok
	}
	for i, unit := range units {
		if unit == nil {
			continue
		}
		r.packets++
		ok, err := d.Send(unit, &Packet{PTSNS: NoTime, DTSNS: int64(i) * 40e6, Tag: uint64(i)}, &f)
		for collect(i, ok, err) {
			ok, err = d.Receive(&f)
		}
	}
	ok, err := d.Drain(&f)
	for collect(len(units)-1, ok, err) || r.err == nil {
		ok, err = d.Receive(&f)
	}
	return r, latency
}

func TestPacketsGiveTheSamePicturesAsTheFile(t *testing.T) {
	for _, c := range []struct {
		name, options string
		codec         Codec
		latency       int
	}{
		{"H.264 without B-frames, at once", "-bf 0", CodecH264, 0},
		{"H.264 with a pyramid of B-frames", "-bf 3 -b_strategy 0 -x264-params b-pyramid=normal", CodecH264, 5},
		{"H.265 without B-frames, at once", "-x265-params log-level=none:bframes=0", CodecH265, 0},
		{"H.265 with B-frames", "-x265-params log-level=none:bframes=3", CodecH265, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, units := annexB(t, c.codec, c.options)
			if len(units) != 20 {
				t.Fatalf("got %d access units, want 20", len(units))
			}
			want := reference(t, path, "yuv420p", 320, 240, interleave, i420Size(320, 240))
			d := openDecoder(t, c.codec, Limits{})
			for pass := range 2 { // the second after a flush
				got, latency := sendAll(t, d, units)
				checkEqual(t, got, want)
				if latency > c.latency {
					t.Errorf("pass %d: got pictures up to %d units late, want at most %d", pass, latency, c.latency)
				}
				var tags []uint64
				for _, p := range got.pictures {
					tags = append(tags, p.frame.Tag)
				}
				slices.Sort(tags)
				if tags = slices.Compact(tags); len(tags) != 20 || tags[19] != 19 {
					t.Errorf("pass %d: got tags %v, want each of 0 to 19 once", pass, tags)
				}
				if err := d.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestMissingReferenceIsFlagged(t *testing.T) {
	_, units := annexB(t, CodecH265, "-x265-params log-level=none:bframes=0")
	units[7] = nil
	got, _ := sendAll(t, openDecoder(t, CodecH265, Limits{}), units)
	for _, p := range got.pictures {
		if corrupt := p.frame.Flags&FlagCorrupt != 0; corrupt && p.frame.Tag < 7 {
			t.Errorf("picture %d comes before the loss and is flagged as corrupt", p.frame.Tag)
		} else if !corrupt && p.frame.Tag == 8 {
			t.Error("the picture that refers to the missing one is not flagged as corrupt")
		}
	}
}

func TestFlagsOfAPacketReachItsPicture(t *testing.T) {
	_, units := annexB(t, CodecH264, "-bf 2 -b_strategy 0")
	d := openDecoder(t, CodecH264, Limits{})
	flags := map[uint64]uint32{3: FlagCorrupt, 5: FlagDiscontinuity, 6: FlagCorrupt | FlagDiscontinuity}
	var f Frame
	seen := 0
	check := func(ok bool, err error) bool {
		if errors.Is(err, EOF) {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			seen++
			if got := f.Flags &^ FlagKey; got != flags[f.Tag] {
				t.Errorf("picture %d: got flags %#x, want %#x", f.Tag, got, flags[f.Tag])
			}
		}
		return ok
	}
	for i, unit := range units {
		p := Packet{PTSNS: int64(i) * 40e6, DTSNS: NoTime, Tag: uint64(i), Flags: flags[uint64(i)]}
		for more := check(d.Send(unit, &p, &f)); more; {
			more = check(d.Receive(&f))
		}
	}
	for more := check(d.Drain(&f)); more; {
		more = check(d.Receive(&f))
	}
	if seen != len(units) {
		t.Errorf("got %d pictures, want %d", seen, len(units))
	}
}

func TestFaultB11_FlippedBitsAreCountedOrFlagged(t *testing.T) {
	for _, c := range []struct {
		name, file, options string
		codec               Codec
		undetectable        bool
	}{
		{"H.264", "", "-bf 2", CodecH264, false},
		{"H.265", "", "-x265-params log-level=none:bframes=2", CodecH265, false},
		{"MJPEG", "a.avi", "-c:v mjpeg -pix_fmt yuvj420p", CodecMJPEG, false},
		{"VP8", "a.webm", "-c:v libvpx -deadline realtime -cpu-used 8", CodecVP8, true}, // any bits decode to something,
		{"MPEG-4", "a.avi", "-c:v mpeg4 -bf 2", CodecMPEG4, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, uint64(c.codec)))
			flip := func(b []byte, from, every int) {
				for i := from; i < len(b); i += 1 + random.IntN(2*every) {
					b[i] ^= 1 << random.IntN(8)
				}
			}
			var got reading
			if c.file == "" {
				_, units := annexB(t, c.codec, c.options)
				for _, unit := range units[1:] {
					flip(unit, 12, 200)
				}
				got, _ = sendAll(t, openDecoder(t, c.codec, Limits{}), units)
			} else {
				path := encode(t, c.file, 320, 240, c.options)
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				flip(b, 6000, 300)
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				got = readFile(t, path)
			}
			flagged := 0
			for _, p := range got.pictures {
				if p.frame.Flags&FlagCorrupt != 0 {
					flagged++
				}
			}
			t.Logf("%d packets, %d pictures, %d flagged, %d refused, end: %v", got.packets, len(got.pictures), flagged, got.refused, got.err)
			if flagged+got.refused == 0 && !c.undetectable {
				t.Error("no picture is flagged as corrupt and no packet was refused")
			}
		})
	}
}

func TestSendRefusesWhatItCannotTake(t *testing.T) {
	_, units := annexB(t, CodecH264, "-bf 0")
	d := openDecoder(t, CodecH264, Limits{MaxPacket: 100})
	f := Frame{Width: 1}
	p := Packet{}
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"nothing", nil, syscall.EINVAL},
		{"no padding behind the packet", slices.Clip(units[0]), syscall.EINVAL},
		{"a packet above the limit", units[0], ErrTooLarge},
		{"no H.264 at all", padded([]byte("not a NAL unit")), ErrInvalidData},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.Width = 1
			ok, err := d.Send(c.data, &p, &f)
			if ok || !errors.Is(err, c.want) {
				t.Errorf("got %v, %v, want %v", ok, err, c.want)
			}
			if f != (Frame{}) {
				t.Errorf("got %+v, want a zero frame", f)
			}
		})
	}
	if err := d.NV12(make([]byte, 100), &NV12{}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("NV12 without a picture: got %v, want EINVAL", err)
	}
}

func TestNV12RefusesPlanesThatLeaveTheMemory(t *testing.T) {
	_, units := annexB(t, CodecH264, "-bf 0")
	d := openDecoder(t, CodecH264, Limits{})
	var f Frame
	if ok, err := d.Send(units[0], &Packet{}, &f); !ok || err != nil {
		t.Fatalf("got %v, %v, want a picture", ok, err)
	}
	tight, size := TightNV12(f.Width, f.Height)
	buf := make([]byte, size)
	for _, c := range []struct {
		name   string
		length int
		change func(*NV12)
		want   error
	}{
		{"the exact size", size, func(*NV12) {}, nil},
		{"one byte too few", size - 1, func(*NV12) {}, syscall.ENOSPC},
		{"luma behind the end", size, func(n *NV12) { n.YOffset = 1 << 63 }, syscall.ENOSPC},
		{"chroma behind the end", size, func(n *NV12) { n.UVOffset = uint64(size) + 1 }, syscall.ENOSPC},
		{"offset that wraps around", size, func(n *NV12) { n.UVOffset = ^uint64(0) - 10 }, syscall.ENOSPC},
		{"stride below the width", size, func(n *NV12) { n.YStride = 319 }, syscall.ENOSPC},
		{"stride above 2 GiB", size, func(n *NV12) { n.UVStride = 1 << 31 }, syscall.ENOSPC},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := tight
			c.change(&n)
			err := d.NV12(buf[:c.length], &n)
			if (c.want == nil) != (err == nil) || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}
