"""Service level indicators of a window of traffic: P99, error rate and impact rate, with intervals.

Pure functions of a `Window`; the intervals have 95 % confidence. Each docstring names the
population of its indicator, because this is where two tools differ most often.
"""

from dataclasses import asdict, dataclass

from chaos_go import stats
from chaos_go.errors import NotEnoughDataError
from chaos_go.traffic import histogram
from chaos_go.traffic.recording import Window

P99 = 0.99

SMALLEST_N_OF_RATE = stats.smallest_n(0.95)
"""The requests that a rate needs: 72. When none of 72 failed, the rate is shown to be below 5 %."""


@dataclass(frozen=True)
class Estimate:
    """A measured number with its confidence interval.

    Attributes:
        value: The number.
        low: Lower limit of the interval.
        high: Upper limit of the interval.
        n: The number of requests that it is based on.
        confidence: The probability with which such an interval covers the true value, at least.
        censored: Whether the value is the time at which requests were given up. The true value is
            this time or more.
        high_censored: The same for the upper limit.
    """

    value: float
    low: float
    high: float
    n: int
    confidence: float = stats.CONFIDENCE
    censored: bool = False
    high_censored: bool = False


def latency_ms(window: Window, quantile: float = P99) -> Estimate:
    """Estimate a quantile of latency, counted from the intended send time.

    Population: every request that was answered, with any status, or given up. A timeout, and a
    request that was dropped because no slot came free, counts as the time at which it was given up:
    a lower bound. A connection error has no latency and counts only in `error_rate`. The value is
    the midpoint of its bucket (at most 0.4 % off). The limits are the outer edges of theirs.

    Raises:
        NotEnoughDataError: There are too few requests for the quantile to have an upper limit.
    """
    timeout_bucket = _timeout_bucket(window)
    given_up = window.total("timeouts") + window.total("dropped")
    counts = _latencies(window)
    n = histogram.count(counts)
    _require(window, n, stats.smallest_n(quantile), f"P{quantile * 100:g}", "with a latency")
    ranks = stats.quantile_ranks(n, quantile)
    low, value, high = (histogram.bucket_at_rank(counts, rank) for rank in ranks)
    return Estimate(
        value=histogram.midpoint_us(value) / 1000,
        low=histogram.bounds_us(low)[0] / 1000,
        high=histogram.bounds_us(high)[1] / 1000,
        n=n,
        censored=given_up > 0 and value >= timeout_bucket,
        high_censored=given_up > 0 and high >= timeout_bucket,
    )


def quantile_ms(window: Window, quantile: float = P99) -> float | None:
    """Return the value of `latency_ms` without its limits, so that a few requests are enough.

    None when no request of the window has a latency.
    """
    counts = _latencies(window)
    n = histogram.count(counts)
    if n == 0:
        return None
    bucket = histogram.bucket_at_rank(counts, stats.nearest_rank(n, quantile))
    return histogram.midpoint_us(bucket) / 1000


def errors(window: Window) -> int:
    """Count the requests that the service failed: status 500 to 599, no answer, no connection."""
    failed = sum(
        count
        for second in window.seconds
        for status, count in second.statuses.items()
        if int(status) >= 500
    )
    return failed + window.total("timeouts") + window.total("connection_errors")


def error_fraction(window: Window) -> float | None:
    """Return the value of `error_rate` without its limits, so that a few requests are enough.

    None when no request was sent.
    """
    sent = window.total("sent")
    return errors(window) / sent if sent else None


def error_rate(window: Window) -> Estimate:
    """Estimate the fraction of requests that failed, 0 to 1.

    Population: every request that was sent. Failed: a status of 500 or more, a timeout, or a
    connection error. A 4xx is the client's fault.

    Raises:
        NotEnoughDataError: Too few requests were sent.
    """
    return _rate(window, errors(window), window.total("sent"), "the error rate", "sent")


def impact_rate(window: Window) -> Estimate:
    """Estimate the fraction of requests that hurt the business, 0 to 1.

    Population: every request that could be judged by the load's `impact` rule.

    Raises:
        NotEnoughDataError: Too few requests could be judged; without a rule it is none of them.
    """
    n = window.total("impact_n")
    return _rate(window, window.total("impact"), n, "the impact rate", "that could be judged")


def as_detail(estimate: Estimate, window: Window) -> dict[str, object]:
    """Return an estimate and its window as plain JSON values."""
    return {**asdict(estimate), "window": window_as_detail(window)}


def window_as_detail(window: Window) -> dict[str, object]:
    """Return the times and counters of a window as plain JSON values."""
    counters = ("intended", "sent", "late", "dropped", "timeouts", "connection_errors")
    return {
        "traffic": window.traffic,
        "start_unix_s": window.start_unix_s,
        "end_unix_s": window.end_unix_s,
        "seconds": len(window.seconds),
        **{counter: window.total(counter) for counter in counters},
    }


def _latencies(window: Window) -> dict[int, int]:
    """Return the population of `latency_ms` as a histogram."""
    dropped = {_timeout_bucket(window): window.total("dropped")}
    return histogram.merge([*(second.latency.counts for second in window.seconds), dropped])


def _timeout_bucket(window: Window) -> int:
    return histogram.index(round(window.timeout_ms * 1000))


def _rate(window: Window, hits: int, n: int, what: str, which: str) -> Estimate:
    _require(window, n, SMALLEST_N_OF_RATE, what, which)
    low, high = stats.proportion_interval(hits, n)
    return Estimate(value=hits / n, low=low, high=high, n=n)


def _require(window: Window, n: int, needed: int, what: str, which: str) -> None:
    if n < needed:
        raise NotEnoughDataError(
            f"traffic {window.traffic!r}: n={n} requests {which} in {len(window.seconds)} s "
            f"({window.total('intended')} intended, {window.total('connection_errors')} connection "
            f"errors) are too few for {what}, which needs {needed}: make the window longer or "
            "raise rate_rps"
        )
