package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// durationBucketsS has many buckets from 5 ms to 1 s, the range of the shop's limits and timeouts.
var durationBucketsS = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 1.5, 2, 5, 10}

// NewRegistry returns a registry with the metrics of the Go runtime and of the process.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// measured records the duration of requests by route and code, and the number of requests in flight.
func measured(next http.Handler, registry prometheus.Registerer) http.Handler {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "shop_http_request_duration_seconds", Help: "Time from request to end of answer.", Buckets: durationBucketsS,
	}, []string{"route", "code"})
	inFlight := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "shop_http_requests_in_flight", Help: "Requests that have begun and are not answered yet.",
	})
	registry.MustRegister(durations, inFlight)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inFlight.Inc()
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		began := time.Now()
		defer func() { // deferred, because a handler may panic with http.ErrAbortHandler
			inFlight.Dec()
			durations.WithLabelValues(routeOf(r), strconv.Itoa(recorder.status)).Observe(time.Since(began).Seconds())
		}()
		next.ServeHTTP(recorder, r)
	})
}

// routeOf returns the pattern that matched the request. The path itself would create one series per user.
func routeOf(r *http.Request) string {
	if r.Pattern == "" {
		return "unmatched"
	}
	return r.Pattern
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the writer below.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }
