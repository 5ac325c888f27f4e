// SPDX-License-Identifier: Apache-2.0

// Package testcam is a network camera made of clips: an RTSP server that plays files in an endless
// loop, at their own pace, with no picture missing and no jump of the timestamps where the loop
// closes.
//
// Clips are MPEG-TS files with H.264 or H.265, or files of concatenated JPEG pictures, which play at
// 25 pictures per second. They are held in memory. A [Server] is safe for concurrent use.
package testcam

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v5"
)

const (
	// writeQueue is in packets: room for a keyframe of several megabytes, sent at once.
	writeQueue = 8192
	// portAttempts is how often a pair of free UDP ports is looked for.
	portAttempts = 64
	ioTimeout    = 10 * time.Second
)

// Options say what a camera plays, and to whom.
type Options struct {
	Listen             string            // host:port; port 0 picks a free one. Default 127.0.0.1:0
	Clips              map[string]string // path in the URL, without slash in front → file
	Username, Password string            // empty username: no login. Digest and Basic are offered
	UDP                bool              // offer UDP as well as TCP
	// PerClient starts the clip anew for every client, at its first picture. Without it all clients
	// of a path see the same running stream, like those of a real camera.
	PerClient bool
	// Once plays a PerClient clip a single time; the session then stays open and silent.
	Once bool
	// Speed multiplies the pace, but not the timestamps. 0 means 1.
	Speed float64
	Log   *slog.Logger // nil: no log
}

// Server is a running camera.
type Server struct {
	opt      Options
	log      *slog.Logger
	rtsp     *gortsplib.Server
	listener net.Listener
	tracks   map[string]*track
	ctx      context.Context // ends with Close; for the players, which outlive the call that starts them
	cancel   context.CancelFunc
	players  sync.WaitGroup
	once     sync.Once
	ready    chan struct{} // closed when the streams are there: the library wants the server first

	sessions, connections, logins atomic.Int64
}

// track is what is served at one path.
type track struct {
	clip   *clip
	stream *gortsplib.ServerStream // for descriptions; without PerClient also for pictures
}

// Start opens a camera. It returns when clients can connect.
func Start(opt Options) (*Server, error) {
	if opt.Listen == "" {
		opt.Listen = "127.0.0.1:0"
	}
	if opt.Speed <= 0 {
		opt.Speed = 1
	}
	s := &Server{opt: opt, log: opt.Log, tracks: make(map[string]*track), ready: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for path, file := range opt.Clips {
		c, err := readClip(file)
		if err != nil {
			return nil, fmt.Errorf("test camera: clip for %q: %w", path, err)
		}
		s.tracks[strings.Trim(path, "/")] = &track{clip: c}
	}
	listener, err := net.Listen("tcp", opt.Listen)
	if err != nil {
		return nil, fmt.Errorf("test camera: %w", err)
	}
	s.listener = listener
	if err := s.startRTSP(); err != nil {
		_ = listener.Close() // the first error is the one to report
		return nil, fmt.Errorf("test camera: %w", err)
	}
	for _, t := range s.tracks {
		stream := &gortsplib.ServerStream{Server: s.rtsp, Desc: t.clip.describe()}
		if err := stream.Initialize(); err != nil {
			s.Close()
			return nil, fmt.Errorf("test camera: %w", err)
		}
		t.stream = stream
		if !opt.PerClient {
			s.play(&player{server: s, clip: t.clip, stream: t.stream})
		}
	}
	close(s.ready)
	return s, nil
}

// lookup returns what is served at a path, or nil.
func (s *Server) lookup(path string) *track {
	select {
	case <-s.ready:
		return s.tracks[strings.Trim(path, "/")]
	case <-s.ctx.Done():
		return nil
	}
}

// startRTSP starts the server, if need be with several pairs of UDP ports until one is free: RTP
// wants an even port and the one after it.
func (s *Server) startRTSP() error {
	host, _, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		return err
	}
	for range portAttempts {
		s.rtsp = &gortsplib.Server{
			RTSPAddress:    s.listener.Addr().String(),
			Listen:         func(string, string) (net.Listener, error) { return s.listener, nil },
			Handler:        &handler{server: s},
			WriteQueueSize: writeQueue, ReadTimeout: ioTimeout, WriteTimeout: ioTimeout,
		}
		if s.opt.UDP {
			port, err := evenPort(host)
			if err != nil {
				return err
			}
			s.rtsp.UDPRTPAddress = net.JoinHostPort(host, fmt.Sprint(port))
			s.rtsp.UDPRTCPAddress = net.JoinHostPort(host, fmt.Sprint(port+1))
		}
		if err = s.rtsp.Start(); err == nil || !s.opt.UDP {
			return err
		}
	}
	return fmt.Errorf("no two consecutive UDP ports: %w", err)
}

// evenPort returns an even UDP port that was free a moment ago.
func evenPort(host string) (int, error) {
	for range portAttempts {
		conn, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
		if err != nil {
			return 0, err
		}
		addr, _ := conn.LocalAddr().(*net.UDPAddr)
		if err := conn.Close(); err != nil {
			return 0, err
		}
		if addr != nil && addr.Port%2 == 0 && addr.Port < 65535 {
			return addr.Port, nil
		}
	}
	return 0, errors.New("no even UDP port is free")
}

// Addr returns the address that clients connect to.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL returns the address of a path, without credentials.
func (s *Server) URL(path string) string {
	u := url.URL{Scheme: "rtsp", Host: s.Addr(), Path: "/" + strings.Trim(path, "/")}
	return u.String()
}

// Sessions returns how many sessions have begun to play since the start.
func (s *Server) Sessions() int { return int(s.sessions.Load()) }

// Connections returns how many connections were accepted since the start.
func (s *Server) Connections() int { return int(s.connections.Load()) }

// AuthAttempts returns how often credentials were tried: the requests that carried some, on
// connections that were not logged in yet.
func (s *Server) AuthAttempts() int { return int(s.logins.Load()) }

// Close ends all sessions and frees the port. It is idempotent.
func (s *Server) Close() {
	s.once.Do(func() {
		s.cancel()
		for _, t := range s.tracks {
			if t.stream != nil {
				t.stream.Close()
			}
		}
		s.rtsp.Close()
		s.players.Wait()
	})
}
