"""The picture of a run: P99 and error rate over time, with the faults shaded.

If a fault watched pods, a third panel shows how many of them were Ready, and when pods were killed.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chaos_go.report import picture, pods
from chaos_go.traffic.series import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINES = tuple(zip(picture.COLOURS, picture.DASHES, strict=True))
_MOST_NAMED = 3  # more faults than this share one entry of the legend


def draw(journal: dict[str, Any], loads: Sequence[Series], path: str) -> None:
    """Draw a run.

    Args:
        journal: The journal of the run: its title, its faults and its limits are drawn.
        loads: Each load over time, at least one.
        path: The file to write, .png (800 pixels wide) or .svg.

    Raises:
        BadInputError: The file is of another kind or cannot be written.
        ChaosGoError: Matplotlib is not installed.
    """
    picture.check_output(path)
    window_s = loads[0].window_s
    watched = pods.watched(journal)
    with picture.saved(path, height_in=6.5 if watched else 5) as figure:
        ratios = (3, 2, 2) if watched else (3, 2)
        panels = figure.subplots(len(ratios), sharex=True, height_ratios=ratios)
        upper, lower = panels[:2]
        origin = loads[0].unix_s[0] - window_s
        _panel(upper, journal, "p99_ms", loads, origin)
        _panel(lower, journal, "error_rate", loads, origin)
        if watched:
            for panel in (upper, lower):
                pods.mark_kills(panel, watched, origin)
            pods.draw(panels[2], watched, origin, loads[0].unix_s[-1])
        upper.set_ylabel(f"P99 latency, last {window_s} s (ms)")
        lower.set_ylabel(f"error rate, last {window_s} s")
        lower.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
        panels[-1].set_xlabel("seconds since the load began")
        upper.set_title(str(journal.get("experiment", {}).get("title", "")), wrap=True)
        upper.legend(loc="upper left", ncols=3, framealpha=0.9)


def _fault_label(number: int, record: dict[str, Any], of: int) -> str:
    """Return the legend's text for a fault; many faults, as of a ladder, share one entry."""
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
    # This leaves room for the legend above, and shows a line at 0.
    axes.set_ylim(-0.03 * highest, 1.25 * highest)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def limits(journal: dict[str, Any], quantity: str) -> list[float]:
    """Return the upper limits of a probe of `probes.traffic` in the hypothesis, as numbers.

    Args:
        journal: The journal of the run.
        quantity: The name of the probe function, ``p99_ms`` or ``error_rate``.
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
