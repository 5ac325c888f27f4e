// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxLine      = 1 << 20
	writeTimeout = time.Second // a child that does not read for so long hangs
)

// Conn is one end of the socket pair. Send may be called by any goroutine, Receive by one.
type Conn struct {
	conn net.Conn
	in   *bufio.Scanner

	mu  sync.Mutex // guards below
	out *json.Encoder
}

// Pair makes the two ends: ours, and the file to pass to the child as [FD].
func Pair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("control socket: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "control")
	ours, err := FromFile(os.NewFile(uintptr(fds[0]), "control"))
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// FromFile makes an end from an open socket, which it takes over.
func FromFile(f *os.File) (*Conn, error) {
	conn, err := net.FileConn(f)
	_ = f.Close() // FileConn has its own duplicate
	if err != nil {
		return nil, fmt.Errorf("control socket: %w: this program is started by camring run, not by hand", err)
	}
	in := bufio.NewScanner(conn)
	in.Buffer(make([]byte, 0, 4096), maxLine)
	return &Conn{conn: conn, in: in, out: json.NewEncoder(conn)}, nil
}

// Send writes one message, waiting at most a second.
func (c *Conn) Send(m Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return fmt.Errorf("control send: %w", err)
	}
	if err := c.out.Encode(m); err != nil {
		return fmt.Errorf("control send: %w", err)
	}
	return nil
}

// Receive waits for the next message; io.EOF when the other end is closed.
func (c *Conn) Receive() (Message, error) {
	var m Message
	if !c.in.Scan() {
		err := c.in.Err()
		if err == nil || errors.Is(err, net.ErrClosed) || errors.Is(err, unix.ECONNRESET) {
			err = io.EOF
		}
		return m, err
	}
	if err := json.Unmarshal(c.in.Bytes(), &m); err != nil {
		return m, fmt.Errorf("control receive: %w", err)
	}
	return m, nil
}

// Close ends both directions; a Receive in flight returns io.EOF.
func (c *Conn) Close() error { return c.conn.Close() }
