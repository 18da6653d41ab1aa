package upstream

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"
)

// Metrics are the metrics that all upstream clients of one service share. Each has the label "upstream".
type Metrics struct {
	attempts     *prometheus.CounterVec
	retries      *prometheus.CounterVec
	refused      *prometheus.CounterVec
	breakerState *prometheus.GaugeVec
}

// NewMetrics registers the metrics; it panics if they were registered before.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		attempts: counter("shop_upstream_attempts_total", "Attempts to call an upstream, by outcome.", "upstream", "outcome"),
		retries:  counter("shop_retries_total", "Attempts after the first.", "upstream"),
		refused:  counter("shop_retries_refused_total", "Retries that the retry budget did not allow.", "upstream"),
		breakerState: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shop_breaker_state", Help: "Circuit breaker: 0 closed, 1 half-open, 2 open.",
		}, []string{"upstream"}),
	}
	registry.MustRegister(m.attempts, m.retries, m.refused, m.breakerState)
	return m
}

// declare creates every series of an upstream with the value 0, so that it is visible from the start.
func (m *Metrics) declare(upstream string, hasBreaker bool) {
	m.retries.WithLabelValues(upstream)
	m.refused.WithLabelValues(upstream)
	if hasBreaker {
		m.showBreaker(upstream, gobreaker.StateClosed)
	}
}

func (m *Metrics) showBreaker(upstream string, state gobreaker.State) {
	m.breakerState.WithLabelValues(upstream).Set(float64(state))
}
