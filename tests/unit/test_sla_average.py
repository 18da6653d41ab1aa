"""The average of the families: with few impacts its interval is wider below the maximum."""

import math
from dataclasses import astuple, replace

import pytest

from chaos_go.sla.average import Quantiles, average, falling, widened
from chaos_go.sla.dispersion import Dispersion
from chaos_go.sla.families import FAMILIES
from chaos_go.sla.likelihood import counts
from chaos_go.sla.observations import Level
from chaos_go.sla.profile import profile

ROWS = ((0.0, 2), (100.0, 1), (300.0, 7), (500.0, 20), (800.0, 60))
DATA = counts([Level(dose, 1000, k) for dose, k in ROWS])
BUDGET = 0.005
MANY = 1e12


def mixed(families, impacts, phi=1.0, confidence=0.95):
    bounds = (math.log(0.05), math.log(8000))
    profiles = [profile(family, DATA, BUDGET, bounds) for family in families]
    return average(profiles, 5000, impacts, Dispersion(phi, None, evident=False), confidence)


@pytest.mark.parametrize(
    ("impacts", "phi", "stretch"),
    [(5.0, 1.0, math.sqrt(1.15)), (0.75, 1.0, math.sqrt(2)), (5.0, 2.0, math.sqrt(1.3))],
)
def test_few_impacts_put_the_lower_limit_where_a_wider_distribution_has_it(impacts, phi, stretch):
    z = 1.959964 * stretch
    found = mixed(FAMILIES[:1], impacts, phi).quantiles
    wider = mixed(FAMILIES[:1], MANY, phi, math.erf(z / math.sqrt(2))).quantiles
    plain = mixed(FAMILIES[:1], MANY, phi).quantiles
    assert found.low_ms == pytest.approx(wider.low_ms, rel=1e-6)
    assert found.low_ms < plain.low_ms
    assert found.safe_ms < plain.safe_ms
    assert found.high_ms == plain.high_ms
    assert found.estimate_ms == pytest.approx(plain.estimate_ms, rel=1e-3)


def test_few_impacts_change_nothing_of_a_family_by_itself():
    few, many = mixed(FAMILIES, 2.0), mixed(FAMILIES, MANY)
    assert [astuple(one) for one in few.families] == [astuple(one) for one in many.families]
    assert few.quantiles.low_ms < many.quantiles.low_ms


def made_to_fall(*told):
    one = mixed(FAMILIES[:1], MANY)
    return [each.quantiles for each in falling([replace(one, quantiles=each) for each in told])]


def test_what_rises_with_the_load_is_moved_so_that_no_interval_is_narrower():
    found = made_to_fall(  # estimate, low, high, safe
        Quantiles(500.0, 440.0, 600.0, 450.0),
        Quantiles(510.0, 480.0, 590.0, 470.0),
        Quantiles(None, 300.0, 610.0, 310.0),
    )
    assert found == [
        Quantiles(500.0, 440.0, 610.0, 450.0),
        Quantiles(500.0, 440.0, 610.0, 450.0),
        Quantiles(None, 300.0, 610.0, 310.0),
    ]


def test_a_load_has_no_limit_that_a_lower_load_does_not_have():
    found = made_to_fall(
        Quantiles(500.0, None, 600.0, 450.0),
        Quantiles(510.0, 480.0, None, None),
        Quantiles(400.0, 300.0, 610.0, 310.0),
    )
    assert found == [
        Quantiles(500.0, None, None, 450.0),
        Quantiles(500.0, None, None, None),
        Quantiles(400.0, None, 610.0, None),
    ]


def test_limits_of_two_distributions_are_those_farther_out():
    one = replace(mixed(FAMILIES[:1], MANY), quantiles=Quantiles(500.0, 440.0, 600.0, None))
    assert widened(one, Quantiles(490.0, 450.0, 620.0, 300.0)).quantiles == Quantiles(
        500.0, 440.0, 620.0, None
    )
    assert widened(one, Quantiles(None, 430.0, None, None)).quantiles == Quantiles(
        500.0, 430.0, 600.0, None
    )
