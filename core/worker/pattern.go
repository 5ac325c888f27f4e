// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"

	"camring/core/control"
	"camring/core/testpattern"
	"camring/ring"
)

// capturePattern publishes the synthetic camera's pictures at its frame rate until ctx ends. Each
// carries the sequence it is published under and the time it was drawn.
func capturePattern(ctx context.Context, c control.Camera, out *output, connected func(control.Connected)) error {
	if err := testpattern.CheckSize(c.Width, c.Height); err != nil {
		return fail(ring.ReasonInternal, "%w", err) // the configuration refuses it before
	}
	connected(control.Connected{Width: c.Width, Height: c.Height})
	clock := pacer{realtime: true}
	for n := int64(0); ; n++ {
		pts := n * 1e9 / int64(c.FPS)
		out.tick()
		clock.wait(ctx, pts, out.tick)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // stopped: serve says why
		}
		mono, wall := ring.MonoNS(), ring.WallNS()
		d := out.describe(origin{
			captureMonoNS: mono, captureWallNS: wall, captureClock: ring.ClockSynthetic, receivedMonoNS: mono,
			flags: ring.FlagKey,
		})
		d.PTSNS = pts
		d.Matrix, d.Primaries, d.Transfer, d.Range = 6, 6, 6, ring.RangeLimited // BT.601, as the pattern is drawn
		slot, err := out.claim(c.Width, c.Height)
		if err != nil {
			return err
		}
		if slot.Mem == nil {
			continue
		}
		testpattern.Draw(testpattern.Picture{
			Y: slot.Mem[d.PlaneOffset[0]:], UV: slot.Mem[d.PlaneOffset[1]:],
			Width: c.Width, Height: c.Height,
			YStride: int(d.PlaneStride[0]), UVStride: int(d.PlaneStride[1]),
		}, out.w.Head()+1, wall)
		d.DecodedMonoNS = ring.MonoNS()
		if err := out.publish(slot); err != nil {
			return err
		}
	}
}
