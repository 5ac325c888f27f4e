// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"camring/ring"
)

const (
	userAgent = "camring"
	// udpReadBuffer is what a burst of one 4K keyframe needs; the kernel may grant less.
	udpReadBuffer = 2 << 20
	// writeTimeout bounds a request; they are small, so only a dead peer takes longer.
	writeTimeout = 5 * time.Second
)

// attempt is what the connections of one [Run] share.
type attempt struct {
	cfg       Config
	lim       limits
	to        target
	udp       bool
	deadline  time.Time
	connected func(StreamInfo)
	deliver   func(*AccessUnit) error
}

// session is one connection.
type session struct {
	*attempt
	answers  answers
	conn     atomic.Pointer[guardedConn]
	client   *gortsplib.Client
	announce sync.Once
	info     StreamInfo
	ended    chan *Failure // capacity 1: the first reason to end, from a callback
}

// session connects, plays, and returns why it ended. It never returns nil.
func (a *attempt) session(ctx context.Context) *Failure {
	s := &session{attempt: a, ended: make(chan *Failure, 1)}
	transport := gortsplib.ProtocolTCP
	if a.udp {
		transport = gortsplib.ProtocolUDP
	}
	s.client = &gortsplib.Client{
		Scheme: a.to.url.Scheme, Host: a.to.url.Host, Protocol: &transport, UserAgent: userAgent,
		// The library's own timeouts are a net below ours.
		ReadTimeout: max(a.lim.connect, a.lim.silence) + 2*time.Second, WriteTimeout: writeTimeout,
		DialContext: s.dial, DialTLSContext: s.dialTLS, ListenPacket: listenPacket,
		OnRequest: func(req *base.Request) {
			if conn := s.conn.Load(); conn != nil && req.Method == base.Play {
				conn.unmeter() // video may overtake the answer
			}
		},
		OnResponse:        s.answers.examine,
		OnTransportSwitch: func(error) {},
		OnPacketsLost:     func(uint64) {}, // counted per source in stream.packet
		OnDecodeError: func(err error) {
			a.cfg.Log.LogAttrs(ctx, slog.LevelDebug, "packet dropped", slog.Any("err", err))
		},
	}
	if err := s.client.Start(); err != nil {
		return newFailure(ring.ReasonInternal, "start RTSP client: %w", err)
	}
	defer s.close()
	stop := context.AfterFunc(ctx, s.close)
	defer stop()

	st, err := s.open()
	if err != nil {
		f := s.answers.complete(classify(a.to, err))
		if f.Reason == ring.ReasonBadCredentials && a.cfg.Username == "" {
			_ = f.hint("the camera wants a login: set username and password")
		}
		return f
	}
	defer st.logTotals(ctx, a.cfg.Log)
	return s.watch(ctx, st)
}

// open runs the exchange up to PLAY.
func (s *session) open() (*stream, error) {
	desc, _, err := s.client.Describe(s.to.login(s.cfg))
	if err != nil {
		return nil, err
	}
	media, chosen, failure := pickTrack(desc)
	if failure != nil {
		return nil, failure
	}
	// The base URL can name any host; requests go to the camera, and should say so.
	if _, err = s.client.Setup(s.to.pin(desc.BaseURL), media, 0, 0); err != nil {
		return nil, err
	}
	st, err := newStream(s, media, chosen)
	if err != nil {
		return nil, err
	}
	s.info = StreamInfo{Codec: st.unit.Codec, Transport: "tcp"}
	if s.udp {
		s.info.Transport = "udp"
	}
	s.info.Width, s.info.Height = st.pictures.size()
	for _, f := range media.Formats {
		s.client.OnPacketRTP(media, f, st.skip)
	}
	s.client.OnPacketRTP(media, chosen, func(pkt *rtp.Packet) {
		if err := st.packet(pkt); err != nil {
			s.end(newFailure(ring.ReasonInternal, "deliver access unit: %w", err))
		}
	})
	s.client.OnPacketRTCP(media, func(pkt rtcp.Packet) {
		if bye, ok := pkt.(*rtcp.Goodbye); ok && slices.Contains(bye.Sources, st.ssrc.Load()) {
			s.end(newFailure(ring.ReasonConnectionLost, "%s: camera ended the stream", s.to.address()))
		}
	})
	if _, err = s.client.Play(nil); err != nil {
		return nil, err
	}
	if err = s.conn.Load().limit(time.Time{}); err != nil {
		return nil, err
	}
	s.announceOnce()
	return st, nil
}

// announceOnce tells the caller that the session plays: after PLAY was answered, or before the first
// unit if that comes earlier.
func (s *session) announceOnce() { s.announce.Do(func() { s.connected(s.info) }) }

// end asks watch to end the session; the first reason wins.
func (s *session) end(f *Failure) {
	select {
	case s.ended <- f:
	default:
	}
}

// watch waits for the end of a playing session.
func (s *session) watch(ctx context.Context, st *stream) *Failure {
	var reason error
	closed := make(chan struct{})
	go func() { reason = s.client.Wait(); close(closed) }()
	defer func() { s.close(); <-closed }()
	st.lastRTP.Store(monotonicNS())
	tick := time.NewTicker(max(s.lim.silence/16, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return newFailure(ring.ReasonShutdown, "%w", ctx.Err())
		case f := <-s.ended:
			return f
		case <-closed:
			select {
			case f := <-s.ended: // it knows better
				return f
			default:
				return classify(s.to, reason)
			}
		case <-tick.C:
			if silent := time.Duration(monotonicNS() - st.lastRTP.Load()); silent >= s.lim.silence {
				f := newFailure(ring.ReasonNoPackets, "%s: no video packet for %v", s.to.address(), s.lim.silence)
				if s.udp {
					f.Hint = "check that no firewall drops UDP, or set transport to tcp"
				}
				return f
			}
		}
	}
}

// close ends the session within the teardown limit. It is idempotent; any goroutine may call it.
func (s *session) close() {
	if conn := s.conn.Load(); conn != nil {
		conn.finish(time.Now().Add(s.lim.teardown))
	}
	s.client.Close()
}
