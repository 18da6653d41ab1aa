"""The content of an SLO that all formats share: the limit, its metric, and its source."""

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
        name: Name of the file.
        date: Text with the dates of measurement and calculation, for the comments.
        version: Version of chaos_go.
    """

    name: str
    date: str
    version: str


@dataclass(frozen=True)
class Names:
    """Names of the service and of its latency histogram.

    Attributes:
        service: Name of the service, a DNS label.
        metric: Name of the histogram, without ``_bucket``.
        selector: Label matchers of its series; None for ``job="<service>"``.
        buckets_s: Upper bounds of its buckets in seconds; empty when not known.
    """

    service: str
    metric: str
    selector: str | None
    buckets_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse invalid names.

        Raises:
            BadInputError: A name or the selector is invalid.
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
        names: Names of the service and of its histogram.
        threshold: The calculated threshold.
        background: Impact without any fault, a fraction.
        limit_ms: The safe limit in milliseconds, rounded down.
        p99_measured: Whether the limit is a measured P99; otherwise it is an injected delay.
        bucket_s: Upper bound in seconds of the histogram bucket that counts the good requests.
        levels: The curve at this load.
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
        """Whether the bucket is below the limit, because the histogram has no bucket at it."""
        return self.bucket_s * 1000 < self.limit_ms - 1e-6


def limit(threshold: Threshold) -> tuple[float, bool]:
    """Return the safe limit in milliseconds, rounded down, and whether it is a measured P99.

    Without a P99 the limit is the injected delay. Every delayed request takes at least as long as
    the delay, so the P99 was not below it, and the limit is on the safe side.

    Raises:
        NotEnoughDataError: The observations give no safe limit.
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
    """Return the SLO for the first budget of an answer, with a limit that holds at every load.

    Args:
        answer: The answer.
        observations: What was measured.
        names: Names of the service and of its histogram.

    Raises:
        BadInputError: No bucket is at or below the limit.
        NotEnoughDataError: There is no safe limit.
    """
    threshold, background, levels = strictest(answer, observations)
    limit_ms, measured = limit(threshold)
    bucket_s = _bucket(limit_ms / 1000, names.buckets_s)
    return Objective(names, threshold, background, limit_ms, measured, bucket_s, levels)


def strictest(
    answer: Answer, observations: Observations
) -> tuple[Threshold, float, tuple[Level, ...]]:
    """Return the first threshold, its background and its levels, at the load with the least limit.

    The delay is least at the load that `Answer.governing` returns. The P99 may be least at another
    load, since the P99 without any delay may be higher at a higher load. So the lowest P99 limit of
    all loads is taken.
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
