// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"fmt"
	"math/bits"
	"path/filepath"
)

const (
	packetDescriptors    = 512
	packetBytes          = 2 << 20  // the usual GOP of a 4 Mbit/s camera, twice
	maxPacketBytes       = 16 << 20 // a ring never grows beyond: what a GOP may keep for restarts
	maxPacketDescriptors = 8192
	// MaxRecord is the longest access unit that a packet ring takes, in bytes.
	MaxRecord = maxPacketBytes / 2
)

// PacketConfig says which packet ring to write.
type PacketConfig struct {
	Dir    string
	Camera string
	GID    int // group of the files; -1 = the process's
}

// PacketWriter writes one packet ring: compressed access units in a circular byte area. It belongs to
// one goroutine.
type PacketWriter struct {
	writer
	camera string
}

// OpenPacketWriter takes the writer lock and continues the ring under the name, or makes one.
func OpenPacketWriter(cfg PacketConfig) (*PacketWriter, error) {
	if err := checkName("camera", cfg.Camera); err != nil {
		return nil, err
	}
	w := &PacketWriter{camera: cfg.Camera}
	w.path, w.gid = PacketPath(filepath.Clean(cfg.Dir), cfg.Camera), cfg.GID
	next, err := w.open(cfg.Dir, KindPacket)
	if err == nil && w.mem == nil {
		next.camera, next.descSize, next.descCount, next.dataSize = cfg.Camera, packetDescSize, packetDescriptors, packetBytes
		err = w.begin(next, nil)
	}
	if err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("packet ring: %w", err)
	}
	return w, nil
}

// Publish appends one access unit, given in pieces, and makes it visible. It never waits. The caller
// fills d except for Seq, Position, Length, RunID and PublishedMonoNS.
//
// A record that would overwrite the newest keyframe makes the ring grow, up to 16 MiB, so that a
// decoder that starts late finds a whole GOP. [ErrTooLarge]: longer than [MaxRecord], counted.
func (w *PacketWriter) Publish(d *PacketDesc, parts [][]byte) error {
	var length uint64
	for _, p := range parts {
		length += uint64(len(p))
	}
	if length == 0 || length > MaxRecord {
		w.count(CountDropTooLarge, 1)
		return fmt.Errorf("%w: access unit of %d bytes, from 1 to %d are possible", ErrTooLarge, length, MaxRecord)
	}
	if err := w.room(length, d.Flags&FlagKey != 0); err != nil {
		return err
	}
	at := w.h.reserve.Load()
	w.h.reserve.Store(at + length) // SYNC B1: before the bytes; pairs with the reader's last look
	storeFence()
	step(stepReserve)
	d.Position, d.Length = at, uint32(length)
	data := w.mem[w.g.dataOffset : w.g.dataOffset+w.g.dataSize]
	for _, p := range parts {
		copyIn(data, at, p)
		at += uint64(len(p))
	}
	step(stepBytes)
	w.count(CountPublished, 1)
	w.count(CountBytes, length)
	if d.Flags&FlagCorrupt != 0 {
		w.count(CountCorrupt, 1)
	}
	return w.describe(d)
}

// PublishGap makes a record without bytes: access units are missing, for the reason in d.
func (w *PacketWriter) PublishGap(d *PacketDesc) error {
	d.Flags = (d.Flags | FlagGap) &^ FlagKey
	d.Position, d.Length = w.h.reserve.Load(), 0
	w.count(CountGaps, 1)
	return w.describe(d)
}

// GapIsNewest reports whether the newest record is a gap.
func (w *PacketWriter) GapIsNewest() bool {
	d, err := readPacketDesc(w.mem, &w.g, w.head)
	return err == nil && d.Flags&FlagGap != 0
}

func (w *PacketWriter) describe(d *PacketDesc) error {
	n := w.head + 1
	d.RunID = w.runID
	d.Flags |= w.resumption()
	d.PublishedMonoNS = MonoNS()
	writeDesc(w.mem, w.g.descAt(n), d.bytes(), n)
	d.Seq = n
	if d.Flags&FlagKey != 0 {
		w.h.newestKey.Store(n)
	}
	w.Heartbeat()
	err := w.publishHead(n)
	if errors.Is(err, ErrCorrupt) {
		return w.grow(w.g.dataSize, w.g.descCount)
	}
	return err
}

// room makes sure that a record of length bytes fits without overwriting the newest keyframe.
func (w *PacketWriter) room(length uint64, key bool) error {
	need, records := length, uint64(1)
	if k, ok := w.newestKey(); ok && !key {
		need += w.h.reserve.Load() - k.Position
		records += w.head - k.Seq + 1
	}
	if need <= w.g.dataSize && records <= w.g.descCount {
		return nil
	}
	if need <= maxPacketBytes && records <= maxPacketDescriptors {
		return w.grow(max(w.g.dataSize, powerOfTwo(2*need)), max(w.g.descCount, powerOfTwo(2*records)))
	}
	w.h.newestKey.Store(0) // the GOP has outgrown us: late decoders wait for the next keyframe
	w.count(CountKeyLost, 1)
	if length <= w.g.dataSize {
		return nil
	}
	return w.grow(maxPacketBytes, w.g.descCount)
}

// grow starts an epoch that begins with a copy of the GOP so far, under the same sequences.
func (w *PacketWriter) grow(dataSize, descCount uint64) error {
	g := geometry{
		kind: KindPacket, epoch: w.g.epoch + 1, baseSeq: w.head + 1, camera: w.camera,
		descSize: packetDescSize, descCount: min(descCount, maxPacketDescriptors), dataSize: min(dataSize, maxPacketBytes),
	}
	k, ok := w.newestKey()
	if ok {
		g.baseSeq = k.Seq
	}
	from := *w
	err := w.begin(g, func(mem []byte, h *header) {
		if !ok {
			return
		}
		for n := k.Seq; n <= from.head; n++ {
			d, err := readPacketDesc(from.mem, &from.g, n)
			if err != nil {
				continue // cannot be: nobody but us writes
			}
			at := h.reserve.Load()
			h.reserve.Store(at + uint64(d.Length))
			old := from.mem[from.g.dataOffset : from.g.dataOffset+from.g.dataSize]
			first, second := pieces(old, d.Position, uint64(d.Length))
			data := mem[w.g.dataOffset : w.g.dataOffset+w.g.dataSize]
			copyIn(data, at, first)
			copyIn(data, at+uint64(len(first)), second)
			d.Position = at
			writeDesc(mem, w.g.descAt(n), d.bytes(), n)
		}
		h.newestKey.Store(k.Seq)
		h.head.Store(from.head)
	})
	if err != nil {
		w.count(CountDropNoSpace, 1)
		return fmt.Errorf("packet ring: %w", err)
	}
	return nil
}

func (w *PacketWriter) newestKey() (PacketDesc, bool) {
	seq := w.h.newestKey.Load()
	if seq < w.g.baseSeq || seq > w.head {
		return PacketDesc{}, false
	}
	d, err := readPacketDesc(w.mem, &w.g, seq)
	return d, err == nil && w.h.reserve.Load()-d.Position <= w.g.dataSize
}

// copyIn writes p at an absolute position of the circular area.
func copyIn(data []byte, at uint64, p []byte) {
	n := copy(data[at%uint64(len(data)):], p)
	copy(data, p[n:])
}

// pieces are the one or two parts of a record in the circular area.
func pieces(data []byte, at, length uint64) (first, second []byte) {
	from := at % uint64(len(data))
	if from+length <= uint64(len(data)) {
		return data[from : from+length], nil
	}
	first = data[from:]
	return first, data[:length-uint64(len(first))]
}

func powerOfTwo(n uint64) uint64 { return 1 << bits.Len64(n-1) }
