// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"camring/ring"
)

func TestFaultR01_RedisDownAtStart(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	p, _ := running(t, Options{Target: s.target()})
	r := newFakeRing(createdMS)
	r.publish(5)
	p.Add(camera("front", r))
	eventually(t, "a retry", func() bool { return p.Stats().Retries >= 2 })
	if st := p.Stats(); st.Connected || st.LastError == "" {
		t.Errorf("got connected %v, error %q, want neither connected nor silent", st.Connected, st.LastError)
	}
	eventually(t, "the age of what waits", func() bool { st := p.Stats(); return st.Unsent == 5 && st.OldestAge > 0 })
	s.start()
	eventually(t, "5 records", func() bool { return s.length("front_topic") == 5 })
	s.wantFrames("front_topic", createdMS, 1, 5)
	eventually(t, "no error of the camera", func() bool { st := p.Stats(); return st.Connected && st.Unsent == 0 && st.OldestAge == 0 })
}

func TestFaultR02_RedisKilledAndRestarted(t *testing.T) {
	t.Parallel()
	s := newServer(t).start()
	p, stop := running(t, Options{Target: s.target()})
	r := newFakeRing(createdMS)
	p.Add(camera("front", r))
	frames := time.NewTicker(time.Second / 100)
	defer frames.Stop()
	for i := range 150 {
		<-frames.C
		r.publish(1)
		switch i {
		case 40:
			s.kill()
		case 100:
			s.start()
		}
	}
	eventually(t, "all records", func() bool { return s.length("front_topic") >= 150 })
	stop() // a surplus record would come with it
	s.wantFrames("front_topic", createdMS, 1, 150)
	if st := p.Stats(); st.Retries == 0 || st.Lost != 0 {
		t.Errorf("got %d retries, %d lost, want some and none", st.Retries, st.Lost)
	}
}

func TestRedisThatForgotEverythingGetsWhatTheRingHas(t *testing.T) {
	t.Parallel()
	s := newServer(t).start()
	p, _ := running(t, Options{Target: s.target()})
	r := newFakeRing(createdMS)
	r.publish(5000)
	p.Add(camera("front", r))
	eventually(t, "the gap and the table", func() bool { return p.Stats().Records == 1+tableSize })
	s.must("FLUSHALL")
	s.kill()
	s.start()
	r.publish(1)
	eventually(t, "the replay", func() bool { return s.length("front_topic") >= replayMost })
	s.wantFrames("front_topic", createdMS, 5001-replayMost+1, 5001)
}

func TestFaultR03_RedisStopped(t *testing.T) {
	t.Parallel()
	s := newServer(t).start()
	p, stop := running(t, Options{Target: s.target()})
	r := newFakeRing(createdMS)
	r.publish(10)
	p.Add(camera("front", r))
	eventually(t, "10 records", func() bool { return s.length("front_topic") == 10 })
	s.signal(syscall.SIGSTOP)
	r.publish(10)
	eventually(t, "the time-out", func() bool { return !p.Stats().Connected })
	r.publish(10)
	s.signal(syscall.SIGCONT)
	eventually(t, "all records", func() bool { return s.length("front_topic") >= 30 })
	s.wantFrames("front_topic", createdMS, 1, 30)

	s.signal(syscall.SIGSTOP)
	defer s.signal(syscall.SIGCONT)
	r.publish(1)
	began := time.Now()
	stop()
	if took := time.Since(began); took > 3*stopTimeout {
		t.Errorf("Run took %v to end before a Redis that hangs, want about %v", took, stopTimeout)
	}
}

func TestFaultR04_OutageLongerThanTheTableIsOneGapRecord(t *testing.T) {
	t.Parallel()
	s := newServer(t).start()
	p, _ := running(t, Options{Target: s.target()})
	r := newFakeRing(createdMS)
	r.publish(10)
	p.Add(camera("front", r))
	eventually(t, "10 records", func() bool { return s.length("front_topic") == 10 })
	s.kill()
	eventually(t, "the loss of the connection", func() bool { return !p.Stats().Connected })
	r.publish(5000)
	s.start()
	eventually(t, "the newest record", func() bool { return s.length("front_topic") >= 10+1+tableSize })

	all := s.entries("front_topic")
	wantFrames(t, "before", all[:10], createdMS, 1, 10)
	const last = 5010 - tableSize
	gap := all[10]
	for field, want := range map[string]string{
		"event": "gap", "reason": "lapped", "from_seq": "11", "to_seq": strconv.Itoa(last), "seq": strconv.Itoa(last),
		"missing": strconv.Itoa(last - 10), "cam_id": "Key of front", "frame_id": "", "width": "",
	} {
		if got := gap.FieldValues[field]; got != want {
			t.Errorf("%s: got %q, want %q", field, got, want)
		}
	}
	if want := strconv.Itoa(createdMS) + "-" + strconv.Itoa(last); gap.ID != want {
		t.Errorf("got id %s, want %s", gap.ID, want)
	}
	wantFrames(t, "after", all[11:], createdMS, last+1, 5010)
	eventually(t, "the count", func() bool { st := p.Stats(); return st.Lost == last-10 && st.GapRecords == 1 })
}

func TestFaultR05_ReplyLostAfterCommit(t *testing.T) {
	t.Parallel()
	s := newServer(t).start()
	px := newProxy(t, s)
	p, stop := running(t, Options{Target: px.target()})
	r := newFakeRing(createdMS)
	p.Add(camera("front", r))
	var published uint64
	for round := range 4 {
		px.cut.Store(true)
		r.publish(20)
		published += 20
		eventually(t, "the cut", func() bool { return px.cuts.Load() == int64(round+1) })
		r.publish(5)
		published += 5
		eventually(t, "all records", func() bool { return s.length("front_topic") >= published })
	}
	eventually(t, "the count of records", func() bool { return p.Stats().Records == published })
	stop()
	s.wantFrames("front_topic", createdMS, 1, published)
	if st := p.Stats(); st.Cameras[0].Rebased != 0 || st.Refused != 0 {
		t.Errorf("got %d rebases, %d refused, want none", st.Cameras[0].Rebased, st.Refused)
	}
}

func TestFaultR06_OutOfMemory(t *testing.T) {
	t.Parallel()
	s := newServer(t).start()
	p, _ := running(t, Options{Target: s.target()})
	r := newFakeRing(createdMS)
	r.publish(5)
	p.Add(camera("front", r))
	eventually(t, "5 records", func() bool { return s.length("front_topic") == 5 })
	s.must("CONFIG", "SET", "maxmemory", "1")
	r.publish(600)
	eventually(t, "the refusal", func() bool { return strings.HasPrefix(p.Stats().Cameras[0].LastError, "OOM") })
	batches := p.Stats().Batches
	eventually(t, "another attempt", func() bool { return p.Stats().Batches > batches })
	if st := p.Stats(); !st.Connected {
		t.Error("got no connection, want the connection kept")
	}
	s.must("CONFIG", "SET", "maxmemory", "0")
	eventually(t, "all records", func() bool { return s.length("front_topic") >= 605 })
	s.wantFrames("front_topic", createdMS, 1, 605)
	eventually(t, "no error of the camera", func() bool { return p.Stats().Cameras[0].LastError == "" })
}

func TestFaultR11_OneForbiddenStreamDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	s := newServer(t).start()
	const password = "s3cret"
	s.must("ACL", "SETUSER", "pub", "on", ">"+password, "~front_topic", "+xadd", "+xinfo|stream", "+xrevrange", "+ping")
	target := s.target()
	target.Username, target.Password = "pub", password
	p, _ := running(t, Options{Target: target})
	front, yard := newFakeRing(createdMS), newFakeRing(createdMS)
	front.publish(3)
	yard.publish(3)
	p.Add(camera("front", front))
	p.Add(camera("yard", yard))
	eventually(t, "front's records", func() bool { return s.length("front_topic") == 3 })
	eventually(t, "yard's refusal", func() bool { return strings.Contains(p.Stats().Cameras[1].LastError, "NOPERM") })
	s.must("ACL", "SETUSER", "pub", "~yard_topic")
	eventually(t, "yard's records", func() bool { return s.length("yard_topic") >= 3 })
	s.wantFrames("yard_topic", createdMS, 1, 3)

	s.must("ACL", "SETUSER", "pub", "-xadd") // while it runs
	front.publish(3)
	eventually(t, "front's refusal", func() bool { return strings.Contains(p.Stats().Cameras[0].LastError, "NOPERM") })
	s.must("ACL", "SETUSER", "pub", "+xadd")
	eventually(t, "front's records", func() bool { return s.length("front_topic") >= 6 })
	s.wantFrames("front_topic", createdMS, 1, 6)

	s.must("ACL", "DELUSER", "pub")
	front.publish(3)
	eventually(t, "the log-in to fail", func() bool { return strings.Contains(p.Stats().LastError, "WRONGPASS") })
	if text := p.Stats().LastError; strings.Contains(text, password) {
		t.Errorf("the error shows the password: %s", text)
	}
	s.must("ACL", "SETUSER", "pub", "on", ">"+password, "~*", "+@all")
	eventually(t, "the rest", func() bool { return s.length("front_topic") >= 9 })
	s.wantFrames("front_topic", createdMS, 1, 9)
}

func TestFaultR15_LastIDIsAhead(t *testing.T) {
	t.Parallel()
	s := newServer(t).start()
	const ahead = createdMS + 1_000_000
	s.must("XADD", "front_topic", strconv.Itoa(ahead)+"-77", "by", "another ring")
	r := newFakeRing(createdMS)
	r.publish(5)
	p, stop := running(t, Options{Target: s.target()})
	p.Add(camera("front", r))
	eventually(t, "5 records", func() bool { return s.length("front_topic") == 6 })
	wantFrames(t, "rebased", s.entries("front_topic")[1:], ahead+1, 1, 5)
	if got := p.Stats().Cameras[0].Rebased; got != 1 {
		t.Errorf("got %d rebases, want 1", got)
	}
	stop()

	r.publish(5) // a restarted publisher knows its own records by ring and epoch
	p, _ = running(t, Options{Target: s.target()})
	p.Add(camera("front", r))
	eventually(t, "5 more", func() bool { return s.length("front_topic") >= 11 })
	wantFrames(t, "restarted", s.entries("front_topic")[1:], ahead+1, 1, 10)

	s.must("XADD", "front_topic", strconv.Itoa(ahead+10)+"-1", "by", "another program") // while it runs
	r.publish(5)
	eventually(t, "5 more", func() bool { return s.length("front_topic") >= 17 })
	wantFrames(t, "overtaken", s.entries("front_topic")[12:], ahead+11, 11, 15)
}

func TestRingThatCannotBeReadStopsOnlyItsCamera(t *testing.T) {
	t.Parallel()
	s := newServer(t).start()
	p, _ := running(t, Options{Target: s.target()})
	good, bad := newFakeRing(createdMS), newFakeRing(createdMS)
	good.publish(3)
	bad.publish(3)
	badCam := camera("bad", bad)
	badCam.Records = damaged{bad}
	p.Add(badCam)
	p.Add(camera("good", good))
	eventually(t, "the good records", func() bool { return s.length("good_topic") == 3 })
	eventually(t, "the bad one's error", func() bool { return strings.Contains(p.Stats().Cameras[0].LastError, "damaged") })
}

type damaged struct{ *fakeRing }

func (damaged) Describe(uint64, *ring.FrameDesc) error { return ring.ErrCorrupt }
