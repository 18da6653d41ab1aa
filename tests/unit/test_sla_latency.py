"""P99 as a function of the dose, and limits taken to the P99 axis."""

import pytest

from chaos_go.sla.answer import Answer, Fit, Load, Threshold
from chaos_go.sla.latency import curve, isotonic, with_p99
from chaos_go.sla.observations import Level, Observations


def level(dose_ms, p99_ms, low=None, high=None, load=None, n=100):
    return Level(dose_ms, n, 1, load_rps=load, p99_ms=p99_ms, p99_low_ms=low, p99_high_ms=high)


LEVELS = (
    level(0, 50, 45, 60),
    level(100, 160, 150, 170),
    level(300, 360, 340, 400),
    level(500, 2000, 1900, None),
)


def threshold(estimate=200.0, low=150.0, high=300.0, safe=160.0):
    return Threshold(0.01, 0.95, estimate, low, high, safe, "bounded", (), ())


def test_isotonic_regression_is_what_r_and_scikit_learn_give():
    values = [1, 0, 4, 3, 3, 5, 4, 2, 0]
    assert isotonic(values, [1] * 9) == pytest.approx([0.5, 0.5, 3, 3, 3, 3, 3, 3, 3])


def test_isotonic_regression_uses_weights():
    assert isotonic([3, 1], [3, 1]) == [2.5, 2.5]


def test_the_p99_is_interpolated_between_the_doses_and_unknown_outside():
    fitted = curve(LEVELS)
    assert fitted.at(0) == 50
    assert fitted.at(50) == 105
    assert fitted.at(200) == 260
    assert fitted.at(500) == 2000
    assert fitted.at(500.1) is None
    assert fitted.at(None) is None


def test_an_unbounded_p99_has_no_upper_limit_from_there_on():
    fitted = curve(LEVELS)
    assert fitted.high_at(300) == 400
    assert fitted.high_at(301) is None
    assert fitted.low_at(400) == 1120


def test_the_dose_for_a_p99_is_the_inverse():
    fitted = curve(LEVELS)
    for dose in (0, 10, 100, 250, 499, 500):
        assert fitted.dose_for(fitted.at(dose)) == pytest.approx(dose)
    assert fitted.dose_for(49) is None
    assert fitted.dose_for(2001) is None


def test_if_the_p99_stays_the_same_the_largest_dose_is_returned():
    fitted = curve([level(0, 50), level(100, 50), level(200, 90)])
    assert fitted.dose_for(50) == 100


def test_a_limit_adds_both_uncertainties():
    answer = Answer(0.0, 1.0, Fit(0, 1, 1), (threshold(),))
    limit = with_p99(answer, Observations(LEVELS, True)).thresholds[0].p99
    assert limit.estimate_ms == 260
    assert limit.low_ms == pytest.approx(150 + 190 / 4)
    assert limit.high_ms == 400
    assert limit.safe_ms == pytest.approx(150 + 190 * 0.3)


def test_a_limit_without_a_dose_has_no_p99():
    answer = Answer(0.0, 1.0, Fit(0, 1, 1), (threshold(None, None, None, 400.0),))
    limit = with_p99(answer, Observations(LEVELS, True)).thresholds[0].p99
    assert (limit.estimate_ms, limit.low_ms, limit.high_ms) == (None, None, None)
    assert limit.safe_ms == 1120


def test_a_p99_without_limits_is_taken_as_exact():
    fitted = curve([level(0, 50), level(400, 450)])
    assert (fitted.low_at(200), fitted.at(200), fitted.high_at(200)) == (250, 250, 250)


def test_limits_stay_on_their_side_of_the_p99_where_one_is_not_known():
    """The P99 falls to 285 ms, where its lower limit is unknown: averaged alone it stays at 293."""
    fitted = curve([level(0, 50, 49, 51), level(200, 295, 293, 299), level(300, 285, None, 299)])
    assert fitted.p99_ms == (50, 290, 290)
    assert fitted.low_ms == (49, 290, 290)
    fitted = curve([level(0, 50, 49, 51), level(200, 295, 293, 296), level(300, 305, 303, None)])
    assert fitted.high_ms == (51, 296, None)


def test_a_p99_limit_of_zero_is_no_limit():
    """A lower limit of 0 ms says nothing; the dose is the limit then."""
    answer = Answer(0.0, 1.0, Fit(0, 1, 1), (threshold(),))
    levels = (level(0, 50, 0, 60), level(300, 360, 0, 400))
    limit = with_p99(answer, Observations(levels, True)).thresholds[0].p99
    assert (limit.safe_ms, limit.estimate_ms) == (None, pytest.approx(50 + 310 * 2 / 3))


def test_without_a_p99_the_answer_stays_as_it_is():
    answer = Answer(0.0, 1.0, Fit(0, 1, 1), (threshold(),))
    assert with_p99(answer, Observations((Level(0, 9, 1), Level(300, 9, 2)), True)) == answer


def test_every_load_has_its_own_curve_and_the_answer_that_of_the_highest():
    levels = [level(dose, dose + load, load=load) for load in (10, 50) for dose in (0, 500)]
    loads = tuple(Load(load, 0.0, (threshold(),)) for load in (10, 50))
    answer = Answer(0.0, 1.0, Fit(0, 1, 1), (threshold(),), loads)
    found = with_p99(answer, Observations(tuple(levels), True))
    assert [load.thresholds[0].p99.estimate_ms for load in found.loads] == [210, 250]
    assert found.thresholds[0].p99.estimate_ms == 250


def test_json_has_the_p99_also_without_loads():
    answer = Answer(0.0, 1.0, Fit(0, 1, 1), (threshold(),))
    told = with_p99(answer, Observations(LEVELS, True)).as_json()
    assert told["loads"][0]["thresholds"][0]["p99"]["estimate_ms"] == 260
