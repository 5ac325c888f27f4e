// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"net/http"
	"time"

	"camring/core/status"
	"camring/ring"
)

// maxSnapshotAge is when the supervisor's loop, which makes a snapshot at least each second, must be
// stuck.
const maxSnapshotAge = 15 * time.Second

// health is the answer of /healthz.
type health struct {
	Status  string  `json:"status"` // ok, starting
	Version string  `json:"version,omitempty"`
	UptimeS float64 `json:"uptime_s"`
	Cameras int     `json:"cameras"`
	Live    int     `json:"live"`
}

// readiness is the answer of /readyz when it is 200.
type readiness struct {
	Ready   bool `json:"ready"`
	Cameras int  `json:"cameras"`
	Live    int  `json:"live"`
}

// notReady says why one camera is not live.
type notReady struct {
	Name   string      `json:"name"`
	State  ring.State  `json:"state"`
	Reason ring.Reason `json:"reason,omitempty"`
	Detail string      `json:"detail,omitempty"`
	Since  time.Time   `json:"since"`
}

// healthz asks whether a restart of the process would help: a camera that is down does not matter.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	snap := s.snapshot()
	if snap == nil {
		writeJSON(w, health{Status: "starting"})
		return
	}
	// In one process the times carry the monotonic clock: a stepped wall clock does no harm.
	if age := time.Since(snap.Time); age > maxSnapshotAge {
		writeProblem(w, problem{
			Status: http.StatusServiceUnavailable,
			Detail: fmt.Sprintf("the supervisor has not looked after its cameras for %.0f s: restart camring", age.Seconds()),
		})
		return
	}
	writeJSON(w, health{
		Status: "ok", Version: snap.Version, UptimeS: snap.Time.Sub(snap.Started).Seconds(),
		Cameras: len(snap.Cameras), Live: live(snap),
	})
}

// readyz asks whether every camera that should deliver frames does. One that is disabled, or a file
// that has ended, should not.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	snap := s.snapshot()
	if snap == nil {
		starting(w)
		return
	}
	var missing []notReady
	for _, c := range snap.Cameras {
		switch c.State {
		case ring.StateLive, ring.StateDisabled, ring.StateEnded:
		default:
			missing = append(missing, notReady{Name: c.Name, State: c.State, Reason: c.Reason, Detail: c.Detail, Since: c.Since})
		}
	}
	if len(missing) > 0 {
		writeProblem(w, problem{
			Status:  http.StatusServiceUnavailable,
			Detail:  fmt.Sprintf("%d of %d cameras are not live", len(missing), len(snap.Cameras)),
			Cameras: missing,
		})
		return
	}
	writeJSON(w, readiness{Ready: true, Cameras: len(snap.Cameras), Live: live(snap)})
}

func live(snap *status.Snapshot) (n int) {
	for i := range snap.Cameras {
		if snap.Cameras[i].State == ring.StateLive {
			n++
		}
	}
	return n
}
