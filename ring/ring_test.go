// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"os"
	"testing"
	"time"
)

func newFrames(t *testing.T, slots int) *FrameWriter {
	t.Helper()
	w, err := OpenFrameWriter(FrameConfig{Dir: t.TempDir(), Camera: "cam", Output: "main", Slots: slots, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// put publishes a w×h picture whose every byte is v.
func put(t *testing.T, w *FrameWriter, width, height int, v byte) FrameDesc {
	t.Helper()
	var d FrameDesc
	size, err := NV12Layout(&d, width, height)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Fit(size); err != nil {
		t.Fatal(err)
	}
	slot, err := w.Claim()
	if err != nil {
		t.Fatal(err)
	}
	for i := range slot.Mem {
		slot.Mem[i] = v
	}
	d.PacketSeq = uint64(v)
	if err := w.Publish(slot, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func openReader(t *testing.T, w *FrameWriter, name string) *FrameReader {
	t.Helper()
	r, err := OpenFrames(w.Path(), ReaderOptions{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestReaderSeesEveryFrameInOrder(t *testing.T) {
	w := newFrames(t, 4)
	put(t, w, 64, 48, 1)
	r := openReader(t, w, "reader")
	for v := byte(2); v < 40; v++ {
		put(t, w, 64, 48, v)
		f, err := r.Next(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if f.Seq != uint64(v) || f.Missed != 0 {
			t.Fatalf("got sequence %d missed %d, want %d and 0", f.Seq, f.Missed, v)
		}
		px, err := f.AppendPacked(nil)
		if err != nil || len(px) != 64*48*3/2 || px[0] != v || px[len(px)-1] != v {
			t.Fatalf("frame %d: %d bytes, first %d, %v", v, len(px), px[0], err)
		}
	}
}

func TestReaderIsToldHowManyItMissed(t *testing.T) {
	w := newFrames(t, 4)
	put(t, w, 64, 48, 1)
	r := openReader(t, w, "")
	for v := byte(2); v <= 30; v++ {
		put(t, w, 64, 48, v)
	}
	f, err := r.Next(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if f.Seq != 30 || f.Missed != 28 || r.Lapped() != 28 {
		t.Fatalf("got sequence %d missed %d lapped %d, want 30, 28, 28", f.Seq, f.Missed, r.Lapped())
	}
}

func TestViewIsInvalidOnceTheWriterCameAround(t *testing.T) {
	w := newFrames(t, 3)
	put(t, w, 64, 48, 1)
	r := openReader(t, w, "")
	f, err := r.Latest()
	if err != nil || !f.Valid() {
		t.Fatalf("latest: %v, valid %v", err, f.Valid())
	}
	for v := byte(2); v <= 4; v++ {
		put(t, w, 64, 48, v)
	}
	if f.Valid() {
		t.Error("a frame three publishes old is valid in a ring of three slots")
	}
	if _, err := f.AppendPacked(nil); !errors.Is(err, ErrLapped) {
		t.Errorf("copy of it: %v, want %v", err, ErrLapped)
	}
}

func TestSecondWriterIsRefused(t *testing.T) {
	w := newFrames(t, 4)
	_, err := OpenFrameWriter(w.cfg)
	if !errors.Is(err, ErrBusy) {
		t.Fatalf("second writer: %v, want %v", err, ErrBusy)
	}
}

func TestRestartedWriterContinuesTheSequence(t *testing.T) {
	w := newFrames(t, 4)
	for v := byte(1); v <= 6; v++ {
		put(t, w, 64, 48, v)
	}
	r := openReader(t, w, "reader")
	cfg := w.cfg
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenFrameWriter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Stop() }()
	if p, _ := again.LastPacket(); again.Head() != 6 || p != 6 || again.RunID() != 2 {
		t.Fatalf("head %d, last packet %d, run %d; want 6, 6, 2", again.Head(), p, again.RunID())
	}
	put(t, again, 64, 48, 7)
	f, err := r.Next(time.Second)
	if err != nil || f.Seq != 7 || f.RunID != 2 {
		t.Fatalf("got sequence %d run %d, %v; want 7, 2", f.Seq, f.RunID, err)
	}
}

func TestLargerPictureStartsAnEpochThatReadersFollow(t *testing.T) {
	w := newFrames(t, 4)
	put(t, w, 64, 48, 1)
	r := openReader(t, w, "reader")
	put(t, w, 64, 48, 2)
	put(t, w, 1280, 720, 3)
	for want := uint64(2); want <= 3; want++ {
		f, err := r.Next(time.Second)
		if err != nil || f.Seq != want || f.Missed != 0 {
			t.Fatalf("got sequence %d missed %d, %v; want %d, 0", f.Seq, f.Missed, err, want)
		}
	}
	if r.Epoch() != 2 || r.Base() != 3 {
		t.Errorf("epoch %d base %d, want 2 and 3", r.Epoch(), r.Base())
	}
}

func TestStopRemovesTheFilesUnlessAReaderIsRegistered(t *testing.T) {
	for _, registered := range []bool{false, true} {
		w := newFrames(t, 4)
		put(t, w, 64, 48, 1)
		name := ""
		if registered {
			name = "reader"
		}
		r := openReader(t, w, name)
		path := w.Path()
		if err := w.Stop(); err != nil {
			t.Fatal(err)
		}
		_, err := os.Stat(path)
		if kept := err == nil; kept != registered {
			t.Errorf("registered reader %v: ring kept %v", registered, kept)
		}
		if s, why, _ := r.State(); s != StateStopped || why != ReasonShutdown {
			t.Errorf("state %v %v, want stopped, shutdown", s, why)
		}
	}
}

func TestPacketRingKeepsTheGOPByGrowing(t *testing.T) {
	w, err := OpenPacketWriter(PacketConfig{Dir: t.TempDir(), Camera: "cam", GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Stop() }()
	r, err := OpenPackets(w.Path(), ReaderOptions{Name: "decoder"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	payload := make([]byte, 100_000)
	for n := uint64(1); n <= 100; n++ { // 10 MB behind one keyframe in a ring of 2 MiB
		d := PacketDesc{Codec: CodecH264}
		if n == 1 {
			d.Flags = FlagKey
		}
		payload[0], payload[len(payload)-1] = byte(n), byte(n)
		if err := w.Publish(&d, [][]byte{payload[:1000], payload[1000:]}); err != nil {
			t.Fatal(err)
		}
		p, err := r.Next(time.Second)
		if err != nil || p.Seq != n || p.Missed != 0 || p.Data[0] != byte(n) || p.Data[len(p.Data)-1] != byte(n) {
			t.Fatalf("got record %d missed %d, %v; want %d", p.Seq, p.Missed, err, n)
		}
	}
	if key := r.SeekKey(100); key != 1 {
		t.Fatalf("newest keyframe is %d, want 1", key)
	}
	for n := uint64(1); n <= 100; n++ {
		p, err := r.Next(0)
		if err != nil || p.Seq != n || p.Data[0] != byte(n) {
			t.Fatalf("from the keyframe: got record %d, %v; want %d", p.Seq, err, n)
		}
	}
}

func TestNoSpaceNamesTheBytes(t *testing.T) {
	w := newFrames(t, 64)
	_, err := w.Fit(1 << 38)
	var no *NoSpaceError
	if !errors.As(err, &no) || no.Need < 1<<38 || no.Available == 0 {
		t.Fatalf("got %v, want a NoSpaceError with both numbers", err)
	}
}
