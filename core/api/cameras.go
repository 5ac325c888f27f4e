// SPDX-License-Identifier: Apache-2.0

package api

import (
	"io"
	"net/http"
	"time"

	"camring/core/status"
)

// cameraList is the answer of /api/v1/cameras: a part of a [status.Snapshot] under the same keys.
type cameraList struct {
	Time    time.Time       `json:"time"`
	Cameras []status.Camera `json:"cameras"`
}

const indexPage = `camring

/healthz                the process works
/readyz                 every camera delivers frames
/metrics                for Prometheus
/api/v1/status          everything: cameras, processes, Redis
/api/v1/cameras         all cameras
/api/v1/cameras/{name}  one camera
/api/v1/openapi.json    this interface, for programs
`

func (s *Server) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, indexPage)
}

func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI)
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	if snap := s.snapshot(); snap != nil {
		writeJSON(w, snap)
		return
	}
	starting(w)
}

func (s *Server) cameras(w http.ResponseWriter, _ *http.Request) {
	snap := s.snapshot()
	if snap == nil {
		starting(w)
		return
	}
	list := cameraList{Time: snap.Time, Cameras: snap.Cameras}
	if list.Cameras == nil {
		list.Cameras = []status.Camera{} // a list without entries, not null
	}
	writeJSON(w, list)
}

func (s *Server) camera(w http.ResponseWriter, r *http.Request) {
	snap := s.snapshot()
	if snap == nil {
		starting(w)
		return
	}
	for i := range snap.Cameras {
		if snap.Cameras[i].Name == r.PathValue("name") {
			writeJSON(w, &snap.Cameras[i])
			return
		}
	}
	writeProblem(w, problem{Status: http.StatusNotFound, Detail: "no camera of that name: /api/v1/cameras lists them"})
}

func starting(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	writeProblem(w, problem{Status: http.StatusServiceUnavailable, Detail: "camring is starting: ask again in a second"})
}
