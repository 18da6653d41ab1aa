"""Several loads in one fit: a common family and shape, a background and threshold for each load.

More load never makes a service more patient, so the threshold does not rise with the load. For one
shape the loads depend on each other only by that order, hence the best thresholds of all other
loads, for every threshold of one, are running maxima over a grid: exact, without an optimiser.
Whether the loads have a common shape is tested by the likelihood ratio against a fit of each.

Source: D. G. Kleinbaum, M. Klein, "Logistic Regression", Springer 2010, chapter 5 (likelihood-ratio
tests of nested models).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chaos_go.sla.families import Array, Family
from chaos_go.sla.fit import MOST_BACKGROUND, Counts, likelihood
from chaos_go.sla.profile import Profile, Top, along_shapes, interpolate, signed_root

_POINTS = 400
_SHAPES = 32
_COARSE_POINTS = 60
_STEEP = 1e3


class Joint(NamedTuple):
    """The joint fit of one family.

    Attributes:
        profiles: one per load, in the order of the loads; their likelihoods are those of all loads.
        ratio: twice the drop of the log-likelihood by the common shape, before division by phi.
        unordered: log-likelihood with the common shape, but thresholds in any order.
    """

    profiles: tuple[Profile, ...]
    ratio: float
    unordered: float


def joint(
    family: Family,
    loads: Sequence[Counts],
    budget: float,
    separate: Sequence[Profile],
    reach: float,
    most_background: float = MOST_BACKGROUND,
) -> Joint:
    """Fit all loads, ascending, with one shape.

    Args:
        family: of curves.
        loads: counts of each load, in ascending order of load.
        budget: extra risk at the thresholds.
        separate: the profile of each load by itself, over which the thresholds are searched.
        reach: twice the drop of the log-likelihood up to which shapes are looked at.
        most_background: upper bound of the background.
    """
    ranges = [(float(one.log_b[0]), float(one.log_b[-1])) for one in separate]
    search = _Search(family, loads, budget, ranges, most_background)
    alone = sum(one.top.log_likelihood for one in separate)
    shapes, log_b, surface = _narrowed(search, reach)
    if not _inside(log_b, _in_order(surface), ranges):  # the order is far from what was observed
        whole = (min(low for low, _ in ranges), max(high for _, high in ranges))
        search = search._replace(ranges=[whole] * len(loads))
        shapes, log_b, surface = _narrowed(search, reach)
    free, _ = along_shapes(surface.max(axis=1).sum(axis=0)[None, :], shapes)
    ratio = 2 * (alone - float(free[0]))
    size = replace(family, parameters=family.parameters + 2 * (len(loads) - 1))
    ordered = _in_order(surface)
    profiles = tuple(
        _profile(size, data, budget, log_b, shapes, values, most_background)
        for data, values in zip(loads, ordered, strict=True)
    )
    return Joint(profiles, max(ratio, 0.0), float(free[0]))


def _narrowed(search: "_Search", reach: float) -> tuple[Array, Array, Array]:
    """Give shapes, doses and the likelihoods there, around the maxima with and without order."""
    low = min(low for low, _ in search.ranges)
    high = max(high for _, high in search.ranges)
    shapes, log_b = search.family.shapes, np.linspace(low, high, _COARSE_POINTS)
    for points in (_COARSE_POINTS, _COARSE_POINTS, _POINTS):
        surface = search.surface(log_b, shapes)
        ordered = _in_order(surface)
        drop = 2 * (ordered.max() - ordered)
        free = surface.max(axis=1).sum(axis=0)
        apart = surface[:, :, int(free.argmax())]
        near_b = (drop.min(axis=(0, 2)) < reach) | _near(apart, reach).any(axis=0)
        shapes = _around(shapes, (drop.min(axis=(0, 1)) < reach) | _near(free, reach), _SHAPES)
        log_b = _around(log_b, near_b, points)
    return shapes, log_b, search.surface(log_b, shapes)


def _inside(log_b: Array, ordered: Array, ranges: Sequence[tuple[float, float]]) -> bool:
    """Tell whether the best threshold of every load is inside the range searched for it."""
    best = log_b[ordered.max(axis=2).argmax(axis=1)]
    step = log_b[1] - log_b[0]
    return all(low + step < at < high - step for at, (low, high) in zip(best, ranges, strict=True))


def _near(values: Array, reach: float) -> NDArray[np.bool_]:
    """Tell where the last axis of log-likelihoods is not far below its maximum."""
    near: NDArray[np.bool_] = 2 * (values.max(axis=-1, keepdims=True) - values) < reach
    return near


def _around(grid: Array, near: NDArray[np.bool_], points: int) -> Array:
    """Give an even grid over where a coarse one is near the maximum, and one step beyond."""
    at = np.flatnonzero(near)
    return np.linspace(grid[max(at[0] - 1, 0)], grid[min(at[-1] + 1, len(grid) - 1)], points)


class _Search(NamedTuple):
    """The likelihoods of all loads, maximised over the backgrounds."""

    family: Family
    loads: Sequence[Counts]
    budget: float
    ranges: Sequence[tuple[float, float]]  # of ln b, per load; beyond it just falls steeply
    most_background: float

    def surface(self, log_b: Array, shapes: Array) -> Array:
        """Give the log-likelihood of every load, at every b and shape."""
        rows = zip(self.loads, self.ranges, strict=True)
        return np.array([self._of_one(data, ends, log_b, shapes) for data, ends in rows])

    def _of_one(
        self, data: Counts, ends: tuple[float, float], log_b: Array, shapes: Array
    ) -> Array:
        first, end = np.searchsorted(log_b, ends)
        first = min(max(int(first) - 1, 0), len(log_b) - 1)
        end = min(max(int(end) + 2, first + 1), len(log_b))
        near = log_b[first:end]
        extra = self.family.curve(data.log_dose, near[:, None, None], shapes[:, None], self.budget)
        inside = likelihood(extra, data, self.most_background).log_likelihood
        away = np.abs(log_b - np.clip(log_b, near[0], near[-1]))
        at = np.clip(np.arange(len(log_b)) - first, 0, len(near) - 1)
        result: Array = inside[at] - _STEEP * away[:, None]
        return result


def _in_order(surface: Array) -> Array:
    """Give the greatest log-likelihood of all loads for each b of each, b not rising with load."""
    before = np.zeros_like(surface)
    after = np.zeros_like(surface)
    for at in range(1, len(surface)):
        total = before[at - 1] + surface[at - 1]
        before[at] = np.maximum.accumulate(total[::-1], axis=0)[::-1]
    for at in range(len(surface) - 2, -1, -1):
        after[at] = np.maximum.accumulate(after[at + 1] + surface[at + 1], axis=0)
    return before + surface + after


def _profile(
    family: Family,
    data: Counts,
    budget: float,
    log_b: Array,
    shapes: Array,
    values: Array,
    most_background: float,
) -> Profile:
    line, best_shape = along_shapes(values, shapes)
    at = int(line.argmax())
    where, best = float(log_b[at]), float(line[at])
    if 0 < at < len(line) - 1:
        left, middle, right = line[at - 1 : at + 2]
        bend = max(2 * middle - left - right, 1e-12)
        shift = float(np.clip((right - left) / (2 * bend), -0.5, 0.5))
        where += shift * float(log_b[1] - log_b[0])
        best += min((right - left) ** 2 / (8 * bend), middle - min(left, right))
    extra = family.curve(data.log_dose, np.array(where), best_shape[at : at + 1], budget)
    background = float(likelihood(extra, data, most_background).background)
    top = Top(where, float(best_shape[at]), background, float(best))
    dense, smooth = interpolate(log_b, line, top)
    return Profile(family, dense, signed_root(dense, smooth, top), top)
