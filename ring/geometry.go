// SPDX-License-Identifier: Apache-2.0

package ring

import "bytes"

// geometry is the constant part of a header, copied out once and checked: later accesses trust these
// numbers and never the mapped ones.
type geometry struct {
	kind          Kind
	pairID        uint64
	epoch         uint64
	baseSeq       uint64
	createdWallNS uint64
	fileSize      uint64
	descSize      uint64
	descCount     uint64
	slotCount     uint64
	slotsOffset   uint64
	descOffset    uint64
	dataOffset    uint64
	dataSize      uint64
	slotSize      uint64
	leaseCap      uint32
	camera        string
	output        string
}

const (
	maxDescCount = 1 << 16
	maxFileSize  = 1 << 40
)

// plan lays the sections of a new ring out, each on its own page.
func (g *geometry) plan() {
	g.slotsOffset = headerSize
	g.descOffset = g.slotsOffset + pageAlign(g.slotCount*slotEntrySize)
	g.dataOffset = g.descOffset + pageAlign(g.descCount*g.descSize)
	if g.kind == KindFrame {
		g.dataSize = g.slotCount * g.slotSize
	}
	g.fileSize = g.dataOffset + pageAlign(g.dataSize)
}

// write fills a zeroed header except for the version, which makes it ready.
func (g *geometry) write(h *header) {
	h.magic = magic
	h.kind = uint32(g.kind)
	h.pairID = g.pairID
	h.epoch = g.epoch
	h.baseSeq = g.baseSeq
	h.createdWallNS = g.createdWallNS
	h.fileSize = g.fileSize
	h.headerSize = headerSize
	h.descSize = uint32(g.descSize)
	h.descCount = uint32(g.descCount)
	h.slotCount = uint32(g.slotCount)
	h.slotsOffset = g.slotsOffset
	h.descOffset = g.descOffset
	h.dataOffset = g.dataOffset
	h.dataSize = g.dataSize
	h.slotSize = g.slotSize
	h.leaseCap = g.leaseCap
	h.rowCount = Rows
	copy(h.camera[:nameSize-1], g.camera)
	copy(h.output[:nameSize-1], g.output)
}

// readGeometry copies and checks the constant part of a mapped ring file of want's kind.
func readGeometry(mem []byte, want Kind) (geometry, error) {
	var g geometry
	if len(mem) < headerSize {
		return g, corrupt("%d bytes are no ring", len(mem))
	}
	h := headerAt(mem)
	if h.magic != magic {
		return g, corrupt("no ring: wrong magic")
	}
	switch v := h.version.Load(); v { // SYNC V2: pairs with V1 in publishVersion
	case layoutVersion:
	case 0:
		return g, ErrNotReady
	default:
		return g, ErrVersion
	}
	g = geometry{
		kind: Kind(h.kind), pairID: h.pairID, epoch: h.epoch, baseSeq: h.baseSeq,
		createdWallNS: h.createdWallNS, fileSize: h.fileSize, descSize: uint64(h.descSize),
		descCount: uint64(h.descCount), slotCount: uint64(h.slotCount), slotsOffset: h.slotsOffset,
		descOffset: h.descOffset, dataOffset: h.dataOffset, dataSize: h.dataSize, slotSize: h.slotSize,
		leaseCap: h.leaseCap, camera: text(h.camera[:]), output: text(h.output[:]),
	}
	return g, g.check(uint64(len(mem)), want, h.headerSize, h.rowCount)
}

func (g *geometry) check(size uint64, want Kind, header, rows uint32) error {
	wantDesc := uint64(frameDescSize)
	if want == KindPacket {
		wantDesc = packetDescSize
	}
	switch {
	case g.kind != want:
		return corrupt("kind is %d, not %d", g.kind, want)
	case g.fileSize != size || size > maxFileSize:
		return corrupt("header says %d bytes, file has %d", g.fileSize, size)
	case header != headerSize || rows != Rows || g.descSize != wantDesc:
		return corrupt("section sizes of another layout")
	case g.descCount == 0 || g.descCount > maxDescCount || g.descCount&(g.descCount-1) != 0:
		return corrupt("%d descriptors", g.descCount)
	case g.baseSeq == 0 || g.epoch == 0:
		return corrupt("no base sequence or epoch")
	case g.kind == KindFrame && (g.slotCount < 2 || g.slotCount > MaxSlots || g.slotSize == 0 || g.slotSize%pageSize != 0 || g.slotSize > maxFileSize):
		return corrupt("%d slots of %d bytes", g.slotCount, g.slotSize)
	case g.kind == KindPacket && (g.slotCount != 0 || g.dataSize == 0 || g.dataSize > maxFileSize):
		return corrupt("%d bytes of packets", g.dataSize)
	}
	planned := *g
	planned.plan()
	if planned != *g {
		return corrupt("sections are not where they belong")
	}
	return nil
}

func (g *geometry) descAt(seq uint64) uint64 {
	return g.descOffset + (seq&(g.descCount-1))*g.descSize
}

func (g *geometry) slotEntryAt(slot uint32) uint64 {
	return g.slotsOffset + uint64(slot)*slotEntrySize
}

func (g *geometry) slotAt(slot uint32) uint64 { return g.dataOffset + uint64(slot)*g.slotSize }

func pageAlign(n uint64) uint64 { return (n + pageSize - 1) &^ (pageSize - 1) }

func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
