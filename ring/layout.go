// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"structs"
	"sync/atomic"
	"unsafe"
)

// This file mirrors layout.h, which says what each field means. layout_cgo_test.go compares every
// size and offset with what the C compiler thinks; docs/layout.md is compared with both.

const (
	magic         uint64 = 0x474E49524D414301
	leaseMagic    uint64 = 0x53455341454C4301
	layoutVersion uint32 = 1

	headerSize     = 4096
	slotEntrySize  = 64
	frameDescSize  = 256
	packetDescSize = 128
	rowSize        = 64
	rowOwnerSize   = 128
	nameSize       = 64
	pageSize       = 4096
	counterWords   = 48

	// Rows is the number of readers that can register with one ring.
	Rows = 128
	// MaxSlots is the largest number of slots: one bit each in a row's lease word.
	MaxSlots = 64
	// NoSlot stands in a descriptor that has no pixels.
	NoSlot uint32 = 0xFFFFFFFF
	// ErrorUnknown stands for an unknown bound or an unknown number of missing pictures.
	ErrorUnknown uint32 = 0xFFFFFFFF
)

type header struct {
	_             structs.HostLayout
	magic         uint64
	version       atomic.Uint32
	kind          uint32
	pairID        uint64
	epoch         uint64
	baseSeq       uint64
	createdWallNS uint64
	fileSize      uint64
	headerSize    uint32
	descSize      uint32
	descCount     uint32
	slotCount     uint32
	slotsOffset   uint64
	descOffset    uint64
	dataOffset    uint64
	dataSize      uint64
	slotSize      uint64
	leaseCap      uint32
	rowCount      uint32
	camera        [nameSize]byte
	output        [nameSize]byte

	writerPID   atomic.Uint32
	runID       atomic.Uint32
	writerStart atomic.Uint64
	_           [248]byte

	head            atomic.Uint64
	_               [120]byte
	wake            atomic.Uint32
	_               [124]byte
	state           atomic.Uint32
	reason          atomic.Uint32
	stateMonoNS     atomic.Uint64
	nextEpoch       atomic.Uint64
	_               [104]byte
	heartbeatMonoNS atomic.Uint64
	_               [120]byte
	reserve         atomic.Uint64
	newestKey       atomic.Uint64
	_               [112]byte
	counters        [counterWords]atomic.Uint64
	_               [2560]byte
}

type slotEntry struct {
	_   structs.HostLayout
	gen atomic.Uint64
	seq atomic.Uint64
	_   [48]byte
}

// FrameDesc describes one record of a frame ring. Times are nanoseconds; those named Mono are
// CLOCK_MONOTONIC, those named Wall CLOCK_REALTIME, and 0 means not known.
type FrameDesc struct {
	_               structs.HostLayout
	Seq             uint64 // sequence in the ring, never reused
	Gen             uint64 // generation of the slot with this picture in it
	PacketSeq       uint64 // sequence in the packet ring it was decoded from; 0 = none
	FrameID         uint64 // the same in every output of one decode
	Slot            uint32 // [NoSlot] in a gap record
	Flags           Flags
	RunID           uint32 // writer process, counted from 1
	Reason          Reason // gap records
	PTSNS           int64  // stream time
	CaptureMonoNS   int64
	CaptureWallNS   int64
	CaptureClock    Clock
	CaptureErrorUS  uint32 // bound on the error of both capture times, or [ErrorUnknown]
	ReceivedMonoNS  int64
	DecodedMonoNS   int64
	ConvertedMonoNS int64
	PublishedMonoNS int64
	PublishedWallNS int64
	Width           uint32 // visible pixels
	Height          uint32
	Format          Format
	PlaneCount      uint32
	PlaneOffset     [3]uint64 // bytes from the start of the slot
	PlaneStride     [3]uint32 // bytes from one row to the next
	CodedRows       uint32
	Matrix          uint32 // ITU-T H.273
	Primaries       uint32 // ITU-T H.273
	Transfer        uint32 // ITU-T H.273
	Range           Range
	ChromaLocation  uint8
	Decoder         Decoder
	Codec           uint8  // a [Codec]
	Rotation        uint8  // quarter turns clockwise to show it upright
	Score           uint32 // bits of a float32
	ReferenceSeq    uint64
	GapMissing      uint32 // pictures known to be missing, or [ErrorUnknown]
	GapState        State
	_               [40]byte
}

// PacketDesc describes one record of a packet ring.
type PacketDesc struct {
	_               structs.HostLayout
	Seq             uint64
	Position        uint64 // absolute position in the byte area
	Length          uint32 // bytes; 0 in a gap record
	Flags           Flags
	Codec           Codec
	RunID           uint32
	PTSNS           int64
	DTSNS           int64
	CaptureMonoNS   int64
	CaptureWallNS   int64
	CaptureClock    Clock
	CaptureErrorUS  uint32
	ReceivedMonoNS  int64
	PublishedMonoNS int64
	Lost            uint32 // RTP packets missing since the record before
	Width           uint32 // 0 = not known
	Height          uint32
	Reason          Reason // gap records
	_               [24]byte
}

type leaseHeader struct {
	_            structs.HostLayout
	magic        uint64
	version      atomic.Uint32
	rowCount     uint32
	pairID       uint64
	rowsOffset   uint64
	ownersOffset uint64
	fileSize     uint64
	_            [4048]byte
}

type row struct {
	_       structs.HostLayout
	bits    atomic.Uint64
	waiting atomic.Uint32
	joined  atomic.Uint32
	cursor  atomic.Uint64
	missed  atomic.Uint64
	_       [32]byte
}

type rowOwner struct {
	_           structs.HostLayout
	cookie      atomic.Uint64
	pid         uint32
	_           uint32
	startMonoNS uint64
	name        [nameSize]byte
	_           [40]byte
}

var (
	_ [headerSize]byte     = [unsafe.Sizeof(header{})]byte{}
	_ [slotEntrySize]byte  = [unsafe.Sizeof(slotEntry{})]byte{}
	_ [frameDescSize]byte  = [unsafe.Sizeof(FrameDesc{})]byte{}
	_ [packetDescSize]byte = [unsafe.Sizeof(PacketDesc{})]byte{}
	_ [pageSize]byte       = [unsafe.Sizeof(leaseHeader{})]byte{}
	_ [rowSize]byte        = [unsafe.Sizeof(row{})]byte{}
	_ [rowOwnerSize]byte   = [unsafe.Sizeof(rowOwner{})]byte{}
	_ [512]byte            = [unsafe.Offsetof(header{}.head)]byte{}
	_ [1152]byte           = [unsafe.Offsetof(header{}.counters)]byte{}
)
