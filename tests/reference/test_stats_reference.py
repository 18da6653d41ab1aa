"""chaos_go.stats against scipy.stats and against published values."""

from itertools import product

import pytest
from scipy import stats as oracle

from chaos_go import stats

SIZES = [6, 10, 59, 368, 369, 500, 999, 1000, 5000, 10_000, 1_000_000]
CASES = [
    case
    for case in product(SIZES, [0.25, 0.5, 0.9, 0.95, 0.99, 0.999], [0.9, 0.95, 0.99])
    if case[0] >= stats.smallest_n(case[1], case[2])
]


@pytest.mark.parametrize(("n", "quantile", "confidence"), CASES)
def test_ranks_are_the_closest_that_have_the_coverage(n, quantile, confidence):
    low, _, high = stats.quantile_ranks(n, quantile, confidence)
    count = oracle.binom(n, quantile)  # how many observations lie at or below the true quantile
    tail = (1 - confidence) / 2
    assert count.cdf(low - 1) <= tail < count.cdf(low)
    assert count.sf(high - 1) <= tail < count.sf(high - 2)


@pytest.mark.parametrize(
    ("n", "low", "high"),
    [(6, 1, 6), (10, 2, 9), (20, 6, 15), (25, 8, 18), (30, 10, 21)],
    # The sign-test intervals of a median that textbooks of nonparametric statistics tabulate.
)
def test_median_intervals_of_the_textbooks(n, low, high):
    ranks = stats.quantile_ranks(n, 0.5)
    assert (ranks.low, ranks.high) == (low, high)


@pytest.mark.parametrize(("quantile", "n"), [(0.95, 59), (0.99, 299), (0.90, 29)])
def test_smallest_n_is_that_of_wilks(quantile, n):
    # S. S. Wilks, "Determination of sample sizes for setting tolerance limits", Annals of
    # Mathematical Statistics 12 (1941) 91-96: one-sided 95 % limits, so 90 % two-sided.
    assert stats.smallest_n(quantile, 0.90) == n


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in
    # Medicine 17 (1998) 857-872, table I, method 5 (Clopper-Pearson).
    [
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0000, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_proportion_intervals_of_newcombe(hits, n, low, high):
    interval = stats.proportion_interval(hits, n)
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@pytest.mark.parametrize("n", [1, 2, 72, 1000, 1_000_000])
@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.5, 1])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_proportion_intervals_of_scipy(n, share, confidence):
    hits = round(share * n)
    theirs = oracle.binomtest(hits, n).proportion_ci(confidence, method="exact")
    ours = stats.proportion_interval(hits, n, confidence)
    assert tuple(ours) == pytest.approx((theirs.low, theirs.high), rel=1e-9, abs=1e-12)
