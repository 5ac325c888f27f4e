// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"

	"camring/ring"
)

// Failure is the end of a session. Its texts contain no secret, whatever the camera sent.
type Failure struct {
	Reason     ring.Reason
	Err        error         // what happened
	Hint       string        // what to do about it; may be empty
	RetryAfter time.Duration // the camera's wish, at most 10 minutes; 0 = none

	location string // a redirect that may be worth following
	wantsUDP bool
	stale    bool
}

// Error says what happened, on which camera.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

func newFailure(reason ring.Reason, format string, args ...any) *Failure {
	return &Failure{Reason: reason, Err: fmt.Errorf(format, args...)}
}

func (f *Failure) hint(text string) *Failure {
	f.Hint = text
	return f
}

// about names the camera in the error and takes the password out of it: a camera may put what it
// was sent into what it answers.
func (f *Failure) about(cfg Config) *Failure {
	text := f.Err.Error()
	if cfg.Password != "" {
		for _, secret := range []string{
			cfg.Password, url.QueryEscape(cfg.Password), url.PathEscape(cfg.Password),
			url.UserPassword("", cfg.Password).String()[1:],
		} {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	f.Err = &cameraError{text: fmt.Sprintf("camera %q: %s", cfg.Camera, text), cause: f.Err}
	return f
}

// cameraError carries a clean text; the cause is for errors.Is and errors.As only.
type cameraError struct {
	text  string
	cause error
}

func (e *cameraError) Error() string { return e.text }
func (e *cameraError) Unwrap() error { return e.cause }

var (
	errFlood   = errors.New("camera sends too much before playing")
	errForeign = errors.New("refused to connect anywhere but to the camera")
)

// tlsError marks what went wrong in a TLS handshake.
type tlsError struct{ error }

func (e tlsError) Unwrap() error { return e.error }

// classify turns an error of the RTSP library or of the network into a failure.
func classify(to target, err error) *Failure {
	var (
		dns    *net.DNSError
		status liberrors.ErrClientBadStatusCode
		fail   *Failure
	)
	what := func(reason ring.Reason, text, hint string) *Failure {
		return newFailure(reason, "%s: %s: %w", to.address(), text, err).hint(hint)
	}
	switch {
	case errors.As(err, &fail):
		return fail
	case errors.As(err, &status):
		return statusFailure(to, int(status.Code))
	case errors.As(err, new(tlsError)) && !isTimeout(err):
		return what(ring.ReasonTLS, "no secure connection",
			"check that the camera's certificate is valid, names this host and is signed by an authority that "+
				"this machine trusts")
	case errors.As(err, &dns):
		return what(ring.ReasonUnreachable, "unknown host", "check the host name in the URL and the name server")
	case errors.Is(err, syscall.ECONNREFUSED):
		return what(ring.ReasonRefused, "refused the connection",
			"check the port, and that RTSP is switched on in the camera")
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH),
		errors.Is(err, syscall.EHOSTDOWN), errors.Is(err, syscall.ENETDOWN), errors.Is(err, syscall.EADDRNOTAVAIL):
		return what(ring.ReasonUnreachable, "no way to the camera", "check the address, the cable and the network")
	case isTimeout(err):
		return what(ring.ReasonTimeout, "no answer in time", "check that the camera is on and not overloaded")
	case errors.Is(err, errFlood):
		return what(ring.ReasonProtocol, "bad answer", "check that the URL leads to an RTSP camera")
	case errors.As(err, new(liberrors.ErrClientServerRequestedUDP)):
		f := what(ring.ReasonProtocol, "refuses tcp", "set transport to udp or auto")
		f.wantsUDP = true
		return f
	case errors.As(err, new(liberrors.ErrClientAuthSetup)):
		return what(ring.ReasonProtocol, "no usable login method",
			"set the camera to digest authentication with MD5 or SHA-256")
	case isLost(err):
		return what(ring.ReasonConnectionLost, "connection lost", "")
	default:
		return what(ring.ReasonProtocol, "bad answer", "check that the URL leads to an RTSP camera")
	}
}

// isTimeout reports whether a deadline passed: of the network, of the library or of the session.
func isTimeout(err error) bool {
	var nerr net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &nerr) && nerr.Timeout() ||
		errors.As(err, new(liberrors.ErrClientRequestTimedOut)) ||
		errors.As(err, new(liberrors.ErrClientTCPTimeout)) || errors.As(err, new(liberrors.ErrClientUDPTimeout))
}

// isLost reports whether the connection ended under us.
func isLost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, syscall.ECONNABORTED) || errors.As(err, new(tls.AlertError))
}

// statusFailure explains a status code; the camera's own words are left out.
func statusFailure(to target, code int) *Failure {
	say := func(reason ring.Reason, text, hint string) *Failure {
		return newFailure(reason, "%s: %s (status %d)", to.address(), text, code).hint(hint)
	}
	switch base.StatusCode(code) {
	case base.StatusUnauthorized:
		return say(ring.ReasonBadCredentials, "login refused", "check username and password")
	case base.StatusForbidden:
		return say(ring.ReasonPermission, "access forbidden",
			"allow this user to view the stream, and this machine's address, in the camera")
	case base.StatusNotFound, base.StatusGone:
		f := say(ring.ReasonNotFound, "no such stream", "check the path in the URL")
		f.RetryAfter = 5 * time.Second
		return f
	case base.StatusMovedPermanently, base.StatusFound, base.StatusSeeOther, base.StatusUseProxy:
		return say(ring.ReasonRedirect, "redirect that cannot be followed", "set the URL to the camera's new address")
	case base.StatusUnsupportedTransport:
		f := say(ring.ReasonProtocol, "transport refused", "set transport to the other of tcp and udp")
		f.wantsUDP = true
		return f
	case base.StatusServiceUnavailable, base.StatusNotEnoughBandwidth:
		return say(ring.ReasonRefused, "camera is busy", "close other viewers of the camera")
	case base.StatusRequestTimeout, base.StatusGatewayTimeout:
		return say(ring.ReasonTimeout, "camera gave up waiting", "")
	default:
		return say(ring.ReasonProtocol, "request refused", "check the URL")
	}
}
