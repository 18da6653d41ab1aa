"""The picture of a run: P99 and error rate over time, with the faults shaded."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chaos_go.errors import BadInputError
from chaos_go.report import picture
from chaos_go.traffic import histogram
from chaos_go.traffic.contract import LoadSecond

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WINDOW_S = 5
"""The P99 of one second of 40 requests is just their maximum, so look at this many at once."""

_LINES = tuple(zip(picture.COLOURS, picture.DASHES, strict=True))
_MOST_NAMED = 3  # faults


@dataclass(frozen=True)
class Series:
    """One load over time; a value belongs to the `WINDOW_S` seconds up to its time.

    Attributes:
        name: of the load.
        unix_s: ends of the windows.
        p99_ms: P99 of each window in milliseconds; NaN when nothing was answered in it.
        error_rate: fraction of sent requests that failed, in each window; NaN when none was sent.
    """

    name: str
    unix_s: list[float]
    p99_ms: list[float]
    error_rate: list[float]


def draw(journal: dict[str, Any], path: str) -> None:
    """Draw a run.

    Args:
        journal: of a run with the control ``chaos_go.controls.traffic``.
        path: file to write, .png (800 pixels wide) or .svg.

    Raises:
        BadInputError: the journal has no traffic, or the file is of another kind.
        ChaosGoError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    picture.check_output(path)
    loads = list(series(journal))
    with picture.saved(path, height_in=5) as figure:
        upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 2))
        origin = loads[0].unix_s[0] - WINDOW_S
        _panel(upper, journal, "p99_ms", loads, origin)
        _panel(lower, journal, "error_rate", loads, origin)
        upper.set_ylabel(f"P99 latency, last {WINDOW_S} s (ms)")
        lower.set_ylabel(f"error rate, last {WINDOW_S} s")
        lower.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
        lower.set_xlabel("seconds since the load began")
        upper.set_title(str(journal.get("experiment", {}).get("title", "")), wrap=True)
        upper.legend(loc="upper left", ncols=3, framealpha=0.9)


def series(journal: dict[str, Any]) -> Iterator[Series]:
    """Compute what is drawn of each load.

    Raises:
        BadInputError: there is no traffic in the journal, or it cannot be understood.
    """
    traffic = journal.get("chaos_go", {}).get("traffic", {})
    found = False
    for name, record in traffic.items():
        try:
            seconds = [LoadSecond.from_line(json.dumps(second)) for second in record["seconds"]]
            timeout_ms = float(record["spec"]["load"]["timeout_ms"])
        except (KeyError, TypeError, ValueError) as error:
            fix = f"not what chaos_go.controls.traffic writes ({error!r}); run it again"
            raise BadInputError("traffic", name, fix) from error
        if len(seconds) >= WINDOW_S:
            found = True
            yield _series(name, seconds, timeout_ms)
    if not found:
        fix = f"no load of {WINDOW_S} s or more; drive one by chaos_go.controls.traffic"
        raise BadInputError("traffic", list(traffic), fix)


def _series(name: str, seconds: Sequence[LoadSecond], timeout_ms: float) -> Series:
    ends, p99s, rates = [], [], []
    for stop in range(WINDOW_S, len(seconds) + 1):
        window = seconds[stop - WINDOW_S : stop]
        ends.append(window[-1].start_unix_s + 1)
        p99s.append(_p99_ms(window, timeout_ms))
        rates.append(_error_rate(window))
    return Series(name, ends, p99s, rates)


def _p99_ms(window: Sequence[LoadSecond], timeout_ms: float) -> float:
    """Return the P99 as the probes define it; a dropped request counts as one that timed out."""
    dropped = sum(second.dropped for second in window)
    timed_out = {histogram.index(round(timeout_ms * 1000)): dropped}
    counts = histogram.merge([*(second.latency.counts for second in window), timed_out])
    n = histogram.count(counts)
    if n == 0:
        return math.nan
    return histogram.midpoint_us(histogram.bucket_at_rank(counts, math.ceil(0.99 * n))) / 1000


def _error_rate(window: Sequence[LoadSecond]) -> float:
    sent = sum(second.sent for second in window)
    failed = sum(
        second.timeouts
        + second.connection_errors
        + sum(n for status, n in second.statuses.items() if int(status) >= 500)
        for second in window
    )
    return failed / sent if sent else math.nan


def _fault_label(number: int, record: dict[str, Any], of: int) -> str:
    """Name a fault in the legend; many, as a ladder has them, are one entry."""
    if of <= _MOST_NAMED:
        return f"fault {record['id']}"
    return f"{of} faults" if number == 0 else ""


def _panel(
    axes: "Axes", journal: dict[str, Any], quantity: str, loads: Sequence[Series], origin: float
) -> None:
    """Draw the lines of one quantity, its limit in the hypothesis, and the faults behind them."""
    for load, (colour, dashes) in zip(loads, _LINES * len(loads), strict=False):
        times = [unix_s - origin for unix_s in load.unix_s]
        values = getattr(load, quantity)
        axes.plot(times, values, dashes, color=colour, linewidth=1.8, label=load.name)
    for limit in limits(journal, quantity):
        picture.limit_line(axes, limit, f"limit {limit:g}")
    records = journal["chaos_go"].get("faults", [])
    for number, record in enumerate(records):
        start, end = record.get("armed_unix_s"), record.get("ended_unix_s")
        if start is not None:
            last = loads[0].unix_s[-1]
            axes.axvspan(
                start - origin,
                (end or last) - origin,
                color=picture.FAULT,
                alpha=0.25,
                linewidth=0,
                label=_fault_label(number, record, len(records)),
            )
    drawn = [value for load in loads for value in getattr(load, quantity)]
    highest = max([value for value in drawn if value > 0] + limits(journal, quantity), default=1)
    # Room for the legend above, and for a line at 0 to be seen.
    axes.set_ylim(-0.03 * highest, 1.25 * highest)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def limits(journal: dict[str, Any], quantity: str) -> list[float]:
    """Return the upper limits of a probe of `probes.traffic` in the hypothesis, as numbers.

    Args:
        journal: of the run.
        quantity: name of the probe function, ``p99_ms`` or ``error_rate``.
    """
    hypothesis = journal.get("experiment", {}).get("steady-state-hypothesis") or {}
    found = set()
    for probe in hypothesis.get("probes", []):
        provider, tolerance = probe.get("provider", {}), probe.get("tolerance")
        bounds = tolerance.get("range") if isinstance(tolerance, dict) else tolerance
        ours = provider.get("module") == "probes.traffic" and provider.get("func") == quantity
        if ours and isinstance(bounds, list) and len(bounds) == 2:
            found.add(float(bounds[1]))
    return sorted(found)
