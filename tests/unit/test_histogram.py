"""The log-linear histogram, the same as the agent's."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos_go.traffic import histogram

TABLE = Path(__file__).parents[2] / "contract" / "histogram.json"
VALUES_US = st.integers(0, histogram.LARGEST_US)


@given(value_us=VALUES_US)
def test_a_value_lies_in_its_bucket_close_to_its_midpoint(value_us):
    bucket = histogram.index(value_us)
    low, high = histogram.bounds_us(bucket)
    assert low <= value_us <= high
    assert abs(histogram.midpoint_us(bucket) - value_us) < 0.004 * max(value_us, 1)


@given(value_us=st.integers(0, histogram.LARGEST_US - 1))
def test_buckets_have_no_gap_and_no_overlap(value_us):
    bucket = histogram.index(value_us)
    _, high = histogram.bounds_us(bucket)
    assert histogram.index(high) == bucket
    assert histogram.index(high + 1) == bucket + 1


@pytest.mark.parametrize(
    ("value_us", "bucket"), [(0, 0), (255, 255), (256, 256), (257, 256), (511, 383), (512, 384)]
)
def test_known_values_and_their_buckets(value_us, bucket):
    assert histogram.index(value_us) == bucket


def test_table_of_the_contract():
    for row in json.loads(TABLE.read_text()):
        bucket = histogram.index(row["value_us"])
        assert (bucket, *histogram.bounds_us(bucket)) == (
            row["index"],
            row["low_us"],
            row["high_us"],
        )


def test_larger_values_are_counted_as_the_largest():
    assert histogram.index(1 << 50) == histogram.index(histogram.LARGEST_US)


@given(first=st.lists(VALUES_US, min_size=1), second=st.lists(VALUES_US))
def test_merged_histograms_are_the_histogram_of_all_values(first, second):
    def of(values):
        return histogram.merge({histogram.index(value): 1} for value in values)

    merged = histogram.merge([of(first), of(second)])
    assert merged == of(first + second)
    assert histogram.count(merged) == len(first) + len(second)
    for rank, value in enumerate(sorted(first + second), start=1):
        assert histogram.bucket_at_rank(merged, rank) == histogram.index(value)


def test_a_rank_that_no_value_has_is_refused():
    with pytest.raises(ValueError, match="rank=3: there are only 2 values"):
        histogram.bucket_at_rank({5: 2}, 3)
    with pytest.raises(ValueError, match="rank=0"):
        histogram.bucket_at_rank({5: 2}, 0)


def test_negative_input_is_refused():
    with pytest.raises(ValueError, match="value_us=-1"):
        histogram.index(-1)
    with pytest.raises(ValueError, match="bucket=-1"):
        histogram.bounds_us(-1)
