// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for _, c := range []struct {
		name, url, want string // want is String() of the target, or a part of the error
		user, password  string
		fails, tls      bool
	}{
		{name: "host only", url: "redis://db", want: "redis://db:6379"},
		{name: "everything", url: "redis://me:p%40ss@db:7000/3", want: "redis://db:7000/3", user: "me", password: "p@ss"},
		{name: "password without user", url: "redis://:pw@db", want: "redis://db:6379", password: "pw"},
		{name: "TLS", url: "rediss://db", want: "rediss://db:6379", tls: true},
		{name: "IPv6", url: "redis://[::1]:1", want: "redis://[::1]:1"},
		{name: "database in the query", url: "redis://db?db=4", want: "redis://db:6379/4"},
		{name: "socket", url: "unix:///run/redis.sock", want: "unix:///run/redis.sock"},
		{name: "socket with database and user", url: "unix://u:p@/run/r.sock?db=2", want: "unix:///run/r.sock?db=2", user: "u", password: "p"},
		{name: "relative socket", url: "unix://run/redis.sock", want: "absolute path", fails: true},
		{name: "no host", url: "redis://:hunter2@/0", want: "no host", fails: true},
		{name: "other scheme", url: "http://u:hunter2@db", want: "unknown scheme", fails: true},
		{name: "database is a word", url: "redis://u:hunter2@db/main", want: `"main" is not a number`, fails: true},
		{name: "port zero", url: "redis://db:0", want: `port "0"`, fails: true},
		{name: "password that breaks the URL", url: "redis://u:hunter2%zz@db", want: "percent-encode", fails: true},
		{name: "password with a colon and a slash", url: "redis://u:hunter2/x@db:1", want: "percent-encode", fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseURL(c.url)
			if c.fails {
				if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("got %v, %v, want an error with %q and without the password", got, err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != c.want || got.Username != c.user || got.Password != c.password || (got.TLS != nil) != c.tls {
				t.Errorf("got %v user %q password %q TLS %v, want %v", got, got.Username, got.Password, got.TLS != nil, c.want)
			}
		})
	}
}

func TestPrintedTargetHasNoCredentials(t *testing.T) {
	target := Target{Network: "tcp", Addr: "db:6379", Username: "somebody", Password: "hunter2"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, target); strings.Contains(got, "hunter2") || strings.Contains(got, "somebody") {
			t.Errorf("%s: got %s", verb, got)
		}
	}
}
