"""Several loads in one fit: a common family and shape, a background and a threshold for each load.

A higher load never makes a service tolerate more delay, so the threshold does not rise with the
load. For one shape the best thresholds are found exactly (see `chaos_go.sla.ordered`), and the
shapes are narrowed to the maximum. For the profile of a load the shape is searched again at each
of its thresholds: on a grid, then on a finer grid around the best shape. A likelihood ratio against
a separate fit of each load tests whether the loads have a common shape.

Source: D. G. Kleinbaum, M. Klein, "Logistic Regression", Springer 2010, chapter 5 (likelihood-ratio
tests of nested models).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from chaos_go.sla.families import Array, Family
from chaos_go.sla.likelihood import MOST_BACKGROUND, Counts, span
from chaos_go.sla.ordered import CLOSE, ROUGH, Best, Together, flat
from chaos_go.sla.profile import Profile, Top, along_shapes, interpolate, signed_root

_SHAPES = 16  # steps of the coarse grid of shapes
_FINER = 6  # the fine grid has this many times as many steps
_NARROWINGS = 3
_NARROW = 0.5  # narrow enough when more than this fraction of the shapes is near the maximum
_CLIMBING_SHAPES = 13
_CLIMBS = 8
_FLAT = 5e-3  # with a smaller drop of the log-likelihood to the next shape, a parabola is exact
_COARSE_POINTS = (24, 24)  # points in ln b of the two coarse searches
_POINTS = 72
_RISE = 1 / 1000  # times the reach; a parabola that rises more between two points spans a kink


class Joint(NamedTuple):
    """The joint fit of one family.

    Attributes:
        profiles: One profile per load, in the order of the loads. Their log-likelihoods are the
            sums over all loads.
        unordered: The same with thresholds in any order.
        ratio: Twice the drop of the log-likelihood caused by the common shape, before division by
            phi.
    """

    profiles: tuple[Profile, ...]
    unordered: tuple[Profile, ...]
    ratio: float

    @property
    def any_order(self) -> float:
        """Return the log-likelihood with the common shape and thresholds in any order."""
        return self.unordered[0].top.log_likelihood


def joint(
    family: Family,
    loads: Sequence[Counts],
    budget: float,
    separate: Sequence[Profile],
    reach: float,
    most_background: float = MOST_BACKGROUND,
) -> Joint:
    """Fit one family with one shape to all loads.

    Args:
        family: Family of curves.
        loads: Counts of each load, in ascending order of load.
        budget: Extra risk at the thresholds, a fraction.
        separate: Profile of each load by itself.
        reach: Twice the drop of the log-likelihood up to which shapes are searched.
        most_background: Upper bound of the background, a fraction.
    """
    lows, highs = zip(*(span(data, budget) for data in loads), strict=True)
    size = replace(family, parameters=family.parameters + 2 * (len(loads) - 1))
    peaks = np.array([one.top.log_b for one in separate])
    together = Together(size, loads, budget, (min(lows), max(highs)), peaks, most_background)
    widths = [one.log_b[-1] - one.log_b[0] for one in separate]
    ordered = _profiles(together, widths, reach)
    unordered = _profiles(together._replace(ordered=False), widths, reach)
    alone = sum(one.top.log_likelihood for one in separate)
    ratio = max(2 * (alone - unordered[0].top.log_likelihood), 0.0)
    return Joint(ordered, unordered, ratio)


def _profiles(together: Together, widths: Sequence[float], reach: float) -> tuple[Profile, ...]:
    """Return the profile of each load, which is hardly ever wider than that of the load alone."""
    fine = _near(together, together.best(together.family.shapes), reach)
    top = _top(together, fine)
    rows = enumerate(widths)
    return tuple(_profile(together, load, fine, top, width, reach) for load, width in rows)


def _near(together: Together, coarse: Best, reach: float) -> Best:
    """Return evenly spaced shapes over the range in which the likelihood is near its maximum."""
    best = coarse
    for _ in range(_NARROWINGS):
        near = np.flatnonzero(2 * (best.ordered.max() - best.ordered) < reach)
        if best is not coarse and len(near) > _NARROW * _SHAPES:
            break
        best = _between(together, best, int(near[0]) - 1, int(near[-1]) + 1, _SHAPES + 1)
    return _between(together, best, 0, _SHAPES, _SHAPES * _FINER + 1)


def _top(together: Together, best: Best) -> Best:
    """Narrow the shapes to the maximum, then take the vertex of a parabola if it is better."""
    for _ in range(_CLIMBS):
        at = int(best.ordered.argmax())
        best = _between(together, best, at - 1, at + 1, _CLIMBING_SHAPES, CLOSE)
        if flat(best.ordered, _FLAT):
            break
    _, vertex = along_shapes(best.ordered[None, :], best.shapes)
    last = together.best(vertex, best.guess(vertex), CLOSE)
    return last if last.ordered[0] > best.ordered.max() else best


def _between(
    together: Together, best: Best, first: int, last: int, points: int, drop: float = ROUGH
) -> Best:
    """Return shapes between two shapes, spaced like the grid of the family."""
    ends = best.shapes[[max(first, 0), min(last, len(best.shapes) - 1)]]
    grid = together.family.shapes
    cells = np.arange(len(grid))
    start, stop = np.interp(ends, grid, cells)
    shapes: Array = np.interp(np.linspace(start, stop, points), cells, grid)
    return together.best(shapes, best.guess(shapes), drop)


def _profile(
    together: Together, load: int, fine: Best, top: Best, width: float, reach: float
) -> Profile:
    at = int(top.ordered.argmax())
    log_b, shape = float(top.log_b[load, at]), top.shapes[at]
    background = together.background(load, log_b, shape)
    best = Top(log_b, float(shape), background, float(top.ordered[at]))
    nodes = _nodes(together, load, fine, best, width, reach)
    line = _line(together, load, fine, nodes, reach * _RISE)
    line = np.minimum(line, best.log_likelihood)
    dense, smooth = interpolate(nodes, line, best)
    return Profile(together.family, dense, signed_root(dense, smooth, best), best)


def _nodes(
    together: Together, load: int, fine: Best, top: Top, width: float, reach: float
) -> Array:
    """Return evenly spaced points in ln b, over the range where the likelihood is near its maximum.

    Args:
        together: All loads.
        load: Index of the load.
        fine: The shapes.
        top: The maximum.
        width: Width in ln b of the profile of the load by itself; this one is hardly ever wider.
        reach: Twice the drop of the log-likelihood up to which a point is near the maximum.
    """
    least, most = together.span
    low, high = fine.log_b[load].min() - width, fine.log_b[load].max() + width
    for points in _COARSE_POINTS:
        nodes = np.linspace(max(low, least), min(high, most), points)
        line = _coarse(together, load, fine, nodes).max(axis=1)
        near = 2 * (top.log_likelihood - line) < reach
        near[np.abs(nodes - top.log_b).argmin()] = True
        first, last = np.flatnonzero(near)[[0, -1]]
        step, whole = nodes[1] - nodes[0], nodes[-1] - nodes[0]
        low = nodes[first] - (step if first > 0 else whole)
        high = nodes[last] + (step if last < points - 1 else whole)
    return np.linspace(max(low, least), min(high, most), _POINTS)


def _coarse(together: Together, load: int, fine: Best, nodes: Array) -> Array:
    """Return the log-likelihoods at some ln b of a load, at every sixth shape (`_FINER`)."""
    shapes = np.arange(0, len(fine.shapes), _FINER)
    log_b, at = np.repeat(nodes, len(shapes)), np.tile(shapes, len(nodes))
    return together.given(load, log_b, fine, at).reshape(len(nodes), len(shapes))


def _line(together: Together, load: int, fine: Best, nodes: Array, most_rise: float) -> Array:
    """Return the log-likelihoods at some ln b of a load, maximised over the shapes."""
    middle = _FINER * _coarse(together, load, fine, nodes).argmax(axis=1)
    middle = np.clip(middle, _FINER, len(fine.shapes) - 1 - _FINER)
    at = middle[:, None] + np.arange(-_FINER, _FINER + 1)
    log_b = np.repeat(nodes, at.shape[1])
    values = together.given(load, log_b, fine, at.ravel()).reshape(at.shape)
    rise, _ = along_shapes(values, fine.shapes[at])
    result: Array = values.max(axis=1) + np.minimum(rise, most_rise)
    return result
