"""Profiles against brute force: every shape and background on a fine grid."""

import math

import numpy as np
import pytest

from chaos_go.sla.families import FAMILIES
from chaos_go.sla.likelihood import counts, saturated
from chaos_go.sla.loads import joint
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.profile import profile
from chaos_go.sla.solve import back_calculate

BUDGET = 0.02
SETS = {
    "a knee": ([0, 100, 300, 500, 650, 800], 1000, [2, 3, 2, 20, 36, 58]),
    "no background": ([0, 20, 60, 150, 400], 300, [0, 2, 9, 30, 160]),
    "saturated": ([0, 50, 100, 200, 400, 800], 2000, [10, 12, 40, 130, 160, 158]),
}
HOPELESS = 20.0  # below the log-likelihood of the proportions, such a family has no weight


def brute_force(family, doses, n, k, log_b):
    grid = np.linspace(0, len(family.shapes) - 1, 1200)
    shapes = np.interp(grid, np.arange(len(family.shapes)), family.shapes)
    backgrounds = np.concatenate([[0.0], np.geomspace(3e-4, 0.1, 120)])
    with np.errstate(divide="ignore"):
        log_x = np.log(np.array(doses, dtype=float))
    risk = family.curve(log_x, np.array(log_b), shapes[:, None], BUDGET).risk
    p = backgrounds[:, None, None] + (1 - backgrounds[:, None, None]) * risk
    p = np.clip(p, 1e-12, 1 - 1e-12)
    hits = np.array(k, dtype=float)
    return float((np.log(p) @ hits + np.log1p(-p) @ (n - hits)).max())


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: f"{one.name} {one.plateau:g}")
def test_profile_is_the_best_of_a_grid(family, name):
    doses, n, k = SETS[name]
    data = counts([Level(dose, n, hits) for dose, hits in zip(doses, k, strict=True)])
    bounds = (math.log(doses[1] * BUDGET / 10), math.log(doses[-1] * 10))
    ours = profile(family, data, BUDGET, bounds)
    if ours.top.log_likelihood < saturated(data) - HOPELESS:
        return
    for z in (-2.0, 0.0, 1.5):
        at = int(np.abs(ours.root - z).argmin())
        log_b, root = float(ours.log_b[at]), float(ours.root[at])
        log_likelihood = ours.top.log_likelihood - root**2 / 2
        theirs = brute_force(family, doses, n, k, log_b)
        assert theirs == pytest.approx(log_likelihood, abs=0.03)  # of either grid


@pytest.mark.simulation
def test_loads_that_contradict_their_order_are_fitted_within_it():
    doses, budget = [0, 100, 200, 300, 400, 600, 800], 0.02
    impacts = {
        50: [4, 5, 7, 20, 60, 263, 539],  # the thresholds alone are 311, 402 and 610 ms
        100: [4, 2, 3, 13, 21, 75, 174],
        200: [1, 3, 2, 7, 3, 25, 44],
    }
    rows = {
        load: [Level(d, 1000, k, load_rps=load) for d, k in zip(doses, ks, strict=True)]
        for load, ks in impacts.items()
    }
    loads = [counts(levels) for levels in rows.values()]
    family = next(one for one in FAMILIES if one.name == "log-logistic")
    bounds = (math.log(0.2), math.log(8000))
    alone = [profile(family, data, budget, bounds) for data in loads]
    found = joint(family, loads, budget, alone, 36.0)
    for one in found.profiles:  # scipy's minimize over shape, backgrounds, ordered thresholds
        assert one.top.log_likelihood == pytest.approx(-3567.7084, abs=0.005)
        assert math.exp(one.top.log_b) == pytest.approx(399.755, rel=2e-3)
        assert one.top.shape == pytest.approx(3.993, rel=0.01)  # of a grid
    observations = Observations(tuple(one for load in rows.values() for one in load), False)
    answer = back_calculate(observations, [budget])
    assert answer.likeness.shape_p > 0.05  # the shapes are alike, it is the order that is wrong
    for load in answer.loads:
        assert "lack-of-fit" in load.thresholds[0].flags


@pytest.mark.simulation
def test_no_curve_of_several_loads_beats_the_observed_proportions():
    # Steep shapes fall off a cliff here, over which a parabola would rise without limit.
    curves = {
        10: [(0, 21, 0), (353, 41, 0), (874, 3565, 6), (1177, 18, 1)],
        20: [(0, 1435, 1), (242, 1093, 2), (386, 762, 1)],
        30: [(0, 472, 0), (427, 345, 0), (491, 1474, 4), (741, 5077, 37), (1240, 4294, 30)],
        40: [(0, 61, 0), (261, 21, 5), (518, 594, 197), (581, 1742, 473), (936, 25, 4)],
    }
    rows = [Level(*row, load_rps=load) for load, curve in curves.items() for row in curve]
    best = sum(saturated(counts([Level(*row) for row in curve])) for curve in curves.values())
    answer = back_calculate(Observations(tuple(rows), False), [0.005, 0.01, 0.03])
    for load in answer.loads:
        for threshold in load.thresholds:
            assert all(part.log_likelihood <= best for part in threshold.families)
