// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"log/slog"
	"time"
)

const reportEvery = 10 * time.Second

// reporter logs trouble at most once per reportEvery and says how often it happened meanwhile.
// The publisher's goroutine only.
type reporter struct {
	log     *slog.Logger
	next    time.Time
	count   int
	pending bool // a problem was logged and its end was not
}

// trouble counts one failure and logs it if it is time. camera may be empty.
func (r *reporter) trouble(now time.Time, what, camera string, err error) {
	r.count++
	if now.Before(r.next) {
		return
	}
	attrs := make([]slog.Attr, 0, 4)
	if camera != "" {
		attrs = append(attrs, slog.String("camera", camera))
	}
	attrs = append(attrs, slog.String("what", what), slog.Any("err", err), slog.Int("count", r.count))
	r.log.LogAttrs(context.Background(), slog.LevelWarn, "metadata waits in the rings", attrs...)
	r.next, r.count, r.pending = now.Add(reportEvery), 0, true
}

// fine logs the end of a trouble that was logged, and nothing else: a connection that flaps is as
// quiet as trouble is.
func (r *reporter) fine(target Target) {
	if r.pending {
		r.pending = false
		r.log.LogAttrs(context.Background(), slog.LevelInfo, "metadata flows", slog.Any("redis", target))
	}
}
