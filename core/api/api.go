// SPDX-License-Identifier: Apache-2.0

// Package api is the read-only HTTP interface of a running camring: health, metrics and cameras.
//
// Start at [Listen] and [New]; [Server.Serve] runs until its context ends. Handlers read one
// [status.Snapshot] each and change nothing, so any number may run concurrently.
//
// # Who may ask
//
// There is no password. The default address is reached from this machine alone, and the UNIX socket
// by its owner and group. A request whose Host is a name that is not ours is refused (421): a web
// page must not read the API through a browser by pointing a name of its own at 127.0.0.1.
package api

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"camring/core/status"
)

const (
	readTimeout  = 5 * time.Second  // a request: headers and the body that nobody reads
	writeTimeout = 30 * time.Second // an answer to a slow client
	idleTimeout  = 60 * time.Second
	stopTimeout  = time.Second // answers under way when the server stops
	maxHeader    = 16 << 10    // bytes
	maxConns     = 256         // per listener; more wait in the kernel
)

//go:embed openapi.json
var openAPI []byte

// Server answers from snapshots.
type Server struct {
	snapshot func() *status.Snapshot
	log      *slog.Logger
	metrics  http.Handler
}

// New returns a server. snapshot is called once per request, from any goroutine, must not block, and
// may return nil as long as there is none. What it returns is only read.
func New(snapshot func() *status.Snapshot, log *slog.Logger) *Server {
	s := &Server{snapshot: snapshot, log: log}
	s.metrics = metricsHandler(snapshot, log)
	return s
}

// Serve answers on the listeners, which it closes, until ctx ends: then it returns nil after at most
// a second, whatever the clients do. It returns early if a listener breaks. Call it once.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	var wg sync.WaitGroup
	broken := make(chan error, len(listeners))
	servers := make([]*http.Server, len(listeners))
	for i, l := range listeners {
		hosts := hostsOf(l)
		if hosts.open {
			s.log.LogAttrs(ctx, slog.LevelWarn, "http server has no password and is reachable from other machines",
				slog.String("address", l.Addr().String()))
		}
		servers[i] = &http.Server{
			Handler:           hosts.check(s.routes()),
			ReadHeaderTimeout: readTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeader,
			ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		}
		wg.Go(func() {
			if err := servers[i].Serve(netutil.LimitListener(l, maxConns)); !errors.Is(err, http.ErrServerClosed) {
				broken <- fmt.Errorf("http server on %s: %w", l.Addr(), err)
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-broken:
	}
	// Not ctx: it has ended.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	var stopping sync.WaitGroup
	for _, server := range servers {
		stopping.Go(func() {
			if server.Shutdown(grace) != nil {
				_ = server.Close()
			}
		})
	}
	stopping.Wait()
	wg.Wait()
	return err
}

// routes is every path there is.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", s.index)
	mux.HandleFunc("/healthz", s.healthz)
	mux.HandleFunc("/readyz", s.readyz)
	mux.Handle("/metrics", s.metrics)
	mux.HandleFunc("/api/v1/status", s.status)
	mux.HandleFunc("/api/v1/cameras", s.cameras)
	mux.HandleFunc("/api/v1/cameras/{name}", s.camera)
	mux.HandleFunc("/api/v1/openapi.json", s.openAPI)
	mux.HandleFunc("/", notFound)
	return readOnly(mux)
}

// readOnly lets GET and HEAD through, and says what every answer must say.
func readOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			writeProblem(w, problem{
				Status: http.StatusMethodNotAllowed,
				Detail: "this interface is read-only: cameras are configured in the file that camring run was given",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}
