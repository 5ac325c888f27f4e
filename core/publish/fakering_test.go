// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"sync"
	"testing"
	"time"

	"camring/ring"
)

const tableSize = 4096

// fakeRing is a frame ring without pixels: it keeps the last tableSize descriptors of its epoch.
type fakeRing struct {
	mu     sync.Mutex
	epochs []*fakeEpoch
	at     int // the reader's epoch
	closed bool
}

type fakeEpoch struct {
	createdMS int64
	base      uint64
	descs     []ring.FrameDesc
}

func newFakeRing(createdMS int64) *fakeRing {
	return &fakeRing{epochs: []*fakeEpoch{{createdMS: createdMS, base: 1}}}
}

func (f *fakeRing) newest() *fakeEpoch { return f.epochs[len(f.epochs)-1] }

func (e *fakeEpoch) head() uint64 { return e.base + uint64(len(e.descs)) - 1 }

// publish appends n frames; set may change each.
func (f *fakeRing) publish(n int, set ...func(*ring.FrameDesc)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.newest()
	for range n {
		seq := e.head() + 1
		now := time.Now().UnixNano()
		d := ring.FrameDesc{
			Seq: seq, FrameID: seq, PTSNS: int64(seq) * 33_333_333, PublishedWallNS: now,
			ReceivedMonoNS: 1_000_000, PublishedMonoNS: 3_500_000,
			CaptureWallNS: now - 5_000_000, CaptureClock: ring.ClockArrival, CaptureErrorUS: 2000,
			Width: 1920, Height: 1080, Format: ring.FormatNV12, Codec: uint8(ring.CodecH264),
			Decoder: ring.DecoderSoftware, Matrix: 1, Range: ring.RangeLimited,
		}
		for _, s := range set {
			s(&d)
		}
		e.descs = append(e.descs, d)
	}
}

// newEpoch begins an epoch behind the newest one.
func (f *fakeRing) newEpoch(createdMS int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.epochs = append(f.epochs, &fakeEpoch{createdMS: createdMS, base: f.newest().head() + 1})
}

func (f *fakeRing) isClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

func (f *fakeRing) CreatedMS() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epochs[f.at].createdMS
}

func (f *fakeRing) Base() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epochs[f.at].base
}

func (f *fakeRing) Head() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epochs[f.at].head()
}

func (f *fakeRing) Describe(seq uint64, d *ring.FrameDesc) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.epochs[f.at]
	switch head := e.head(); {
	case seq > head:
		return ring.ErrNotPublished
	case seq < e.base || seq+tableSize <= head:
		return ring.ErrLapped
	}
	*d = e.descs[seq-e.base]
	return nil
}

func (f *fakeRing) Follow() (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at == len(f.epochs)-1 {
		return false, nil
	}
	f.at++
	return true, nil
}

func (f *fakeRing) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

// camera describes a camera of that name which reads f.
func camera(name string, f *fakeRing) Camera {
	return Camera{
		Name: name, StreamKey: "Key of " + name, CameraID: "id-" + name, Topic: name + "_topic",
		Output: "full", RingPath: "/dev/shm/camring/" + name + ".ring", Records: f,
	}
}

// eventually polls ok until it holds; what says what is waited for.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 15 s for %s", what)
		}
	}
}
