// SPDX-License-Identifier: Apache-2.0

package testcam

import (
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/ntp"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// player sends a clip into a stream.
type player struct {
	server *Server
	clip   *clip
	stream *gortsplib.ServerStream
	own    bool          // the stream is of one session
	ended  chan struct{} // closed with the session; nil for a shared stream
	start  sync.Once
}

// play starts a player.
func (s *Server) play(p *player) {
	s.players.Go(func() {
		if err := p.run(); err != nil {
			s.log.Warn("clip stopped", slog.Any("err", err))
		}
	})
}

// run sends the clip again and again, each picture at its decoding time.
//
// Thread: a goroutine of its own; nobody else writes to the stream.
// Stops:  with the session, or with the server.
func (p *player) run() error {
	encode, err := p.clip.encoder()
	if err != nil {
		return err
	}
	media := p.stream.Desc.Medias[0]
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	base := binary.BigEndian.Uint32(random[:])
	begin := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for pass := int64(0); pass == 0 || !p.own || !p.server.opt.Once; pass++ {
		for i, u := range p.clip.units {
			decode, show := u.dts+pass*p.clip.period, u.pts+pass*p.clip.period
			timer.Reset(time.Until(begin.Add(p.pace(decode))))
			select {
			case <-timer.C:
			case <-p.ended:
				return nil
			case <-p.server.ctx.Done():
				return nil
			}
			packets, err := encode(u.nalus)
			if err != nil {
				return err
			}
			// The picture was taken before it was encoded, as in a camera.
			taken := begin.Add(p.pace(show - p.clip.lead))
			for _, pkt := range packets {
				pkt.Timestamp = base + uint32(show)
				if err := p.stream.WritePacketRTPWithNTP(media, pkt, taken); err != nil {
					return nil // the stream was closed: the session or the server ended
				}
			}
			if pass == 0 && i == 0 {
				p.report(media, packets, taken)
			}
		}
	}
	return nil
}

// pace converts ticks of the clip into the time they take.
func (p *player) pace(ticks int64) time.Duration {
	return time.Duration(float64(ticks) / clockRate / p.server.opt.Speed * float64(time.Second))
}

// report sends a sender report right after the first picture, as cameras do; the library's own
// come every ten seconds. Faster or slower than real time it would be a lie.
func (p *player) report(media *description.Media, packets []*rtp.Packet, taken time.Time) {
	if p.server.opt.Speed != 1 || len(packets) == 0 {
		return
	}
	octets := 0
	for _, pkt := range packets {
		octets += len(pkt.Payload)
	}
	_ = p.stream.WritePacketRTCP(media, &rtcp.SenderReport{ // fails only on a closed stream
		SSRC: packets[0].SSRC, NTPTime: ntp.Encode(taken), RTPTime: packets[0].Timestamp,
		PacketCount: uint32(len(packets)), OctetCount: uint32(octets),
	})
}
