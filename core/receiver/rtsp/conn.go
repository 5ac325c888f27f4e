// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// guardedConn is a connection with an absolute deadline that no later call extends, and with a
// budget of bytes that may be read. Both are lifted once the session plays.
type guardedConn struct {
	net.Conn

	mu     sync.Mutex // guards below
	cutoff time.Time  // zero = none
	final  bool       // the session is closing: the cutoff stays
	budget int64      // bytes that may still be read; negative = any number
}

func newGuardedConn(conn net.Conn, cutoff time.Time, budget int64) (*guardedConn, error) {
	c := &guardedConn{Conn: conn, budget: budget}
	return c, c.limit(cutoff)
}

// limit sets the cutoff; the zero time lifts it.
func (c *guardedConn) limit(cutoff time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.final {
		return nil
	}
	c.cutoff = cutoff
	return c.Conn.SetDeadline(cutoff)
}

// finish sets the last cutoff, for saying goodbye. Only the first call counts.
func (c *guardedConn) finish(cutoff time.Time) {
	_ = c.limit(cutoff) // fails only on a closed connection
	c.mu.Lock()
	defer c.mu.Unlock()
	c.final = true
}

// unmeter lifts the budget.
func (c *guardedConn) unmeter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.budget = -1
}

// Read reads like the connection, within the budget.
func (c *guardedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.budget >= 0 {
		if c.budget -= int64(n); c.budget < 0 {
			c.budget = 0
			return 0, errFlood
		}
	}
	return n, err
}

// SetDeadline, SetReadDeadline and SetWriteDeadline set a deadline, but never past the cutoff.
func (c *guardedConn) SetDeadline(t time.Time) error { return c.clamp(c.Conn.SetDeadline, t) }

// SetReadDeadline is like [guardedConn.SetDeadline].
func (c *guardedConn) SetReadDeadline(t time.Time) error { return c.clamp(c.Conn.SetReadDeadline, t) }

// SetWriteDeadline is like [guardedConn.SetDeadline].
func (c *guardedConn) SetWriteDeadline(t time.Time) error { return c.clamp(c.Conn.SetWriteDeadline, t) }

func (c *guardedConn) clamp(set func(time.Time) error, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.cutoff.IsZero() && (t.IsZero() || t.After(c.cutoff)) {
		t = c.cutoff
	}
	return set(t)
}

// dial connects to the target, whatever address the library asks for: that address can come from
// the camera. The name is resolved anew each time.
func (s *session) dial(ctx context.Context, _, address string) (net.Conn, error) {
	if address != s.to.address() || s.conn.Load() != nil {
		return nil, errForeign
	}
	ctx, cancel := context.WithDeadline(ctx, s.deadline)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn, err := newGuardedConn(raw, s.deadline, s.lim.flood)
	if err != nil {
		_ = raw.Close() // the first error is the one to report
		return nil, err
	}
	s.conn.Store(conn)
	return conn, nil
}

// dialTLS is dial for RTSPS; it completes the handshake, so that its errors can be told from others.
func (s *session) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	plain, err := s.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(plain, &tls.Config{
		ServerName: s.to.host, RootCAs: s.lim.roots, MinVersion: tls.VersionTLS12,
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = plain.Close() // the first error is the one to report
		return nil, tlsError{err}
	}
	return conn, nil
}
