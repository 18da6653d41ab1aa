package spec

import (
	"fmt"
	"math"
)

// The distributions of a delay.
const (
	Constant = "constant"
	Uniform  = "uniform"
	Normal   = "normal"
	Pareto   = "pareto"
)

const (
	// ParetoShape gives delays a mean and a variance, and no more: a heavy tail.
	ParetoShape = 3.0
	// ParetoBound is where the tail is cut off, in scales; one of 9,261 would be beyond it.
	ParetoBound = 20.0
	normalBound = 4.0
)

// NormalBound is how many standard deviations a normal delay may be from its mean: as far below as
// above, so that the mean stays what was asked for.
func (d *HTTPDelay) NormalBound() float64 { return math.Min(normalBound, d.DelayMS/d.JitterMS) }

// Longest gives the longest delay in milliseconds that can be drawn.
func (d *HTTPDelay) Longest() float64 {
	switch d.Distribution {
	case Normal:
		return d.DelayMS + d.JitterMS*d.NormalBound()
	case Pareto:
		return d.DelayMS + d.JitterMS*ParetoBound
	}
	return d.DelayMS + d.JitterMS
}

func (d *HTTPDelay) validate(durationS float64) error {
	if !(d.DelayMS > 0) || math.IsInf(d.DelayMS, 0) {
		return Bad("http.delay.delay_ms", number(d.DelayMS), "not a delay", "give more than 0 milliseconds")
	}
	if err := d.validateJitter(); err != nil {
		return err
	}
	if d.Longest() > durationS*1000 {
		return Bad("http.delay.delay_ms", number(d.DelayMS),
			fmt.Sprintf("delays of up to %g ms are longer than the fault itself", d.Longest()),
			fmt.Sprintf("shorten delay_ms or jitter_ms, or lengthen duration_s (%g)", durationS))
	}
	return nil
}

// validateJitter refuses a scale that the distribution does not have, or would ignore.
func (d *HTTPDelay) validateJitter() error {
	ok, fix := false, ""
	switch d.Distribution {
	case Uniform, "":
		ok, fix = d.JitterMS >= 0 && d.JitterMS <= d.DelayMS, fmt.Sprintf("give 0 to delay_ms (%g)", d.DelayMS)
	case Constant:
		ok, fix = d.JitterMS == 0, "leave it out, or take the distribution uniform, normal or pareto"
	case Normal:
		ok, fix = d.JitterMS > 0 && d.JitterMS <= d.DelayMS, fmt.Sprintf("give more than 0 and at most delay_ms (%g)", d.DelayMS)
	case Pareto:
		ok, fix = d.JitterMS > 0 && !math.IsInf(d.JitterMS, 0), "give more than 0 milliseconds"
	default:
		return Bad("http.delay.distribution", d.Distribution, "unknown distribution", "use constant, uniform, normal or pareto")
	}
	if !ok {
		return Bad("http.delay.jitter_ms", number(d.JitterMS), "not a jitter for this delay", fix)
	}
	return nil
}
