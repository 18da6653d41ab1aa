module chaosgo/demo

go 1.26.0

require (
	github.com/prometheus/client_golang v1.25.0
	// The circuit breaker. gobreaker rather than failsafe-go: it has no dependency of its own, a rolling window,
	// and IsExcluded (a caller that hangs up is no failure of the upstream). Retries, budget and timeouts are
	// written out in internal/upstream on purpose: they are what the experiments of this repository are about.
	github.com/sony/gobreaker/v2 v2.4.0
)

require (
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/kylelemons/godebug v1.1.0 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
