// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// hosts is what the Host header of a request may name.
//
// The danger is a public name that its owner points at our address while a browser shows his page. An
// address in the header cannot be such a name, nor can a name without a dot.
type hosts struct {
	unix  bool            // no browser gets there
	open  bool            // reachable from other machines
	names map[string]bool // lower case, without port; addresses as netip writes them
}

// hostsOf returns what may be asked for on l: the names of the loopback interface and the address that
// [Listen] was given. A server on all interfaces also answers to every address, to names without
// a dot and to the name of the machine.
func hostsOf(l net.Listener) hosts {
	h := hosts{names: map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true}}
	if l.Addr().Network() == "unix" {
		h.unix = true
		return h
	}
	if named, ok := l.(*namedListener); ok {
		h.names[canonical(named.host)] = true
	}
	if at, err := netip.ParseAddrPort(l.Addr().String()); err == nil {
		h.names[at.Addr().Unmap().String()] = true
		h.open = !at.Addr().Unmap().IsLoopback()
		if at.Addr().IsUnspecified() {
			h.names["*"] = true
			if name, err := os.Hostname(); err == nil {
				h.names[canonical(name)] = true
			}
		}
	}
	return h
}

func (h hosts) allow(header string) bool {
	if h.unix {
		return true
	}
	host := header
	if name, _, err := net.SplitHostPort(header); err == nil {
		host = name
	}
	host = canonical(host)
	if host == "" || host == "*" {
		return false
	}
	if h.names[host] {
		return true
	}
	if !h.names["*"] {
		return false
	}
	_, err := netip.ParseAddr(host)
	return err == nil || !strings.ContainsAny(host, ".:")
}

func (h hosts) check(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.allow(r.Host) {
			writeProblem(w, problem{
				Status: http.StatusMisdirectedRequest,
				Detail: "this server is not known by the name in the Host header: use its address, or the name that http.listen has",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// canonical writes equal hosts equally.
func canonical(host string) string {
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().WithZone("").String()
	}
	return host
}
