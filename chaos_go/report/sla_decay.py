"""The SLO decay curve: the limit of a service gets lower when its load gets higher."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chaos_go.report.picture import COLOURS, DASHES, MARKERS, Dash
from chaos_go.sla.answer import Load, P99Limit, Threshold
from chaos_go.sla.words import percent

_COLUMNS = 4

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(axes: "Axes", loads: Sequence[Load]) -> None:
    """Draw the limits by load: as P99 if every load has one, otherwise as injected delay."""
    in_p99 = all(one.p99 and one.p99.safe_ms for load in loads for one in load.thresholds)
    for at, first in enumerate(loads[0].thresholds):
        colour, marker = COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)]
        limits = [_limit(load.thresholds[at], in_p99) for load in loads]
        dash = DASHES[at % len(DASHES)]
        _safe(axes, loads, limits, colour, dash, marker, f"safe for +{percent(first.budget)}")
        _estimates(axes, loads, limits, colour, marker, named=at == 0)
    axes.set_xlabel("load (requests/s)")
    axes.set_ylabel("P99 limit (ms)" if in_p99 else "limit of the injected delay (ms)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if not axes.get_legend_handles_labels()[0]:
        axes.annotate("no limit at any load", (0.5, 0.5), xycoords="axes fraction", ha="center")
        return
    # The legend is above the axes, because inside it would cover limits.
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=_COLUMNS, frameon=False)


def _limit(threshold: Threshold, in_p99: bool) -> Threshold | P99Limit:
    return threshold.p99 if in_p99 and threshold.p99 else threshold


def _safe(
    axes: "Axes",
    loads: Sequence[Load],
    limits: Sequence[Threshold | P99Limit],
    colour: str,
    dash: Dash,
    marker: str,
    label: str,
) -> None:
    safes = [math.nan if limit.safe_ms is None else limit.safe_ms for limit in limits]
    if all(map(math.isnan, safes)):
        return
    # The line is broken where a load has no limit. There are more markers than dashes.
    axes.plot(
        [load.load_rps or 0.0 for load in loads],
        safes,
        color=colour,
        linewidth=2,
        linestyle=dash,
        marker=marker,
        fillstyle="none",
        label=label,
    )


def _estimates(
    axes: "Axes",
    loads: Sequence[Load],
    limits: Sequence[Threshold | P99Limit],
    colour: str,
    marker: str,
    named: bool,
) -> None:
    """Draw the estimates with their intervals; an interval without an end has no cap there."""
    for load, limit in zip(loads, limits, strict=True):
        estimate = limit.estimate_ms
        if estimate is None:
            continue
        down = estimate - (limit.low_ms or 0.0)
        up = 0.0 if limit.high_ms is None else limit.high_ms - estimate
        label = "estimate and interval" if named else None
        named = False
        axes.errorbar(
            [load.load_rps or 0.0],
            [estimate],
            yerr=([down], [up]),
            fmt=marker,
            color=colour,
            capsize=4,
            label=label,
        )
