"""A step, such as a timeout causes: it may be anywhere between two doses, as the answer says."""

import numpy as np
import pytest

from chaos_go.sla.design import next_level
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.solve import back_calculate

DOSES = (0.0, 100.0, 300.0, 500.0, 650.0, 800.0)


def observed(k, load_rps=None, doses=DOSES):
    rows = zip(doses, k, strict=True)
    return tuple(Level(dose, 1000, hits, load_rps=load_rps) for dose, hits in rows)


def only(k, budget=0.02):
    answer = back_calculate(Observations(observed(k), windowed=False), [budget])
    return answer, answer.thresholds[0]


@pytest.mark.parametrize("height", [50, 58, 100, 240, 500, 900, 999])
@pytest.mark.parametrize("budget", [0.005, 0.01, 0.02])
def test_the_interval_is_that_share_of_the_gap(height, budget):
    answer, found = only([2, 1, 3, 2, height + 1, height - 1], budget)
    assert found.low_ms == pytest.approx(500 + 0.025 * 150, abs=4)
    assert found.safe_ms == pytest.approx(500 + 0.05 * 150, abs=4)
    assert found.estimate_ms == pytest.approx(575, abs=10)
    assert found.high_ms == pytest.approx(650 - 0.025 * 150, abs=4)
    assert found.verdict == "bounded"
    assert answer.fit.p > 0.05
    assert "lack-of-fit" not in found.flags


def test_a_step_is_reported_as_a_limit_of_hill():
    answer, found = only([2, 1, 3, 2, 500, 500])
    (hill,) = (one for one in found.families if one.name == "hill")
    assert answer.fit.df == 3  # six levels: background, height and place were fitted, no shape
    assert hill.weight > 0.99
    assert 500 < hill.low_ms < hill.safe_ms < hill.estimate_ms < hill.high_ms < 650
    assert hill.estimate_ms == pytest.approx(575, abs=10)


def test_a_budget_above_every_plateau_but_that_of_a_step_is_answered():
    _, found = only([2, 1, 3, 2, 500, 500], budget=0.3)
    assert 500 < found.low_ms < found.high_ms < 650


def test_a_level_between_two_doses_leaves_no_step():
    _, found = only([2, 1, 3, 11, 35, 58])
    (hill,) = (one for one in found.families if one.name == "hill")
    assert hill.weight < 0.25
    assert 515 < hill.low_ms < hill.high_ms < 640  # of a curve, not the whole gap


@pytest.mark.simulation
@pytest.mark.parametrize("height", [0.056, 0.5, 1.0])
def test_intervals_contain_a_step_at_any_place_as_often_as_they_claim(height):
    rng = np.random.default_rng(3)
    covered = safe = 0
    for at in range(60):
        step_ms = 500 + 150 * (at + 0.5) / 60
        risks = [0.002 + 0.998 * height * (dose >= step_ms) for dose in DOSES]
        _, found = only(rng.binomial(1000, risks).tolist())
        covered += found.low_ms <= step_ms <= found.high_ms
        safe += found.safe_ms <= step_ms
    assert covered >= 54
    assert safe >= 54


def test_the_next_levels_narrow_the_gap():
    levels = {0.0: 2}
    for _ in range(8):
        rows = tuple(Level(dose, 1000, k) for dose, k in sorted(levels.items()))
        found = next_level(
            Observations(rows, windowed=False),
            0.02,
            start_ms=100,
            max_dose_ms=1600,
            target_width=0,
            rejected_budget=10_000,
        )
        levels[found.dose_ms] = 500 if found.dose_ms >= 517 else 2
    within, beyond = max(d for d in levels if d < 517), min(d for d in levels if d >= 517)
    assert beyond - within < 400 / 2**3  # four levels went to 800 ms


@pytest.mark.simulation
def test_loads_with_steps_are_bounded_by_their_gaps():
    low = observed([2, 1, 3, 2, 3, 60], load_rps=50.0)
    high = observed([2, 1, 3, 2, 58, 61], load_rps=90.0)
    answer = back_calculate(Observations(low + high, windowed=False), [0.02])
    assert not answer.likeness.apart
    for load, (within_ms, beyond_ms) in zip(answer.loads, ((650, 800), (500, 650)), strict=True):
        found = load.thresholds[0]
        gap = beyond_ms - within_ms
        assert within_ms - 0.03 * gap < found.low_ms < within_ms + 0.1 * gap
        assert beyond_ms - 0.1 * gap < found.high_ms < beyond_ms + 0.03 * gap


@pytest.mark.parametrize(
    ("doses", "k", "within_ms", "beyond_ms"),
    [
        ((0, 100, 800, 1000), (2, 2, 500, 500), 100, 800),
        ((0, 100, 300, 1200, 1500), (2, 2, 3, 500, 500), 300, 1200),
        ((0, 300, 500, 510, 800), (2, 2, 3, 500, 500), 500, 510),
        ((0, 50, 100, 120, 200, 400), (0, 0, 0, 1000, 1000, 1000), 100, 120),
    ],
)
def test_wide_and_narrow_gaps_end_at_their_doses(doses, k, within_ms, beyond_ms):
    levels = observed(k, doses=doses)
    (found,) = back_calculate(Observations(levels, windowed=False), [0.02]).thresholds
    gap = beyond_ms - within_ms
    assert found.verdict == "bounded"
    assert within_ms < found.low_ms < found.safe_ms < within_ms + 0.08 * gap
    assert beyond_ms - 0.08 * gap < found.high_ms < beyond_ms


@pytest.mark.simulation
@pytest.mark.parametrize("gap", [150, 60, 20, 5])
def test_loads_find_the_step_in_a_narrow_gap(gap):
    """Without a grid point in the gap, the fit failed or the loads seemed to differ."""
    doses = (0, 100, 300, 500, 500 + gap, 800)
    low = observed([2, 1, 3, 2, 500, 500], 50.0, doses)
    high = observed([3, 1, 2, 2, 510, 500], 90.0, doses)
    answer = back_calculate(Observations(low + high, windowed=False), [0.02])
    assert not answer.likeness.apart
    assert answer.fit.p > 0.5
    for load in answer.loads:
        (found,) = load.thresholds
        (hill,) = (one for one in found.families if one.name == "hill")
        assert 499 < found.low_ms < found.estimate_ms < found.high_ms < 501 + gap
        assert hill.estimate_ms == pytest.approx(500 + gap / 2, rel=0.01)
