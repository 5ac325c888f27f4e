// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Every cast from bytes to words of the layout is in this file. The callers have checked the offset
// against the length of mem; the page alignment of a mapping makes each word aligned.

func headerAt(mem []byte) *header {
	_ = mem[headerSize-1]
	return (*header)(unsafe.Pointer(unsafe.SliceData(mem)))
}

func slotAt(mem []byte, offset uint64) *slotEntry {
	b := mem[offset : offset+slotEntrySize]
	return (*slotEntry)(unsafe.Pointer(unsafe.SliceData(b)))
}

// seqAt is the first word of any descriptor: its sequence, the only part accessed atomically.
func seqAt(mem []byte, offset uint64) *atomic.Uint64 {
	b := mem[offset : offset+8]
	return (*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(b)))
}

func (d *FrameDesc) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(d)), frameDescSize)
}

func (d *PacketDesc) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(d)), packetDescSize)
}

func leaseHeaderAt(mem []byte) *leaseHeader {
	_ = mem[pageSize-1]
	return (*leaseHeader)(unsafe.Pointer(unsafe.SliceData(mem)))
}

func rowAt(mem []byte, i int) *row {
	b := mem[rowsOffset+i*rowSize:][:rowSize]
	return (*row)(unsafe.Pointer(unsafe.SliceData(b)))
}

func rowOwnerAt(mem []byte, i int) *rowOwner {
	b := mem[ownersOffset+i*rowOwnerSize:][:rowOwnerSize]
	return (*rowOwner)(unsafe.Pointer(unsafe.SliceData(b)))
}

// futexWait sleeps while *word is v, at most d. It reports nothing: every caller looks again.
func futexWait(word *atomic.Uint32, v uint32, d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	const futexWaitOp = 0 // FUTEX_WAIT without FUTEX_PRIVATE_FLAG: the word is shared between processes
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWaitOp, uintptr(v),
		uintptr(unsafe.Pointer(&ts)), 0, 0)
}

// futexWakeAll wakes every sleeper on word and returns how many there were.
func futexWakeAll(word *atomic.Uint32) int {
	const futexWakeOp = 1 // FUTEX_WAKE
	n, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWakeOp, 1<<30, 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
