// Package histogram puts microseconds into buckets whose width is below 0.8 % of their value, so
// that seconds and machines can be added up. contract/histogram.json fixes the scheme for both
// languages.
package histogram

import "math/bits"

const (
	// subBuckets per doubling, as a power of two.
	subBucketBits = 7
	// exact values are their own bucket.
	exact = 1 << (subBucketBits + 1)
	// Largest value that is told apart, in microseconds: twelve days.
	Largest = 1 << 40
)

// Index gives the bucket of a value; negative values and those above Largest go to the nearest.
func Index(us int64) int {
	v := uint64(min(max(us, 0), Largest))
	if v < exact {
		return int(v)
	}
	shift := bits.Len64(v) - (subBucketBits + 1)
	return shift<<subBucketBits + int(v>>shift)
}

// Bounds gives the smallest and the largest value of a bucket.
func Bounds(index int) (low, high int64) {
	if index < exact {
		return int64(index), int64(index)
	}
	shift := index>>subBucketBits - 1
	mantissa := int64(index - shift<<subBucketBits)
	return mantissa << shift, (mantissa+1)<<shift - 1
}
