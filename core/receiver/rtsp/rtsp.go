// SPDX-License-Identifier: Apache-2.0

// Package rtsp receives the video of one camera over RTSP or RTSPS.
//
// [Run] is one attempt: it connects, plays, hands every access unit to a callback and returns when
// the session ends, with a [Failure] that says why. It never retries; the supervisor owns backoff.
// Calls for different cameras are independent and may run concurrently.
//
// # Hostile cameras
//
// Whatever a camera answers, a session connects to the configured host and port and nowhere else,
// follows at most three redirects and those only to that same place, never from RTSPS to RTSP, and
// tries the password once. Connecting has an absolute deadline that a slow drip cannot extend; the
// bytes read until then, the size of the description, the number of tracks, and the number of NAL
// units and bytes of a picture are all limited.
//
// Digest is used wherever the camera offers it. Basic, which shows the password to everybody on the
// path of a plain RTSP connection, is used only where the camera offers nothing else.
//
// # Transport
//
// "auto" tries TCP first, and UDP if the camera refuses TCP. TCP loses nothing, passes firewalls
// and, in a local network, is not slower; a camera that is silent on UDP would cost seconds.
package rtsp

import (
	"context"
	"crypto/x509"
	"log/slog"
	"time"

	"camring/ring"
)

// Config says which camera to receive, and how.
type Config struct {
	Camera             string // name, for error texts
	URL                string // rtsp:// or rtsps://, without credentials
	Username, Password string
	Transport          string       // "auto" or "" (TCP, then UDP), "tcp", "udp"
	Log                *slog.Logger // nil: no log. Never sees a password
}

// StreamInfo describes the video track that a session plays.
type StreamInfo struct {
	Codec         ring.Codec
	Width, Height int    // pixels; 0 until the stream itself says it
	Transport     string // "tcp" or "udp"
}

// AccessUnit is one compressed picture. It and what it points to are valid only during the call of
// deliver.
//
// The bytes are what libavcodec takes: Annex B with all parameter sets in front of every keyframe
// for H.264 and H.265; a low-overhead temporal unit with its delimiter for AV1; one picture for
// MJPEG, VP8, VP9 and MPEG-4. Units before the first keyframe are delivered as well, without Key.
type AccessUnit struct {
	Parts [][]byte // the payload, in order
	Codec ring.Codec
	Key   bool // decodable without earlier units
	// PTS and DTS are since the first unit of the session. PTS may be slightly negative, DTS never
	// falls. DTS is reconstructed from the picture order, and equals PTS where that is not possible.
	PTS, DTS time.Duration
	Lost     uint32 // RTP packets missing since the unit before
	Corrupt  bool   // packets are missing in this unit or in one it may refer to
	// ReceivedMonoNS is the CLOCK_MONOTONIC time at which the last RTP packet was here.
	ReceivedMonoNS int64
	// The capture time is the camera's, where its sender reports give one that is at most 10 s old
	// and not in the future; else it is the arrival. ErrorUS bounds its error in microseconds; no
	// bound can be known in either case: [ring.ErrorUnknown].
	CaptureMonoNS, CaptureWallNS int64
	Clock                        ring.Clock
	ErrorUS                      uint32
	Width, Height                int // visible size, pixels; 0 = not known
}

// limits are the bounds of a session; tests shorten them.
type limits struct {
	connect   time.Duration // from the start until PLAY is answered
	silence   time.Duration // without an RTP packet of the video track
	teardown  time.Duration // for saying goodbye
	redirects int
	flood     int64 // bytes read until PLAY is sent
	roots     *x509.CertPool
}

var productionLimits = limits{
	connect:   10 * time.Second,
	silence:   10 * time.Second,
	teardown:  500 * time.Millisecond,
	redirects: 3,
	flood:     1 << 20,
}

// Run plays one session of the camera until ctx ends, the session fails, or deliver returns an
// error. It returns ctx.Err() if ctx ended, and a [*Failure] otherwise.
//
// connected is called once, before the first deliver and not after the first picture arrived.
// deliver is called for one unit at a time, on a goroutine of the RTSP library: it must not block,
// and a panic in it ends the process. Neither is called after Run has returned.
func Run(
	ctx context.Context, cfg Config, connected func(StreamInfo), deliver func(*AccessUnit) error,
) error {
	return run(ctx, cfg, productionLimits, connected, deliver)
}

// run makes connections until one plays or fails for good: a redirect, a fallback from TCP to UDP
// and an expired nonce each need a new one. All share one deadline.
func run(
	ctx context.Context, cfg Config, lim limits, connected func(StreamInfo), deliver func(*AccessUnit) error,
) error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	to, failure := parseTarget(cfg)
	if failure != nil {
		return failure.about(cfg)
	}
	a := &attempt{
		cfg: cfg, lim: lim, to: to, udp: cfg.Transport == "udp",
		deadline: time.Now().Add(lim.connect), connected: connected, deliver: deliver,
	}
	for hops, fresh := 0, false; ; {
		failure := a.session(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case failure.location != "":
			if hops++; hops > lim.redirects {
				return newFailure(ring.ReasonRedirect, "more than %d redirects", lim.redirects).
					hint("set the URL to the address that the camera redirects to").about(cfg)
			}
			next, refused := a.to.redirect(failure.location)
			if refused != nil {
				return refused.about(cfg)
			}
			a.to = next
		case failure.wantsUDP && !a.udp && (cfg.Transport == "auto" || cfg.Transport == ""):
			cfg.Log.LogAttrs(ctx, slog.LevelInfo, "camera refuses tcp, using udp")
			a.udp = true
		case failure.stale && !fresh:
			fresh = true // the password was right, the nonce had expired: RFC 7616 §3.3
		default:
			return failure.about(cfg)
		}
	}
}
