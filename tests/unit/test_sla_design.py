"""next_level, driven to its end on curves that are known."""

import math

import numpy as np
import pytest

from chaos_go.sla.design import next_level
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.solve import back_calculate


def observations(*rows):
    levels = tuple(Level(dose, n, k) for dose, n, k in sorted(rows))
    return Observations(levels, windowed=False)


def step(*rows, **changed):
    limits = {"start_ms": 100, "max_dose_ms": 1600, "target_width": 0.3, "rejected_budget": 10_000}
    return next_level(observations(*rows), 0.02, **{**limits, **changed})


BASELINE = (0.0, 1000, 2)


def test_the_ladder_begins_at_its_start():
    assert step(BASELINE).dose_ms == 100
    assert step(BASELINE, max_dose_ms=60).dose_ms == 60


def test_the_ladder_doubles_up_to_the_abort_level():
    assert step(BASELINE, (100.0, 1000, 2)).dose_ms == 200
    assert step(BASELINE, (100.0, 1000, 2), max_dose_ms=150).dose_ms == 150
    done = step(BASELINE, (100.0, 1000, 2), max_dose_ms=100)
    assert done.dose_ms is None
    assert "100 ms, the highest dose allowed" in done.reason


def test_a_little_above_the_budget_still_climbs():
    assert step(BASELINE, (100.0, 1000, 26)).dose_ms == 140


def test_near_the_budget_the_ladder_climbs_in_smaller_steps():
    assert step(BASELINE, (100.0, 1000, 11)).dose_ms == 200
    assert step(BASELINE, (100.0, 1000, 13)).dose_ms == 140
    assert step(BASELINE, (100.0, 1000, 13), max_dose_ms=139.6).dose_ms == 139.6


def test_above_the_budget_but_not_with_the_levels_beyond_goes_a_little_further():
    rows = ((200.0, 1000, 28), (220.0, 1000, 15), (240.0, 1000, 12))
    found = step(BASELINE, (100.0, 1000, 2), *rows)
    assert found.dose_ms == 336
    assert step(BASELINE, (100.0, 1000, 2), *rows, max_dose_ms=240).dose_ms is None


def test_clearly_above_goes_half_way_from_the_estimate_to_its_lower_limit():
    rows = (BASELINE, (100.0, 1000, 3), (200.0, 1000, 3), (400.0, 1000, 80))
    (told,) = back_calculate(observations(*rows), [0.02]).thresholds
    found = step(*rows)
    assert 200 < told.low_ms < found.dose_ms < told.estimate_ms < 400
    assert found.dose_ms == pytest.approx(math.sqrt(told.low_ms * told.estimate_ms), abs=0.5)
    assert "just below the best estimate" in found.reason


def test_without_a_lower_limit_it_goes_to_the_estimate():
    rows = (BASELINE, (500.0, 1000, 60))
    (told,) = back_calculate(observations(*rows), [0.02]).thresholds
    assert told.low_ms is None
    assert step(*rows).dose_ms == pytest.approx(told.estimate_ms, abs=0.5)


def test_the_first_dose_far_above_goes_below_it():
    found = step(BASELINE, (100.0, 1000, 700))
    assert 0 < found.dose_ms < 100


def test_the_rejected_budget_ends_it():
    done = step(BASELINE, (100.0, 1000, 3), (200.0, 1000, 80), rejected_budget=83)
    assert done.dose_ms is None
    assert "83 transactions" in done.reason
    assert step(BASELINE, (100.0, 1000, 3), (200.0, 1000, 80), rejected_budget=84).dose_ms


def test_the_highest_load_decides():
    rows = [Level(d, 1000, k, load_rps=50.0) for d, k in ((0.0, 2), (100.0, 2), (200.0, 90))]
    rows += [Level(d, 1000, k, load_rps=90.0) for d, k in ((0.0, 2), (100.0, 2))]
    limits = {"max_dose_ms": 1600, "target_width": 0.3, "rejected_budget": 10_000}
    found = next_level(Observations(tuple(rows), False), 0.02, start_ms=100, **limits)
    assert found.dose_ms == 200


@pytest.mark.parametrize("dose_2", [60, 300, 900])
def test_it_narrows_down_and_stops(dose_2):
    rng = np.random.default_rng(7)
    sums = {0.0: (2000, int(rng.binomial(2000, 0.002)))}
    for _ in range(25):
        found = step(*((dose, n, k) for dose, (n, k) in sums.items()))
        if found.dose_ms is None:
            break
        assert 0 < found.dose_ms <= 1600
        odds = (0.02 / 0.98) * (found.dose_ms / dose_2) ** 4
        n, k = sums.get(found.dose_ms, (0, 0))
        more = int(rng.binomial(2000, 0.002 + 0.998 * odds / (1 + odds)))
        sums[found.dose_ms] = (n + 2000, k + more)
    assert "is narrow" in found.reason
    low, high = (float(word) for word in found.reason.split() if word.isdigit())
    assert math.log(high / low) < 0.35
    assert low * 0.8 < dose_2 < high * 1.2


def test_doses_below_a_millisecond_are_never_0():
    assert step(BASELINE, start_ms=0.02).dose_ms == 0.02
    assert step(BASELINE, (0.02, 1000, 2), start_ms=0.02).dose_ms == 0.04
