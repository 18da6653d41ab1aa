"""When a service recovered from a fault: from then on its indicators stayed inside their limits.

Pure functions of a `Series`, whose windows are 1 s apart and have no confidence limits.
"""

import math
from dataclasses import dataclass

from chaos_go.errors import NotEnoughDataError
from chaos_go.traffic.series import Series

NO_P99_LIMIT_MS = 0.0
NO_ERROR_LIMIT = 1.0


@dataclass(frozen=True)
class Limits:
    """What the indicators of every window are compared with.

    Attributes:
        p99_ms: Largest P99 in milliseconds; 0 for no limit.
        error_rate: Largest fraction of failed requests, 0 to 1; 1 for no limit.
    """

    p99_ms: float = NO_P99_LIMIT_MS
    error_rate: float = NO_ERROR_LIMIT

    def hold(self, p99_ms: float, error_rate: float) -> bool:
        """Return whether a window is inside. A P99 of NaN, since nothing was answered, is not."""
        return error_rate <= self.error_rate and (
            self.p99_ms == NO_P99_LIMIT_MS or p99_ms <= self.p99_ms
        )


@dataclass(frozen=True)
class BadWindow:
    """A window outside the limits.

    Attributes:
        start_unix_s: Its start, in seconds since 1970.
        end_unix_s: Its end, in seconds since 1970.
        p99_ms: Its P99 in milliseconds; None when nothing was answered.
        error_rate: The fraction of requests that failed.
    """

    start_unix_s: float
    end_unix_s: float
    p99_ms: float | None
    error_rate: float


@dataclass(frozen=True)
class Recovery:
    """How long a service took to recover.

    Attributes:
        value_s: Seconds from the beginning of the fault to the start of the first window from which
            on every window stayed inside the limits; 0 when none left them. If the newest window is
            outside, the seconds to its end: a lower bound.
        recovered: Whether the newest window is inside the limits.
        last_bad: The newest window outside the limits; None when there was none.
    """

    value_s: float
    recovered: bool
    last_bad: BadWindow | None


def find(series: Series, fault_unix_s: float, limits: Limits) -> Recovery:
    """Find when a load was back inside its limits.

    Args:
        series: The indicators of the windows that end after the fault began.
        fault_unix_s: When the fault began, in seconds since 1970.
        limits: The limits.

    Raises:
        NotEnoughDataError: There is no window, or one in which no request was sent.
    """
    if not series.unix_s or any(math.isnan(rate) for rate in series.error_rate):
        raise NotEnoughDataError(
            f"traffic {series.name!r}: {len(series.unix_s)} windows of {series.window_s} s since "
            "the fault began, and each needs a request; raise rate_rps, start the load earlier or "
            "change window_s"
        )
    windows = zip(series.unix_s, series.p99_ms, series.error_rate, strict=True)
    bad = [window for window in windows if not limits.hold(*window[1:])]
    if not bad:
        return Recovery(0.0, recovered=True, last_bad=None)
    end, p99_ms, error_rate = bad[-1]
    start = end - series.window_s
    last_bad = BadWindow(start, end, None if math.isnan(p99_ms) else p99_ms, error_rate)
    if end == series.unix_s[-1]:
        return Recovery(end - fault_unix_s, recovered=False, last_bad=last_bad)
    first_good = series.unix_s[series.unix_s.index(end) + 1] - series.window_s
    return Recovery(max(0.0, first_good - fault_unix_s), recovered=True, last_bad=last_bad)
