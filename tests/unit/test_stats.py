"""Intervals of quantiles and proportions."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos_go import stats


def test_the_smallest_n_of_the_p99():
    n = stats.smallest_n(0.99)
    assert 0.99**n <= 0.025 < 0.99 ** (n - 1)
    assert n == 368


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.95, 0.99, 0.999])
def test_at_the_smallest_n_the_largest_observation_is_the_upper_limit(quantile):
    n = stats.smallest_n(quantile)
    assert stats.quantile_ranks(n, quantile).high == n
    with pytest.raises(ValueError, match=f"n={n - 1}.*{n} are needed"):
        stats.quantile_ranks(n - 1, quantile)


def test_smallest_n_is_symmetric():
    assert stats.smallest_n(0.01) == stats.smallest_n(0.99)


@pytest.mark.parametrize(
    ("n", "value"), [(400, 396), (700, 693), (1000, 990), (1001, 991), (10_000, 9900)]
)
def test_value_is_the_nearest_rank(n, value):
    assert stats.quantile_ranks(n, 0.99).value == value


def test_the_rank_does_not_depend_on_binary_rounding():
    assert 0.07 * 100 > 7
    assert stats.quantile_ranks(100, 0.07).value == 7


@given(
    n=st.integers(1, 100_000),
    quantile=st.sampled_from([0.05, 0.5, 0.9, 0.99]),
    confidence=st.sampled_from([0.8, 0.95, 0.99]),
)
@settings(max_examples=200, deadline=None)
def test_ranks_are_ordered_and_within_the_sample(n, quantile, confidence):
    if n < stats.smallest_n(quantile, confidence):
        with pytest.raises(ValueError, match="too few"):
            stats.quantile_ranks(n, quantile, confidence)
        return
    ranks = stats.quantile_ranks(n, quantile, confidence)
    assert 1 <= ranks.low <= ranks.value <= ranks.high <= n


def test_p99_interval_covers_the_true_value_as_often_as_it_claims():
    rng = random.Random(20_261_125)
    repeats, n, covered = 1000, 500, 0
    ranks = stats.quantile_ranks(n, 0.99)
    for _ in range(repeats):
        sample = sorted(rng.random() for _ in range(n))
        covered += sample[ranks.low - 1] <= 0.99 <= sample[ranks.high - 1]
    assert covered >= 0.95 * repeats


def test_proportion_of_none_and_of_all():
    assert stats.proportion_interval(0, 100).low == 0
    assert stats.proportion_interval(100, 100).high == 1


@given(n=st.integers(1, 10_000), data=st.data())
@settings(max_examples=200, deadline=None)
def test_proportion_interval_encloses_what_was_seen(n, data):
    hits = data.draw(st.integers(0, n))
    low, high = stats.proportion_interval(hits, n)
    assert 0 <= low <= hits / n <= high <= 1
    mirrored = stats.proportion_interval(n - hits, n)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize("wrong", [0, 1, -0.1, 99, float("nan")])
def test_a_number_that_is_not_a_fraction_is_refused(wrong):
    with pytest.raises(ValueError, match="quantile="):
        stats.smallest_n(wrong)
    with pytest.raises(ValueError, match="confidence="):
        stats.smallest_n(0.99, wrong)
    with pytest.raises(ValueError, match="confidence="):
        stats.proportion_interval(1, 2, wrong)


@pytest.mark.parametrize(("hits", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_are_refused(hits, n):
    with pytest.raises(ValueError, match=f"hits={hits}, n={n}"):
        stats.proportion_interval(hits, n)
