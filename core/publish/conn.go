// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

const (
	ioTimeout   = time.Second            // connect, log in, and one pipeline with its replies
	stopTimeout = 300 * time.Millisecond // what is left for Redis once Run shall end
)

// connection is one connection to Redis. The publisher's goroutine only.
type connection struct {
	client rueidis.Client
	conn   *boundedConn
	unbind func() bool
}

// connect dials and logs in within about twice ioTimeout. When ctx ends, the connection has stopTimeout left.
//
// rueidis stays in its synchronous mode: with one caller, no background ping and contexts that
// cannot be cancelled, DoMulti writes all commands into its buffer, flushes once and reads the
// replies, all under one deadline (pipe.go, syncDoMulti of v1.0.79). So a DoMulti is one write as long as
// the buffer is larger than the batch, there are no goroutines to hand over to, and a Redis that stopped
// answering costs one ioTimeout. AlwaysPipelining would give up that deadline for replies.
func connect(ctx context.Context, t Target) (*connection, error) {
	c := &connection{}
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:         []string{t.Addr},
		Username:            t.Username,
		Password:            t.Password,
		SelectDB:            t.DB,
		ClientName:          "camring",
		ClientSetInfo:       rueidis.DisableClientSetInfo,
		ForceSingleClient:   true,
		DisableCache:        true,
		DisableRetry:        true,
		PipelineMultiplex:   -1, // exactly one connection: a stream's order depends on it
		RingScaleEachConn:   4,
		ReadBufferEachConn:  32 << 10,
		WriteBufferEachConn: maxBytes + 16<<10,
		ConnWriteTimeout:    ioTimeout,
		Dialer:              net.Dialer{Timeout: ioTimeout, KeepAlive: -1}, // KeepAlive < 0: no background ping
		DialCtxFn: func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
			if c.conn != nil {
				// Dialling again behind our back would skip reading the last ids.
				return nil, net.ErrClosed
			}
			conn, err := dial(ctx, t)
			if err != nil {
				return nil, err
			}
			bounded := &boundedConn{Conn: conn}
			c.conn = bounded
			c.unbind = context.AfterFunc(ctx, func() { bounded.stopBy(time.Now().Add(stopTimeout)) })
			return c.conn, nil
		},
	})
	c.client = client
	if err != nil {
		c.close()
		return nil, fmt.Errorf("connect to %v: %w", t, err)
	}
	return c, nil
}

func dial(ctx context.Context, t Target) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, ioTimeout)
	defer cancel()
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: time.Second, Count: 3}}
	if t.TLS == nil {
		return d.DialContext(ctx, t.Network, t.Addr)
	}
	return (&tls.Dialer{NetDialer: &d, Config: t.TLS}).DialContext(ctx, t.Network, t.Addr)
}

// do sends one pipeline and waits for its replies, at most ioTimeout. The commands are recycled.
func (c *connection) do(commands ...rueidis.Completed) []rueidis.RedisResult {
	return c.client.DoMulti(context.Background(), commands...)
}

// close ends the connection without waiting for Redis: the socket goes first, so that rueidis finds
// nobody to say goodbye to.
func (c *connection) close() {
	if c.conn != nil {
		c.unbind()
		_ = c.conn.Close()
	}
	if c.client != nil {
		c.client.Close()
	}
}

// boundedConn is a connection whose deadlines can be cut short once, from another goroutine.
type boundedConn struct {
	net.Conn
	mu    sync.Mutex // guards below and the order of the two SetDeadline
	bound time.Time
}

// stopBy makes t the latest deadline, at once and for ever.
func (c *boundedConn) stopBy(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bound = t
	_ = c.Conn.SetDeadline(t)
}

// SetDeadline sets t, or the bound if that is earlier.
func (c *boundedConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.bound.IsZero() && (t.IsZero() || t.After(c.bound)) {
		t = c.bound
	}
	return c.Conn.SetDeadline(t)
}
