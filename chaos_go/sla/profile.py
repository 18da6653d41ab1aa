"""Profile likelihood of the answer b under one family: its signed root z(ln b).

For every b on a grid, the shape is searched on a second grid, which is then narrowed around the
best cell. The background is solved exactly (see `chaos_go.sla.likelihood`). The search needs no
gradient and no start value, and calculates all points at once. It tolerates kinks of the
likelihood; the hinge has one wherever its knee passes a level.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chaos_go.sla.families import Array, Family
from chaos_go.sla.likelihood import MOST_BACKGROUND, Counts, likelihood

_NARROWINGS = 4
_MORE = 5  # additional ones for a step: its profile must be constant even with 1e8 transactions
_CELLS = np.linspace(-1.0, 1.0, 7)  # points of the narrowed grid, in steps of the grid before
_FAR = 36.0  # twice the drop of the log-likelihood beyond which no b is considered
_COARSE = ((32, 2), (32, 2))  # points in ln b and narrowings of the shape in the coarse searches
_POINTS = 72
_DENSE = 24  # interpolated points per step of the last grid
_CLIFF = 0.3  # change of the signed root between two points that makes a cliff
_LEVEL = 1e-3  # twice a drop of the log-likelihood below this is an error of the grid


class Top(NamedTuple):
    """The point of the greatest likelihood."""

    log_b: float
    shape: float
    background: float
    log_likelihood: float


@dataclass(frozen=True, eq=False)
class Profile:
    """The profile of one family.

    Attributes:
        family: The family.
        log_b: Values of ln b, ascending and evenly spaced.
        root: Signed root of the likelihood ratio at these ln b, non-decreasing, before division by
            sqrt(phi).
        top: The point of the greatest likelihood.
    """

    family: Family
    log_b: Array
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
        family: Family of curves.
        data: Counts of one load.
        budget: Extra risk at b, a fraction.
        bounds: Least and greatest ln b.
        most_background: Upper bound of the background, a fraction.
        reach: Twice the drop of the log-likelihood up to which the profile is calculated.
    """
    search = _Search(family, data, budget, most_background)
    low, high = bounds
    for points, narrowings in _COARSE:
        log_b = np.linspace(low, high, points)
        values, _ = search.over_shapes(log_b, narrowings)
        near = np.flatnonzero(2.0 * (values.max() - values) < reach)
        step = log_b[1] - log_b[0]
        low, high = max(low, log_b[near[0]] - step), min(high, log_b[near[-1]] + step)
    log_b = np.linspace(low, high, _POINTS)
    values, _ = search.over_shapes(log_b, _NARROWINGS)
    top = search.top(log_b[values.argmax()], log_b[1] - log_b[0])
    dense, smooth = interpolate(log_b, values, top)
    at = np.flatnonzero(np.repeat(_cliffs(values, top, reach), _DENSE))
    if at.size:
        smooth[at], _ = search.over_shapes(dense[at], _NARROWINGS)
    return Profile(family, dense, signed_root(dense, smooth, top), top)


def _cliffs(values: Array, top: Top, reach: float) -> NDArray[np.bool_]:
    """Return between which points a profile falls too steeply for an interpolation.

    This happens just below a dose, where a steep curve begins to include one more level.
    """
    drop = 2.0 * np.maximum(top.log_likelihood - values, 0.0)
    near = np.minimum(drop[:-1], drop[1:]) < reach
    cliffs: NDArray[np.bool_] = near & (np.abs(np.diff(np.sqrt(drop))) > _CLIFF)
    return cliffs


class _Search(NamedTuple):
    """The likelihood of one family, maximised over the shape and the background."""

    family: Family
    data: Counts
    budget: float
    most_background: float

    def over_shapes(self, log_b: Array, narrowings: int) -> tuple[Array, Array]:
        """Maximise over the shape, for every b at once; return log-likelihoods and shapes."""
        if not self.family.bound:
            return self._narrowed(log_b, narrowings)
        # The likelihood of a step depends only on the gap between two doses in which b lies.
        gaps = np.searchsorted(self.data.log_dose, log_b)
        _, first, every = np.unique(gaps, return_index=True, return_inverse=True)
        values, shapes = self._narrowed(log_b[first], narrowings + _MORE)
        return values[every], shapes[every]

    def _narrowed(self, log_b: Array, narrowings: int) -> tuple[Array, Array]:
        grid = self.family.shapes
        gaps = np.diff(grid, prepend=grid[0], append=grid[-1])
        width = np.maximum(gaps[:-1], gaps[1:])
        shapes = np.broadcast_to(grid, (len(log_b), len(grid)))
        values, at, shape = self._at(log_b, shapes)
        step = width[at]
        for _ in range(narrowings):
            shapes = np.clip(shape[:, None] + _CELLS * step[:, None], grid[0], grid[-1])
            values, at, shape = self._at(log_b, shapes)
            step = step / 3.0
        _, vertices = along_shapes(values, shapes)
        last, _, _ = self._at(log_b, vertices[:, None])  # at a kink the parabola may be wrong
        better = last[:, 0] > values.max(axis=1)
        return np.maximum(values.max(axis=1), last[:, 0]), np.where(better, vertices, shape)

    def _at(self, log_b: Array, shapes: Array) -> tuple[Array, NDArray[np.intp], Array]:
        """Return all log-likelihoods, and for every b the index and value of its best shape."""
        extra = self.family.curve(
            self.data.log_dose, log_b[:, None, None], shapes[..., None], self.budget
        )
        values = likelihood(extra, self.data, self.most_background).log_likelihood
        at = values.argmax(axis=1)
        return values, at, shapes[np.arange(len(log_b)), at]

    def top(self, near: float, step: float) -> Top:
        """Return the maximum near a ln b.

        It is searched, not interpolated: the cubic is wrong where the background reaches its bound
        near the maximum.
        """
        log_b, values, shapes = self._around(near, step)
        at = int(values.argmax())
        log_b, values, shapes = self._around(float(log_b[at]), step / 6.0)
        at = int(values.argmax())
        best, shape = float(log_b[at]), shapes[at : at + 1]
        if 0 < at < len(log_b) - 1:
            left, middle, right = values[at - 1 : at + 2]
            bend = max(2.0 * middle - left - right, 1e-12)
            best += float(np.clip(0.5 * (right - left) / bend, -0.5, 0.5) * (log_b[1] - log_b[0]))
        extra = self.family.curve(self.data.log_dose, np.array(best), shape, self.budget)
        background = likelihood(extra, self.data, self.most_background).background
        return Top(best, float(shape[0]), float(background), float(values[at]))

    def _around(self, near: float, step: float) -> tuple[Array, Array, Array]:
        log_b = near + np.linspace(-step, step, 13)
        return log_b, *self.over_shapes(log_b, _NARROWINGS + 1)


def along_shapes(values: Array, shapes: Array) -> tuple[Array, Array]:
    """Maximise over the last axis by a parabola through the greatest value and its neighbours.

    Args:
        values: Log-likelihoods.
        shapes: The shapes of the values, evenly spaced along the last axis: one grid for all rows,
            or one for each row.

    Returns:
        How far each parabola rises above the greatest value, and the shape of its vertex.
    """
    at = values.argmax(axis=1)
    shapes = np.broadcast_to(shapes, values.shape)
    rows, middle = np.arange(len(values)), np.clip(at, 1, values.shape[1] - 2)
    left, right = values[rows, middle - 1], values[rows, middle + 1]
    bend = np.maximum(2.0 * values[rows, middle] - left - right, 1e-12)
    inside = at == middle
    shift = np.where(inside, np.clip(0.5 * (right - left) / bend, -0.5, 0.5), 0.0)
    with np.errstate(over="ignore"):  # next to a step whose likelihood is extremely small
        rise = np.where(inside, (left - right) ** 2 / (8.0 * bend), 0.0)
    return rise, shapes[rows, at] + shift * (shapes[rows, middle + 1] - shapes[rows, middle])


def signed_root(log_b: Array, values: Array, top: Top) -> Array:
    """Return the signed root of a profile; exactly 0 where the profile is constant (a step)."""
    drop = np.maximum(2.0 * (top.log_likelihood - values), 0.0)
    drop = np.maximum(drop - _LEVEL * np.exp(-drop / _LEVEL), 0.0)
    return outwards(np.sqrt(drop), int(np.abs(log_b - top.log_b).argmin()))


def outwards(drop: Array, at: int) -> Array:
    """Return the signed root from its absolute value, made monotone away from the maximum.

    So a second mode of the likelihood widens the interval.

    Args:
        drop: Absolute value of the root.
        at: Index of the maximum of the likelihood.
    """
    left = np.maximum.accumulate(-drop[: at + 1])
    right = np.minimum.accumulate(drop[at:][::-1])[::-1]
    return np.concatenate((left, right[1:]))


def interpolate(x: Array, y: Array, top: Top) -> tuple[Array, Array]:
    """Interpolate an evenly spaced grid by the cubic through the four nearest points.

    The cubic is clipped to the range of its two neighbours, so that it does not oscillate at a
    kink. Only next to the top it may rise above them, up to the top.
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
