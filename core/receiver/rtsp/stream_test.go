// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/ntp"
	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"camring/ring"
)

// seen is what the loss tests look at.
type seen struct {
	Key, Corrupt bool
	Lost         uint32
	Slices       int
	PTS          time.Duration
}

func TestFaultN19_LossMarksPicturesUntilTheNextKeyframe(t *testing.T) {
	const tick = 9000 // 100 ms
	clean := func(i int) seen { return seen{Slices: 1, PTS: time.Duration(i) * 100 * time.Millisecond} }
	with := func(s seen, change func(*seen)) seen {
		change(&s)
		return s
	}
	key := func(i int) seen { return with(clean(i), func(s *seen) { s.Key = true }) }
	corrupt := func(i int, lost uint32) seen {
		return with(clean(i), func(s *seen) { s.Corrupt, s.Lost = true, lost })
	}
	one := func(seq uint16, i uint32, payload []byte) packet {
		return packet{seq: seq, timestamp: i * tick, marker: true, payload: payload}
	}
	part := func(seq uint16, i uint32, payload []byte) packet {
		return packet{seq: seq, timestamp: i * tick, payload: payload}
	}
	for _, c := range []struct {
		name    string
		packets []packet
		want    []seen
	}{
		{
			"nothing is lost over the end of the numbering",
			[]packet{one(65534, 0, idr(0)), one(65535, 1, inter(1)), one(0, 2, inter(2))},
			[]seen{key(0), clean(1), clean(2)},
		},
		{
			"a lost picture",
			[]packet{one(1, 0, idr(0)), one(4, 3, inter(3)), one(5, 4, inter(4)), one(6, 5, idr(5)), one(7, 6, inter(6))},
			[]seen{key(0), corrupt(3, 2), corrupt(4, 0), key(5), clean(6)},
		},
		{
			"a lost picture right before a keyframe leaves the keyframe clean",
			[]packet{one(1, 0, idr(0)), one(3, 2, idr(2)), one(4, 3, inter(3))},
			[]seen{key(0), with(key(2), func(s *seen) { s.Lost = 1 }), clean(3)},
		},
		{
			"a keyframe without its beginning is corrupt, and what follows",
			[]packet{one(1, 0, idr(0)), one(3, 1, []byte{0x65, 0x48, 0x84, 1}), one(4, 2, inter(2)), one(5, 3, idr(3))},
			[]seen{
				key(0), with(key(1), func(s *seen) { s.Corrupt, s.Lost = true, 1 }), corrupt(2, 0), key(3),
			},
		},
		{
			"a lost slice in a keyframe",
			[]packet{part(1, 0, idr(0)), one(3, 0, []byte{0x65, 0x48, 0x84, 1}), one(4, 1, inter(1)), one(5, 2, idr(2))},
			[]seen{
				with(key(0), func(s *seen) { s.Corrupt, s.Lost, s.Slices = true, 1, 2 }), corrupt(1, 0), key(2),
			},
		},
		{
			"a lost last packet: the picture ends where the next begins, and keeps its own time",
			[]packet{one(1, 0, idr(0)), part(2, 1, inter(1)), one(4, 2, inter(2)), one(5, 3, idr(3))},
			[]seen{key(0), corrupt(1, 1), corrupt(2, 0), key(3)},
		},
		{
			"a camera without markers",
			[]packet{
				part(1, 0, idr(0)), part(2, 1, inter(1)), part(3, 1, laterHalf(1)), part(4, 2, inter(2)), part(5, 3, inter(3)),
			},
			[]seen{key(0), with(clean(1), func(s *seen) { s.Slices = 2 }), clean(2)},
		},
		{
			"parameter sets in packets of their own are no picture",
			[]packet{one(1, 0, testSPS), one(2, 0, testPPS), one(3, 0, idr(0)), one(4, 1, inter(1))},
			[]seen{key(0), clean(1)},
		},
		{
			"a duplicate and a late packet are dropped",
			[]packet{one(5, 0, idr(0)), one(5, 0, idr(0)), one(3, 0, inter(9)), one(6, 1, inter(1))},
			[]seen{key(0), clean(1)},
		},
		{
			"N18: packets of another source are dropped",
			[]packet{
				one(5, 0, idr(0)), {seq: 900, timestamp: 77, marker: true, ssrc: 1, payload: inter(9)}, one(6, 1, inter(1)),
			},
			[]seen{key(0), clean(1)},
		},
		{
			"a session that begins inside a picture",
			[]packet{one(1, 0, laterHalf(0)), one(2, 1, inter(1)), one(3, 2, idr(2))},
			[]seen{with(clean(0), func(s *seen) { s.Corrupt = true }), corrupt(1, 0), key(2)},
		},
		{
			"a session that begins between keyframes",
			[]packet{one(1, 0, inter(0)), one(2, 1, idr(1))},
			[]seen{clean(0), key(1)},
		},
		{
			"B-frames have earlier times than what is sent before them",
			[]packet{one(1, 0, idr(0)), one(2, 3, inter(3)), one(3, 1, inter(1)), one(4, 2, inter(2))},
			[]seen{key(0), clean(3), clean(1), clean(2)},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			cam := startHostile(t, answer(playing(func(p *peer) { p.send(c.packets...) })))
			units, _, err := receive(t, Config{URL: cam.url("/x")}, testLimits, len(c.want))
			if !errors.Is(err, errEnough) {
				t.Fatalf("got %d units and %v, want %d", len(units), err, len(c.want))
			}
			var got []seen
			for _, u := range units {
				got = append(got, seen{u.Key, u.Corrupt, u.Lost, len(u.slices), u.PTS})
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("units differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRestartedNumberingIsTakenUpAgain(t *testing.T) {
	packets := []packet{{seq: 40000, marker: true, payload: idr(0)}}
	for i := range uint16(strayLimit + 3) {
		packets = append(packets, packet{seq: 20000 + i, timestamp: uint32(i+1) * 9000, marker: true, ssrc: 5, payload: inter(byte(i))})
	}
	cam := startHostile(t, answer(playing(func(p *peer) { p.send(packets...) })))
	units, _, err := receive(t, Config{URL: cam.url("/x")}, testLimits, 4)
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if units[0].Corrupt || !units[1].Corrupt || units[1].Lost != 0 {
		t.Errorf("got corrupt %v, %v with %d lost, want the first clean and the second corrupt",
			units[0].Corrupt, units[1].Corrupt, units[1].Lost)
	}
}

func TestCameraClockIsUsedOnlyWhereItIsSane(t *testing.T) {
	for _, c := range []struct {
		name  string
		ahead time.Duration
		want  ring.Clock
	}{
		{"a second behind", -time.Second, ring.ClockSender},
		{"a minute behind", -time.Minute, ring.ClockArrival},
		{"a second ahead", time.Second, ring.ClockArrival},
		{"not set", -50 * 365 * 24 * time.Hour, ring.ClockArrival},
	} {
		t.Run(c.name, func(t *testing.T) {
			cam := startHostile(t, answer(playing(func(p *peer) {
				p.send(packet{seq: 1, timestamp: 0, marker: true, payload: idr(0)})
				report, err := (&rtcp.SenderReport{
					SSRC: 7, NTPTime: ntp.Encode(time.Now().Add(c.ahead)), RTPTime: 0,
				}).Marshal()
				if err != nil {
					t.Error(err)
				}
				_, _ = p.Write(append([]byte{'$', 1, 0, byte(len(report))}, report...))
				p.send(packet{seq: 2, timestamp: 9000, marker: true, payload: inter(1)})
			})))
			units, _, err := receive(t, Config{URL: cam.url("/x")}, testLimits, 2)
			if !errors.Is(err, errEnough) {
				t.Fatal(err)
			}
			if u := units[1]; u.Clock != c.want || (u.CaptureMonoNS < u.ReceivedMonoNS) != (c.want == ring.ClockSender) {
				t.Errorf("got clock %v and capture %v before arrival, want %v", u.Clock,
					time.Duration(u.ReceivedMonoNS-u.CaptureMonoNS), c.want)
			}
		})
	}
}

func newH264(t *testing.T) assembler {
	t.Helper()
	a, _, err := newAssembler(&format.H264{PayloadTyp: 96, PacketizationMode: 1, SPS: testSPS, PPS: testPPS})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestNewestParameterSetsAreInFrontOfKeyframes(t *testing.T) {
	a := newH264(t)
	sps2 := append(bytes.Clone(testSPS), 0x01)   // another with the same number
	pps2 := []byte{0x68, 0x5b, 0x83, 0xcb, 0x20} // one more, with number 1
	for i, c := range []struct {
		in, want [][]byte
	}{
		{[][]byte{idr(0)}, [][]byte{testSPS, testPPS, idr(0)}},
		{[][]byte{testSPS, testPPS, idr(1)}, [][]byte{testSPS, testPPS, idr(1)}},
		{[][]byte{{9, 0x10}, {6, 5, 1}, idr(2)}, [][]byte{{9, 0x10}, testSPS, testPPS, {6, 5, 1}, idr(2)}},
		{[][]byte{pps2, inter(3)}, [][]byte{pps2, inter(3)}},
		{[][]byte{sps2, idr(4)}, [][]byte{sps2, testPPS, pps2, idr(4)}},
		{[][]byte{sps2}, nil},
		{[][]byte{{6, 6, 1}, inter(5)}, [][]byte{sps2, testPPS, pps2, {6, 6, 1}, inter(5)}},
	} {
		for j, nalu := range c.in {
			if err := a.add(&rtp.Packet{Header: rtp.Header{SequenceNumber: uint16(j)}, Payload: nalu}); err != nil {
				t.Fatal(err)
			}
		}
		pic, ok := a.take()
		if ok != (c.want != nil) {
			t.Fatalf("picture %d: got one: %v", i, ok)
		}
		var want []byte
		for _, nalu := range c.want {
			want = append(append(want, startCode...), nalu...)
		}
		if got := bytes.Join(pic.parts, nil); !bytes.Equal(got, want) {
			t.Errorf("picture %d: got %x, want %x", i, got, want)
		}
	}
}

func TestKeyframeWithoutParameterSetsIsNoKeyframe(t *testing.T) {
	a, _, err := newAssembler(&format.H264{PayloadTyp: 96, PacketizationMode: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.add(&rtp.Packet{Payload: idr(0)}); err != nil {
		t.Fatal(err)
	}
	if pic, ok := a.take(); !ok || pic.key {
		t.Errorf("got picture %v, key %v", ok, pic.key)
	}
}

func TestPicturesAreBounded(t *testing.T) {
	a := newH264(t)
	for i := range maxNALUs {
		if err := a.add(&rtp.Packet{Header: rtp.Header{SequenceNumber: uint16(i)}, Payload: inter(1)}); err != nil {
			t.Fatalf("unit %d: %v", i, err)
		}
	}
	if err := a.add(&rtp.Packet{Payload: inter(1)}); !errors.Is(err, errTooBig) {
		t.Errorf("got %v after %d units, want %v", err, maxNALUs, errTooBig)
	}
	if pic, ok := a.take(); !ok || len(pic.parts) != 2*maxNALUs {
		t.Errorf("got %d parts", len(pic.parts))
	}
	big := append(inter(1), make([]byte, 60000)...)
	var err error
	for i := 0; i < maxPictureSize/len(big)+1; i++ {
		err = a.add(&rtp.Packet{Header: rtp.Header{SequenceNumber: uint16(i)}, Payload: big})
	}
	if !errors.Is(err, errTooBig) {
		t.Errorf("got %v after %d bytes, want %v", err, maxPictureSize, errTooBig)
	}
}

func TestParameterSetsAreBounded(t *testing.T) {
	var p paramSets
	for id := range uint32(1000) {
		p.put(id, []byte{0x68, byte(id)})
	}
	if p.put(1, make([]byte, maxParamSize+1)) || len(p.sets) != maxParamSets || p.sets[maxParamSets-1].id != 999 {
		t.Errorf("got %d sets, the last with number %d", len(p.sets), p.sets[len(p.sets)-1].id)
	}
}

func TestTimesRunThroughTheEndOfTheTimestamps(t *testing.T) {
	c := clock{rate: 90000}
	const step = 1 << 30 // 3.3 hours, a quarter of the range
	var want time.Duration
	for i := range uint32(1000) {
		pts, dts := c.stamp(12345+i*step, picture{}, false)
		if i > 0 {
			want += time.Duration(step) * time.Second / 90000
		}
		if diff := pts - want; diff < 0 || diff > time.Microsecond || dts != pts {
			t.Fatalf("after %d steps: got PTS %v DTS %v, want %v", i, pts, dts, want)
		}
	}
}

func TestFramesOfOtherCodecsTellKeyframesAndSizes(t *testing.T) {
	for _, c := range []struct {
		name          string
		inspect       inspect
		frame         []byte
		key           bool
		width, height int
	}{
		{"VP8 keyframe", inspectVP8, []byte{0x10, 2, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xf0, 0, 0}, true, 320, 240},
		{"VP8 other", inspectVP8, []byte{0x11, 2, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xf0, 0, 0}, false, 0, 0},
		{"VP8 cut off", inspectVP8, []byte{0x10}, false, 0, 0},
		{"VP9 cut off", inspectVP9, []byte{0x82}, false, 0, 0},
		{"MPEG-4 I-VOP", inspectMPEG4, []byte{0, 0, 1, 0xB6, 0x10}, true, 0, 0},
		{"MPEG-4 P-VOP", inspectMPEG4, []byte{0, 0, 1, 0xB6, 0x50}, false, 0, 0},
		{"MPEG-4 cut off", inspectMPEG4, []byte{0, 0, 1, 0xB6}, false, 0, 0},
		{"JPEG", inspectJPEG, []byte{0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0, 240, 1, 64, 1}, true, 320, 240},
		{"JPEG cut off", inspectJPEG, []byte{0xFF, 0xD8, 0xFF, 0xC0, 0, 11}, true, 0, 0},
		{"AV1 cut off", inspectAV1, []byte{0x12, 0x00, 0x0A}, false, 0, 0},
		{"AV1 without a sequence header", inspectAV1, []byte{0x12, 0x00, 0x32, 0x01, 0x10}, false, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			key, width, height := c.inspect(c.frame)
			if key != c.key || width != c.width || height != c.height {
				t.Errorf("got key %v, %dx%d, want %v, %dx%d", key, width, height, c.key, c.width, c.height)
			}
		})
	}
}

func TestEveryCodecHasAnAssembler(t *testing.T) {
	for _, f := range []format.Format{
		&format.H264{PacketizationMode: 1},
		&format.H265{}, &format.MJPEG{}, &format.VP8{}, &format.VP9{}, &format.AV1{}, &format.MPEG4Video{},
	} {
		a, _, err := newAssembler(f)
		if err != nil || codecOf(f) == ring.CodecNone {
			t.Fatalf("%T: %v", f, err)
		}
		for _, payload := range [][]byte{nil, {0}, {0x90}, {0x10, 0x0A}, bytes.Repeat([]byte{0xFF}, 20), make([]byte, 20)} {
			_ = a.add(&rtp.Packet{Header: rtp.Header{Marker: true}, Payload: payload}) // must not panic
			a.take()
		}
	}
}
