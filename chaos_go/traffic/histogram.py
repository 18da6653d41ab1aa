"""Latency histograms as the agent writes them: counts by log-linear bucket of microseconds.

A value below 256 us has a bucket of its own. Above, each power of two is cut into 128 buckets, so
that a bucket is less than 0.8 % wide and its midpoint less than 0.4 % off any value in it. The
scheme is fixed (``contract/histogram.json`` is its table, and agent/internal/histogram does the
same in Go). So histograms of any seconds, loads and machines can be added up.
"""

from collections.abc import Iterable, Mapping

Counts = Mapping[int, int]
"""Number of values by bucket index."""

LARGEST_US = 1 << 40
"""Larger values are counted as this one, about 12 days."""

_EXACT_BELOW_US = 256
_PER_OCTAVE = 128


def index(value_us: int) -> int:
    """Return the bucket of a value in microseconds, which must not be negative."""
    if value_us < 0:
        raise ValueError(f"value_us={value_us}: give 0 or more microseconds")
    value_us = min(value_us, LARGEST_US)
    if value_us < _EXACT_BELOW_US:
        return value_us
    exponent = value_us.bit_length() - 8
    return exponent * _PER_OCTAVE + (value_us >> exponent)


def bounds_us(bucket: int) -> tuple[int, int]:
    """Return the smallest and the largest whole microsecond of a bucket."""
    if bucket < 0:
        raise ValueError(f"bucket={bucket}: give 0 or more")
    if bucket < _EXACT_BELOW_US:
        return bucket, bucket
    exponent = bucket // _PER_OCTAVE - 1
    low = (bucket - exponent * _PER_OCTAVE) << exponent
    return low, low + (1 << exponent) - 1


def midpoint_us(bucket: int) -> float:
    """Return the value that stands for all values of a bucket, at most 0.4 % off any of them."""
    low, high = bounds_us(bucket)
    return (low + high) / 2


def merge(histograms: Iterable[Counts]) -> dict[int, int]:
    """Add histograms up: the result is the histogram of all their values."""
    total: dict[int, int] = {}
    for counts in histograms:
        for bucket, count in counts.items():
            total[bucket] = total.get(bucket, 0) + count
    return total


def count(counts: Counts) -> int:
    """Return the number of values in a histogram."""
    return sum(counts.values())


def bucket_at_rank(counts: Counts, rank: int) -> int:
    """Return the bucket of the value with this rank, where the smallest value has rank 1.

    Raises:
        ValueError: There are fewer values than the rank, or the rank is below 1.
    """
    if rank < 1:
        raise ValueError(f"rank={rank}: the smallest value has rank 1")
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= rank:
            return bucket
    raise ValueError(f"rank={rank}: there are only {seen} values")
