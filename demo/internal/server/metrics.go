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

const (
	durationsName = "shop_http_request_duration_seconds"
	// aborted is the code of a request whose connection was closed in the middle of its answer.
	aborted = "aborted"
)

// measured records the duration of requests by route and code, and the number of requests in flight.
func measured(next http.Handler, registry prometheus.Registerer) http.Handler {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: durationsName, Help: "Time from request to end of answer.", Buckets: durationBucketsS,
	}, []string{"route", "code"})
	inFlight := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "shop_http_requests_in_flight", Help: "Requests that have begun and are not answered yet.",
	})
	registry.MustRegister(durations, inFlight)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inFlight.Inc()
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		began, code := time.Now(), aborted
		defer func() { // deferred, because a handler may panic with http.ErrAbortHandler
			inFlight.Dec()
			durations.WithLabelValues(routeOf(r), code).Observe(time.Since(began).Seconds())
		}()
		next.ServeHTTP(recorder, r)
		code = strconv.Itoa(recorder.status)
	})
}

// Counts returns the number of requests that were answered, by route and code.
func (s *Service) Counts() (map[string]map[string]uint64, error) {
	families, err := s.registry.Gather()
	if err != nil {
		return nil, err
	}
	counts := map[string]map[string]uint64{}
	for _, family := range families {
		if family.GetName() != durationsName {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			route := labels["route"]
			if counts[route] == nil {
				counts[route] = map[string]uint64{}
			}
			counts[route][labels["code"]] = metric.GetHistogram().GetSampleCount()
		}
	}
	return counts, nil
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
