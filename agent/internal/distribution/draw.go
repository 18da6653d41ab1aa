package distribution

import (
	"math"
	"math/rand/v2"
	"time"
)

// Draw gives the next delay. A seed gives the same delays in every release.
func (d *Delay) Draw(random *rand.Rand) time.Duration {
	ms := d.DelayMS
	switch d.Distribution {
	case Uniform, "":
		ms += d.JitterMS * (2*random.Float64() - 1)
	case Normal:
		ms += d.JitterMS * normal(random, d.bound())
	case Pareto:
		ms += d.JitterMS * pareto(random)
	}
	return time.Duration(math.Max(0, ms) * float64(time.Millisecond))
}

// normal draws from the standard normal distribution, again while the draw is beyond the bound. The
// bound is at least one, so that two of three draws are taken.
func normal(random *rand.Rand, bound float64) float64 {
	for {
		if z := random.NormFloat64(); math.Abs(z) <= bound {
			return z
		}
	}
}

// pareto draws from the Pareto distribution of the second kind (Lomax) with scale one, cut off at its
// bound: it inverts the distribution function at a uniform draw from what is below the bound.
func pareto(random *rand.Rand) float64 {
	below := 1 - math.Pow(1+paretoBound, -paretoShape)
	return math.Pow(1-below*random.Float64(), -1/paretoShape) - 1
}
