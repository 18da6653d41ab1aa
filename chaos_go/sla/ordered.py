"""Several loads that share a shape: the best thresholds for a shape that do not rise with the load.

For one shape, the loads depend on each other only by the order of their thresholds. Where the order
is active, neighbouring loads have one common threshold: at the peak of the sum of their
log-likelihoods. So the best thresholds are among the peaks of single loads and of neighbours that
contradict the order, and running maxima over these peaks find the best ones. Each peak is searched
on a grid that is narrowed. Likelihoods are calculated at the returned points, not interpolated.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chaos_go.sla.families import Array, Family
from chaos_go.sla.likelihood import Counts, likelihood
from chaos_go.sla.profile import along_shapes

ROUGH = 0.1
"""With this drop of the log-likelihood next to a peak, a parabola finds the peak to 1e-4."""

CLOSE = 2e-3
"""With this drop a parabola finds the peak to 1e-6, and at a kink to 1e-3."""

_CELLS = np.arange(-6.0, 7.0)  # points of a grid of ln b, in steps from its middle
_ACROSS = len(_CELLS) - 1
_NARROW = 6.0
_WIDEN = 4.0
_ROUNDS = 9  # enough to narrow the whole range to steps of 1e-6
_FINEST = 1e-5  # least first step in ln b
_GUESSED = 1 / 24  # first step, as a fraction of the distance between the peaks of two shapes
_ROUNDING = 1e-9  # rounding error of a log-likelihood


class Guess(NamedTuple):
    """A guess of the peaks: ln b per load and shape, and the first step of the grid per load."""

    log_b: Array
    step: Array


class Tied(NamedTuple):
    """Neighbouring loads, from `first` up to but without `end`, that may have one threshold.

    `rows` says for which shapes.
    """

    first: int
    end: int
    rows: NDArray[np.bool_]


class Best(NamedTuple):
    """The greatest log-likelihood of all loads together, for every shape.

    Attributes:
        shapes: Shapes, ascending.
        ordered: Log-likelihood with thresholds that do not rise with the load; the same as `free`
            if no order is required.
        free: Log-likelihood with thresholds in any order.
        log_b: Thresholds of `ordered` as ln b, per load and shape.
        alone: Thresholds of `free` as ln b, per load and shape.
        points: Per shape, all ln b that may be the best threshold of a load.
        values: Log-likelihood of every load at these points, per shape; -inf where a point cannot
            be the best one of the load.
    """

    shapes: Array
    ordered: Array
    free: Array
    log_b: Array
    alone: Array
    points: Array
    values: Array

    def guess(self, shapes: Array) -> Guess:
        """Return a guess of the peaks for shapes between these shapes."""
        log_b = np.array([np.interp(shapes, self.shapes, row) for row in self.alone])
        first, last = np.searchsorted(self.shapes, shapes[[0, -1]])
        gaps = np.abs(np.diff(self.alone[:, max(first - 1, 0) : last + 2], axis=1))
        return Guess(log_b, gaps.max(axis=1) * _GUESSED + _FINEST)


class Together(NamedTuple):
    """Loads with a common family.

    Attributes:
        family: Family of curves.
        loads: Counts of each load, in ascending order of load.
        budget: Extra risk at the thresholds, a fraction.
        span: Least and greatest ln b.
        peaks: Best ln b of each load by itself.
        most_background: Upper bound of the background, a fraction.
        ordered: Whether the thresholds must not rise with the load; if not, any order is allowed.
    """

    family: Family
    loads: Sequence[Counts]
    budget: float
    span: tuple[float, float]
    peaks: Array
    most_background: float
    ordered: bool = True

    def at(self, load: int, log_b: Array, shapes: Array) -> Array:
        """Return the log-likelihoods of a load at points in ln b, one row per shape."""
        data = self.loads[load]
        log_b, rows = log_b[..., None], shapes[:, None, None]
        extra = self.family.curve(data.log_dose, log_b, rows, self.budget)
        return likelihood(extra, data, self.most_background).log_likelihood

    def best(self, shapes: Array, guess: Guess | None = None, drop: float = ROUGH) -> Best:
        """Maximise over the thresholds of all loads, for each shape.

        Args:
            shapes: Shapes, ascending.
            guess: Where the peaks may be; the whole range if not given.
            drop: Drop of the log-likelihood next to a peak at which the search ends: `ROUGH` or
                `CLOSE`.
        """
        alone, most = self._alone(shapes, guess or self._anywhere(len(shapes)), drop)
        free = most.sum(axis=0)
        tied = _tied(alone) if self.ordered else []
        if not tied:
            own = np.eye(len(alone), dtype=bool)[:, None]
            values = np.where(own, most[..., None], -np.inf)
            return Best(shapes, free, free, alone, alone, alone.T, values)
        points = np.sort(np.hstack((alone.T, self._common(alone, shapes, tied, drop))), axis=1)
        values = np.array([self.at(load, points, shapes) for load in range(len(alone))])
        ordered = in_order(values)
        top = ordered[0].max(axis=1)
        # Among equal maxima the lowest of every load: these are in order, others may not be.
        first = (ordered > top[:, None] - _ROUNDING).argmax(axis=2)
        log_b = np.minimum.accumulate(points[np.arange(len(shapes)), first], axis=0)
        return Best(shapes, top, free, log_b, alone, points, values)

    def given(self, load: int, log_b: Array, best: Best, at: NDArray[np.intp]) -> Array:
        """Return log-likelihoods at given thresholds of one load, maximised over the other loads.

        Args:
            load: Index of the load whose thresholds are given.
            log_b: Its thresholds as ln b.
            best: Maxima of all loads.
            at: For each threshold, the index of its shape in `best`.
        """
        shapes, alone = best.shapes[at], best.alone[:, at]
        if not self.ordered:
            others: Array = best.free[at] - best.values[load, at, load]
            return others + self.at(load, log_b[:, None], shapes)[:, 0]
        binds = (alone[:load] <= log_b).any(axis=0) | (alone[load + 1 :] >= log_b).any(axis=0)
        here = np.full((len(self.loads), len(at), 1), -np.inf)
        for one in range(len(self.loads)):
            rows = binds | (one == load)
            here[one, rows] = self.at(one, log_b[rows, None], shapes[rows])
        points = np.hstack((log_b[:, None], best.points[at]))
        order = points.argsort(axis=1)
        surface = np.concatenate((here, best.values[:, at]), axis=2)
        ordered = in_order(np.take_along_axis(surface, order[None], axis=2))
        result: Array = ordered[load, order == 0]
        return result

    def background(self, load: int, log_b: float, shape: Array) -> float:
        """Return the best background of a load, a fraction."""
        data = self.loads[load]
        extra = self.family.curve(data.log_dose, np.array(log_b), shape, self.budget)
        return float(likelihood(extra, data, self.most_background).background)

    def _anywhere(self, shapes: int) -> Guess:
        """Return a guess whose grid covers all ln b and has a point at the peak of each load alone.

        The likelihood of a step is constant except between two doses. If these are close, no other
        point of the grid may lie between them.
        """
        low, high = self.span
        step = (high - low) / _ACROSS
        off = np.remainder(self.peaks - low + step / 2, step) - step / 2
        middle = np.repeat((low + high) / 2 + off[:, None], shapes, axis=1)
        return Guess(middle, np.full(len(self.loads), step))

    def _alone(self, shapes: Array, guess: Guess, drop: float) -> tuple[Array, Array]:
        """Return the peaks of every load: ln b and log-likelihoods, per load and shape."""
        rows = enumerate(zip(guess.log_b, guess.step, strict=True))
        found = [self._peak(load, shapes, *where, drop) for load, where in rows]
        peaks, most = zip(*found, strict=True)
        return np.array(peaks), np.array(most)

    def _peak(
        self, load: int, shapes: Array, middle: Array, step: float, drop: float
    ) -> tuple[Array, Array]:
        """Return the peak of one load for every shape: ln b and log-likelihoods."""
        rows, steps = np.arange(len(shapes)), np.full(len(shapes), step)
        low, high = self.span
        rounds = 0
        while True:
            rounds += 1
            log_b = np.clip(middle[:, None] + steps[:, None] * _CELLS, low, high)
            values = self.at(load, log_b, shapes)
            at = values.argmax(axis=1)
            middle = log_b[rows, at]
            beyond = (at % _ACROSS == 0) & (middle > low) & (middle < high)
            if rounds == _ROUNDS or (not beyond.any() and flat(values, drop)):
                break
            steps = np.where(beyond, steps * _WIDEN, steps / _NARROW)
        _, vertices = along_shapes(values, log_b)
        last, most = self.at(load, vertices[:, None], shapes)[:, 0], values[rows, at]
        return np.where(last > most, vertices, middle), np.maximum(last, most)

    def _common(self, alone: Array, shapes: Array, tied: Sequence[Tied], drop: float) -> Array:
        """Return, per shape, the ln b at which the sum of each group of neighbours has its peak."""
        low = np.array([alone[one.first : one.end].min(axis=0) for one in tied]).T
        high = np.array([alone[one.first : one.end].max(axis=0) for one in tied]).T
        rows = np.array([one.rows for one in tied]).T
        middle, steps = (low + high) / 2, (high - low) / _ACROSS + _FINEST
        rounds = 0
        while True:
            rounds += 1
            log_b = np.clip(middle[..., None] + steps[..., None] * _CELLS, *self.span)
            values = self._sums(log_b, shapes, tied)
            at = values.argmax(axis=2)[..., None]
            middle = np.take_along_axis(log_b, at, axis=2)[..., 0]
            if rounds == _ROUNDS or flat(values[rows], drop):
                break
            steps = steps / _NARROW
        cells = (-1, len(_CELLS))
        _, vertices = along_shapes(values.reshape(cells), log_b.reshape(cells))
        return vertices.reshape(middle.shape)

    def _sums(self, log_b: Array, shapes: Array, tied: Sequence[Tied]) -> Array:
        """Return the sums of the log-likelihoods over each group of neighbours."""
        values = np.zeros(log_b.shape)
        for load in range(len(self.loads)):
            part = [at for at, one in enumerate(tied) if one.first <= load < one.end]
            points = log_b[:, part]
            found = self.at(load, points.reshape(len(shapes), -1), shapes)
            values[:, part] += found.reshape(points.shape)
        return values


def _tied(peaks: Array) -> list[Tied]:
    """Return the groups of neighbours for which one common threshold may be the best."""
    count = len(peaks)
    pairs = ((first, end) for first in range(count) for end in range(first + 2, count + 1))
    found = (Tied(first, end, _rise(peaks[first:end])) for first, end in pairs)
    return [one for one in found if one.rows.any()]


def _rise(peaks: Array) -> NDArray[np.bool_]:
    """Return for which shapes no split has all peaks of the first loads above all the others."""
    lowest = np.minimum.accumulate(peaks[:-1], axis=0)
    highest = np.maximum.accumulate(peaks[:0:-1], axis=0)[::-1]
    rise: NDArray[np.bool_] = (lowest <= highest).all(axis=0)
    return rise


def flat(values: Array, drop: float) -> bool:
    """Return whether all values next to the maxima of the last axis fall by less than a drop."""
    at = np.clip(values.argmax(axis=-1), 1, values.shape[-1] - 2)[..., None]
    sides = [np.take_along_axis(values, at + side, axis=-1)[..., 0] for side in (-1, 0, 1)]
    return bool((values.max(axis=-1) - np.min(sides, axis=0) < drop).all())


def in_order(surface: Array) -> Array:
    """Return the greatest sum of log-likelihoods over all loads, given each b of each load.

    The thresholds of the other loads are chosen so that b does not rise with the load.

    Args:
        surface: Log-likelihoods of every load, at every shape and at ascending b.
    """
    before = np.zeros_like(surface)
    after = np.zeros_like(surface)
    for at in range(1, len(surface)):
        total = before[at - 1] + surface[at - 1]
        before[at] = np.maximum.accumulate(total[:, ::-1], axis=1)[:, ::-1]
    for at in range(len(surface) - 2, -1, -1):
        after[at] = np.maximum.accumulate(after[at + 1] + surface[at + 1], axis=1)
    return before + surface + after
