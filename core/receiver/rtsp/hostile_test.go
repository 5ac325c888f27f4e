// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pion/rtp"
)

// hostile is a camera that follows a script, on raw TCP.
type hostile struct {
	listener net.Listener

	mu       sync.Mutex // guards below
	requests []string
	accepted int
}

// peer is one connection of a client to a hostile camera.
type peer struct {
	net.Conn
	server *hostile
	reader *bufio.Reader
	cseq   string
}

// startHostile runs script for every connection, until the test ends.
func startHostile(t *testing.T, script func(*peer)) *hostile {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveHostile(t, l, script)
}

func serveHostile(t *testing.T, l net.Listener, script func(*peer)) *hostile {
	h := &hostile{listener: l}
	var (
		peers sync.WaitGroup
		mu    sync.Mutex
		conns []net.Conn
	)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			h.mu.Lock()
			h.accepted++
			h.mu.Unlock()
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			peers.Go(func() {
				defer conn.Close()
				script(&peer{Conn: conn, server: h, reader: bufio.NewReader(conn)})
			})
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		mu.Lock()
		for _, conn := range conns {
			conn.Close()
		}
		mu.Unlock()
		peers.Wait()
	})
	return h
}

func (h *hostile) url(path string) string { return "rtsp://" + h.listener.Addr().String() + path }

// seen returns the requests so far, and the number of connections.
func (h *hostile) seen() ([]string, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.requests), h.accepted
}

// withCredentials counts the requests that carried credentials.
func (h *hostile) withCredentials() int {
	requests, _ := h.seen()
	n := 0
	for _, r := range requests {
		if strings.Contains(r, "Authorization:") {
			n++
		}
	}
	return n
}

// request reads one request and returns its method; "" at the end of the connection.
func (p *peer) request() string {
	var text strings.Builder
	for {
		line, err := p.reader.ReadString('\n')
		if err != nil {
			return ""
		}
		text.WriteString(line)
		if cseq, ok := strings.CutPrefix(line, "CSeq:"); ok {
			p.cseq = strings.TrimSpace(cseq)
		}
		if line == "\r\n" {
			break
		}
	}
	p.server.mu.Lock()
	p.server.requests = append(p.server.requests, text.String())
	p.server.mu.Unlock()
	method, _, _ := strings.Cut(text.String(), " ")
	return method
}

// reply sends a response; headers are whole lines.
func (p *peer) reply(status string, body string, headers ...string) {
	var b strings.Builder
	fmt.Fprintf(&b, "RTSP/1.0 %s\r\nCSeq: %s\r\n", status, p.cseq)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Type: application/sdp\r\nContent-Length: %d\r\n", len(body))
	}
	fmt.Fprintf(&b, "\r\n%s", body)
	_, _ = p.Write([]byte(b.String())) // the client may have gone
}

// answer answers each request with what table has for its method, and "200 OK" for the others.
func answer(table map[string]func(*peer)) func(*peer) {
	return func(p *peer) {
		for {
			method := p.request()
			if method == "" {
				return
			}
			if f := table[method]; f != nil {
				f(p)
			} else {
				p.reply("200 OK", "")
			}
		}
	}
}

// Parameter sets of a 64x64 picture, from x264.
var (
	testSPS = []byte{0x67, 0x42, 0xc0, 0x0a, 0xd9, 0x04, 0x26, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xc8, 0x3c, 0x48, 0x99, 0x20}
	testPPS = []byte{0x68, 0xcb, 0x83, 0xcb, 0x20}
)

func h264SDP() string {
	return "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n" +
		"a=fmtp:96 packetization-mode=1; sprop-parameter-sets=" +
		base64.StdEncoding.EncodeToString(testSPS) + "," + base64.StdEncoding.EncodeToString(testPPS) +
		"\r\na=control:trackID=0\r\n"
}

// playing is a camera that plays over TCP, and then does what after says.
func playing(after func(*peer)) map[string]func(*peer) {
	return map[string]func(*peer){
		"DESCRIBE": func(p *peer) { p.reply("200 OK", h264SDP()) },
		"SETUP": func(p *peer) {
			p.reply("200 OK", "", "Session: 1", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
		},
		"PLAY": func(p *peer) {
			p.reply("200 OK", "", "Session: 1")
			after(p)
		},
	}
}

// packet is one RTP packet of a script.
type packet struct {
	seq       uint16
	timestamp uint32
	marker    bool
	ssrc      uint32
	payload   []byte
}

func (p *peer) send(packets ...packet) {
	var out bytes.Buffer
	for _, k := range packets {
		pkt := rtp.Packet{Header: rtp.Header{
			Version: 2, PayloadType: 96, SequenceNumber: k.seq, Timestamp: k.timestamp, Marker: k.marker, SSRC: k.ssrc + 7,
		}, Payload: k.payload}
		data, err := pkt.Marshal()
		if err != nil {
			panic(err)
		}
		out.Write([]byte{'$', 0, byte(len(data) >> 8), byte(len(data))})
		out.Write(data)
	}
	_, _ = p.Write(out.Bytes()) // the client may have gone
}

// Slices with nothing behind their header; b tells them apart.
func idr(b byte) []byte       { return []byte{0x65, 0x88, 0x84, b} }
func inter(b byte) []byte     { return []byte{0x41, 0x9a, 0x24, b} }
func laterHalf(b byte) []byte { return []byte{0x41, 0x4a, 0x24, b} } // first_mb_in_slice is not 0

// secure wraps a listener for TLS.
func secure(l net.Listener, cert tls.Certificate) net.Listener {
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
}
