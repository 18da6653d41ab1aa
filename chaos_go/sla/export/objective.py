"""What an SLO file says, whatever its format: the limit, its metric, and where it comes from."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from chaos_go.errors import BadInputError, NotEnoughDataError
from chaos_go.sla.answer import Answer, Threshold
from chaos_go.sla.export import selector
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.words import exact

TARGET = 0.99
"""A P99 of at most x is the same as 99 % of the requests within x."""

PERIOD_DAYS = 30

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


@dataclass(frozen=True)
class Source:
    """Where the observations come from.

    Attributes:
        name: of the file.
        date: as it is written into comments, with what happened on it.
        version: of this program.
    """

    name: str
    date: str
    version: str


@dataclass(frozen=True)
class Names:
    """What the service and its latency histogram are called.

    Attributes:
        service: as DNS allows it.
        metric: name of the histogram, without ``_bucket``.
        selector: label matchers of its series; None for ``job="<service>"``.
        buckets_s: upper bounds of its buckets; empty when not known.
    """

    service: str
    metric: str
    selector: str | None
    buckets_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse names that cannot be one.

        Raises:
            BadInputError: there is such a name.
        """
        if not _NAME.fullmatch(self.service):
            fix = "give a DNS name: a-z, 0-9 and -, at most 63, for instance checkout"
            raise BadInputError("service", self.service, fix)
        if not _METRIC.fullmatch(self.metric) or self.metric.endswith("_bucket"):
            fix = "give the name of a histogram without _bucket: letters, digits, _ and :"
            raise BadInputError("metric", self.metric, fix)
        selector.check(self.selector or "")

    @property
    def matchers(self) -> str:
        """Return the label matchers."""
        return f'job="{self.service}"' if self.selector is None else self.selector


@dataclass(frozen=True)
class Objective:
    """An SLO on the latency of a service.

    Attributes:
        names: of the service and its histogram.
        threshold: the calculated limit.
        background: impact without any fault, a fraction.
        limit_ms: the safe limit, rounded down.
        p99_measured: the limit is a P99; otherwise the injected delay stands in for it.
        bucket_s: upper bound of the histogram bucket that counts the good requests.
        levels: the curve at this load.
    """

    names: Names
    threshold: Threshold
    background: float
    limit_ms: float
    p99_measured: bool
    bucket_s: float
    levels: tuple[Level, ...]

    @property
    def rounded(self) -> bool:
        """Whether the bucket is below the limit, since the histogram has none at it."""
        return self.bucket_s * 1000 < self.limit_ms - 1e-6


def limit(threshold: Threshold) -> tuple[float, bool]:
    """Return the safe limit in milliseconds, rounded down, and whether it is a measured P99.

    Without a P99 the injected delay is the limit. Every delayed request takes at least as long as
    the delay, so the P99 was not below it, and the limit errs on the safe side.

    Raises:
        NotEnoughDataError: the observations give no safe limit.
    """
    p99, safe = _p99_limit_ms(threshold), _limit_ms(threshold)
    if threshold.verdict == "inconclusive" or safe is None or safe <= 0:
        flags = ", ".join(threshold.flags) or "none"
        raise NotEnoughDataError(
            f"budget={exact(threshold.budget)}: no safe limit, so no SLO; verdict "
            f"{threshold.verdict}, flags {flags}. `chaos go sla fit` says what to measure"
        )
    unit = 1.0 if safe >= 10 else 0.1
    return math.floor(safe / unit + 1e-9) * unit or safe, p99 is not None


def objective(answer: Answer, observations: Observations, names: Names) -> Objective:
    """Make the SLO of the first budget of an answer, at the load that governs if there are several.

    Raises:
        BadInputError: no bucket is low enough.
        NotEnoughDataError: there is no safe limit.
    """
    threshold, background, levels = strictest(answer, observations)
    limit_ms, measured = limit(threshold)
    bucket_s = _bucket(limit_ms / 1000, names.buckets_s)
    return Objective(names, threshold, background, limit_ms, measured, bucket_s, levels)


def strictest(
    answer: Answer, observations: Observations
) -> tuple[Threshold, float, tuple[Level, ...]]:
    """Return the first threshold, its background and its levels, at the load that allows least.

    A delay allows least at the load that governs. A P99 limit need not, since the service at rest
    may be slower at a higher load: the lowest is taken, wherever it is.
    """
    if not answer.loads:
        return answer.thresholds[0], answer.background, observations.levels
    load = answer.governing(0)
    if load.thresholds[0].safe_ms is not None:
        told = (one for one in answer.loads if _p99_limit_ms(one.thresholds[0]) is not None)
        load = min((load, *told), key=lambda one: _limit_ms(one.thresholds[0]) or 0.0)
    levels = tuple(level for level in observations.levels if level.load_rps == load.load_rps)
    return load.thresholds[0], load.background, levels


def _limit_ms(threshold: Threshold) -> float | None:
    p99_ms = _p99_limit_ms(threshold)
    return threshold.safe_ms if p99_ms is None else p99_ms


def _p99_limit_ms(threshold: Threshold) -> float | None:
    return threshold.p99.safe_ms if threshold.p99 else None


def _bucket(limit_s: float, buckets_s: Sequence[float]) -> float:
    if not buckets_s:
        return limit_s
    below = [bucket for bucket in buckets_s if 0 < bucket <= limit_s + 1e-9]
    if not below:
        fix = (
            f"none of these seconds is at or below the limit of {exact(limit_s)} s; add that "
            "bucket to the histogram"
        )
        raise BadInputError("buckets", ",".join(exact(x) for x in buckets_s), fix)
    return max(below)
