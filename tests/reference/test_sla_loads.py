"""Several loads in one fit against scipy's minimisers, on data drawn from known curves."""

import math
from typing import NamedTuple

import numpy as np
import pytest
from scipy.optimize import isotonic_regression, minimize
from scipy.special import xlog1py, xlogy

from chaos_go.sla.average import average
from chaos_go.sla.dispersion import Dispersion
from chaos_go.sla.families import able, by_name
from chaos_go.sla.likelihood import counts, saturated, span
from chaos_go.sla.load_fits import order_p
from chaos_go.sla.loads import Joint, joint
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.profile import Profile, Top, profile
from chaos_go.sla.solve import back_calculate

BUDGET = 0.02
DOSES = (0.0, 100.0, 200.0, 300.0, 450.0, 600.0, 800.0)
REACH = 36.0
Z = 1.959963984540054


class Truth(NamedTuple):
    loads: list
    shape: float
    log_b: np.ndarray


def drawn(seed, n, apart=1.3, loads=3):
    """Draw counts from log-logistic curves whose thresholds fall by that factor or less."""
    rng = np.random.default_rng(seed)
    shape, thresholds = rng.uniform(2, 5), 500 / np.cumprod(rng.uniform(1, apart, loads))
    rows = []
    for threshold in thresholds:
        odds = BUDGET / (1 - BUDGET) * (np.array(DOSES) / threshold) ** shape
        k = rng.binomial(n, 0.003 + 0.997 * odds / (1 + odds))
        rows.append([Level(dose, n, int(hits)) for dose, hits in zip(DOSES, k, strict=True)])
    return Truth([counts(one) for one in rows], shape, np.log(thresholds))


def fitted(family, loads, budget=BUDGET):
    alone = [profile(family, data, budget, span(data, budget)) for data in loads]
    return joint(family, loads, budget, alone, REACH)


class Scipy:
    """Maxima over shape, backgrounds and thresholds: b of the first, and by how much they fall."""

    def __init__(self, family, truth, least_fall=0):
        self.family, self.loads = family, truth.loads
        self.count = len(truth.loads)
        shapes = np.linspace(0.1, 0.95, 9) if family.name == "hinge" else (truth.shape,)
        falls = np.maximum(-np.diff(truth.log_b), 0.01)
        backgrounds = [0.003] * self.count
        self.starts = [[one, *backgrounds, truth.log_b[0], *falls] for one in shapes]
        ends = (family.shapes[0], family.shapes[-1])
        few, many = [(0, 0.5)] * self.count, [(least_fall, 5)] * (self.count - 1)
        self.bounds = [ends, *few, (0, 9), *many]

    def log_b(self, at):
        return at[1 + self.count] - np.concatenate(([0], np.cumsum(at[2 + self.count :])))

    def minus(self, at):
        total = 0.0
        for data, background, log_b in zip(self.loads, at[1:], self.log_b(at), strict=False):
            risk = self.family.curve(data.log_dose, log_b, at[0], BUDGET).risk
            p = np.clip(background + (1 - background) * risk, 1e-12, 1 - 1e-12)
            total += float((xlogy(data.k, p) + xlog1py(data.n - data.k, -p)).sum())
        return -total

    def maximum(self):
        """Return the log-likelihood and the thresholds."""
        at = min((self.search(start) for start in self.starts), key=self.minus)
        return -self.minus(at), self.log_b(at)

    def search(self, at):
        before = math.inf
        while before - self.minus(at) > 1e-6:
            before = self.minus(at)
            at = minimize(self.minus, at, method="L-BFGS-B", bounds=self.bounds).x
            size = {"xatol": 1e-8, "fatol": 1e-8, "maxiter": 9000, "maxfev": 9000}
            at = minimize(self.minus, at, method="Nelder-Mead", bounds=self.bounds, options=size).x
        return at

    def given(self, load, log_b):
        """Return the log-likelihood where the threshold of a load is given."""
        first, fall = 1 + self.count, 1 + self.count + load
        free = Scipy.minus

        def minus(at):
            at = np.array(at)
            at[first] = log_b + at[first + 1 : fall + 1].sum()
            return free(self, at)

        self.minus = minus
        best = self.maximum()[0]
        del self.minus
        return best


NAMES = ("log-logistic", "weibull", "log-probit", "hinge")


@pytest.mark.parametrize(
    ("seed", "name", "n", "apart"),
    [
        *(
            pytest.param(seed, name, n, 1.3, marks=[pytest.mark.simulation] * (name == "hinge"))
            for seed, name, n in zip(range(8), 2 * NAMES, 3 * (500, 2000, 8000), strict=False)
        ),
        (8, "log-logistic", 1_000_000, 1.5),
        (9, "weibull", 2000, 1.0),
    ],
)
def test_the_joint_maximum_is_that_of_scipy(seed, name, n, apart):
    truth = drawn(seed, n, apart)
    family = by_name(name)
    found = fitted(family, truth.loads)
    log_likelihood, log_b = Scipy(family, truth).maximum()
    for one, theirs in zip(found.profiles, log_b, strict=True):
        assert one.top.log_likelihood == pytest.approx(log_likelihood, abs=1e-3)
        assert one.top.log_b == pytest.approx(theirs, abs=1e-3)


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("seed", "name", "n", "apart"),
    [(1, "weibull", 20_000, 1.6), (4, "log-logistic", 8000, 1.5), (3, "hinge", 2000, 1.0)],
)
@pytest.mark.parametrize("in_order", [True, False])
def test_the_limits_of_the_joint_profiles_are_those_of_scipy(seed, name, n, apart, in_order):
    truth = drawn(seed, n, apart)
    family = by_name(name)
    load = seed % 3
    found = fitted(family, truth.loads)
    ours = (found.profiles if in_order else found.unordered)[load]
    scipy = Scipy(family, truth, least_fall=0 if in_order else -5)
    enough = scipy.maximum()[0] - Z**2 / 2
    for z in (-Z, Z):
        limit = np.interp(z, ours.root, ours.log_b)
        inside, outside = limit - 0.003 * np.sign(z), limit + 0.003 * np.sign(z)
        assert scipy.given(load, inside) > enough > scipy.given(load, outside)


def tiny(seed):
    rng = np.random.default_rng(seed)
    loads = []
    for _ in range(rng.integers(2, 4)):
        doses = np.sort(rng.choice(DOSES[1:], rng.integers(1, 4), replace=False))
        sizes = rng.integers(1, 30, len(doses) + 1)
        rows = zip((0.0, *doses), sizes, rng.integers(0, sizes + 1), strict=True)
        loads.append(counts([Level(float(dose), int(n), int(k)) for dose, n, k in rows]))
    return loads


@pytest.mark.simulation
@pytest.mark.parametrize("budget", [0.005, 0.02, 0.1])
def test_no_curve_of_tiny_loads_beats_the_observed_proportions(budget):
    for seed in (0, 1, 2, 58, 63, 112):  # the last three are steps with a cliff beside them
        loads = tiny(seed)
        best = sum(saturated(data) for data in loads)
        for family in able(budget):
            found = fitted(family, loads, budget)
            tops = [one.top for one in found.profiles]
            assert max(found.any_order, *(top.log_likelihood for top in tops)) <= best + 1e-9
            thresholds = [top.log_b for top in tops]
            assert thresholds == sorted(thresholds, reverse=True)
            assert len({(top.log_likelihood, top.shape) for top in tops}) == 1


def told(truth):
    rows = []
    for load, data in enumerate(truth.loads):
        for dose, n, k in zip(DOSES, data.n, data.k, strict=True):
            rows.append(Level(dose, int(n), int(k), load_rps=float(load)))
    return back_calculate(Observations(tuple(rows), windowed=False), [0.005, BUDGET])


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_p_value_of_the_order_is_that_of_a_simulation(count):
    """Normal means that are equal, made monotone: how often they are as far off as one draw."""
    rng = np.random.default_rng(count)
    draws = rng.normal(size=(20_000, count))
    off = np.array([((row - isotonic_regression(row).x) ** 2).sum() for row in draws])
    spread = Dispersion(1.0, None, evident=False)

    def likely(log_likelihood):
        top = Top(0.0, 1.0, 0.0, log_likelihood)
        return (Profile(by_name("weibull"), np.zeros(1), np.zeros(1), top),) * count

    for x2 in (0.5, 2.0, 5.0, 8.0):
        p = order_p(Joint(likely(-100.0), likely(-100.0 + x2 / 2), 0.0), count, spread)
        assert p == pytest.approx((off > x2).mean(), abs=4 * math.sqrt(p / len(off)))
    assert order_p(Joint(likely(-100.0), likely(-100.0), 0.0), count, spread) == 1


@pytest.mark.simulation
def test_a_million_transactions_do_not_make_a_common_shape_unlike():
    assert told(drawn(1, 1_000_000)).likeness.shape_p > 0.05


@pytest.mark.simulation
@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_is_told_rises_with_the_load(seed):
    answer = told(drawn(seed, 1000, apart=1.0, loads=4))
    assert answer.likeness.shape_p > 0.05
    for at in range(2):
        thresholds = [load.thresholds[at] for load in answer.loads]
        for name in ("estimate_ms", "low_ms", "high_ms", "safe_ms"):
            values = [getattr(one, name) for one in thresholds]
            assert values == sorted(values, reverse=True)


@pytest.mark.simulation
@pytest.mark.parametrize("seed", range(3))
def test_the_order_alone_makes_no_interval_narrower(seed):
    """Equal thresholds: the ends that the order alone gives would leave out the truth too often."""
    truth = drawn(seed, 1000, apart=1.0)
    answer = told(truth)
    joints = [fitted(family, truth.loads) for family in able(BUDGET)]
    n = sum(float(data.n.sum()) for data in truth.loads)
    independent = Dispersion(1.0, None, evident=False)
    narrower = 0
    for at, load in enumerate(answer.loads):
        found = load.thresholds[1]
        ordered, free = (
            average([getattr(one, which)[at] for one in joints], n, 20.0, independent, 0.95)
            for which in ("profiles", "unordered")
        )
        narrower += ordered.quantiles.safe_ms > free.quantiles.safe_ms
        assert found.low_ms <= free.quantiles.low_ms
        assert found.high_ms >= free.quantiles.high_ms
        assert found.safe_ms <= free.quantiles.safe_ms
    assert narrower


def test_a_profile_does_not_end_where_steep_shapes_are_likely_too():
    """Where shapes up to a step are likely, the grid of shapes is wide; low limits were missing."""
    doses = (0, 100, 200, 400, 800, 1500)
    counts = {10: (2, 2, 1, 2, 8, 205), 20: (2, 2, 3, 2, 6, 437)}
    levels = tuple(
        Level(dose, 1000, k, load_rps=load)
        for load, ks in counts.items()
        for dose, k in zip(doses, ks, strict=True)
    )
    answer = back_calculate(Observations(levels, windowed=False), [0.01])
    # Limits of the log-logistic from a dense grid over shape and b, this one in steps of 0.8 %.
    for load, (low, high) in zip(answer.loads, ((906, 1083), (770, 966)), strict=True):
        (threshold,) = load.thresholds
        assert threshold.verdict == "bounded"
        fit = next(one for one in threshold.families if one.name == "log-logistic")
        assert (fit.low_ms, fit.high_ms) == pytest.approx((low, high), rel=8e-3)
