"""P99 and error rate of a load over time: the indicators of `sli` in one window after another.

Pure functions. A picture shows how the indicators change. So they have no confidence limits here,
and a window with few requests has a value too.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chaos_go.errors import BadInputError
from chaos_go.traffic import sli
from chaos_go.traffic.contract import LoadSecond
from chaos_go.traffic.recording import Window
from chaos_go.traffic.series import Series

WINDOW_S = 5
"""Length of a window in seconds. The P99 of a window with 40 requests is their maximum."""


def series(whole: Window, window_s: int = WINDOW_S) -> Series:
    """Compute the indicators of every window of ``window_s`` seconds; windows are 1 s apart.

    Args:
        whole: Everything that was recorded of the load.
        window_s: Length of a window in seconds; 5 by default.
    """
    stops = range(window_s, len(whole.seconds) + 1)
    windows = [cut(whole, whole.seconds[stop - window_s : stop]) for stop in stops]
    return Series(
        name=whole.traffic,
        window_s=window_s,
        unix_s=tuple(window.end_unix_s for window in windows),
        p99_ms=tuple(_or_nan(sli.quantile_ms(window)) for window in windows),
        error_rate=tuple(_or_nan(sli.error_fraction(window)) for window in windows),
    )


def read(journal: Mapping[str, Any]) -> list[Series]:
    """Compute the series of each load in a journal that lasted for at least one window.

    Args:
        journal: The journal of a run with the control ``chaos_go.controls.traffic``.

    Raises:
        BadInputError: The journal has no such load, or the record of a load is not valid.
    """
    traffic = (journal.get("chaos_go") or {}).get("traffic") or {}
    loads = [_read(name, record) for name, record in traffic.items()]
    found = [load for load in loads if load.unix_s]
    if not found:
        fix = f"no load of {WINDOW_S} s or more; drive one by chaos_go.controls.traffic"
        raise BadInputError("traffic", list(traffic), fix)
    return found


def cut(whole: Window, seconds: Sequence[LoadSecond]) -> Window:
    """Return the window of some seconds of a window, which follow each other."""
    start, end = seconds[0].start_unix_s, seconds[-1].start_unix_s + 1
    return replace(whole, start_unix_s=start, end_unix_s=end, seconds=seconds)


def _read(name: str, record: Any) -> Series:
    try:
        seconds = [LoadSecond.from_dict(second) for second in record["seconds"]]
        timeout_ms = float(record["spec"]["load"]["timeout_ms"])
        return series(Window(name, 0.0, 0.0, timeout_ms, seconds))
    except (KeyError, TypeError, ValueError) as error:
        fix = f"not what chaos_go.controls.traffic writes ({error!r}); run it again"
        raise BadInputError("traffic", name, fix) from error


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
