package shop

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// variant is a deliberately bad way to build a service.
type variant string

const (
	noTimeout      variant = "no-timeout"      // waits for upstreams without a limit
	noRetry        variant = "no-retry"        // asks users only once
	noBreaker      variant = "no-breaker"      // keeps calling an upstream that is down
	retryStorm     variant = "retry-storm"     // makes 25 attempts, without backoff and without a budget
	leakGoroutines variant = "leak-goroutines" // leaks a goroutine per request
	abruptShutdown variant = "abrupt-shutdown" // does not handle SIGTERM
)

var allVariants = []variant{noTimeout, noRetry, noBreaker, retryStorm, leakGoroutines, abruptShutdown}

// variants is the value of --bad: a set, given as comma-separated lists.
type variants struct {
	role    string
	allowed []variant
	chosen  map[variant]bool
}

func (v *variants) has(wanted variant) bool { return v.chosen[wanted] }

// Set implements flag.Value; it may be called several times.
func (v *variants) Set(list string) error {
	for word := range strings.SplitSeq(list, ",") {
		wanted := variant(strings.TrimSpace(word))
		if !slices.Contains(allVariants, wanted) {
			return fmt.Errorf("no bad variant %q; there are: %s", wanted, join(v.allowed))
		}
		if !slices.Contains(v.allowed, wanted) {
			return fmt.Errorf("%q changes nothing in %s; what does: %s", wanted, v.role, join(v.allowed))
		}
		if v.chosen == nil {
			v.chosen = map[variant]bool{}
		}
		v.chosen[wanted] = true
	}
	if v.has(noRetry) && v.has(retryStorm) {
		return fmt.Errorf("%q and %q exclude each other; give one of them", noRetry, retryStorm)
	}
	return nil
}

// String implements flag.Value.
func (v *variants) String() string {
	return join(slices.Collect(maps.Keys(v.chosen)))
}

func join(list []variant) string {
	words := make([]string, len(list))
	for i, word := range list {
		words[i] = string(word)
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

func sortedKeys[V any](from map[string]V) []string {
	return slices.Sorted(maps.Keys(from))
}
