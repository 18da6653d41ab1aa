package latency

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func draws(t *testing.T, seed uint64, n int) []time.Duration {
	t.Helper()
	shape, err := New(4*time.Millisecond, 25*time.Millisecond, NewRandom(seed))
	if err != nil {
		t.Fatal(err)
	}
	times := make([]time.Duration, n)
	for i := range times {
		times[i] = shape.Draw()
	}
	return times
}

func TestMedianAndTailAreThoseAskedFor(t *testing.T) {
	const n = 50_000 // with this many draws the error of the 99th percentile is about 3 %
	times := draws(t, 1, n)
	slices.Sort(times)
	for quantile, want := range map[float64]time.Duration{0.5: 4 * time.Millisecond, 0.99: 25 * time.Millisecond} {
		got := times[int(quantile*n)]
		if math.Abs(float64(got)/float64(want)-1) > 0.05 {
			t.Errorf("quantile %g is %s, want %s within 5 %%", quantile, got, want)
		}
	}
}

func TestTheSeedDecidesTheSequence(t *testing.T) {
	if !slices.Equal(draws(t, 5, 20), draws(t, 5, 20)) {
		t.Error("the same seed gave two sequences")
	}
	if slices.Equal(draws(t, 5, 20), draws(t, 6, 20)) {
		t.Error("two seeds gave the same sequence")
	}
}

func TestWaitPassesTheTimeDrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := draws(t, 3, 1)[0]
		shape, err := New(4*time.Millisecond, 25*time.Millisecond, NewRandom(3))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := shape.Wait(t.Context()); err != nil || time.Since(began) != want {
			t.Errorf("waited %s (%v), want %s", time.Since(began), err, want)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if err := shape.Wait(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v for a caller who has gone", err)
		}
	})
}

func TestImpossibleShapesAreRefused(t *testing.T) {
	for want, median := range map[string]time.Duration{"-1ms is negative": -time.Millisecond, "--tail 5ms is below": 6 * time.Millisecond} {
		_, err := New(median, 5*time.Millisecond, NewRandom(1))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("median %s: got %v, want %q", median, err, want)
		}
	}
}
