"""How a load went over time, as plain data; `chaos_go.traffic.over_time` calculates it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Series:
    """One load over time. Each value belongs to the window that ends at its time.

    Attributes:
        name: of the load.
        window_s: how long each window is.
        unix_s: ends of the windows.
        p99_ms: P99 of each window in milliseconds; NaN when nothing was answered in it.
        error_rate: fraction of sent requests that failed, in each window; NaN when none was sent.
    """

    name: str
    window_s: int
    unix_s: tuple[float, ...]
    p99_ms: tuple[float, ...]
    error_rate: tuple[float, ...]
