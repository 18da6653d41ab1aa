"""The indicators of a load over time, as plain data; `chaos_go.traffic.over_time` calculates it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Series:
    """One load over time. Each value belongs to the window that ends at its time.

    Attributes:
        name: Name of the load.
        window_s: Length of each window in seconds.
        unix_s: Ends of the windows, in seconds since 1970.
        p99_ms: P99 of each window in milliseconds; NaN when nothing was answered in it.
        error_rate: Fraction of sent requests that failed, in each window; NaN when none was sent.
    """

    name: str
    window_s: int
    unix_s: tuple[float, ...]
    p99_ms: tuple[float, ...]
    error_rate: tuple[float, ...]
