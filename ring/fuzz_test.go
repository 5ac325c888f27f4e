// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// heapPages is zeroed memory that begins on a page, as a mapping does: the runtime gives large objects
// whole pages of their own.
func heapPages(size uint64) []byte {
	return make([]byte, max(size, 1<<16))[:size:size]
}

// heapGeometry is a small ring in memory: its sections are a page or two each.
func heapGeometry(kind Kind) geometry {
	g := geometry{
		kind: kind, pairID: 77, epoch: 1, baseSeq: 1, descCount: 16, descSize: frameDescSize,
		slotCount: 4, slotSize: 2 * pageSize, leaseCap: 2, camera: "cam", output: "main",
	}
	if kind == KindPacket {
		g.descSize, g.slotCount, g.slotSize, g.leaseCap, g.dataSize = packetDescSize, 0, 0, 0, 5000
	}
	g.plan()
	return g
}

// heapRing is a writer whose ring lies in ordinary memory, where the race detector and the fuzzer's
// bounds see it; only the lease file is mapped.
func heapRing(t testing.TB, kind Kind) writer {
	t.Helper()
	g := heapGeometry(kind)
	path := filepath.Join(shmDir(t), "heap.ring")
	temp, err := makeLeases(leasePath(path), g.pairID, -1)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, leasePath(path)); err != nil {
		t.Fatal(err)
	}
	rows, err := openLeases(leasePath(path), g.pairID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rows.close)
	mem := heapPages(g.fileSize)
	h := headerAt(mem)
	g.write(h)
	h.version.Store(layoutVersion)
	return writer{path: path, mem: mem, h: h, g: g, rows: rows, runID: 1}
}

func heapFrames(t testing.TB, pictures int) *FrameWriter {
	w := &FrameWriter{writer: heapRing(t, KindFrame), current: NoSlot, cfg: FrameConfig{Slots: 4}}
	for range pictures {
		mustPaint(t, w, 64, 48)
	}
	return w
}

func heapPackets(t testing.TB, units int) *PacketWriter {
	w := &PacketWriter{writer: heapRing(t, KindPacket), camera: "cam"}
	for n := range units {
		send(t, w, 700, Flags(n%5/4)) // every fifth is a keyframe
	}
	return w
}

// wellKnown are the errors that damage may lead to.
func wellKnown(err error) bool {
	for _, want := range []error{nil, ErrCorrupt, ErrVersion, ErrNotReady, ErrLapped, ErrNotPublished, ErrTimeout} {
		if errors.Is(err, want) {
			return true
		}
	}
	return false
}

// attachFrames does all that a reader and a writer that attach do, on memory that may hold anything.
// The race detector's and the runtime's bounds checks are the judges.
func attachFrames(t testing.TB, mem []byte, leases string) {
	g, err := readGeometry(mem, KindFrame)
	if !wellKnown(err) {
		t.Errorf("read geometry: %v", err)
	}
	if err != nil {
		return
	}
	r := &FrameReader{reader: reader{kind: KindFrame, mem: mem, h: headerAt(mem), g: g, path: leases + ".none"}}
	head := r.Head()
	for _, seq := range []uint64{0, 1, g.baseSeq, head - g.descCount, head - 3, head - 1, head, head + 1, ^uint64(0)} {
		f, err := r.At(seq)
		if !wellKnown(err) {
			t.Errorf("sequence %d: %v", seq, err)
		}
		if err != nil {
			continue
		}
		if n := f.PackedSize(); n > int(f.PlaneCount)*int(g.slotSize) {
			t.Errorf("sequence %d: %d planes of %d bytes in a slot of %d", seq, f.PlaneCount, n, g.slotSize)
		}
		for i := range int(f.PlaneCount) {
			_ = append([]byte(nil), f.Plane(i)...)
		}
		if _, err := f.AppendPacked(nil); !wellKnown(err) {
			t.Errorf("copy of %d: %v", seq, err)
		}
	}
	if _, err := r.Latest(); !wellKnown(err) {
		t.Errorf("latest: %v", err)
	}
	r.Seek(1)
	for range 20 {
		if _, err := r.Next(0); !wellKnown(err) {
			t.Errorf("next: %v", err)
		}
	}
	w := &FrameWriter{writer: writer{path: leases}, current: NoSlot, cfg: FrameConfig{Slots: int(g.slotCount)}}
	if err := w.adopt(mem, g); err != nil {
		if !wellKnown(err) {
			t.Errorf("adopt: %v", err)
		}
		return
	}
	defer w.rows.close()
	w.current = w.findCurrent()
	_, _ = w.LastPacket()
	for range 10 {
		slot, err := w.Claim()
		if err != nil {
			t.Errorf("claim: %v", err)
			return
		}
		var d FrameDesc
		if _, err := NV12Layout(&d, 16, 16); err != nil {
			t.Fatal(err)
		}
		if err := w.Publish(slot, &d); err != nil {
			t.Errorf("publish: %v", err)
		}
	}
}

func attachPackets(t testing.TB, mem []byte, leases string) {
	g, err := readGeometry(mem, KindPacket)
	if !wellKnown(err) {
		t.Errorf("read geometry: %v", err)
	}
	if err != nil {
		return
	}
	r := &PacketReader{reader: reader{kind: KindPacket, mem: mem, h: headerAt(mem), g: g, path: leases + ".none"}}
	head := r.Head()
	for _, seq := range []uint64{0, 1, head - g.descCount, head - 1, head, ^uint64(0)} {
		_ = r.SeekKey(seq)
		p, err := r.at(seq)
		if !wellKnown(err) || len(p.Data) > int(g.dataSize) {
			t.Errorf("record %d: %d bytes, %v", seq, len(p.Data), err)
		}
	}
	r.Seek(1)
	for range 20 {
		if _, err := r.Next(0); !wellKnown(err) {
			t.Errorf("next: %v", err)
		}
	}
	w := &PacketWriter{writer: writer{path: leases}, camera: "cam"}
	if err := w.adopt(mem, g); err != nil {
		if !wellKnown(err) {
			t.Errorf("adopt: %v", err)
		}
		return
	}
	defer w.rows.close()
	_, _ = w.newestKey()
}

// damage lays bytes over a ring: pairs of a 16-bit position and a byte, within the first pages and the
// start of the descriptors, where every byte means something.
func damage(mem []byte, data []byte) {
	for ; len(data) >= 3; data = data[3:] {
		at := int(data[0])<<8 | int(data[1])
		mem[at%len(mem)] ^= data[2]
	}
}

func FuzzAttach(f *testing.F) {
	frameRing, packetRing := heapFrames(f, 10), heapPackets(f, 12)
	for _, seed := range [][]byte{
		nil,
		{0, 8, 3},                      // version
		{0, 52, 1, 0, 56, 0xFF},        // descriptor count, slot count
		{0x20, 0x50, 0xFF},             // a descriptor's fields
		{2, 7, 0xFF, 2, 0, 0xFF},       // head
		{0x21, 0x20 + 0x34, 0x10},      // flags: gap
		{0x28, 0xA4, 0xFF, 0x28, 1, 1}, // sequence
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, w := range []*writer{&frameRing.writer, &packetRing.writer} {
			mem := heapPages(uint64(len(w.mem)))
			copy(mem, w.mem)
			damage(mem, data)
			if w.g.kind == KindFrame {
				attachFrames(t, mem, w.path)
			} else {
				attachPackets(t, mem, w.path)
			}
			attachFrames(t, data, w.path) // and the bytes as they are
			attachPackets(t, data, w.path)
		}
	})
}

// The fuzzer's work in every test run: fields of descriptors and headers, where chance would rarely hit.
func TestDamagedRingsNeverPanic(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	frameRing, packetRing := heapFrames(t, 10), heapPackets(t, 12)
	interesting := []byte{0, 1, 0x7F, 0x80, 0xFF, 0x10}
	for range 3000 {
		for _, w := range []*writer{&frameRing.writer, &packetRing.writer} {
			mem := heapPages(uint64(len(w.mem)))
			copy(mem, w.mem)
			for range 1 + random.IntN(6) {
				at := random.Uint64N(1200) // header
				if random.IntN(4) > 0 {
					at = w.g.slotsOffset + random.Uint64N(w.g.dataOffset-w.g.slotsOffset) // tables
				}
				mem[at] = interesting[random.IntN(len(interesting))]
			}
			if w.g.kind == KindFrame {
				attachFrames(t, mem, w.path)
			} else {
				attachPackets(t, mem, w.path)
			}
		}
	}
}

// A restarted writer that finds a head at the end of the numbers must not begin the next ring at 0.
func TestDamagedHeadDoesNotMakeAnUnreadableRing(t *testing.T) {
	for _, head := range []uint64{0, ^uint64(0), ^uint64(0) - 1, 1 << 62} {
		dir := shmDir(t)
		w := frames(t, dir, 4)
		for range 3 {
			mustPaint(t, w, 64, 48)
		}
		w.h.head.Store(head)
		abandon(&w.writer)
		next := frames(t, dir, 4)
		d := mustPaint(t, next, 64, 48)
		if f, err := readerOf(t, next.Path(), "").Latest(); err != nil || f.Seq != d.Seq || d.RunID < 2 {
			t.Errorf("head %d: reader got %d of run %d, %v, want %d", head, f.Seq, f.RunID, err, d.Seq)
		}
	}
}

func TestDescriptorsThatLieAreRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		lie  func(d *FrameDesc)
	}{
		{"slot beyond the last", func(d *FrameDesc) { d.Slot = 4 }},
		{"no slot", func(d *FrameDesc) { d.Slot = NoSlot }},
		{"a plane too few", func(d *FrameDesc) { d.PlaneCount = 1 }},
		{"a plane too many", func(d *FrameDesc) { d.PlaneCount = 3 }},
		{"no width", func(d *FrameDesc) { d.Width = 0 }},
		{"huge height", func(d *FrameDesc) { d.Height = 1 << 31 }},
		{"unknown format", func(d *FrameDesc) { d.Format = 99 }},
		{"stride shorter than a row", func(d *FrameDesc) { d.PlaneStride[1] = 63 }},
		{"stride that leaves the slot", func(d *FrameDesc) { d.PlaneStride[0] = 1 << 20 }},
		{"offset beyond the slot", func(d *FrameDesc) { d.PlaneOffset[1] = 2 * pageSize }},
		{"offset that wraps", func(d *FrameDesc) { d.PlaneOffset[0] = ^uint64(0) - 100 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := heapFrames(t, 1)
			d, err := readFrameDesc(w.mem, &w.g, 1)
			if err != nil {
				t.Fatal(err)
			}
			c.lie(&d)
			writeDesc(w.mem, w.g.descAt(1), d.bytes(), 1)
			if _, err := readFrameDesc(w.mem, &w.g, 1); !errors.Is(err, ErrCorrupt) {
				t.Errorf("got %v, want %v", err, ErrCorrupt)
			}
		})
	}
	t.Run("a gap record has no planes whatever it says", func(t *testing.T) {
		w := heapFrames(t, 1)
		d := FrameDesc{Flags: FlagGap, PlaneCount: 1 << 31, Width: 1 << 31, Slot: 99}
		writeDesc(w.mem, w.g.descAt(1), d.bytes(), 1)
		r := &FrameReader{reader: reader{mem: w.mem, h: w.h, g: w.g}}
		f, err := r.At(1)
		if err != nil || f.PlaneCount != 0 || f.PackedSize() != 0 {
			t.Fatalf("%d planes of %d bytes, %v", f.PlaneCount, f.PackedSize(), err)
		}
		if _, err := f.AppendPacked(nil); !errors.Is(err, ErrLapped) {
			t.Errorf("copy of a gap record: %v, want %v", err, ErrLapped)
		}
	})
}
