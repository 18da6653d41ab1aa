"""The axes of the curve: its scales, the P99 above it, and the labels beside it."""

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chaos_go.report.picture import LIMIT
from chaos_go.sla.answer import Load, Threshold
from chaos_go.sla.drawing import Drawing
from chaos_go.sla.latency import Curve, isotonic
from chaos_go.sla.words import exact, floored, milliseconds, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CLOSE = 3.0  # times the lowest dose: a label below that would touch the one of 0
_BESIDE = 0.08  # of the width of the axes, between two labels of the upper axis
_LINE = 45  # characters along the axes
_LEAD = 1.03  # of the width of the axes, where the labels of budgets begin
_ROW = 0.045  # of the height of the axes, a line of them
_FONT_POINTS = 10.0
_HIGH = 0.5  # of the highest impact: a background above that would leave little of the axis


def scale(axes: "Axes", drawing: Drawing) -> None:
    """Make the axes wide enough for all that was observed and for the budgets."""
    points = [point for curve in drawing.curves for point in curve.points]
    asked = [
        curve.load.impact(one.budget) for curve in drawing.curves for one in curve.load.thresholds
    ]
    top = max(*(point.high for point in points), *asked)
    lowest = min(point.low for point in points)
    bottom = lowest if lowest > _HIGH * top else 0.0
    axes.set_ylim(bottom - 0.03 * (top - bottom), top + 0.12 * (top - bottom))
    doses = [point.level.dose_ms for point in points if point.level.dose_ms > 0]
    first, last = min(doses), max(doses)
    if drawing.logarithmic:
        axes.set_xscale("symlog", linthresh=first)
        axes.set_xlim(-0.1 * first, drawing.edge_ms)
        powers = range(math.ceil(math.log10(_CLOSE * first)), math.floor(math.log10(last)) + 1)
        axes.set_xticks([0.0, *(10.0**power for power in powers)])
    else:
        axes.set_xlim(-0.02 * last, drawing.edge_ms)


def name(axes: "Axes", impact: str) -> None:
    """Write the names and units of the axes."""
    axes.set_xlabel("injected delay (ms)")
    axes.set_ylabel(textwrap.fill(f"transactions with {impact} (%)", _LINE))
    axes.xaxis.set_major_formatter(lambda value, _: exact(value))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value * 100:.3g}")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def legend(figure: "Figure", axes: "Axes", title: str | None) -> None:
    """Put the legend above the axes, because inside it would cover data."""
    lines = axes.get_legend_handles_labels()
    figure.legend(*lines, loc="outside upper center", ncols=3, title=title)


def label_budgets(axes: "Axes", load: Load, load_rps: float | None = None) -> None:
    """Label the line of each budget, to the right of the axes: inside, a label would cover data.

    Labels of close budgets are moved apart, and a thin line leads from each to its budget.

    Args:
        axes: The axes of the curve.
        load: The load whose budgets and limits are named.
        load_rps: With several loads, the load that the limits belong to; it replaces the limits.
    """
    budgets = sorted(load.thresholds, key=lambda one: one.budget)
    texts = [_budget(one, load_rps, "\n") for one in budgets]
    if sum(map(_rows, texts)) > 1:
        texts = [_budget(one, load_rps, ", ") for one in budgets]
    shrunk = min(1.0, 1 / sum(map(_rows, texts)))
    heights = [_inside(axes, 0, load.impact(one.budget))[1] for one in budgets]
    rows = [_rows(text) * shrunk for text in texts]
    for text, up, beside in zip(texts, heights, apart(heights, rows), strict=True):
        axes.annotate(
            text,
            (1.0, up),
            (_LEAD, beside),
            xycoords="axes fraction",
            textcoords="axes fraction",
            arrowprops={"arrowstyle": "-", "color": LIMIT, "linewidth": 0.8, "relpos": (0, 0.5)},
            annotation_clip=False,
            va="center",
            color=LIMIT,
            fontsize=_FONT_POINTS * shrunk,
        )


def _rows(text: str) -> float:
    """Return how high a label is, as a fraction of the height of the axes."""
    return _ROW * (1 + text.count("\n"))


def apart(heights: Sequence[float], rows: Sequence[float]) -> list[float]:
    """Move ascending labels as little as possible, so that none overlaps the next or leaves 0 to 1.

    Args:
        heights: Where the middles of the labels should be.
        rows: How high each label is. All together are at most 1.
    """
    below = [sum(rows[:at]) + row / 2 for at, row in enumerate(rows)]
    # Without the heights of the labels below them, the positions only have to rise.
    free = isotonic([up - low for up, low in zip(heights, below, strict=True)], [1.0] * len(rows))
    spare = max(1.0 - sum(rows), 0.0)
    return [min(max(up, 0.0), spare) + low for up, low in zip(free, below, strict=True)]


def p99(axes: "Axes", measured: Curve) -> None:
    """Label the upper edge with the P99 of the service at the doses."""
    doses: list[float] = []
    for dose in measured.doses_ms:
        if not doses or _inside(axes, dose, 0)[0] - _inside(axes, doses[-1], 0)[0] >= _BESIDE:
            doses.append(dose)
    across = [_inside(axes, dose, 0)[0] for dose in doses]
    upper = axes.twiny()  # in fractions of the width, whatever the scale below
    upper.set_xlim(0, 1)
    upper.spines[["top", "right"]].set_visible(False)
    upper.set_xticks(across, [milliseconds(measured.at(dose)) for dose in doses])
    upper.set_xlabel("P99 of the service (ms)")


def _budget(threshold: Threshold, load_rps: float | None, between: str) -> str:
    text = f"budget +{percent(threshold.budget)}"
    if load_rps is not None:
        return f"{text}{between}at {exact(load_rps)} requests/s"
    if threshold.safe_ms is None:
        return text
    text += f"{between}safe {floored(threshold.safe_ms)} ms"
    if threshold.p99 is not None and threshold.p99.safe_ms is not None:
        text += f"{between}P99 {floored(threshold.p99.safe_ms)} ms"
    return text


def _inside(axes: "Axes", dose_ms: float, impact: float) -> tuple[float, float]:
    """Return where a point is, as fractions of the width and the height of the axes."""
    across, up = (axes.transScale + axes.transLimits).transform((dose_ms, impact))
    return float(across), float(up)
