package distribution

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"chaosgo/agent/internal/spec"
)

// phi is the distribution function of the standard normal distribution.
func phi(z float64) float64 { return 0.5 * math.Erfc(-z/math.Sqrt2) }

// truncatedNormal is that of a normal distribution cut off at bound deviations on both sides.
func truncatedNormal(mean, deviation, bound float64) func(float64) float64 {
	return func(x float64) float64 {
		return (phi((x-mean)/deviation) - phi(-bound)) / (phi(bound) - phi(-bound))
	}
}

// The largest distance between the distribution function and that of the draws (Kolmogorov-Smirnov)
// is below 1.95/sqrt(n) with a probability of 99.9 %; the seeds are fixed, so that it always is.
func TestDelaysHaveTheirDistribution(t *testing.T) {
	const n = 20_000
	lomax := func(x float64) float64 { return 1 - math.Pow(1+x, -3) }
	for _, c := range []struct {
		name        string
		delay       Delay
		cumulative  func(ms float64) float64
		least, most float64
	}{
		{"uniform", Delay{DelayMS: 100, JitterMS: 30, Distribution: Uniform},
			func(ms float64) float64 { return (ms - 70) / 60 }, 70, 130},
		{"uniform by default", Delay{DelayMS: 10, JitterMS: 10},
			func(ms float64) float64 { return ms / 20 }, 0, 20},
		{"normal", Delay{DelayMS: 100, JitterMS: 10, Distribution: Normal},
			truncatedNormal(100, 10, 4), 60, 140},
		{"normal that would go below 0", Delay{DelayMS: 100, JitterMS: 100, Distribution: Normal},
			truncatedNormal(100, 100, 1), 0, 200},
		{"pareto", Delay{DelayMS: 100, JitterMS: 50, Distribution: Pareto},
			func(ms float64) float64 { return lomax((ms-100)/50) / lomax(20) }, 100, 1100},
	} {
		t.Run(c.name, func(t *testing.T) {
			draws := drawn(&c.delay, n)
			if draws[0] < c.least || draws[n-1] > c.most {
				t.Errorf("from %g to %g ms, want %g to %g", draws[0], draws[n-1], c.least, c.most)
			}
			if most := c.delay.LongestMS(); most != c.most {
				t.Errorf("the longest is said to be %g ms, not %g", most, c.most)
			}
			distance := 0.0
			for i, ms := range draws {
				f := c.cumulative(ms)
				distance = max(distance, f-float64(i)/n, float64(i+1)/n-f)
			}
			if limit := 1.95 / math.Sqrt(n); distance > limit {
				t.Errorf("the draws are %.4f away from the distribution, more than %.4f", distance, limit)
			}
		})
	}
}

func drawn(d *Delay, n int) []float64 {
	random := rand.New(rand.NewPCG(7, 0))
	ms := make([]float64, n)
	for i := range ms {
		ms[i] = float64(d.Draw(random)) / float64(time.Millisecond)
	}
	slices.Sort(ms)
	return ms
}

// The figures of the documentation.
func TestTheQuantilesOfPareto(t *testing.T) {
	const n = 200_000
	draws := drawn(&Delay{DelayMS: 100, JitterMS: 100, Distribution: Pareto}, n)
	sum := 0.0
	for _, ms := range draws {
		sum += ms
	}
	for _, c := range []struct {
		name                 string
		got, want, tolerance float64
	}{
		{"mean", sum / n, 149.7, 1},
		{"median", draws[n/2], 126, 1},
		{"P99", draws[n*99/100], 462.5, 10},
		{"P99.9", draws[n*999/1000], 966.4, 50},
	} {
		if math.Abs(c.got-c.want) > c.tolerance {
			t.Errorf("%s %.1f ms, want %.1f", c.name, c.got, c.want)
		}
	}
}

func TestConstantIsConstant(t *testing.T) {
	if got := drawn(&Delay{DelayMS: 12.5, Distribution: Constant}, 100); got[0] != 12.5 || got[99] != 12.5 {
		t.Errorf("from %g to %g ms", got[0], got[99])
	}
}

// A run that is repeated with its seed has the same delays, also with the agent of another release.
func TestSeedsGiveTheSameDelaysForEver(t *testing.T) {
	for _, c := range []struct {
		delay Delay
		want  []time.Duration
	}{
		{Delay{DelayMS: 100, JitterMS: 30}, []time.Duration{129695593, 119349753, 71542039, 83179603}},
		{Delay{DelayMS: 100, JitterMS: 30, Distribution: Uniform}, []time.Duration{129695593, 119349753, 71542039, 83179603}},
		{Delay{DelayMS: 100, JitterMS: 30, Distribution: Normal}, []time.Duration{130987074, 88259028, 108037393, 26653840}},
		{Delay{DelayMS: 100, JitterMS: 100, Distribution: Normal}, []time.Duration{60863427, 126791310, 165646089, 109361072}},
		{Delay{DelayMS: 100, JitterMS: 30, Distribution: Pareto}, []time.Duration{243375147, 123371905, 100261471, 102585338}},
		{Delay{DelayMS: 100, Distribution: Constant}, []time.Duration{100000000, 100000000}},
	} {
		random := rand.New(rand.NewPCG(7, 0))
		for i, want := range c.want {
			if got := c.delay.Draw(random); got != want {
				t.Errorf("%+v: draw %d is %d ns, want %d", c.delay, i, got, want)
			}
		}
	}
}

func TestProblemsNameThePathOfTheDelay(t *testing.T) {
	for field, d := range map[string]Delay{
		"net.delay_ms":     {DelayMS: 1001},
		"net.jitter_ms":    {DelayMS: 100, JitterMS: 101},
		"net.distribution": {DelayMS: 100, Distribution: "gauss"},
	} {
		var p *spec.Problem
		if err := d.Validate("net", 1); !errors.As(err, &p) || p.Field != field || p.Fix == "" {
			t.Errorf("%+v: got %v, want a problem of %s", d, err, field)
		}
	}
	if err := (&Delay{DelayMS: 500, JitterMS: 500}).Validate("net", 1); err != nil {
		t.Error(err)
	}
}
