"""The queries that count requests of a latency histogram."""

from chaos_go.sla.export.objective import Objective


def good(objective: Objective, window: str | None = None) -> str:
    """Return the query for the requests within the limit.

    Args:
        objective: The SLO.
        window: With a window, the query gives requests per second over it; without, the count.
    """
    return _sum(
        f"{objective.names.metric}_bucket",
        objective.names.matchers,
        _le(objective.bucket_s),
        window,
    )


def total(objective: Objective, window: str | None = None) -> str:
    """Return the query for all requests; the window is that of `good`."""
    return _sum(f"{objective.names.metric}_count", objective.names.matchers, "", window)


def _sum(series: str, selector: str, matcher: str, window: str | None) -> str:
    matchers = ",".join(part for part in (selector.strip().rstrip(","), matcher) if part)
    selected = f"{series}{{{matchers}}}" if matchers else series
    return f"sum(rate({selected}[{window}]))" if window else f"sum({selected})"


def bound(bucket_s: float) -> str:
    """Return the upper bound of a bucket as Prometheus writes it."""
    return f"{bucket_s:.9g}"


def _le(bucket_s: float) -> str:
    text = bound(bucket_s)
    # A whole number is "1" in Prometheus 2 and "1.0" in Prometheus 3.
    return f'le=~"{text}([.]0)?"' if text.isdigit() else f'le="{text}"'
