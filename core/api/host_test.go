// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"camring/core/status"
)

// fakeListener has the address of one that a test cannot open.
type fakeListener struct {
	net.Listener
	addr net.Addr
}

func (l fakeListener) Addr() net.Addr { return l.addr }

func tcp(configured, bound string) net.Listener {
	addr, err := net.ResolveTCPAddr("tcp", bound)
	if err != nil {
		panic(err)
	}
	return &namedListener{Listener: fakeListener{addr: addr}, host: configured}
}

func TestHostHeader(t *testing.T) {
	loopback := tcp("127.0.0.1", "127.0.0.1:9670")
	named := tcp("cams.example.org", "192.0.2.7:9670")
	everywhere := tcp("", "[::]:9670")
	unix := fakeListener{addr: &net.UnixAddr{Net: "unix", Name: "/run/api.sock"}}
	for _, c := range []struct {
		name string
		l    net.Listener
		host string
		want bool
	}{
		{"loopback address with port", loopback, "127.0.0.1:9670", true},
		{"loopback address without port", loopback, "127.0.0.1", true},
		{"localhost in capitals", loopback, "LocalHost:9670", true},
		{"localhost with a final dot", loopback, "localhost.", true},
		{"another port, as a tunnel has", loopback, "localhost:8080", true},
		{"IPv6 loopback", loopback, "[::1]:9670", true},
		{"IPv6 loopback without port", loopback, "[::1]", true},
		{"name of an attacker", loopback, "evil.example.com:9670", false},
		{"name that begins like ours", loopback, "localhost.evil.example.com", false},
		{"another address", loopback, "192.0.2.9:9670", false},
		{"name without a dot", loopback, "intranet", false},
		{"nothing", loopback, "", false},
		{"the mark for everything", loopback, "*", false},
		{"configured name", named, "cams.example.org:9670", true},
		{"address that it stands for", named, "192.0.2.7:9670", true},
		{"other name beside a configured one", named, "other.example.org:9670", false},
		{"any address of a server on all interfaces", everywhere, "198.51.100.3:9670", true},
		{"any IPv6 address with a zone", everywhere, "[fe80::1%eth0]:9670", true},
		{"container name", everywhere, "camring:9670", true},
		{"name of an attacker, on all interfaces", everywhere, "evil.example.com:9670", false},
		{"the mark for everything, on all interfaces", everywhere, "*", false},
		{"anything through the socket", unix, "evil.example.com", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := hostsOf(c.l).allow(c.host); got != c.want {
				t.Errorf("Host %q allowed: %v, want %v", c.host, got, c.want)
			}
		})
	}
}

func TestOnlyOtherMachinesAreWorthAWarning(t *testing.T) {
	for bound, want := range map[string]bool{"127.0.0.1:9670": false, "[::1]:9670": false, "192.0.2.7:9670": true, "[::]:9670": true} {
		if got := hostsOf(tcp("", bound)).open; got != want {
			t.Errorf("%s reachable from other machines: %v, want %v", bound, got, want)
		}
	}
}

func TestRebindingIsRefused(t *testing.T) {
	addr := serve(t, sampleOnce())
	for path := range map[string]bool{"/": true, "/metrics": true, "/api/v1/cameras": true} {
		got := ask(t, http.MethodGet, "http://"+addr+path, "rebound.example.com")
		if got.code != http.StatusMisdirectedRequest || strings.Contains(got.body, "front") {
			t.Errorf("%s for a foreign name: %d %s", path, got.code, got.body)
		}
		if got := ask(t, http.MethodGet, "http://"+addr+path, ""); got.code != http.StatusOK {
			t.Errorf("%s for our address: %d %s", path, got.code, got.body)
		}
	}
}

func sampleOnce() func() *status.Snapshot {
	snap := sample()
	return func() *status.Snapshot { return snap }
}
