"""Profile likelihood of the answer b under one family: its signed root z(ln b).

For every b on a grid the shape is searched on a grid of its own, which is then narrowed around the
best cell; the background is solved exactly (see `chaos_go.sla.fit`). No gradient and no start value
is needed, all points are calculated at once, and a kink of the likelihood, as the hinge has one
where its knee passes a level, does no harm.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chaos_go.sla.families import Array, Family
from chaos_go.sla.fit import MOST_BACKGROUND, Counts, likelihood

_NARROWINGS = 4
_CELLS = np.linspace(-1.0, 1.0, 7)  # of the narrowed grid, in steps of the one before
_FAR = 36.0  # twice the drop of the log-likelihood beyond which b is out of the question
_GRIDS = ((40, 3), (40, 2), (72, _NARROWINGS))  # points in ln b, narrowings of the shape
_DENSE = 24  # interpolated points per step of the last grid


class Top(NamedTuple):
    """The point of the greatest likelihood."""

    log_b: float
    shape: float
    background: float
    log_likelihood: float


@dataclass(frozen=True)
class Profile:
    """The profile of one family.

    Attributes:
        family: which.
        log_b: ascending, evenly spaced.
        log_likelihood: profile at log_b.
        root: signed root of the likelihood ratio, non-decreasing, before division by sqrt(phi).
        top: where the likelihood is greatest.
    """

    family: Family
    log_b: Array
    log_likelihood: Array
    root: Array
    top: Top


def profile(
    family: Family,
    data: Counts,
    budget: float,
    bounds: tuple[float, float],
    most_background: float = MOST_BACKGROUND,
    reach: float = _FAR,
) -> Profile:
    """Calculate the profile of b.

    Args:
        family: of curves.
        data: counts of one load.
        budget: extra risk at b.
        bounds: least and greatest ln b.
        most_background: upper bound of the background.
        reach: twice the drop of the log-likelihood up to which the profile is wanted.
    """
    low, high = bounds
    for points, narrowings in _GRIDS:
        log_b = np.linspace(low, high, points)
        values, _ = _over_shapes(family, data, budget, log_b, most_background, narrowings)
        near = np.flatnonzero(2.0 * (values.max() - values) < reach)
        step = log_b[1] - log_b[0]
        low, high = max(low, log_b[near[0]] - step), min(high, log_b[near[-1]] + step)
    near = log_b[values.argmax()]
    top = _top(family, data, budget, near, log_b[1] - log_b[0], most_background)
    dense, smooth = _interpolate(log_b, values, top)
    at = int(np.abs(dense - top.log_b).argmin())
    return Profile(family, dense, smooth, _signed_root(smooth, at, top.log_likelihood), top)


def _top(
    family: Family, data: Counts, budget: float, near: float, step: float, most_background: float
) -> Top:
    """Find the maximum exactly: the cubic is off where g meets its bound just there."""
    for _ in range(2):
        log_b = near + np.linspace(-step, step, 13)
        values, shapes = _over_shapes(family, data, budget, log_b, most_background, _NARROWINGS + 1)
        at = int(values.argmax())
        near, step = log_b[at], step / 6.0
    inner = min(max(at, 1), len(log_b) - 2)
    left, middle, right = values[inner - 1 : inner + 2]
    bend = 2.0 * middle - left - right
    if inner == at and bend > 0.0:
        near += 0.5 * (right - left) / bend * step
    extra = family.curve(data.log_dose, np.array(near), shapes[at : at + 1], budget)
    background = likelihood(extra, data, most_background).background
    return Top(float(near), float(shapes[at]), float(background), float(values[at]))


def _over_shapes(
    family: Family,
    data: Counts,
    budget: float,
    log_b: Array,
    most_background: float,
    narrowings: int,
) -> tuple[Array, Array]:
    """Maximise over the shape, for every b at once."""
    grid = family.shapes
    rows = np.arange(len(log_b))
    shapes = np.broadcast_to(grid, (len(log_b), len(grid)))
    below = np.concatenate(([0.0], np.diff(grid)))
    above = np.concatenate((np.diff(grid), [0.0]))
    width = np.maximum(below, above)
    for turn in range(narrowings + 1):
        extra = family.curve(data.log_dose, log_b[:, None, None], shapes[..., None], budget)
        values = likelihood(extra, data, most_background).log_likelihood
        at = values.argmax(axis=1)
        best_shape, best = shapes[rows, at], values[rows, at]
        step = width[at] if turn == 0 else step / 3.0
        if turn == narrowings:
            return best + _above(values, at), best_shape
        shapes = np.clip(best_shape[:, None] + _CELLS * step[:, None], grid[0], grid[-1])
    raise AssertionError("narrowings is not negative")


def _above(values: Array, at: NDArray[np.intp]) -> Array:
    """Give how far the parabola through the greatest value and its neighbours rises above it."""
    rows = np.arange(len(values))
    inside = (at > 0) & (at < values.shape[1] - 1)
    middle = np.clip(at, 1, values.shape[1] - 2)
    left, right = values[rows, middle - 1], values[rows, middle + 1]
    bend = 2.0 * values[rows, middle] - left - right
    rise = (left - right) ** 2 / (8.0 * np.maximum(bend, 1e-12))
    return np.where(inside & (bend > 1e-12), rise, 0.0)


def _signed_root(log_likelihood: Array, at: int, top: float) -> Array:
    """Give -+ sqrt(2 (max - l)), made monotone outwards: a second mode widens the interval."""
    drop = np.sqrt(np.maximum(2.0 * (top - log_likelihood), 0.0))
    left = np.maximum.accumulate(-drop[: at + 1])
    right = np.minimum.accumulate(drop[at:][::-1])[::-1]
    return np.concatenate((left, right[1:]))


def _interpolate(x: Array, y: Array, top: Top) -> tuple[Array, Array]:
    """Put points between those of an even grid by the cubic through the four around.

    It stays between its two neighbours, so that a kink makes no wave, and rises above them only
    beside the top, up to that.
    """
    inner = np.arange(_DENSE) / _DENSE
    first = np.arange(len(x) - 1)
    at = np.clip(first, 1, len(x) - 3)
    t = (first - at)[:, None] + inner
    before, left, right, after = (y[at + k][:, None] for k in (-1, 0, 1, 2))
    cubic = (
        -before * t * (t - 1) * (t - 2) / 6
        + left * (t + 1) * (t - 1) * (t - 2) / 2
        - right * (t + 1) * t * (t - 2) / 2
        + after * (t + 1) * t * (t - 1) / 6
    )
    lowest, highest = np.minimum(y[:-1], y[1:]), np.maximum(y[:-1], y[1:])
    beside = np.abs(x[:-1] - top.log_b) <= 1.01 * (x[1] - x[0])
    highest = np.where(beside, max(top.log_likelihood, y.max()), highest)
    cubic = np.clip(cubic, lowest[:, None], highest[:, None])
    dense = x[:-1, None] + inner * (x[1] - x[0])
    return np.append(dense.ravel(), x[-1]), np.append(cubic.ravel(), y[-1])
