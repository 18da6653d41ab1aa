"""The P99 of the service as a function of the injected delay, and thresholds as a P99.

The dose is known exactly, the P99 is measured. Therefore the threshold is calculated as a dose and
then converted to a P99: a regression on the measured P99 would be flattened by its error.
P99(dose) is the isotonic regression of the measured P99s, weighted by transactions, with straight
lines between the doses. Its limits are those in the data, from order statistics, made monotone in
the same way.

A P99 limit adds both uncertainties (worst case): its lower limit is the lower limit of the P99 at
the lower limit of the dose. So it encloses the true value at least with the confidence, however
the two errors depend on each other. There is no limit (None) where the dose is outside of the
measured range, or where the P99 is unbounded (more than 1 % timed out). A P99 without limits is
treated as exact.

Source: M. Ayer et al., "An empirical distribution function for sampling with incomplete
information", Annals of Mathematical Statistics 26 (1955) 641-647: pool adjacent violators.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from chaos_go.sla.answer import Answer, Load, P99Limit, Threshold
from chaos_go.sla.observations import Level, Observations


def isotonic(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return the non-decreasing sequence closest to the values by weighted least squares."""
    blocks: list[tuple[float, float, int]] = []  # mean, weight, length
    for value, own_weight in zip(values, weights, strict=True):
        mean, weight, length = value, own_weight, 1
        while blocks and blocks[-1][0] >= mean:
            earlier, earlier_weight, earlier_length = blocks.pop()
            mean = (earlier * earlier_weight + mean * weight) / (earlier_weight + weight)
            weight, length = earlier_weight + weight, length + earlier_length
        blocks.append((mean, weight, length))
    return [mean for mean, _, length in blocks for _ in range(length)]


@dataclass(frozen=True)
class Curve:
    """P99(dose) at one load: measured at some doses, linear between them. All in milliseconds.

    Attributes:
        doses_ms: Doses, ascending.
        p99_ms: P99 at each dose, non-decreasing.
        low_ms: Lower limits of the P99, non-decreasing; None where not known.
        high_ms: Upper limits of the P99, non-decreasing. None from the first dose on at which the
            limit is not known or not bounded, because the P99 at higher doses is not smaller.
    """

    doses_ms: tuple[float, ...]
    p99_ms: tuple[float, ...]
    low_ms: tuple[float | None, ...]
    high_ms: tuple[float | None, ...]

    def at(self, dose_ms: float | None) -> float | None:
        """Return the P99 at a dose; None outside the measured doses."""
        return _between(self.doses_ms, self.p99_ms, dose_ms)

    def low_at(self, dose_ms: float | None) -> float | None:
        """Return the lower limit of the P99 at a dose; None where there is none."""
        return _between(self.doses_ms, self.low_ms, dose_ms)

    def high_at(self, dose_ms: float | None) -> float | None:
        """Return the upper limit of the P99 at a dose; None where there is none."""
        return _between(self.doses_ms, self.high_ms, dose_ms)

    def dose_for(self, p99_ms: float) -> float | None:
        """Return the largest dose at which the P99 is at most a value; None outside the curve."""
        if not self.p99_ms[0] <= p99_ms <= self.p99_ms[-1]:
            return None
        at = max(at for at, value in enumerate(self.p99_ms) if value <= p99_ms)
        if self.p99_ms[at] == p99_ms:
            return self.doses_ms[at]
        left, right = self.p99_ms[at], self.p99_ms[at + 1]
        share = (p99_ms - left) / (right - left)
        return self.doses_ms[at] + share * (self.doses_ms[at + 1] - self.doses_ms[at])

    def limit(self, threshold: Threshold) -> P99Limit:
        """Return a threshold as a P99; a safe limit of 0 ms becomes None, as it is of no use."""
        return P99Limit(
            estimate_ms=self.at(threshold.estimate_ms),
            low_ms=self.low_at(threshold.low_ms),
            high_ms=self.high_at(threshold.high_ms),
            safe_ms=self.low_at(threshold.safe_ms) or None,
        )


def curve(levels: Iterable[Level]) -> Curve | None:
    """Return P99(dose) of the levels of one load; None unless two or more of them have a P99."""
    measured = [level for level in levels if level.p99_ms is not None]
    if len(measured) < 2:
        return None
    weights = [float(level.n) for level in measured]
    p99s = tuple(isotonic([level.p99_ms or 0.0 for level in measured], weights))
    doses = tuple(level.dose_ms for level in measured)
    if all(level.p99_low_ms is None and level.p99_high_ms is None for level in measured):
        return Curve(doses, p99s, p99s, p99s)
    return Curve(
        doses_ms=doses,
        p99_ms=p99s,
        low_ms=_farther(min, _from_first_known([x.p99_low_ms for x in measured], weights), p99s),
        high_ms=_farther(max, _to_first_unknown([x.p99_high_ms for x in measured], weights), p99s),
    )


def with_p99(answer: Answer, observations: Observations) -> Answer:
    """Return an answer whose thresholds are also given as a P99, where the P99 was measured."""
    curves = {load: curve(levels) for load, levels in observations.by_load().items()}
    if not any(curves.values()):
        return answer
    loads = tuple(
        replace(load, thresholds=_with_limits(load.thresholds, curves.get(load.load_rps)))
        for load in per_load(answer)
    )
    told = replace(answer, loads=loads)
    budgets = range(len(answer.thresholds))
    return replace(told, thresholds=tuple(told.governing(at).thresholds[at] for at in budgets))


def per_load(answer: Answer) -> tuple[Load, ...]:
    """Return the thresholds of each load; one load without `load_rps` if the data have no loads."""
    return answer.loads or (Load(None, answer.background, answer.thresholds),)


def _with_limits(thresholds: Iterable[Threshold], fitted: Curve | None) -> tuple[Threshold, ...]:
    return tuple(
        replace(threshold, p99=fitted.limit(threshold) if fitted else None)
        for threshold in thresholds
    )


def _farther(
    choose: Callable[[float, float], float],
    limits: Sequence[float | None],
    p99s: Sequence[float],
) -> tuple[float | None, ...]:
    """Return limits that are on the right side of the P99.

    A limit could be on the wrong side, because the isotonic regression of the limits covers fewer
    doses than that of the P99 when some limits are not known.
    """
    pairs = zip(limits, p99s, strict=True)
    return tuple(None if limit is None else choose(limit, p99) for limit, p99 in pairs)


def _from_first_known(
    values: Sequence[float | None], weights: Sequence[float]
) -> tuple[float | None, ...]:
    """Make lower limits monotone; an unknown limit is the one before, which holds there too."""
    known = [at for at, value in enumerate(values) if value is not None]
    fitted = isotonic([values[at] or 0.0 for at in known], [weights[at] for at in known])
    result: list[float | None] = []
    for at in range(len(values)):
        before = [value for where, value in zip(known, fitted, strict=True) if where <= at]
        result.append(before[-1] if before else None)
    return tuple(result)


def _to_first_unknown(
    values: Sequence[float | None], weights: Sequence[float]
) -> tuple[float | None, ...]:
    """Make upper limits monotone, up to the first unknown one; from there on all are None."""
    end = values.index(None) if None in values else len(values)
    fitted = isotonic([value or 0.0 for value in values[:end]], weights[:end])
    return (*fitted, *[None] * (len(values) - end))


def _between(
    doses_ms: Sequence[float], values: Sequence[float | None], dose_ms: float | None
) -> float | None:
    """Interpolate linearly between the doses; None outside them or next to an unknown value."""
    if dose_ms is None or not doses_ms[0] <= dose_ms <= doses_ms[-1]:
        return None
    right = next(at for at, dose in enumerate(doses_ms) if dose >= dose_ms)
    if doses_ms[right] == dose_ms:
        return values[right]
    left_value, right_value = values[right - 1], values[right]
    if left_value is None or right_value is None:
        return None
    share = (dose_ms - doses_ms[right - 1]) / (doses_ms[right] - doses_ms[right - 1])
    return left_value + share * (right_value - left_value)
