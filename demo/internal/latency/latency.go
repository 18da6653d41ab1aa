// Package latency draws service times like those of a real service: mostly short, sometimes long.
package latency

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// z99 is the standard normal quantile of 0.99: 99 % of all draws lie below it.
const z99 = 2.3263478740408408

// Random is a seeded random source that many requests may share.
type Random struct {
	mu     sync.Mutex
	source *rand.Rand
}

// NewRandom returns a source whose sequence depends only on seed.
func NewRandom(seed uint64) *Random {
	return &Random{source: rand.New(rand.NewPCG(seed, 0))}
}

// Fraction draws uniformly from [0, 1).
func (r *Random) Fraction() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source.Float64()
}

func (r *Random) normal() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source.NormFloat64()
}

// Lognormal is a common distribution of service times: symmetric on a log scale, with a long tail of slow ones.
type Lognormal struct {
	median time.Duration
	sigma  float64
	random *Random
}

// New returns the distribution with this median and this 99th percentile. A median of 0 means no latency.
// It is an error if median is negative or p99 is below the median.
func New(median, p99 time.Duration, random *Random) (*Lognormal, error) {
	if median < 0 {
		return nil, fmt.Errorf("--latency %s is negative; give 0 or more, such as 4ms", median)
	}
	if p99 < median {
		return nil, fmt.Errorf("--tail %s is below --latency %s; the 99th percentile cannot be below the median", p99, median)
	}
	shape := &Lognormal{median: median, random: random}
	if median > 0 {
		shape.sigma = math.Log(float64(p99)/float64(median)) / z99
	}
	return shape, nil
}

// Draw returns one service time.
func (l *Lognormal) Draw() time.Duration {
	if l.median == 0 {
		return 0
	}
	return time.Duration(float64(l.median) * math.Exp(l.sigma*l.random.normal()))
}

// Wait waits for one service time. It returns the context's error as soon as the caller has gone.
func (l *Lognormal) Wait(ctx context.Context) error {
	timer := time.NewTimer(l.Draw())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
