"""The curve of a back-calculation: its dose never falls, and it ends where nothing is known."""

import numpy as np
import pytest
from drawings import DOSES, RISING, observed

from chaos_go.sla import curve
from chaos_go.sla.latency import with_p99
from chaos_go.sla.observations import Observations
from chaos_go.sla.solve import back_calculate


def drawing(levels, *budgets):
    observations = Observations(tuple(levels), windowed=True)
    answer = with_p99(back_calculate(observations, budgets, 0.95), observations)
    return curve.drawing(answer, observations)


def rises(line):
    return (np.diff(line.doses_ms) >= 0).all() and (np.diff(line.impacts) >= 0).all()


def test_the_curve_begins_at_the_background_and_ends_at_the_highest_impact():
    drawn = drawing(observed(RISING, p99=True), 0.01)
    (one,) = drawn.curves
    (stretch,) = one.stretches
    assert stretch.average.doses_ms[0] == 0
    assert stretch.average.impacts[0] == pytest.approx(one.load.background, rel=1e-3)
    assert stretch.average.impacts[-1] == pytest.approx(280 / 5000, rel=0.02)
    assert one.p99.doses_ms == DOSES
    assert (drawn.governing, drawn.confidence) == (one.load, 0.95)
    assert (drawn.edge_ms, drawn.logarithmic) == (pytest.approx(1.06 * 800), False)


@pytest.mark.simulation
def test_the_band_crosses_a_budget_in_its_interval():
    (one,) = drawing(observed(RISING), 0.01).curves
    (limit,), (stretch,) = one.load.thresholds, one.stretches
    height = one.load.impact(0.01)
    for name, line in (("low", stretch.low), ("estimate", stretch.average), ("high", stretch.high)):
        crossed = np.interp(height, line.impacts, line.doses_ms)
        assert crossed == pytest.approx(getattr(limit, f"{name}_ms"), rel=0.01)


@pytest.mark.simulation
def test_there_is_no_curve_below_a_budget_without_an_estimate():
    """The only dose has 6 %: the dose of a smaller risk is unknown, and no line begins at 0."""
    (one,) = drawing(observed((2, 60), (0.0, 300.0), n=1000), 0.01).curves
    assert [min(stretch.average.impacts) > 0.01 for stretch in one.stretches] == [True]


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("k", "doses"),
    [
        ((1, 2, 60), (0.0, 300.0, 500.0)),
        ((8, 8, 9, 12, 260, 800), (0.0, 1.0, 10.0, 100.0, 1000.0, 5000.0)),
        ((1, 0, 0, 900), (0.0, 100.0, 300.0, 301.0)),
    ],
)
def test_no_curve_goes_back(k, doses):
    drawn = drawing(observed(k, doses, n=1000), 0.01)
    (one,) = drawn.curves
    assert one.models
    assert all(rises(line) for line in (*one.models, *(each.average for each in one.stretches)))
    assert drawn.logarithmic == (doses[-1] == 5000)
    highest = max(max(stretch.high.doses_ms) for stretch in one.stretches)
    assert highest <= drawn.edge_ms * (1 + 1e-9)


@pytest.mark.simulation
@pytest.mark.timeout(180)  # it calculates for seconds, longer on a busy machine
def test_no_curve_goes_over_a_range_without_a_limit():
    drawn = drawing(
        [
            *observed((1, 1, 3, 30, 90), n=1000, load_rps=10.0),
            *observed((30, 110, 40, 35, 180), n=1000, load_rps=20.0),  # no limit at 1 %
            *observed((1, 2, 8, 50, 120), n=1000, load_rps=30.0),
        ],
        0.01,
    )
    safe = [one.load.thresholds[0].safe_ms for one in drawn.curves]
    assert [limit is None for limit in safe] == [False, True, False]
    assert drawn.governing.load_rps == 20
    odd = drawn.curves[1].stretches
    assert odd
    assert min(min(stretch.average.impacts) for stretch in odd) > 0.05
