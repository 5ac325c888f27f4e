// SPDX-License-Identifier: Apache-2.0

package receiver

import (
	"os"
	"slices"
	"testing"

	"camring/core/control"
	"camring/core/receiver/rtsp"
	"camring/ring"
)

func newReceiver(t *testing.T) (*receiver, control.Camera) {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "camring-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return &receiver{sinks: map[string]*sink{}}, control.Camera{Name: "cam", Dir: dir, GID: -1}
}

func sinkOf(t *testing.T, r *receiver, c control.Camera) *sink {
	t.Helper()
	s, err := r.sink(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func deliver(t *testing.T, s *sink, au rtsp.AccessUnit) {
	t.Helper()
	if au.Parts == nil {
		au.Parts = [][]byte{make([]byte, 100)}
	}
	if err := s.deliver(&au); err != nil {
		t.Fatal(err)
	}
}

// records lists the ring: "key", "unit", "corrupt" or the reason of a gap, with "|" before a
// discontinuity.
func records(t *testing.T, c control.Camera) (list []string) {
	t.Helper()
	r, err := ring.OpenPackets(ring.PacketPath(c.Dir, c.Name), ring.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for seq := r.Base(); seq <= r.Head(); seq++ {
		d, err := r.Describe(seq)
		if err != nil {
			t.Fatal(err)
		}
		text := "unit"
		switch {
		case d.Flags&ring.FlagGap != 0:
			text = d.Reason.String()
		case d.Flags&ring.FlagCorrupt != 0:
			text = "corrupt"
		case d.Flags&ring.FlagKey != 0:
			text = "key"
		}
		if d.Flags&ring.FlagDiscontinuity != 0 {
			text = "|" + text
		}
		list = append(list, text)
	}
	return list
}

var (
	key  = rtsp.AccessUnit{Codec: ring.CodecH264, Key: true}
	unit = rtsp.AccessUnit{Codec: ring.CodecH264}
)

func TestGapIsRecordedOnceAndTheNextSessionIsMarked(t *testing.T) {
	r, c := newReceiver(t)
	s := sinkOf(t, r, c)
	if err := s.end(ring.ReasonUnreachable); err != nil { // an attempt that failed before the first session
		t.Fatal(err)
	}
	s.begin()
	deliver(t, s, key)
	deliver(t, s, unit)
	for _, why := range []ring.Reason{ring.ReasonConnectionLost, ring.ReasonUnreachable, ring.ReasonTimeout} {
		if err := s.end(why); err != nil {
			t.Fatal(err)
		}
	}
	s.begin() // a session without a unit
	if err := s.end(ring.ReasonNoPackets); err != nil {
		t.Fatal(err)
	}
	s.begin()
	deliver(t, s, key)
	deliver(t, s, unit)
	want := []string{"key", "unit", "connection_lost", "|key", "unit"}
	if got := records(t, c); !slices.Equal(got, want) {
		t.Errorf("records %v, want %v", got, want)
	}
}

func TestSuccessorOfADeadReceiverRecordsTheGap(t *testing.T) {
	for name, ended := range map[string]bool{"while it played": false, "between two sessions": true} {
		t.Run(name, func(t *testing.T) {
			r, c := newReceiver(t)
			s := sinkOf(t, r, c)
			s.begin()
			deliver(t, s, key)
			want := []string{"key", "|receiver_lost", "|key"}
			if ended {
				if err := s.end(ring.ReasonTimeout); err != nil {
					t.Fatal(err)
				}
				want = []string{"key", "timeout", "|key"}
			}
			if err := s.w.Close(); err != nil { // as a kill leaves it
				t.Fatal(err)
			}
			s = sinkOf(t, &receiver{sinks: map[string]*sink{}}, c)
			if err := s.end(ring.ReasonUnreachable); err != nil { // the camera is away as well
				t.Fatal(err)
			}
			s.begin()
			deliver(t, s, key)
			if got := records(t, c); !slices.Equal(got, want) {
				t.Errorf("records %v, want %v", got, want)
			}
		})
	}
}

// A unit that does not fit is missing for all that refer to it.
func TestUnitsAfterOneThatIsTooLargeAreCorruptUntilTheNextKeyframe(t *testing.T) {
	r, c := newReceiver(t)
	s := sinkOf(t, r, c)
	s.begin()
	large := unit
	large.Parts = [][]byte{make([]byte, ring.MaxRecord+1)}
	broken := key
	broken.Corrupt = true
	for _, au := range []rtsp.AccessUnit{key, large, unit, unit, broken, unit, key, unit} {
		deliver(t, s, au)
	}
	want := []string{"key", "corrupt", "corrupt", "corrupt", "corrupt", "key", "unit"}
	if got := records(t, c); !slices.Equal(got, want) {
		t.Errorf("records %v, want %v", got, want)
	}
	if n := s.w.Head(); n != 7 {
		t.Errorf("head %d", n)
	}
}

// At the end the rings go, except one that an attempt which hangs may still write.
func TestStopLeavesTheRingOfAnAttemptThatHangs(t *testing.T) {
	r, c := newReceiver(t)
	idle := c
	idle.Name = "idle"
	s := sinkOf(t, r, c)
	s.begin()
	sinkOf(t, r, idle).busy.Store(false)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, key)
	if _, err := os.Stat(ring.PacketPath(idle.Dir, idle.Name)); !os.IsNotExist(err) {
		t.Errorf("the idle camera's ring: %v, want it gone", err)
	}
}
