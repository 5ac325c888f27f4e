// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"testing"
	"time"

	"camring/ring"
)

// TestFaultN29_FlappingCameraDoesNotFillTheLog plays an hour of a camera that comes and goes every two
// seconds, and one that is never there.
func TestFaultN29_FlappingCameraDoesNotFillTheLog(t *testing.T) {
	for _, c := range []struct {
		name   string
		cycle  []ring.State
		perMin int
	}{
		{"flapping", []ring.State{ring.StateLive, ring.StateStalled, ring.StateBackoff, ring.StateConnecting, ring.StatePriming}, linesPerMinute},
		{"never there", []ring.State{ring.StateConnecting, ring.StateBackoff}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var told told
			now := time.Unix(1_800_000_000, 0)
			lines, suppressed, changes := 0, uint64(0), 0
			for end := now.Add(time.Hour); now.Before(end); now = now.Add(2 * time.Second) {
				for _, s := range c.cycle {
					reason := ring.ReasonNone
					if trouble(s) {
						reason = ring.ReasonRefused
					}
					changes++
					if loud, left := told.loud(now, s, reason); loud {
						lines++
						suppressed += left
					}
				}
			}
			if most := 60*c.perMin + 2; lines > most || lines < 60 {
				t.Errorf("%d lines in an hour, want 60 to %d", lines, most)
			}
			if got := uint64(lines) + suppressed + told.left; got != uint64(changes) {
				t.Errorf("%d lines and suppressed changes are accounted for, %d were made", got, changes)
			}
		})
	}
}

func TestNewFailureAndRecoveryAreLoud(t *testing.T) {
	var told told
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		state  ring.State
		reason ring.Reason
		want   bool
	}{
		{ring.StateConnecting, ring.ReasonNone, true},
		{ring.StateBackoff, ring.ReasonRefused, true},
		{ring.StateConnecting, ring.ReasonNone, false},
		{ring.StateBackoff, ring.ReasonRefused, false},
		{ring.StateBackoff, ring.ReasonTimeout, true},
		{ring.StateConnecting, ring.ReasonNone, false},
		{ring.StateLive, ring.ReasonNone, true},
	} {
		if got, _ := told.loud(now, c.state, c.reason); got != c.want {
			t.Errorf("%v (%v): loud %v, want %v", c.state, c.reason, got, c.want)
		}
	}
}
