"""Several loads that share a shape: the best thresholds for a shape, not rising with the load.

For one shape the loads depend on each other by the order of their thresholds only. Where that
binds, neighbours have one threshold together, where the sum of their log-likelihoods has its peak.
So the best thresholds are among the peaks of single loads and of neighbours that contradict the
order, and which of them are the best is found by running maxima over those. Each is looked for on a
grid that is narrowed, and every likelihood that is told was calculated where it is told to be.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chaos_go.sla.families import Array, Family
from chaos_go.sla.fit import Counts, likelihood
from chaos_go.sla.profile import along_shapes

ROUGH = 0.1
"""Drop of the log-likelihood beside a peak from which a parabola finds the peak to 1e-4."""

CLOSE = 2e-3
"""That from which it finds it to 1e-6, and at a kink to 1e-3."""

_CELLS = np.arange(-6.0, 7.0)  # of a grid of ln b, in steps
_ACROSS = len(_CELLS) - 1
_NARROW = 6.0
_WIDEN = 4.0
_ROUNDS = 9  # the whole range in steps of 1e-6
_FINEST = 1e-5  # step in ln b
_GUESSED = 1 / 24  # of the way from one peak to the next is a step
_ROUNDING = 1e-9  # of a log-likelihood


class Guess(NamedTuple):
    """About where the peaks are: ln b per load and shape, and the first step per load."""

    log_b: Array
    step: Array


class Tied(NamedTuple):
    """Neighbouring loads that may have one threshold, and for which shapes."""

    first: int
    end: int
    rows: NDArray[np.bool_]


class Best(NamedTuple):
    """The greatest log-likelihood of all loads together, for every shape.

    Attributes:
        shapes: ascending.
        ordered: with thresholds that do not rise with the load; as `free` where no order is asked.
        free: with thresholds in any order.
        log_b: thresholds in that order, per load and shape.
        alone: thresholds in any order.
        points: all ln b that are the best ones of some loads, per shape.
        values: log-likelihood of every load there, per shape; -inf where it is never the best.
    """

    shapes: Array
    ordered: Array
    free: Array
    log_b: Array
    alone: Array
    points: Array
    values: Array

    def guess(self, shapes: Array) -> Guess:
        """Return about where the peaks are for shapes between these."""
        log_b = np.array([np.interp(shapes, self.shapes, row) for row in self.alone])
        first, last = np.searchsorted(self.shapes, shapes[[0, -1]])
        gaps = np.abs(np.diff(self.alone[:, max(first - 1, 0) : last + 2], axis=1))
        return Guess(log_b, gaps.max(axis=1) * _GUESSED + _FINEST)


class Together(NamedTuple):
    """Loads with a common family.

    Attributes:
        family: of curves.
        loads: counts of each, ascending.
        budget: extra risk at the thresholds.
        span: bounds of ln b.
        peaks: ln b of each load by itself.
        most_background: upper bound of the background.
        ordered: thresholds do not rise with the load; without, all is about any order.
    """

    family: Family
    loads: Sequence[Counts]
    budget: float
    span: tuple[float, float]
    peaks: Array
    most_background: float
    ordered: bool = True

    def at(self, load: int, log_b: Array, shapes: Array) -> Array:
        """Return the log-likelihoods of a load at points in ln b, a row of them for every shape."""
        data = self.loads[load]
        log_b, rows = log_b[..., None], shapes[:, None, None]
        extra = self.family.curve(data.log_dose, log_b, rows, self.budget)
        return likelihood(extra, data, self.most_background).log_likelihood

    def best(self, shapes: Array, guess: Guess | None = None, drop: float = ROUGH) -> Best:
        """Maximise over the thresholds.

        Args:
            shapes: for which.
            guess: where the peaks may be; anywhere if not given.
            drop: beside a peak, that is small enough: `ROUGH` or `CLOSE`.
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
        # Of equal ones the lowest for every load: those are in order, others need not be.
        first = (ordered > top[:, None] - _ROUNDING).argmax(axis=2)
        log_b = np.minimum.accumulate(points[np.arange(len(shapes)), first], axis=0)
        return Best(shapes, top, free, log_b, alone, points, values)

    def given(self, load: int, log_b: Array, best: Best, at: NDArray[np.intp]) -> Array:
        """Maximise over the thresholds of the other loads.

        Args:
            load: whose threshold is given.
            log_b: its thresholds.
            best: of all loads.
            at: which of its shapes goes with each threshold.
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
        """Return the best background of a load."""
        data = self.loads[load]
        extra = self.family.curve(data.log_dose, np.array(log_b), shape, self.budget)
        return float(likelihood(extra, data, self.most_background).background)

    def _anywhere(self, shapes: int) -> Guess:
        """Return a grid over all ln b with a point at the peak of each load by itself.

        A step between two close doses is level but there, and no other point may see it.
        """
        low, high = self.span
        step = (high - low) / _ACROSS
        off = np.remainder(self.peaks - low + step / 2, step) - step / 2
        middle = np.repeat((low + high) / 2 + off[:, None], shapes, axis=1)
        return Guess(middle, np.full(len(self.loads), step))

    def _alone(self, shapes: Array, guess: Guess, drop: float) -> tuple[Array, Array]:
        """Find the peaks of every load: give ln b and log-likelihoods, per load and shape."""
        rows = enumerate(zip(guess.log_b, guess.step, strict=True))
        found = [self._peak(load, shapes, *where, drop) for load, where in rows]
        peaks, most = zip(*found, strict=True)
        return np.array(peaks), np.array(most)

    def _peak(
        self, load: int, shapes: Array, middle: Array, step: float, drop: float
    ) -> tuple[Array, Array]:
        """Find the peak of one load for every shape: give ln b and log-likelihoods."""
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
        """Find the peak of the sum of neighbours, for every shape: a column of ln b for each."""
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
        """Add the log-likelihoods of the loads that are tied."""
        values = np.zeros(log_b.shape)
        for load in range(len(self.loads)):
            part = [at for at, one in enumerate(tied) if one.first <= load < one.end]
            points = log_b[:, part]
            found = self.at(load, points.reshape(len(shapes), -1), shapes)
            values[:, part] += found.reshape(points.shape)
        return values


def _tied(peaks: Array) -> list[Tied]:
    """Find the neighbours that may have one threshold: no others gain by it."""
    count = len(peaks)
    pairs = ((first, end) for first in range(count) for end in range(first + 2, count + 1))
    found = (Tied(first, end, _rise(peaks[first:end])) for first, end in pairs)
    return [one for one in found if one.rows.any()]


def _rise(peaks: Array) -> NDArray[np.bool_]:
    """Tell for which shapes the loads do not fall into first ones that are above all others."""
    lowest = np.minimum.accumulate(peaks[:-1], axis=0)
    highest = np.maximum.accumulate(peaks[:0:-1], axis=0)[::-1]
    rise: NDArray[np.bool_] = (lowest <= highest).all(axis=0)
    return rise


def flat(values: Array, drop: float) -> bool:
    """Tell whether the last axis falls by no more than that beside its maxima."""
    at = np.clip(values.argmax(axis=-1), 1, values.shape[-1] - 2)[..., None]
    sides = [np.take_along_axis(values, at + side, axis=-1)[..., 0] for side in (-1, 0, 1)]
    return bool((values.max(axis=-1) - np.min(sides, axis=0) < drop).all())


def in_order(surface: Array) -> Array:
    """Return the greatest log-likelihood of all loads for each b of each, b not rising with load.

    Args:
        surface: log-likelihoods of every load, at every shape and at ascending b.
    """
    before = np.zeros_like(surface)
    after = np.zeros_like(surface)
    for at in range(1, len(surface)):
        total = before[at - 1] + surface[at - 1]
        before[at] = np.maximum.accumulate(total[:, ::-1], axis=1)[:, ::-1]
    for at in range(len(surface) - 2, -1, -1):
        after[at] = np.maximum.accumulate(after[at + 1] + surface[at + 1], axis=1)
    return before + surface + after
