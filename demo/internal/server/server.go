// Package server has what all roles of the shop share: health, metrics, profiles, and the end of the process.
package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = 60 * time.Second
)

// Service is one role: its routes, and what all roles have.
type Service struct {
	handler  http.Handler
	registry *prometheus.Registry
	life     *life
}

// New returns a service of routes (pattern of http.ServeMux -> handler), which it measures. It also serves /healthz,
// /readyz, /metrics and /debug/pprof/, which it does not measure. Until warmUp from now has passed, it is not ready, and
// the routes answer 503.
func New(role string, routes map[string]http.Handler, registry *prometheus.Registry, warmUp time.Duration) *Service {
	life := newLife(warmUp)
	business := http.NewServeMux()
	for pattern, handler := range routes {
		business.Handle(pattern, life.needsWarmth(handler))
	}
	mux := http.NewServeMux()
	mux.Handle("/", measured(business, registry))
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "{\"status\":\"ok\",\"role\":%q}\n", role)
	})
	mux.HandleFunc("GET /readyz", life.readyz)
	mux.HandleFunc("/debug/pprof/", pprof.Index) // serves the named profiles too: heap, goroutine, ...
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return &Service{handler: life.sendsAway(mux), registry: registry, life: life}
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Ending says how a service ends.
type Ending struct {
	LameDuck time.Duration // it is not ready any more, but serves for this long
	Grace    time.Duration // then it finishes the requests in flight, if they take no longer than this
}

// Serve answers on listener until ctx ends. From then on it is not ready, and closes connections after their next
// answer. After the lame duck time it stops listening, finishes the requests in flight and returns nil. If these take
// longer than the grace, it cuts them and returns an error.
func (s *Service) Serve(ctx context.Context, listener net.Listener, ending Ending) error {
	httpServer := &http.Server{Handler: s, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout}
	failed := make(chan error, 1)
	go func() { failed <- httpServer.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.life.ending.Store(true)
	select {
	case err := <-failed:
		return err
	case <-time.After(ending.LameDuck):
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), ending.Grace)
	defer cancel()
	if err := httpServer.Shutdown(limited); err != nil {
		cut := fmt.Errorf("requests in flight were cut: not finished within --shutdown-grace %s", ending.Grace)
		return errors.Join(cut, httpServer.Close())
	}
	return nil
}

// Leaky leaks one goroutine per request, in the usual way: the goroutine sends its answer to an unbuffered channel
// that is not read any more.
func Leaky(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		audited := make(chan string)
		go func() { audited <- r.URL.Path }()
		next.ServeHTTP(w, r)
	})
}
