// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"camring/ring"
)

// SocketName is the API's UNIX socket in the ring directory.
const SocketName = "api.sock"

const (
	maxSocketPath = 107 // bytes; sun_path of unix(7) less its NUL
	probeTimeout  = time.Second
)

// ErrInUse reports that something answers where we want to listen.
var ErrInUse = errors.New("address in use")

// namedListener knows the host it was configured with, which may be a name.
type namedListener struct {
	net.Listener
	host string
}

// Listen opens the TCP address addr, host:port, unless it is empty, and the socket [SocketName] in
// dir, unless that is empty. All or nothing: after an error nothing stays open.
//
// A socket that nobody answers on is replaced; the caller holds the directory ([ring.LockDir]), so that
// two who start at once do not take each other's for such a one. [ErrInUse] tells that somebody does, or has the port;
// its text says what to do.
func Listen(addr, dir string) ([]net.Listener, error) {
	var listeners []net.Listener
	if addr != "" {
		l, err := listenTCP(addr)
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, l)
	}
	if dir != "" {
		l, err := listenUNIX(dir)
		if err != nil {
			for _, open := range listeners {
				_ = open.Close()
			}
			return nil, err
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

func listenTCP(addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("http.listen %q: want host:port: %w", addr, err)
	}
	const mend = "choose another address with http.listen in the configuration or CAMRING_HTTP_LISTEN"
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%w: %s belongs to another program, which `ss -ltnp 'sport = :%s'` names: stop it, or %s",
			ErrInUse, addr, port, mend)
	case err != nil:
		return nil, fmt.Errorf("http server: %w: %s", err, mend)
	}
	return &namedListener{Listener: l, host: host}, nil
}

func listenUNIX(dir string) (l net.Listener, err error) {
	path := filepath.Join(dir, SocketName)
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("socket %s: the path has %d bytes and the system allows %d: choose a shorter ring.dir",
			path, len(path), maxSocketPath)
	}
	if err := ring.MakeDir(dir); err != nil {
		return nil, err
	}
	if _, err := RemoveStaleSocket(path); err != nil {
		if errors.Is(err, ErrInUse) {
			err = fmt.Errorf("%w: another camring runs on this directory: stop it, or choose another with ring.dir or CAMRING_RING_DIR", err)
		}
		return nil, err
	}
	l, err = net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("socket: %w", err)
	}
	return l, nil
}

// RemoveStaleSocket removes the socket at path if nobody answers on it, and reports whether it did.
// [ErrInUse] tells that somebody does. A path with nothing there is fine; one with something else
// than a socket is an error, and stays.
func RemoveStaleSocket(path string) (bool, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return false, fmt.Errorf("socket %s: something else is there: move it away", path)
	}
	conn, err := net.DialTimeout("unix", path, probeTimeout)
	if err == nil {
		_ = conn.Close()
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
	case errors.Is(err, fs.ErrNotExist):
		return false, nil // it went meanwhile
	case errors.Is(err, fs.ErrPermission):
		return false, fmt.Errorf("socket: %w: it belongs to another user", err)
	default: // accepted, or too busy to accept
		return false, fmt.Errorf("%w: %s is answered", ErrInUse, path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("remove stale socket: %w", err)
	}
	return true, nil
}
