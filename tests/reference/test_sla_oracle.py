"""Profiles against brute force: every shape and background on a fine grid."""

import math

import numpy as np
import pytest

from chaos_go.sla.families import FAMILIES
from chaos_go.sla.fit import counts, saturated
from chaos_go.sla.observations import Level
from chaos_go.sla.profile import profile

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
        log_b = float(np.interp(z, ours.root, ours.log_b))
        root = float(np.interp(log_b, ours.log_b, ours.root))
        log_likelihood = ours.top.log_likelihood - root**2 / 2
        theirs = brute_force(family, doses, n, k, log_b)
        assert theirs == pytest.approx(log_likelihood, abs=0.03)  # of either grid
