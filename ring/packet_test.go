// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// smallPackets is a packet ring with an area of size bytes and count descriptors, so that a few
// records wrap it.
func smallPackets(t testing.TB, dir string, size, count uint64) *PacketWriter {
	t.Helper()
	w, err := OpenPacketWriter(PacketConfig{Dir: dir, Camera: "cam", GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	g := geometry{
		kind: KindPacket, epoch: w.g.epoch + 1, baseSeq: w.head + 1, camera: "cam",
		descSize: packetDescSize, descCount: count, dataSize: size,
	}
	if err := w.begin(g, nil); err != nil {
		t.Fatal(err)
	}
	return w
}

func packetsOf(t testing.TB, w *PacketWriter, name string) *PacketReader {
	t.Helper()
	r, err := OpenPackets(w.Path(), ReaderOptions{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// unit is the access unit with a sequence: its bytes follow from that.
func unit(seq uint64, length int) []byte {
	b := make([]byte, length+8)
	for i := 0; i < length; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], word(seq, uint64(length), i))
	}
	return b[:length]
}

// send publishes the next unit in pieces.
func send(t testing.TB, w *PacketWriter, length int, flags Flags) uint64 {
	t.Helper()
	seq := w.Head() + 1
	b := unit(seq, length)
	d := PacketDesc{Codec: CodecH264, Flags: flags, PTSNS: int64(seq)}
	if err := w.Publish(&d, [][]byte{b[:length/3], nil, b[length/3:]}); err != nil {
		t.Fatalf("publish %d bytes as %d: %v", length, seq, err)
	}
	return seq
}

func checkUnit(p *Packet) error {
	if string(p.Data) != string(unit(p.Seq, int(p.Length))) || p.PTSNS != int64(p.Seq) {
		return fmt.Errorf("record %d of %d bytes is not what was published", p.Seq, p.Length)
	}
	if len(p.Data) > 0 {
		for _, b := range p.Data[len(p.Data) : len(p.Data)+Padding] {
			if b != 0 {
				return fmt.Errorf("record %d: padding is not zero", p.Seq)
			}
		}
	}
	return nil
}

// Random sizes, keyframes, gaps, restarts and reader pauses, also in the middle of a copy: whatever a
// reader accepts is right, in order, and every record is accounted for.
func TestPacketRingProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := shmDir(t)
		defer func() { _ = os.RemoveAll(dir) }()
		w := smallPackets(t, dir, uint64(rapid.IntRange(100, 5000).Draw(rt, "size")), 16)
		defer func() { _ = w.Close() }()
		r := packetsOf(t, w, rapid.SampledFrom([]string{"", "reader"}).Draw(rt, "name"))
		defer func() { _ = r.Close() }()
		last := r.Head()
		publish := func(n int, key bool) {
			var flags Flags
			if key {
				flags = FlagKey
			}
			send(t, w, n, flags)
		}
		lapper := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "lapper"), 0))
		busy := false
		defer func() { stepHook = nil }()
		rt.Repeat(map[string]func(*rapid.T){
			"publish": func(rt *rapid.T) {
				publish(rapid.IntRange(1, 2000).Draw(rt, "length"), rapid.IntRange(0, 9).Draw(rt, "key") == 0)
			},
			"gap": func(rt *rapid.T) {
				d := PacketDesc{Reason: ReasonTimeout, PTSNS: int64(w.Head() + 1)}
				if err := w.PublishGap(&d); err != nil {
					rt.Fatal(err)
				}
			},
			"restart": func(rt *rapid.T) {
				head, reserve, pair := w.Head(), w.h.reserve.Load(), w.g.pairID
				abandon(&w.writer)
				next, err := OpenPacketWriter(PacketConfig{Dir: dir, Camera: "cam", GID: -1})
				if err != nil {
					rt.Fatal(err)
				}
				w = next
				if w.Head() != head || w.h.reserve.Load() != reserve || w.g.pairID != pair {
					rt.Fatalf("restart: head %d reserve %d, want %d and %d", w.Head(), w.h.reserve.Load(), head, reserve)
				}
			},
			"seek key": func(*rapid.T) {
				if key := r.SeekKey(r.Head()); key != 0 {
					last = key - 1
				}
			},
			"read": func(rt *rapid.T) {
				if rapid.Bool().Draw(rt, "lap") {
					stepHook = func(s storeStep) {
						if !busy && (s == stepReadBytes || s == stepReadDesc) && lapper.IntN(3) == 0 {
							busy = true
							for range lapper.IntN(20) {
								publish(1+lapper.IntN(2000), lapper.IntN(10) == 0)
							}
							busy = false
						}
					}
				}
				p, err := r.Next(0)
				stepHook = nil
				if errors.Is(err, ErrTimeout) {
					if r.next <= r.Head() || last != r.Head() && r.h.nextEpoch.Load() == 0 {
						rt.Fatalf("nothing new after %d, head is %d", last, r.Head())
					}
					return
				}
				if err != nil {
					rt.Fatal(err)
				}
				if p.Seq != last+1+p.Missed {
					rt.Fatalf("record %d after %d with %d missed", p.Seq, last, p.Missed)
				}
				if p.Flags&FlagGap == 0 {
					if err := checkUnit(&p); err != nil {
						rt.Fatal(err)
					}
				} else if len(p.Data) != 0 {
					rt.Fatalf("gap record %d has %d bytes", p.Seq, len(p.Data))
				}
				last = p.Seq
			},
		})
	})
}

func TestPacketOverwrittenWhileItIsCopiedIsLapped(t *testing.T) {
	w := smallPackets(t, shmDir(t), 8192, 64)
	r := packetsOf(t, w, "reader")
	send(t, w, 4000, 0)
	during(t, stepReadBytes, func() { // wraps over the record that is about to be copied
		for range 3 {
			send(t, w, 4000, 0)
		}
	})
	if p, err := r.at(1); !errors.Is(err, ErrLapped) {
		t.Fatalf("got %v and record %d, want %v", err, p.Seq, ErrLapped)
	}
	stepHook = nil
	p, err := r.Next(0)
	if err != nil || checkUnit(&p) != nil || p.Seq != 4 || p.Missed != 3 {
		t.Errorf("went on at %d, missed %d, %v, want 4 and 3", p.Seq, p.Missed, err)
	}
}

func TestPacketDescriptorReplacedWhileItIsCopiedIsLapped(t *testing.T) {
	w := smallPackets(t, shmDir(t), 1<<20, 16)
	r := packetsOf(t, w, "")
	send(t, w, 100, 0)
	during(t, stepReadDesc, func() {
		for range 16 {
			send(t, w, 100, 0)
		}
	})
	if p, err := r.at(1); !errors.Is(err, ErrLapped) {
		t.Errorf("got %v and %d bytes, want %v", err, len(p.Data), ErrLapped)
	}
}

// A writer flat out beside a reader: whatever is accepted is right, and enough is not accepted.
func TestNoTornPacketIsAccepted(t *testing.T) {
	w := smallPackets(t, shmDir(t), 100_000, 16)
	r := packetsOf(t, w, "")
	units := make([][]byte, 64) // made beforehand: the writer's time goes into copying
	for i := range units {
		units[i] = unit(uint64(i), 8*(3000+i))
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	end := sync.OnceValue(func() error { close(stop); return <-done })
	defer func() { _ = end() }() // before the ring is unmapped, whatever happens
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			seq := w.Head() + 1
			if err := w.Publish(&PacketDesc{}, [][]byte{units[seq%64]}); err != nil {
				done <- err
				return
			}
		}
	}()
	accepted, rejected := 0, 0
	for deadline := time.Now().Add(20 * time.Second); (accepted < 2000 || rejected < 200) && time.Now().Before(deadline); {
		head := r.Head()
		if head < 4 {
			continue
		}
		p, err := r.at(head - uint64(accepted+rejected)%4)
		switch {
		case errors.Is(err, ErrLapped):
			rejected++
		case err != nil:
			t.Fatal(err)
		case string(p.Data) != string(units[p.Seq%64]):
			t.Fatalf("wrong bytes in record %d", p.Seq)
		default:
			accepted++
		}
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d accepted, %d rejected", accepted, rejected)
	if accepted < 100 || rejected*100 < accepted {
		t.Errorf("%d accepted and %d rejected: the run proves nothing", accepted, rejected)
	}
}

// The last byte that may be read is the one at reserve - size: one more and the record is gone.
func TestPacketIsGoodUntilExactlyItsFirstByteIsOverwritten(t *testing.T) {
	w := smallPackets(t, shmDir(t), 4096, 64)
	r := packetsOf(t, w, "")
	send(t, w, 96, 0)
	send(t, w, 4000, 0)
	if p, err := r.at(1); err != nil || checkUnit(&p) != nil {
		t.Errorf("record 1 in a ring that is exactly full: %v", err)
	}
	send(t, w, 1, 0)
	if _, err := r.at(1); !errors.Is(err, ErrLapped) {
		t.Errorf("record 1 with one byte overwritten: %v, want %v", err, ErrLapped)
	}
}

func TestWriterKilledBetweenReserveAndDescriptorLeavesNoWrongBytes(t *testing.T) {
	for at, name := range map[storeStep]string{stepReserve: "reserved", stepBytes: "copied", stepDescZero: "descriptor cleared", stepDescSeq: "descriptor numbered"} {
		t.Run(name, func(t *testing.T) {
			dir := shmDir(t)
			w := smallPackets(t, dir, 8192, 64)
			r := packetsOf(t, w, "")
			for range 3 {
				send(t, w, 2000, 0)
			}
			if !crashAt(at, 1, func() { send(t, w, 4000, 0) }) {
				t.Fatal("the writer did not come to the step")
			}
			abandon(&w.writer)
			next, err := OpenPacketWriter(PacketConfig{Dir: dir, Camera: "cam", GID: -1})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = next.Close() }()
			if _, err := r.at(1); !errors.Is(err, ErrLapped) {
				t.Errorf("record 1, which may be overwritten: %v, want %v", err, ErrLapped)
			}
			for seq := uint64(2); seq <= 3; seq++ {
				if p, err := r.at(seq); err != nil || checkUnit(&p) != nil {
					t.Errorf("record %d, untouched: %v", seq, err)
				}
			}
			seq := send(t, next, 1000, 0)
			if p, err := r.at(seq); err != nil || checkUnit(&p) != nil || p.RunID != 2 || p.Flags&FlagDiscontinuity == 0 {
				t.Errorf("first record of the next writer: %v, run %d, flags %x", err, p.RunID, p.Flags)
			}
		})
	}
}

func TestLongGOPStaysDecodableForLateReaders(t *testing.T) {
	w, err := OpenPacketWriter(PacketConfig{Dir: shmDir(t), Camera: "cam", GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	r := packetsOf(t, w, "decoder")
	send(t, w, 60_000, FlagKey)
	for range 60*30 - 1 { // 60 s at 30 fps
		send(t, w, 4000, 0)
		p, err := r.Next(0)
		if err != nil || p.Missed != 0 || checkUnit(&p) != nil {
			t.Fatalf("record %d missed %d: %v", p.Seq, p.Missed, err)
		}
	}
	late := packetsOf(t, w, "")
	if key := late.SeekKey(late.Head()); key != 1 {
		t.Fatalf("newest keyframe is %d, want 1", key)
	}
	for want := uint64(1); want <= 1800; want++ {
		if p, err := late.Next(0); err != nil || p.Seq != want || checkUnit(&p) != nil {
			t.Fatalf("got record %d, %v, want %d", p.Seq, err, want)
		}
	}
	if n := late.Counter(CountKeyLost); n != 0 || w.g.dataSize > maxPacketBytes {
		t.Errorf("%d keyframes lost in %d bytes", n, w.g.dataSize)
	}
}

func TestGOPBeyondTheLimitGivesItsKeyframeUpOnce(t *testing.T) {
	w, err := OpenPacketWriter(PacketConfig{Dir: shmDir(t), Camera: "cam", GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	send(t, w, 1<<20, FlagKey)
	for range 40 {
		send(t, w, 1<<20, 0)
	}
	r := packetsOf(t, w, "")
	if n := r.Counter(CountKeyLost); n != 1 || w.g.dataSize > maxPacketBytes {
		t.Errorf("%d keyframes lost in %d bytes, want 1 in at most %d", n, w.g.dataSize, maxPacketBytes)
	}
	if key := r.SeekKey(r.Head()); key != 0 {
		t.Errorf("keyframe %d is said to be there", key)
	}
	key := send(t, w, 1000, FlagKey)
	if got := r.SeekKey(r.Head()); got != key {
		t.Errorf("newest keyframe is %d, want %d", got, key)
	}
}

func TestStreamWithoutKeyframesNeverGrows(t *testing.T) {
	w, err := OpenPacketWriter(PacketConfig{Dir: shmDir(t), Camera: "cam", GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	r := packetsOf(t, w, "")
	for range 1000 {
		send(t, w, 10_000, 0)
	}
	if w.Epoch() != 1 || r.SeekKey(r.Head()) != 0 {
		t.Errorf("epoch %d, keyframe %d, want 1 and none", w.Epoch(), r.SeekKey(r.Head()))
	}
	p, err := r.Next(0)
	if err != nil || p.Seq != 1000 || p.Missed != 999 || checkUnit(&p) != nil {
		t.Errorf("lapped reader went on at %d, missed %d, %v, want the head and 999", p.Seq, p.Missed, err)
	}
}

func TestPacketReaderPausedAcrossTwoEpochsCountsWhatItLost(t *testing.T) {
	w := smallPackets(t, shmDir(t), 4096, 16)
	r := packetsOf(t, w, "sleeper")
	first := send(t, w, 1000, FlagKey)
	for range 2 {
		send(t, w, 3000, FlagKey)
		send(t, w, 3000, 0) // outgrows the area: a new epoch from the key on
		for range 20 {
			send(t, w, 3000, FlagKey)
		}
		w.h.newestKey.Store(0)
		g := w.g
		g.epoch, g.baseSeq = g.epoch+1, w.head+1
		if err := w.begin(g, nil); err != nil {
			t.Fatal(err)
		}
	}
	head := send(t, w, 100, FlagKey)
	last := first - 1
	for last < head {
		p, err := r.Next(time.Second)
		if err != nil || p.Seq != last+1+p.Missed || checkUnit(&p) != nil {
			t.Fatalf("record %d after %d, missed %d: %v", p.Seq, last, p.Missed, err)
		}
		last = p.Seq
	}
}

func TestUnpublishableAccessUnitsAreRefusedAndCounted(t *testing.T) {
	w := smallPackets(t, shmDir(t), 4096, 16)
	for _, length := range []int{0, MaxRecord + 1} {
		if err := w.Publish(&PacketDesc{}, [][]byte{make([]byte, length)}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%d bytes: got %v, want %v", length, err, ErrTooLarge)
		}
	}
	if n := packetsOf(t, w, "").Counter(CountDropTooLarge); n != 2 || w.Head() != 0 {
		t.Errorf("%d counted, head %d, want 2 and 0", n, w.Head())
	}
	if seq := send(t, w, MaxRecord, FlagKey); seq != 1 {
		t.Errorf("the longest record has sequence %d, want 1", seq)
	}
}
