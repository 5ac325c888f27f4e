// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// redisDraft is the redis: section while its keys are read.
type redisDraft struct {
	Redis
	urlUser     string
	urlPassword Secret
}

var (
	redisKeys = []key[redisDraft]{
		{"url", func(d *decoder, r *redisDraft, v value) { d.redisURL(r, v) }},
		{"username", func(d *decoder, r *redisDraft, v value) { set(&r.Username)(d.credential(v)) }},
		{"password", func(d *decoder, r *redisDraft, v value) {
			if text, ok := d.credential(v); ok {
				r.Password = Secret(text)
			}
		}},
		{"password_file", func(d *decoder, r *redisDraft, v value) { set(&r.Password)(d.passwordFile(v)) }},
		{"batch", func(d *decoder, r *redisDraft, v value) {
			set(&r.Batch)(d.duration(v, time.Millisecond, time.Second))
		}},
		{"maxlen", func(d *decoder, r *redisDraft, v value) { set(&r.MaxLen)(d.integer(v, 1, 10_000_000)) }},
	}
	httpKeys = []key[HTTP]{
		{"listen", func(d *decoder, h *HTTP, v value) { set(&h.Listen)(d.listen(v)) }},
	}
	ringKeys = []key[Ring]{
		{"dir", func(d *decoder, r *Ring, v value) { set(&r.Dir)(d.absolute(v)) }},
		{"group", func(d *decoder, r *Ring, v value) { set(&r.Group)(d.unixGroup(v)) }},
		{"slots", func(d *decoder, r *Ring, v value) { set(&r.Slots)(d.integer(v, minSlots, maxSlots)) }},
	}
	logKeys = []key[Log]{
		{"level", func(d *decoder, l *Log, v value) { set(&l.Level)(d.choice(v, "debug", "info", "warn", "error")) }},
		{"format", func(d *decoder, l *Log, v value) { set(&l.Format)(d.choice(v, "auto", "text", "json")) }},
	}
	laterRedisKeys = []string{"mode", "jpeg", "cluster", "sentinel", "tls"}
	laterHTTPKeys  = []string{"socket", "tls", "token"}
	laterLogKeys   = []string{"file"}
)

// redis reads the redis: section: a URL or word alone, or a map.
func (d *decoder) redis(r *Redis, v value) {
	c := redisDraft{Redis: *r}
	given := map[string]entry{}
	if v.node != nil {
		if d.isScalar(v.node) {
			d.redisURL(&c, v)
		} else {
			given = fields(d, &c, v, redisKeys, laterRedisKeys)
			d.onePassword(given)
		}
	}
	for _, k := range []string{"username", "password", "password_file"} {
		e, ok := given[k]
		switch {
		case !ok:
		case c.Mode == "private":
			d.fail(value{at: e.keyAt, path: e.path}, "only with a url")
		case k == "username" && c.urlUser != "", k != "username" && c.urlPassword != "":
			d.fail(value{at: e.keyAt, path: e.path}, "the URL has it already: keep one of the two")
		}
	}
	c.takeURL()
	// The environment wins over the file, a password of its own over one in its URL.
	c.urlUser, c.urlPassword = "", ""
	if variable, ok := d.variable("redis", "url"); ok {
		c.Username, c.Password = "", ""
		d.redisURL(&c, variable)
		c.takeURL()
	} else if variable, ok := d.whole("redis"); ok {
		c.Username, c.Password = "", ""
		d.redisURL(&c, variable)
		c.takeURL()
	}
	d.override(&c, "redis")
	if c.Mode != "url" {
		c.Username, c.Password = "", ""
	}
	*r = c.Redis
}

func (r *redisDraft) takeURL() {
	if r.urlUser != "" {
		r.Username = r.urlUser
	}
	if r.urlPassword != "" {
		r.Password = r.urlPassword
	}
}

// override applies the CAMRING_REDIS_KEY variables but for the URL, which came first.
func (d *decoder) override(r *redisDraft, section string) {
	for _, k := range redisKeys {
		if v, ok := d.variable(section, k.name); ok && k.name != "url" {
			k.set(d, r, v)
		}
	}
}

// section reads one section whose keys do not depend on each other, and its variables.
func section[T any](d *decoder, name string, t *T, v value, keys []key[T], later []string) {
	if v.node != nil {
		fields(d, t, v, keys, later)
	}
	for _, k := range keys {
		if v, ok := d.variable(name, k.name); ok {
			k.set(d, t, v)
		}
	}
}

// variable returns CAMRING_SECTION_KEY; an empty one counts as unset.
func (d *decoder) variable(section, key string) (value, bool) { return d.whole(section + "_" + key) }

func (d *decoder) whole(name string) (value, bool) {
	name = "CAMRING_" + strings.ToUpper(name)
	text, _ := d.env(name)
	return value{at: place{file: name}, text: text}, text != ""
}

func (d *decoder) redisURL(r *redisDraft, v value) {
	const want = "off, private, redis://host:port/db, rediss://host:port/db or unix:///path"
	text, _, ok := d.raw(v, want)
	if !ok {
		return
	}
	r.urlUser, r.urlPassword = "", ""
	switch strings.ToLower(text) {
	case "off", "false":
		r.Mode, r.URL = "off", ""
		return
	case "private":
		r.Mode, r.URL = "private", ""
		return
	}
	canonical, user, password, err := parseRedisURL(text)
	if err != nil {
		d.fail(v, "%v: want %s", err, want)
		return
	}
	r.Mode, r.URL, r.urlUser, r.urlPassword = "url", canonical, user, password
}

// parseRedisURL splits a URL into one without user information, and that. Errors do not quote it.
func parseRedisURL(text string) (canonical, user string, password Secret, err error) {
	fail := func(reason string) (string, string, Secret, error) { return "", "", "", errors.New(reason) }
	u, err := url.Parse(text)
	if err != nil || strings.ContainsFunc(text, isControl) {
		return fail("not a URL (in a password, # / ? % are written %23 %2F %3F %25)")
	}
	port, portErr := strconv.Atoi(u.Port())
	switch u.Scheme = strings.ToLower(u.Scheme); {
	case u.Opaque != "" || u.Fragment != "" || strings.Contains(text, "#"):
		return fail("not a URL of Redis")
	case u.Scheme == "unix":
		db := u.Query().Get("db")
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") || u.RawQuery != "" && (u.RawQuery != "db="+db || !digitsRE.MatchString(db)) {
			return fail("not the URL of a socket")
		}
	case u.Scheme != "redis" && u.Scheme != "rediss":
		return fail("not a URL of Redis")
	case u.Hostname() == "" || strings.HasSuffix(u.Host, ":") || u.Port() != "" && (portErr != nil || port < 1 || port > 65535):
		return fail("no host, or no port from 1 to 65535")
	case u.Path != "" && u.Path != "/" && !digitsRE.MatchString(u.Path[1:]) || u.RawQuery != "":
		return fail("a path that is no database number")
	case u.User == nil && strings.Contains(u.Path, "@"):
		return fail("not a URL (in a password, # / ? % are written %23 %2F %3F %25)")
	}
	if u.User != nil {
		user = u.User.Username()
		plain, _ := u.User.Password()
		if checkCredential(user+plain) != nil {
			return fail("control characters in user or password")
		}
		password = Secret(plain)
		u.User = nil
	}
	u.Host = strings.ToLower(u.Host)
	return u.String(), user, password, nil
}

// listen returns v, host:port with the host optional, or "" for off.
func (d *decoder) listen(v value) (string, bool) {
	const want = "host:port, such as 127.0.0.1:9670, or off"
	text, _, ok := d.raw(v, want)
	if !ok {
		return "", false
	}
	if lower := strings.ToLower(text); lower == "off" || lower == "false" {
		return "", true
	}
	host, port, err := net.SplitHostPort(text)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || strings.ContainsAny(host, "/@ ") {
		d.wrong(v, want)
		return "", false
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10)), true
}

func (d *decoder) absolute(v value) (string, bool) {
	text, ok := d.label(v)
	if ok && (!filepath.IsAbs(text) || filepath.Clean(text) == "/") {
		d.wrong(v, "an absolute path")
		return "", false
	}
	return filepath.Clean(text), ok
}

func (d *decoder) unixGroup(v value) (string, bool) {
	text, ok := d.label(v)
	if ok && strings.ContainsAny(text, ":/, ") {
		d.wrong(v, "the name or number of a group")
		return "", false
	}
	return text, ok
}
