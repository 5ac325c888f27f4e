// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"camring/ring"
)

const createdMS = 1_700_000_000_000

func TestEveryFrameIsOneRecordInOrderAndOneBurstPerInterval(t *testing.T) {
	t.Parallel()
	s := newServer(t).start()
	px := newProxy(t, s)
	rings := map[string]*fakeRing{}
	began := time.Now()
	p, stop := running(t, Options{Target: px.target()})
	cameras := []string{"front", "yard", "door"}
	for _, name := range cameras {
		rings[name] = newFakeRing(createdMS)
		p.Add(camera(name, rings[name]))
	}
	// 30 fps each, a third of a frame apart: more often than bursts may come.
	frames := time.NewTicker(time.Second / 90)
	defer frames.Stop()
	for i := range 3 * 70 {
		<-frames.C
		rings[cameras[i%3]].publish(1)
	}
	stop()
	// One for every tick of the publisher, which started after began, and one at the end of Run.
	if got, most := px.bursts.Load(), int64(time.Since(began)/DefaultBatch)+1; got > most {
		t.Errorf("got %d bursts, want at most %d", got, most)
	}
	if px.records.Load() != 3*70 {
		t.Errorf("got %d XADD commands, want %d", px.records.Load(), 3*70)
	}
	for name := range rings {
		s.wantFrames(name+"_topic", createdMS, 1, 70)
	}
	st := p.Stats()
	if st.Records != 210 || st.Lost != 0 || st.GapRecords != 0 || st.Unsent != 0 || len(st.Cameras) != 3 {
		t.Errorf("got %+v, want 210 records and no gaps", st)
	}
	if !rings["front"].isClosed() {
		t.Error("the ring is open after Run has ended")
	}
}

func TestGapOfTheWriterIsARecord(t *testing.T) {
	t.Parallel()
	s := newServer(t).start()
	p, _ := running(t, Options{Target: s.target()})
	r := newFakeRing(createdMS)
	r.publish(1)
	r.publish(1, gapFlag)
	r.publish(1)
	p.Add(camera("front", r))
	eventually(t, "3 records", func() bool { return s.length("front_topic") == 3 })
	gap := s.entries("front_topic")[1]
	for field, want := range map[string]string{"event": "gap", "reason": "timeout", "state": "backoff", "missing": "7", "seq": "2", "width": ""} {
		if got := gap.FieldValues[field]; got != want {
			t.Errorf("%s: got %q, want %q", field, got, want)
		}
	}
	eventually(t, "the count", func() bool { return p.Stats().GapRecords == 1 })
}

func TestNextEpochFollowsWhenThisOneIsStored(t *testing.T) {
	t.Parallel()
	s := newServer(t).start()
	p, _ := running(t, Options{Target: s.target()})
	r := newFakeRing(createdMS)
	r.publish(3000)
	r.newEpoch(createdMS + 5)
	r.publish(2)
	r.newEpoch(createdMS + 4) // the clock stepped back
	r.publish(2)
	p.Add(camera("front", r))
	eventually(t, "all records", func() bool { return s.length("front_topic") == 3004 })
	all := s.entries("front_topic")
	wantFrames(t, "first epoch", all[:3000], createdMS, 1, 3000)
	wantFrames(t, "second and third epoch", all[3000:], createdMS+5, 3001, 3004)
	if got := all[3003].FieldValues["epoch"]; got != "1700000000004" {
		t.Errorf("epoch: got %s, want 1700000000004", got)
	}
}

func TestRestartedPublisherResumesBehindTheLastID(t *testing.T) {
	t.Parallel()
	s := newServer(t).start()
	r := newFakeRing(createdMS)
	r.publish(10)
	p, stop := running(t, Options{Target: s.target()})
	p.Add(camera("front", r))
	eventually(t, "10 records", func() bool { return s.length("front_topic") == 10 })
	stop()
	s.must("XTRIM", "front_topic", "MAXLEN", "0") // what was sent is known all the same
	r.publish(5)
	p, stop = running(t, Options{Target: s.target()})
	p.Add(camera("front", r))
	eventually(t, "5 more", func() bool { return s.length("front_topic") >= 5 })
	stop() // a surplus record would come with it
	s.wantFrames("front_topic", createdMS, 11, 15)
	if st := p.Stats(); st.Records != 5 || st.Refused != 0 {
		t.Errorf("got %d records, %d refused, want 5 and none", st.Records, st.Refused)
	}
}

func TestUnknownStreamOfAnOldRingBeginsAtItsHead(t *testing.T) {
	t.Parallel()
	s := newServer(t).start()
	r := newFakeRing(createdMS)
	r.publish(10)
	p, _ := running(t, Options{Target: s.target()})
	cam := camera("front", r)
	cam.FromHead = true
	p.Add(cam)
	r.publish(3)
	eventually(t, "3 records", func() bool { return s.length("front_topic") >= 3 })
	s.wantFrames("front_topic", createdMS, 11, 13)
}

func TestRemovedCameraIsDrainedAndClosed(t *testing.T) {
	t.Parallel()
	s := newServer(t).start()
	p, _ := running(t, Options{Target: s.target()})
	r, again := newFakeRing(createdMS), newFakeRing(createdMS+1)
	r.publish(2000)
	again.publish(2)
	p.Add(camera("front", r))
	p.Remove("front")
	p.Add(camera("front", again))
	eventually(t, "the first ring to be closed", r.isClosed)
	eventually(t, "all records", func() bool { return s.length("front_topic") == 2002 })
	p.Remove("front")
	eventually(t, "the second ring to be closed", again.isClosed)
	eventually(t, "no cameras", func() bool { return len(p.Stats().Cameras) == 0 })
}

func TestStreamIsTrimmed(t *testing.T) {
	t.Parallel()
	s := newServer(t).start()
	p, _ := running(t, Options{Target: s.target(), MaxLen: 100})
	r := newFakeRing(createdMS)
	r.publish(2000)
	p.Add(camera("front", r))
	eventually(t, "2000 records", func() bool { return p.Stats().Records == 2000 })
	if got := s.length("front_topic"); got < 100 || got > 300 {
		t.Errorf("got a stream of %d, want about 100", got)
	}
}

// writeCounter counts the writes on a connection.
type writeCounter struct {
	net.Conn
	writes, bytes atomic.Int64
}

func (c *writeCounter) Write(b []byte) (int, error) {
	c.writes.Add(1)
	c.bytes.Add(int64(len(b)))
	return c.Conn.Write(b)
}

func TestLargestPipelineIsOneWrite(t *testing.T) {
	t.Parallel()
	s := newServer(t).start()
	c, err := connect(context.Background(), s.target())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	counter := &writeCounter{Conn: c.conn.Conn}
	c.conn.Conn = counter

	r := newFakeRing(createdMS)
	r.publish(2000)
	cam := camera("front", r)
	cam.Location = strings.Repeat("x", 200) // reaches the byte limit before the command limit
	st := newStream(cam, "host", 1000, 0)
	var b batch
	var d ring.FrameDesc
	if err := st.gather(&b, 2000, &d); err != nil {
		t.Fatal(err)
	}
	size, count := b.size, len(b.items)
	for _, reply := range c.do(b.build(c.client.B(), "100000")...) {
		if reply.Error() != nil {
			t.Fatal(reply.Error())
		}
	}
	if counter.writes.Load() != 1 {
		t.Errorf("got %d writes for %d commands of %d bytes, want 1", counter.writes.Load(), count, size)
	}
	if sent := int(counter.bytes.Load()); sent > size || sent < size*9/10 {
		t.Errorf("got %d bytes on the wire, want a little less than the %d that were reckoned", sent, size)
	}
	if size > maxBytes || size < maxBytes-4096 || count > maxCommands {
		t.Errorf("got %d commands, %d bytes, want just below %d", count, size, maxBytes)
	}
	s.wantFrames("front_topic", createdMS, 1, uint64(count))
}

func TestGatheringAllocatesNothingPerRecord(t *testing.T) {
	r := newFakeRing(createdMS)
	r.publish(75)
	st := newStream(camera("front", r), "host", 1000, 0)
	var b batch
	var d ring.FrameDesc
	got := testing.AllocsPerRun(100, func() {
		b.reset()
		st.next = 1
		if err := st.gather(&b, 75, &d); err != nil || len(b.items) != 75 {
			t.Fatal(err, len(b.items))
		}
	})
	if got != 0 {
		t.Errorf("got %v allocations for 75 records, want 0", got)
	}
}
