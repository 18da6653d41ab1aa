package httpfault

import (
	"math"
	"math/rand/v2"
	"time"
)

// draw gives one delay: HTTPDelay defines the distributions.
func draw(d *HTTPDelay, dice *rand.Rand) time.Duration {
	ms := d.DelayMS
	switch d.Distribution {
	case Uniform, "":
		ms += d.JitterMS * (2*dice.Float64() - 1)
	case Normal:
		ms += d.JitterMS * normal(dice, d.NormalBound())
	case Pareto:
		ms += d.JitterMS * pareto(dice)
	}
	return time.Duration(math.Max(0, ms) * float64(time.Millisecond))
}

// normal is of the standard normal distribution, drawn again while it is beyond the bound. The bound
// is at least one, so that two of three draws are taken.
func normal(dice *rand.Rand, bound float64) float64 {
	for {
		if z := dice.NormFloat64(); math.Abs(z) <= bound {
			return z
		}
	}
}

// pareto is of the Pareto distribution of the second kind (Lomax) with scale one, cut off at its
// bound: the inverse of its distribution function, of a share that stops where the bound is.
func pareto(dice *rand.Rand) float64 {
	below := 1 - math.Pow(1+paretoBound, -paretoShape)
	return math.Pow(1-below*dice.Float64(), -1/paretoShape) - 1
}
