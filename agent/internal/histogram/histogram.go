// Package histogram counts microseconds in buckets that are narrower than 0.8 % of their value.
// Histograms of several seconds or machines can be added up. contract/histogram.json fixes the buckets
// for both languages.
package histogram

import "math/bits"

const (
	// subBucketBits is the binary logarithm of the number of buckets per doubling.
	subBucketBits = 7
	// Values below exact have a bucket each.
	exact = 1 << (subBucketBits + 1)
	// Largest is the largest value that has a bucket of its own, in microseconds: twelve days.
	Largest = 1 << 40
)

// Index returns the bucket of a value. Negative values go to the first bucket, those above Largest to
// the last one.
func Index(us int64) int {
	v := uint64(min(max(us, 0), Largest))
	if v < exact {
		return int(v)
	}
	shift := bits.Len64(v) - (subBucketBits + 1)
	return shift<<subBucketBits + int(v>>shift)
}

// Bounds returns the smallest and the largest value of a bucket.
func Bounds(index int) (low, high int64) {
	if index < exact {
		return int64(index), int64(index)
	}
	shift := index>>subBucketBits - 1
	mantissa := int64(index - shift<<subBucketBits)
	return mantissa << shift, (mantissa+1)<<shift - 1
}
