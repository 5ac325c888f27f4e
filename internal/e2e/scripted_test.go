// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// scripted is an RTSP camera that plays nothing: it answers each request with what a function says.
type scripted struct {
	listener net.Listener
	mu       sync.Mutex // guards below
	conns    []net.Conn
}

// request is what a scripted camera was asked.
type request struct {
	method, cseq, authorization string
}

// startScripted serves answer, which returns status line, headers and body; "" never answers.
func startScripted(t *testing.T, answer func(request) string) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{listener: l}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			serving.Go(func() { s.serve(conn, answer) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.mu.Lock()
		for _, conn := range s.conns {
			_ = conn.Close()
		}
		s.mu.Unlock()
		serving.Wait()
	})
	return s
}

func (s *scripted) serve(conn net.Conn, answer func(request) string) {
	defer func() { _ = conn.Close() }()
	lines := bufio.NewReader(conn)
	for {
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		var r request
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			line = strings.TrimSpace(line)
			if line == "" {
				break
			}
			name, value, _ := strings.Cut(line, ":")
			switch {
			case r.method == "":
				r.method, _, _ = strings.Cut(line, " ")
			case strings.EqualFold(name, "CSeq"):
				r.cseq = strings.TrimSpace(value)
			case strings.EqualFold(name, "Authorization"):
				r.authorization = strings.TrimSpace(value)
			}
		}
		if text := answer(r); text != "" {
			if _, err := conn.Write([]byte(text)); err != nil {
				return
			}
		}
	}
}

// url returns the camera's address.
func (s *scripted) url() string { return "rtsp://" + s.listener.Addr().String() + "/stream" }

// describing answers like a camera whose stream has this description.
func describing(sdp ...string) func(request) string {
	body := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n" + strings.Join(sdp, "\r\n") + "\r\n"
	return func(r request) string {
		if r.method == "DESCRIBE" {
			return fmt.Sprintf("RTSP/1.0 200 OK\r\nCSeq: %s\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", r.cseq, len(body), body)
		}
		return "RTSP/1.0 200 OK\r\nCSeq: " + r.cseq + "\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n"
	}
}

// closedPort returns an address on which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
