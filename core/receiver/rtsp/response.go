// SPDX-License-Identifier: Apache-2.0

package rtsp

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
)

const maxRetryAfter = 10 * time.Minute

// answers examines every response of a camera before the RTSP library does, keeps what a failure
// needs, and takes out what the library would follow too readily.
type answers struct {
	mu         sync.Mutex // guards below: the library's goroutine writes, the session reads
	refused    *Failure   // the response was turned into an error for this reason
	location   string
	retryAfter time.Duration
	stale      bool
}

// examine is called by the library for each response; what it changes in res, the library sees.
func (a *answers) examine(res *base.Response) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case res.StatusCode == base.StatusUnauthorized:
		offers := res.Header["WWW-Authenticate"]
		a.stale = isStale(offers)
		res.Header["WWW-Authenticate"] = withoutBasic(offers)
	case res.StatusCode >= base.StatusMovedPermanently && res.StatusCode <= base.StatusUseProxy:
		// Without the header the library reports the status instead of following it.
		if location := res.Header["Location"]; len(location) == 1 {
			a.location = location[0]
		}
		delete(res.Header, "Location")
	case res.StatusCode == base.StatusOK:
		a.stale = false
		pinSource(res.Header)
		if contentType := res.Header["Content-Type"]; len(contentType) == 1 &&
			strings.HasPrefix(contentType[0], "application/sdp") {
			body, failure := videoOnly(res.Body)
			if failure != nil {
				a.refused = failure
				res.StatusCode = base.StatusNotAcceptable // ends the exchange
				return
			}
			res.Body = body
		}
	}
	if v := res.Header["Retry-After"]; len(v) == 1 {
		a.retryAfter = parseRetryAfter(v[0], time.Now())
	}
}

// complete adds what the responses said to the failure that the library reports.
func (a *answers) complete(f *Failure) *Failure {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refused != nil {
		return a.refused
	}
	f.location, f.stale = a.location, a.stale
	if a.retryAfter > 0 {
		f.RetryAfter = a.retryAfter
	}
	return f
}

// withoutBasic removes Basic from what a camera offers if there is a Digest: an attacker who adds an
// unusable Digest must not get the password in clear.
func withoutBasic(offers base.HeaderValue) base.HeaderValue {
	var digests base.HeaderValue
	for _, offer := range offers {
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(offer)), "digest") {
			digests = append(digests, offer)
		}
	}
	if digests != nil {
		return digests
	}
	return offers
}

// isStale reports whether the camera says that only the nonce was wrong.
func isStale(offers base.HeaderValue) bool {
	for _, offer := range offers {
		for part := range strings.SplitSeq(strings.ToLower(offer), ",") {
			key, value, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(part), "digest ")), "=")
			if strings.TrimSpace(key) == "stale" && strings.Trim(strings.TrimSpace(value), `"`) == "true" {
				return true
			}
		}
	}
	return false
}

// pinSource takes the source address out of a Transport header: over UDP the library would send its
// first packets there. Without it, the camera's own address is used.
func pinSource(header base.Header) {
	transport := header["Transport"]
	if len(transport) != 1 {
		return
	}
	var kept []string
	for part := range strings.SplitSeq(transport[0], ";") {
		if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(part)), "source=") {
			kept = append(kept, part)
		}
	}
	header["Transport"] = base.HeaderValue{strings.Join(kept, ";")}
}

// parseRetryAfter reads seconds or an HTTP date; what is neither is no wish.
func parseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if date, err := http.ParseTime(value); err == nil && date.After(now) {
		return min(date.Sub(now), maxRetryAfter)
	}
	return 0
}
