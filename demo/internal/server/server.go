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

// Handler serves routes (pattern of http.ServeMux -> handler) and measures them. It also serves /healthz, /metrics
// and /debug/pprof/, which it does not measure.
func Handler(role string, routes map[string]http.Handler, registry *prometheus.Registry) http.Handler {
	business := http.NewServeMux()
	for pattern, handler := range routes {
		business.Handle(pattern, handler)
	}
	mux := http.NewServeMux()
	mux.Handle("/", measured(business, registry))
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "{\"status\":\"ok\",\"role\":%q}\n", role)
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index) // serves the named profiles too: heap, goroutine, ...
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// Serve answers on listener until ctx ends. Then it stops listening, finishes the requests in flight and returns nil.
// If requests take longer than grace, it cuts them and returns an error.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, grace time.Duration) error {
	httpServer := &http.Server{Handler: handler, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout}
	failed := make(chan error, 1)
	go func() { failed <- httpServer.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := httpServer.Shutdown(limited); err != nil {
		cut := fmt.Errorf("requests in flight were cut: not finished within --shutdown-grace %s", grace)
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
