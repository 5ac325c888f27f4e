// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

const defaultPort = "6379"

// Target is a Redis server and what is needed to log in. Printing or logging it never shows the
// user or the password.
type Target struct {
	Network  string // "tcp" or "unix"
	Addr     string // host:port, or the path of a socket
	Username string
	Password string
	DB       int
	TLS      *tls.Config // nil = plain
}

// String returns where the server is, without credentials.
func (t Target) String() string {
	scheme := "redis://"
	switch {
	case t.Network == "unix":
		scheme = "unix://"
	case t.TLS != nil:
		scheme = "rediss://"
	}
	if t.DB == 0 {
		return scheme + t.Addr
	}
	if t.Network == "unix" {
		return scheme + t.Addr + "?db=" + strconv.Itoa(t.DB)
	}
	return scheme + t.Addr + "/" + strconv.Itoa(t.DB)
}

// GoString is String, so that %#v shows no password either.
func (t Target) GoString() string { return t.String() }

// LogValue is String.
func (t Target) LogValue() slog.Value { return slog.StringValue(t.String()) }

// ParseURL reads redis://[user:password@]host[:port][/db], the same with rediss:// for TLS, and
// unix://[user:password@]/path/to/socket[?db=n]. Its errors never contain the URL, which may hold a
// password.
func ParseURL(text string) (Target, error) {
	u, err := url.Parse(text)
	if err != nil {
		// url.Error carries the text itself; only its cause may be shown.
		if cause := (*url.Error)(nil); errors.As(err, &cause) {
			err = cause.Err
		}
		if strings.Contains(text, "@") { // causes quote parts of the text too, an odd password among them
			err = errors.New("not a valid URL; percent-encode special characters in the password")
		}
		return Target{}, fmt.Errorf("redis URL: %w", err)
	}
	t := Target{Network: "tcp", Username: u.User.Username()}
	t.Password, _ = u.User.Password()

	db := strings.Trim(u.Path, "/")
	switch u.Scheme {
	case "redis", "rediss":
		host, port := u.Hostname(), u.Port()
		if host == "" {
			return Target{}, errors.New("redis URL: it names no host; write redis://host:6379/0")
		}
		if port == "" {
			port = defaultPort
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return Target{}, fmt.Errorf("redis URL: port %q is not between 1 and 65535", port)
		}
		t.Addr = net.JoinHostPort(host, port)
		if u.Scheme == "rediss" {
			t.TLS = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
		}
	case "unix":
		if u.Host != "" || !filepath.IsAbs(u.Path) {
			return Target{}, errors.New("redis URL: a socket needs an absolute path; write unix:///run/redis.sock")
		}
		t.Network, t.Addr, db = "unix", filepath.Clean(u.Path), ""
	default:
		return Target{}, errors.New("redis URL: unknown scheme; known are redis://, rediss:// and unix://")
	}
	if q := u.Query().Get("db"); q != "" {
		db = q
	}
	if db != "" {
		n, err := strconv.ParseUint(db, 10, 16)
		if err != nil {
			return Target{}, fmt.Errorf("redis URL: database %q is not a number", db)
		}
		t.DB = int(n)
	}
	return t, nil
}
