// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"bytes"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between the publisher and Redis. It counts bursts, a burst being what one read from the
// publisher returns: its buffer takes a whole pipeline, and the next one comes a batch interval later.
type proxy struct {
	listener net.Listener
	socket   string
	server   string
	bursts   atomic.Int64
	records  atomic.Int64 // XADD commands seen
	// cut makes the proxy forward the next burst that has an XADD, wait until Redis has answered, and
	// then close the connection without passing the answer on.
	cut  atomic.Bool
	cuts atomic.Int64
	wg   sync.WaitGroup
	mu   sync.Mutex // guards below
	open map[net.Conn]bool
}

func newProxy(t *testing.T, s *server) *proxy {
	t.Helper()
	p := &proxy{socket: filepath.Join(s.dir, "p"), server: s.socket, open: map[net.Conn]bool{}}
	var err error
	if p.listener, err = net.Listen("unix", p.socket); err != nil {
		t.Fatal(err)
	}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		p.listener.Close()
		p.mu.Lock()
		for c := range p.open {
			c.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) target() Target { return Target{Network: "unix", Addr: p.socket} }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		redis, err := net.Dial("unix", p.server)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.open[client], p.open[redis] = true, true
		p.mu.Unlock()
		swallow := make(chan chan struct{}, 1)
		p.wg.Go(func() { p.requests(client, redis, swallow) })
		p.wg.Go(func() { p.replies(client, redis, swallow) })
	}
}

func (p *proxy) requests(client, redis net.Conn, swallow chan chan struct{}) {
	defer redis.Close()
	defer client.Close()
	buf := make([]byte, 1<<20)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		p.bursts.Add(1)
		adds := bytes.Count(buf[:n], []byte("\r\nXADD\r\n"))
		p.records.Add(int64(adds))
		var answered chan struct{}
		if adds > 0 && p.cut.CompareAndSwap(true, false) {
			answered = make(chan struct{})
			swallow <- answered
		}
		if _, err := redis.Write(buf[:n]); err != nil {
			return
		}
		if answered != nil {
			<-answered
			p.cuts.Add(1)
			return
		}
	}
}

func (p *proxy) replies(client, redis net.Conn, swallow chan chan struct{}) {
	defer client.Close()
	buf := make([]byte, 1<<20)
	for {
		n, err := redis.Read(buf)
		select {
		case answered := <-swallow:
			close(answered)
			return
		default:
		}
		if err != nil {
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}
