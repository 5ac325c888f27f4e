// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"slices"
	"time"
)

// Padding is how many zero bytes follow the data of a [Packet]: libav reads beyond the end.
const Padding = 64

// PacketReader reads one packet ring. It belongs to one goroutine.
type PacketReader struct {
	reader
	buf []byte
}

// Packet is one access unit: a checked copy of its descriptor and of its bytes.
type Packet struct {
	PacketDesc
	Data   []byte // good until the next call; followed by [Padding] zero bytes
	Missed uint64 // records before this one that were lost to the reader
}

// OpenPackets attaches to the packet ring at path; see [PacketPath]. Next begins with the next record
// published; seek to go back.
func OpenPackets(path string, opt ReaderOptions) (*PacketReader, error) {
	r := &PacketReader{reader: reader{path: path, kind: KindPacket, opt: opt}}
	if err := r.open(); err != nil {
		return nil, err
	}
	r.next = r.headNow() + 1
	return r, nil
}

// SeekKey makes the newest keyframe at or before sequence limit the record that Next returns next, and
// returns its sequence; 0 if the ring holds none.
func (r *PacketReader) SeekKey(limit uint64) uint64 {
	key := r.keyBefore(limit)
	if key != 0 {
		r.next, r.lost = key, 0
	}
	return key
}

func (r *PacketReader) keyBefore(limit uint64) uint64 {
	head := r.headNow()
	for seq := min(limit, head); seq >= r.g.baseSeq && head-seq < r.g.descCount; seq-- {
		d, err := readPacketDesc(r.mem, &r.g, seq)
		if err == nil && d.Flags&FlagKey != 0 && r.h.reserve.Load()-d.Position <= r.g.dataSize {
			return seq
		}
	}
	return 0
}

// Describe copies the descriptor of sequence seq; [ErrNotPublished] or [ErrLapped] if it is not there.
func (r *PacketReader) Describe(seq uint64) (PacketDesc, error) {
	if seq > r.headNow() {
		return PacketDesc{}, ErrNotPublished
	}
	if seq < r.g.baseSeq {
		return PacketDesc{}, ErrLapped
	}
	return readPacketDesc(r.mem, &r.g, seq)
}

// Next waits for the next record, at most timeout ([ErrTimeout]); a change of the camera's state ends
// the wait as well. A reader that has been lapped goes on with the newest keyframe, or with the head
// if there is none, and is told how many records it lost. It follows a new epoch by itself. Gap
// records come without data.
func (r *PacketReader) Next(timeout time.Duration) (Packet, error) {
	deadline := time.Now().Add(timeout)
	for {
		if r.next > r.headNow() {
			moved, err := r.Follow()
			if err != nil {
				return Packet{}, err
			}
			if moved {
				continue
			}
			left := time.Until(deadline)
			if left <= 0 {
				return Packet{}, ErrTimeout
			}
			state := r.h.state.Load()
			r.Wait(r.next, left)
			if r.h.state.Load() != state && r.next > r.headNow() {
				return Packet{}, ErrTimeout
			}
			continue
		}
		if r.next < r.g.baseSeq {
			r.lost += r.g.baseSeq - r.next
			r.next = r.g.baseSeq
		}
		p, err := r.at(r.next)
		if err == nil {
			p.Missed, r.lost = r.lost, 0
			r.next++
			return p, nil
		}
		if !errors.Is(err, ErrLapped) {
			return Packet{}, err
		}
		was := r.next
		if r.next = r.keyBefore(r.headNow()); r.next <= was {
			r.next = max(r.headNow(), was+1)
		}
		r.lost += r.next - was
	}
}

func (r *PacketReader) at(seq uint64) (Packet, error) {
	d, err := readPacketDesc(r.mem, &r.g, seq)
	if err != nil {
		return Packet{}, err
	}
	p := Packet{PacketDesc: d}
	if d.Flags&FlagGap != 0 {
		return p, nil
	}
	length := int(d.Length)
	r.buf = slices.Grow(r.buf[:0], length+Padding)[:length+Padding]
	step(stepReadBytes)
	first, second := pieces(r.mem[r.g.dataOffset:r.g.dataOffset+r.g.dataSize], d.Position, uint64(length))
	copy(r.buf[copy(r.buf, first):], second)
	clear(r.buf[length:])
	loadFence() // SYNC B2: bytes before the look at reserve; pairs with B1
	if r.h.reserve.Load()-d.Position > r.g.dataSize {
		return Packet{}, ErrLapped
	}
	p.Data = r.buf[:length]
	return p, nil
}

func readPacketDesc(mem []byte, g *geometry, seq uint64) (PacketDesc, error) {
	var d PacketDesc
	if err := copyDesc(mem, g.descAt(seq), seq, d.bytes()); err != nil {
		return d, err
	}
	d.Seq = seq
	if d.Flags&FlagGap == 0 && (d.Length == 0 || uint64(d.Length) > g.dataSize || d.Length > MaxRecord) {
		return d, corrupt("record %d has %d bytes", seq, d.Length)
	}
	return d, nil
}
