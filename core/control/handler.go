// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// logsPerSecond is how many records a child may send: a camera that fails in a loop must not fill the
// supervisor's log. What is left out is counted.
const logsPerSecond = 50

// NewHandler makes a slog handler that sends records to the supervisor.
//
// Debug records have their own limit: what a camera sends can cause any number of them, and must not
// take the place of what matters.
func NewHandler(conn *Conn) slog.Handler {
	return &handler{limit: &limit{}, debug: &limit{}, conn: conn}
}

type handler struct {
	conn  *Conn
	attrs []slog.Attr
	group string
	limit *limit
	debug *limit
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true } // the supervisor decides

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	l := h.limit
	if r.Level < slog.LevelInfo {
		l = h.debug
	}
	ok, left := l.allow(time.Now())
	if !ok {
		return nil
	}
	m := Log{Level: int(r.Level), Text: r.Message, Attrs: map[string]string{}}
	for _, a := range h.attrs {
		m.Attrs[a.Key] = a.Value.Resolve().String()
	}
	r.Attrs(func(a slog.Attr) bool {
		m.Attrs[h.group+a.Key] = a.Value.Resolve().String()
		return true
	})
	if left > 0 {
		m.Attrs["suppressed"] = slog.Uint64Value(left).String()
	}
	return h.conn.Send(Message{Log: &m})
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = append(append([]slog.Attr{}, h.attrs...), attrs...)
	for i := len(h.attrs); i < len(c.attrs); i++ {
		c.attrs[i].Key = h.group + c.attrs[i].Key
	}
	return &c
}

func (h *handler) WithGroup(name string) slog.Handler {
	c := *h
	c.group = h.group + name + "."
	return &c
}

type limit struct {
	mu     sync.Mutex // guards below
	second time.Time
	n      int
	left   uint64
}

func (l *limit) allow(now time.Time) (ok bool, left uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.second) >= time.Second {
		l.second, l.n = now, 0
	}
	if l.n >= logsPerSecond {
		l.left++
		return false, 0
	}
	l.n++
	left, l.left = l.left, 0
	return true, left
}
