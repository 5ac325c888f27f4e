// SPDX-License-Identifier: Apache-2.0

// Package ring is camring's shared memory: one writer hands records to any number of readers in other
// processes, without a lock and without a copy on the reading side.
//
// There are two kinds of ring with one protocol. A frame ring ([FrameWriter], [FrameReader]) holds
// pictures in slots; a packet ring ([PacketWriter], [PacketReader]) holds compressed access units in
// a circular byte area. Both have a table of descriptors that outlive the payload, a head, and a
// futex word to sleep on. The byte layout is layout.h; docs/layout.md explains it.
//
// # What may run concurrently
//
// A writer belongs to one goroutine; a second writer of the same name, in any process, is refused
// with [ErrBusy]. A reader belongs to one goroutine too; open one per goroutine. Readers never slow
// the writer: it overwrites the oldest record, and a reader still on it finds out.
//
// # What can go wrong
//
// A view of a slot is only good until the writer comes around: ask [Frame.Valid] after the last use,
// or use [Frame.CopyNV12]. Everything read from a ring file is untrusted input and is checked against
// sizes known at attach; damage is [ErrCorrupt], never a panic.
package ring
