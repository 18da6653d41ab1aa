// Package distribution is how long delays are: the fields that describe them in a spec, what is valid,
// the longest that can be drawn, and the draw. Every kind of fault that delays something embeds Delay
// in the object that it has in a spec.
package distribution

import (
	"fmt"
	"math"

	"chaosgo/agent/internal/spec"
)

// The names of the distributions.
const (
	Constant = "constant"
	Uniform  = "uniform"
	Normal   = "normal"
	Pareto   = "pareto"
)

const (
	// paretoShape gives delays a mean and a variance, and no more: a heavy tail.
	paretoShape = 3.0
	// paretoBound is where the tail is cut off, in scales; one of 9,261 would be beyond it.
	paretoBound = 20.0
	// normalBound is how many standard deviations a normal delay may be from its mean.
	normalBound = 4.0
)

// Delay says how long delays are; each is drawn anew. With D for DelayMS and J, the scale, for
// JitterMS, the Distribution is one of:
//
//	constant  D; J must be 0
//	uniform   evenly from D-J to D+J, J <= D; the default; with J = 0 the same as constant
//	normal    mean D, standard deviation J, 0 < J <= D; drawn again when more than min(4J, D) from D
//	pareto    D + J*X, X Lomax with shape 3: P(X > x) = (1+x)^-3, given X <= 20; mean D + 0.497 J,
//	          median D + 0.26 J, P99 D + 3.63 J, P99.9 D + 8.66 J
//
// No delay is below 0 or above LongestMS.
type Delay struct {
	DelayMS      float64 `json:"delay_ms" jsonschema:"exclusiveMinimum=0"`
	JitterMS     float64 `json:"jitter_ms,omitempty" jsonschema:"minimum=0"`
	Distribution string  `json:"distribution,omitempty" jsonschema:"enum=constant,enum=uniform,enum=normal,enum=pareto,default=uniform"`
}

// LongestMS gives the longest delay that can be drawn, in milliseconds.
func (d *Delay) LongestMS() float64 {
	switch d.Distribution {
	case Normal:
		return d.DelayMS + d.JitterMS*d.bound()
	case Pareto:
		return d.DelayMS + d.JitterMS*paretoBound
	}
	return d.DelayMS + d.JitterMS
}

// bound is how many standard deviations a normal delay may be from its mean: as far below as above, so
// that the mean stays D although no delay is negative.
func (d *Delay) bound() float64 { return math.Min(normalBound, d.DelayMS/d.JitterMS) }

// Validate judges a delay whose path in the spec is given, such as http.delay. No delay may be longer
// than the fault.
func (d *Delay) Validate(path string, durationS float64) error {
	if !(d.DelayMS > 0) || math.IsInf(d.DelayMS, 0) {
		return spec.Bad(path+".delay_ms", spec.Number(d.DelayMS), "not a delay", "give more than 0 milliseconds")
	}
	if err := d.validateJitter(path); err != nil {
		return err
	}
	if d.LongestMS() > durationS*1000 {
		return spec.Bad(path+".delay_ms", spec.Number(d.DelayMS),
			fmt.Sprintf("delays of up to %g ms are longer than the fault itself", d.LongestMS()),
			fmt.Sprintf("shorten delay_ms or jitter_ms, or lengthen duration_s (%g)", durationS))
	}
	return nil
}

// validateJitter refuses a scale that the distribution does not have, or would ignore.
func (d *Delay) validateJitter(path string) error {
	ok, fix := false, ""
	switch d.Distribution {
	case Uniform, "":
		ok, fix = d.JitterMS >= 0 && d.JitterMS <= d.DelayMS, fmt.Sprintf("give 0 to %g (delay_ms)", d.DelayMS)
	case Constant:
		ok, fix = d.JitterMS == 0, "leave it out, or take the distribution uniform, normal or pareto"
	case Normal:
		ok, fix = d.JitterMS > 0 && d.JitterMS <= d.DelayMS, fmt.Sprintf("give more than 0 and at most %g (delay_ms)", d.DelayMS)
	case Pareto:
		ok, fix = d.JitterMS > 0 && !math.IsInf(d.JitterMS, 0), "give more than 0 milliseconds"
	default:
		return spec.Bad(path+".distribution", d.Distribution, "unknown distribution", "use constant, uniform, normal or pareto")
	}
	if !ok {
		return spec.Bad(path+".jitter_ms", spec.Number(d.JitterMS), "not a jitter for this delay", fix)
	}
	return nil
}
