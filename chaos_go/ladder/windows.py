"""Makes observations of windows, and estimates the extra risk of a dose from them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chaos_go import stats
from chaos_go.errors import NotEnoughDataError
from chaos_go.ladder.record import Row
from chaos_go.traffic import sli
from chaos_go.traffic.recording import Window


@dataclass(frozen=True)
class Risk:
    """The extra risk of a dose: the fraction of otherwise successful transactions that it costs.

    Attributes:
        value: (p - p0) / (1 - p0), where p is the risk with the dose and p0 the risk without it.
        low: Lower limit of its interval.
        high: Upper limit of its interval.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return the risk and its interval in percent."""
        return f"{self.value:.2%} ({self.low:.2%} to {self.high:.2%})"


def row(window: Window, dose_ms: float, number: int, rate_rps: float) -> Row:
    """Return a window as an observation; `add_p99` adds its P99."""
    return {
        "dose_ms": dose_ms,
        "n": window.total("impact_n"),
        "k": window.total("impact"),
        "load_rps": rate_rps,
        "window": number,
        "p99_ms": None,
        "p99_low_ms": None,
        "p99_high_ms": None,
        "start_unix_s": window.start_unix_s,
        "seconds": len(window.seconds),
        "late": window.total("late") + window.total("dropped"),
        "timeouts": window.total("timeouts"),
        "connection_errors": window.total("connection_errors"),
    }


def add_p99(row: Row, window: Window) -> None:
    """Add the P99 of a window to its row.

    The upper limit stays None when requests were given up there. With too few requests the P99
    stays None too, and ``p99_missing`` says why.
    """
    try:
        p99 = sli.latency_ms(window)
    except NotEnoughDataError as error:
        row["p99_missing"] = str(error)
        return
    row["p99_ms"], row["p99_low_ms"] = p99.value, p99.low
    row["p99_high_ms"] = None if p99.high_censored else p99.high
    row["p99_censored"] = p99.censored


def say_p99(row: Row) -> str:
    """Return the P99 of a row as text, with ``>=`` if requests were given up at that time."""
    if row["p99_ms"] is None:
        return "no P99"
    at_least = ">= " if row.get("p99_censored") else ""
    high = "?" if row["p99_high_ms"] is None else f"{row['p99_high_ms']:.0f}"
    return f"P99 {at_least}{row['p99_ms']:.0f} ms ({row['p99_low_ms']:.0f} to {high})"


def extra_risk(
    rows: Sequence[Row], baseline: Sequence[Row], confidence: float = stats.CONFIDENCE
) -> Risk:
    """Estimate the extra risk of the rows over that of the baseline.

    The limits join the exact intervals of the two proportions (Newcombe's method 10, Statistics in
    Medicine 17 (1998) 873-890). The windows are pooled; only the fit takes into account that they
    differ.
    """
    hits, n = _sums(rows)
    hits_0, n_0 = _sums(baseline)
    p, p_0 = hits / n, hits_0 / n_0
    low, high = stats.proportion_interval(hits, n, confidence)
    low_0, high_0 = stats.proportion_interval(hits_0, n_0, confidence)
    down = math.hypot(p - low, high_0 - p_0)
    up = math.hypot(high - p, p_0 - low_0)
    fine = max(1 - p_0, 1 / n_0)
    return Risk((p - p_0) / fine, (p - p_0 - down) / fine, (p - p_0 + up) / fine)


def _sums(rows: Sequence[Row]) -> tuple[int, int]:
    return sum(row["k"] for row in rows), sum(row["n"] for row in rows)
