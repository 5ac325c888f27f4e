// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"net"
	"net/url"
	"strings"

	"github.com/bluenviron/gortsplib/v5/pkg/base"

	"camring/ring"
)

const (
	schemePlain  = "rtsp"
	schemeSecure = "rtsps"
)

// target is what a session connects to. It holds no credentials.
type target struct {
	url        base.URL
	host, port string
}

// address returns host:port.
func (t target) address() string { return net.JoinHostPort(t.host, t.port) }

// login returns the URL with the credentials, as the RTSP library wants them. It must reach no text.
func (t target) login(cfg Config) *base.URL {
	u := t.url
	if cfg.Username != "" {
		u.User = url.UserPassword(cfg.Username, cfg.Password)
	}
	return &u
}

func parseTarget(cfg Config) (target, *Failure) {
	bad := func(why string) (target, *Failure) {
		// Neither the URL nor the parser's error is shown: they could contain a password.
		return target{}, newFailure(ring.ReasonProtocol, "URL %s", why).
			hint("write it as rtsp://host/path or rtsps://host/path, with username and password as keys of their own")
	}
	u, err := base.ParseURL(cfg.URL)
	switch {
	case err != nil:
		return bad("is not an rtsp:// or rtsps:// URL")
	case u.User != nil:
		return bad("contains credentials")
	case u.Hostname() == "":
		return bad("has no host")
	}
	switch cfg.Transport {
	case "", "auto", "tcp", "udp":
	default:
		return target{}, newFailure(ring.ReasonProtocol, "unknown transport %q", cfg.Transport).
			hint("use auto, tcp or udp")
	}
	return newTarget(u), nil
}

func newTarget(u *base.URL) target {
	t := target{url: *u, host: u.Hostname(), port: u.Port()}
	if t.port == "" {
		if t.port = "554"; u.Scheme == schemeSecure { // the library's defaults
			t.port = "322"
		}
	}
	return t
}

// redirect returns where location leads, if that is the same host and port and no less secure.
func (t target) redirect(location string) (target, *Failure) {
	refuse := func(why string) (target, *Failure) {
		return target{}, newFailure(ring.ReasonRedirect, "%s: redirect refused: %s", t.address(), why).
			hint("set the URL to the address that is to be used; redirects are followed only to the same host and port")
	}
	current := url.URL(t.url)
	ref, err := current.Parse(location)
	if err != nil || ref.Opaque != "" {
		return refuse("not a URL")
	}
	ref.User, ref.Fragment = nil, ""
	switch {
	case ref.Scheme != schemePlain && ref.Scheme != schemeSecure:
		return refuse("not RTSP")
	case t.url.Scheme == schemeSecure && ref.Scheme == schemePlain:
		return refuse("from RTSPS down to RTSP")
	}
	next := newTarget((*base.URL)(ref))
	if !strings.EqualFold(next.host, t.host) || next.port != t.port {
		return refuse("to another host or port")
	}
	return next, nil
}

// pin makes a URL that a camera sent point to the camera.
func (t target) pin(u *base.URL) *base.URL {
	pinned := *u
	pinned.Scheme, pinned.Host = t.url.Scheme, t.url.Host
	return &pinned
}
