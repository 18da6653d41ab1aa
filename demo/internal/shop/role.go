// Package shop has the four services of the shop, one file per role, and their command line.
package shop

import (
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chaosgo/demo/internal/latency"
	"chaosgo/demo/internal/upstream"
)

// role is one service. Its flags are in its settings.
type role struct {
	name, summary, listen string
	variants              []variant // the bad variants that change something in this role
	settings              func() settings
}

// settings are the flags of a role, and the handlers that are built from them.
type settings interface {
	register(flags *flag.FlagSet)
	check() error
	routes(env environment) map[string]http.Handler
}

// environment is what a role gets from its process.
type environment struct {
	bad      variants
	registry *prometheus.Registry
	dial     upstream.DialFunc // nil = the real network
}

var roles = []role{
	{"gateway", "public entry: passes requests on to users and checkout", "127.0.0.1:8080",
		[]variant{noTimeout, leakGoroutines, abruptShutdown}, func() settings { return &gateway{} }},
	{"checkout", "sells: asks users, then risk, and answers approve or reject", "127.0.0.1:8081",
		allVariants, func() settings { return &checkout{} }},
	{"users", "knows the users 1 to 1000", "127.0.0.1:8082",
		[]variant{leakGoroutines, abruptShutdown}, func() settings { return &users{} }},
	{"risk", "judges transactions (operation CheckTransaction)", "127.0.0.1:8083",
		[]variant{leakGoroutines, abruptShutdown}, func() settings { return &risk{} }},
}

// workload is the latency of a role without upstreams; users and risk embed it.
type workload struct {
	median, p99 time.Duration
	seed        uint64
}

func (l *workload) register(flags *flag.FlagSet, median, p99 time.Duration) {
	flags.DurationVar(&l.median, "latency", median, "median `time` of an answer; 0 = no latency")
	flags.DurationVar(&l.p99, "tail", p99, "99th percentile of that `time` (lognormal)")
	flags.Uint64Var(&l.seed, "seed", 1, "seed `n` of the latencies")
}

func (l *workload) check() error {
	_, err := latency.New(l.median, l.p99, latency.NewRandom(l.seed))
	return err
}

// shape returns the distribution; check has accepted its parameters.
func (l *workload) shape() *latency.Lognormal {
	shape, err := latency.New(l.median, l.p99, latency.NewRandom(l.seed))
	if err != nil {
		panic(err)
	}
	return shape
}

// baseURL is a flag value: scheme and host of a service.
type baseURL struct{ url.URL }

// Set implements flag.Value.
func (b *baseURL) Set(text string) error {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") ||
		(parsed.Path != "" && parsed.Path != "/") || parsed.RawQuery != "" {
		return fmt.Errorf("not the address of a service; give one such as http://127.0.0.1:8082, without a path")
	}
	parsed.Path = ""
	b.URL = *parsed
	return nil
}

func registerURL(flags *flag.FlagSet, target *baseURL, name, value string) {
	if err := target.Set(value); err != nil {
		panic(err) // value is a constant of this package
	}
	flags.Var(target, name+"-url", "`address` of "+name)
}

func registerMaxConnectionAge(flags *flag.FlagSet, target *time.Duration) {
	flags.DurationVar(target, "max-connection-age", 2*time.Second,
		"maximum age, as a `time`, of a connection on which a request is sent; 0 = no limit")
}

// checkPositive returns an error that names the first flag whose duration is not above zero.
func checkPositive(flags map[string]time.Duration) error {
	for _, name := range sortedKeys(flags) {
		if flags[name] <= 0 {
			return fmt.Errorf("--%s %s is not above 0; give one such as 300ms", name, flags[name])
		}
	}
	return nil
}
