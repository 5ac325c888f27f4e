// SPDX-License-Identifier: Apache-2.0

// Package client asks a running camring about itself, through the socket in its ring directory or,
// where there is none, its HTTP address.
//
// Start at [New]. A [Client] may be used by any number of goroutines.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"camring/core/api"
	"camring/core/status"
)

const (
	timeout   = 5 * time.Second // a question and its answer
	maxAnswer = 64 << 20        // bytes: thousands of cameras
)

// ErrNotRunning reports that nobody answers: no camring runs, or it runs elsewhere. Its text says
// where was looked and what to do.
var ErrNotRunning = errors.New("no camring answers")

// Client asks one camring.
type Client struct {
	places []place
}

// place is where a camring may answer.
type place struct {
	name string // for errors
	base string // of URLs
	http http.Client
}

// New returns a client that tries the socket in dir first, then the TCP address addr, host:port. Each
// may be empty.
func New(dir, addr string) *Client {
	c := &Client{}
	if dir != "" {
		socket := filepath.Join(dir, api.SocketName)
		c.add(socket, "http://camring", "unix", socket)
	}
	if addr != "" {
		addr = reachable(addr)
		c.add(addr, "http://"+addr, "tcp", addr)
	}
	return c
}

func (c *Client) add(name, base, network, address string) {
	dialer := &net.Dialer{Timeout: timeout}
	c.places = append(c.places, place{name: name, base: base, http: http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			// No proxy: it would be asked for an address of this machine.
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, address)
			},
			MaxIdleConns:    1,
			IdleConnTimeout: time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
}

// Snapshot returns the whole system as it is now. [ErrNotRunning] if nobody answers.
func (c *Client) Snapshot(ctx context.Context) (*status.Snapshot, error) {
	var s status.Snapshot
	if err := c.get(ctx, "/api/v1/status", &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// get asks the first place where somebody answers.
func (c *Client) get(ctx context.Context, path string, answer any) error {
	var tried, refused []string
	for i := range c.places {
		p := &c.places[i]
		err := p.get(ctx, path, answer)
		if err == nil {
			return nil
		}
		if errors.Is(err, fs.ErrPermission) {
			refused = append(refused, p.name+" belongs to another user")
		} else if !nobody(err) {
			return fmt.Errorf("ask camring at %s: %w", p.name, err)
		}
		tried = append(tried, p.name)
	}
	why := ""
	if len(refused) > 0 {
		why = " (" + strings.Join(refused, ", ") + ")"
	}
	return fmt.Errorf("%w at %s%s: start one with `camring run`", ErrNotRunning, strings.Join(tried, " or "), why)
}

// nobody tells a place where nothing listens from one that answers badly.
func nobody(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

func (p *place) get(ctx context.Context, path string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+path, nil)
	if err != nil {
		return err
	}
	res, err := p.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		var problem struct {
			Detail string `json:"detail"`
		}
		if json.Unmarshal(body, &problem) == nil && problem.Detail != "" {
			return fmt.Errorf("%s: %s", res.Status, problem.Detail)
		}
		return fmt.Errorf("%s: is another program there?", res.Status)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("answer is not camring's, or another version's: %w", err)
	}
	return nil
}

// reachable turns an address to listen on into one to ask.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr // Dial will say what is wrong
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
