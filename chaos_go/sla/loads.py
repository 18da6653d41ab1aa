"""Several loads in one fit: a common family and shape, a background and threshold for each load.

More load never makes a service more patient, so the threshold does not rise with the load. For one
shape the best thresholds are found exactly (see `chaos_go.sla.ordered`), and the shapes are
narrowed to the maximum. For the profile of a load they are searched for each of its thresholds, on
a grid and then on a finer one around the best of that. Whether the loads have a common shape is
tested by the likelihood ratio against a fit of each.

Source: D. G. Kleinbaum, M. Klein, "Logistic Regression", Springer 2010, chapter 5 (likelihood-ratio
tests of nested models).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from chaos_go.sla.families import Array, Family
from chaos_go.sla.fit import MOST_BACKGROUND, Counts, span
from chaos_go.sla.ordered import CLOSE, ROUGH, Best, Together, flat
from chaos_go.sla.profile import Profile, Top, along_shapes, interpolate, signed_root

_SHAPES = 16  # steps
_FINER = 6  # times as many
_NARROWINGS = 3
_NARROW = 0.5  # of the shapes are near the maximum: that is narrow enough
_CLIMBING_SHAPES = 13
_CLIMBS = 8
_FLAT = 5e-3  # drop of the log-likelihood to the next shape, from which a parabola finds the top
_COARSE_POINTS = (24, 24)  # in ln b, to find where to look
_POINTS = 72
_RISE = 1 / 1000  # of the reach; a parabola that rises more between two points spans a kink


class Joint(NamedTuple):
    """The joint fit of one family.

    Attributes:
        profiles: one per load, in the order of the loads; their likelihoods are those of all loads.
        unordered: the same with thresholds in any order.
        ratio: twice the drop of the log-likelihood by the common shape, before division by phi.
    """

    profiles: tuple[Profile, ...]
    unordered: tuple[Profile, ...]
    ratio: float

    @property
    def any_order(self) -> float:
        """Return the log-likelihood with the common shape, but thresholds in any order."""
        return self.unordered[0].top.log_likelihood


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
        separate: the profile of each load by itself.
        reach: twice the drop of the log-likelihood up to which shapes are looked at.
        most_background: upper bound of the background.
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
    """Return the profile of each load, hardly ever narrower than that of the load alone."""
    fine = _near(together, together.best(together.family.shapes), reach)
    top = _top(together, fine)
    rows = enumerate(widths)
    return tuple(_profile(together, load, fine, top, width, reach) for load, width in rows)


def _near(together: Together, coarse: Best, reach: float) -> Best:
    """Return even shapes over where the likelihood in order is near its maximum."""
    best = coarse
    for _ in range(_NARROWINGS):
        near = np.flatnonzero(2 * (best.ordered.max() - best.ordered) < reach)
        if best is not coarse and len(near) > _NARROW * _SHAPES:
            break
        best = _between(together, best, int(near[0]) - 1, int(near[-1]) + 1, _SHAPES + 1)
    return _between(together, best, 0, _SHAPES, _SHAPES * _FINER + 1)


def _top(together: Together, best: Best) -> Best:
    """Narrow the shapes to the maximum, and go from the best one to the top of a parabola."""
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
    """Return shapes between two of them, as close to each other as those of the family are."""
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
    """Return even points in ln b, over where the likelihood is near its maximum.

    Args:
        together: all loads.
        load: which.
        fine: the shapes.
        top: the maximum.
        width: of the profile of this load by itself, which is hardly ever narrower.
        reach: twice the drop of the log-likelihood that is near.
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
    """Return the likelihoods at some ln b of a load, and every so many shapes."""
    shapes = np.arange(0, len(fine.shapes), _FINER)
    log_b, at = np.repeat(nodes, len(shapes)), np.tile(shapes, len(nodes))
    return together.given(load, log_b, fine, at).reshape(len(nodes), len(shapes))


def _line(together: Together, load: int, fine: Best, nodes: Array, most_rise: float) -> Array:
    """Maximise over the shapes, for some ln b of a load."""
    middle = _FINER * _coarse(together, load, fine, nodes).argmax(axis=1)
    middle = np.clip(middle, _FINER, len(fine.shapes) - 1 - _FINER)
    at = middle[:, None] + np.arange(-_FINER, _FINER + 1)
    log_b = np.repeat(nodes, at.shape[1])
    values = together.given(load, log_b, fine, at.ravel()).reshape(at.shape)
    rise, _ = along_shapes(values, fine.shapes[at])
    result: Array = values.max(axis=1) + np.minimum(rise, most_rise)
    return result
