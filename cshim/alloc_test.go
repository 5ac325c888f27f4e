// SPDX-License-Identifier: Apache-2.0

package cshim

import (
	"errors"
	"testing"
)

// BenchmarkPacket is the path of a network camera: send, receive, convert.
func BenchmarkPacket(b *testing.B) {
	_, units := annexB(b, CodecH264, "-bf 0 -g 20")
	d := openDecoder(b, CodecH264, Limits{})
	layout, size := TightNV12(320, 240)
	buf := make([]byte, size)
	var f Frame
	var p Packet
	b.ReportAllocs()
	b.SetBytes(int64(size))
	i := 0
	for b.Loop() {
		packetStep(b, d, units[i%len(units)], &p, &f, buf, &layout)
		i++
	}
}

// packetStep decodes one packet that gives one picture, and converts it.
func packetStep(t testing.TB, d *Decoder, unit []byte, p *Packet, f *Frame, buf []byte, layout *NV12) {
	ok, err := d.Send(unit, p, f)
	if !ok || err != nil {
		t.Fatalf("got %v, %v, want a picture", ok, err)
	}
	if err := d.NV12(buf, layout); err != nil {
		t.Fatal(err)
	}
	if ok, err = d.Receive(f); ok || err != nil {
		t.Fatalf("got %v, %v, want no second picture", ok, err)
	}
}

// fileStep decodes one packet of a file that is read over and over.
func fileStep(t testing.TB, m *Demuxer, d *Decoder, p *Packet, f *Frame, buf []byte, layout *NV12) {
	ok, err := m.Next(d, 1, 0, p, f)
	switch {
	case ok:
		err = d.NV12(buf, layout)
	case errors.Is(err, EOF):
		if err = m.Rewind(); err == nil {
			err = d.Flush()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkFile is the path of a file: one crossing reads, sends and receives; one converts.
func BenchmarkFile(b *testing.B) {
	m, d := openFile(b, encode(b, "a.mp4", 320, 240, x264+"-bf 0 -g 20"))
	layout, size := TightNV12(320, 240)
	buf := make([]byte, size)
	var f Frame
	var p Packet
	b.ReportAllocs()
	b.SetBytes(int64(size))
	for b.Loop() {
		fileStep(b, m, d, &p, &f, buf, &layout)
	}
}

func TestFramePathDoesNotAllocate(t *testing.T) {
	layout, size := TightNV12(320, 240)
	buf := make([]byte, size)
	var f Frame
	var p Packet
	_, units := annexB(t, CodecH264, "-bf 0 -g 20")
	d := openDecoder(t, CodecH264, Limits{})
	i := 0
	if n := testing.AllocsPerRun(200, func() {
		packetStep(t, d, units[i%len(units)], &p, &f, buf, &layout)
		i++
	}); n != 0 {
		t.Errorf("packet path: got %v allocations a picture, want 0", n)
	}
	m, d2 := openFile(t, encode(t, "a.mp4", 320, 240, x264+"-bf 0 -g 20"))
	if n := testing.AllocsPerRun(15, func() {
		if ok, err := m.Next(d2, 1, testDeadline(), &p, &f); !ok || err != nil {
			t.Fatalf("got %v, %v, want a picture", ok, err)
		}
		if err := d2.NV12(buf, &layout); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("file path: got %v allocations a picture, want 0", n)
	}
}
