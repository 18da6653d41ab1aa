"""The axes of the curve: its scales, the P99 above it, what is written beside the lines."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chaos_go.report.picture import LIMIT
from chaos_go.sla.answer import Load, Threshold
from chaos_go.sla.latency import curve, isotonic
from chaos_go.sla.observations import Level
from chaos_go.sla.words import floored, percent
from chaos_go.stats import proportion_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDE = 100.0  # the highest over the lowest dose, from where a linear axis hides the low ones
_BESIDE = 0.08  # of the width of the axes, between two labels of the upper axis
_LINE = 45  # characters along the axes
_LEAD = 1.03  # of the width of the axes, where the labels of budgets begin
_ROW = 0.045  # of the height of the axes, a line of them


def height(load: Load, extra: float) -> float:
    """Give the impact at which the extra impact over the background is this, as a fraction."""
    return load.background + (1 - load.background) * extra


def scale(axes: "Axes", levels: Sequence[Level], loads: Sequence[Load]) -> None:
    """Fit the axes to all that was observed and to the budgets; over decades logarithmically."""
    seen = [proportion_interval(level.k, level.n).high for level in levels]
    asked = [height(load, one.budget) for load in loads for one in load.thresholds]
    top = max(*seen, *asked)
    axes.set_ylim(-0.03 * top, 1.12 * top)
    doses = [level.dose_ms for level in levels if level.dose_ms > 0]
    lowest, highest = min(doses), max(doses)
    if highest > _WIDE * lowest:
        axes.set_xscale("symlog", linthresh=lowest)
        axes.set_xlim(-0.1 * lowest, 1.5 * highest)
    else:
        axes.set_xlim(-0.02 * highest, 1.06 * highest)


def name(axes: "Axes", impact: str) -> None:
    """Say what the axes are."""
    axes.set_xlabel("injected delay (ms)")
    axes.set_ylabel(textwrap.fill(f"transactions with {impact} (%)", _LINE))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value * 100:.3g}")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def legend(figure: "Figure", axes: "Axes", title: str | None) -> None:
    """Explain the lines of the curve above everything: inside, some data would be under it."""
    lines = axes.get_legend_handles_labels()
    figure.legend(*lines, loc="outside upper center", ncols=3, title=title)


def label_budgets(axes: "Axes", load: Load, with_limit: bool) -> None:
    """Write right of the axes, beside the line of each budget, what it is and its limit.

    Inside there are data everywhere. Labels of close budgets are moved apart, and a thin line leads
    from each to where it belongs.
    """
    budgets = sorted(load.thresholds, key=lambda one: one.budget)
    texts = [_budget(one, with_limit) for one in budgets]
    heights = [_inside(axes, 0, height(load, one.budget))[1] for one in budgets]
    rows = [_ROW * (1 + text.count("\n")) for text in texts]
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
        )


def apart(heights: Sequence[float], rows: Sequence[float]) -> list[float]:
    """Move ascending labels as little as possible, so that none overlaps the next or leaves 0 to 1.

    Args:
        heights: where their middles should be.
        rows: how high each is; all together at most 1.
    """
    below = [sum(rows[:at]) + row / 2 for at, row in enumerate(rows)]
    # Without what is below it each may be anywhere, but not under the one before.
    free = isotonic([up - low for up, low in zip(heights, below, strict=True)], [1.0] * len(rows))
    spare = max(1.0 - sum(rows), 0.0)
    return [min(max(up, 0.0), spare) + low for up, low in zip(free, below, strict=True)]


def p99(axes: "Axes", levels: Sequence[Level]) -> None:
    """Label the upper edge with the P99 of the service at the doses, where it was measured."""
    fitted = curve(levels)
    if fitted is None:
        return
    doses: list[float] = []
    for dose in fitted.doses_ms:
        if not doses or _inside(axes, dose, 0)[0] - _inside(axes, doses[-1], 0)[0] >= _BESIDE:
            doses.append(dose)
    across = [_inside(axes, dose, 0)[0] for dose in doses]
    upper = axes.twiny()  # in fractions of the width, whatever the scale below
    upper.set_xlim(0, 1)
    upper.spines[["top", "right"]].set_visible(False)
    upper.set_xticks(across, [f"{fitted.at(dose):.0f}" for dose in doses])
    upper.set_xlabel("P99 of the service (ms)")


def _budget(threshold: Threshold, with_limit: bool) -> str:
    text = f"budget +{percent(threshold.budget)}"
    if not with_limit or threshold.safe_ms is None:
        return text
    text += f"\nsafe {floored(threshold.safe_ms)} ms"
    if threshold.p99 is not None and threshold.p99.safe_ms is not None:
        text += f"\nP99 {floored(threshold.p99.safe_ms)} ms"
    return text


def _inside(axes: "Axes", dose_ms: float, impact: float) -> tuple[float, float]:
    """Give where a point is, as fractions of the width and the height of the axes."""
    across, up = (axes.transScale + axes.transLimits).transform((dose_ms, impact))
    return float(across), float(up)
