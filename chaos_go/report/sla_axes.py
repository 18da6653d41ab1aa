"""The axes of the curve: its scales, the P99 above it, what is written beside the lines."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chaos_go.report.picture import LIMIT
from chaos_go.sla.answer import Load, Threshold
from chaos_go.sla.latency import curve
from chaos_go.sla.observations import Level
from chaos_go.sla.words import floored, percent
from chaos_go.stats import proportion_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDE = 100.0  # the highest over the lowest dose, from where a linear axis hides the low ones
_BESIDE = 0.08  # of the width of the axes, between two labels of the upper axis
_LONG, _SHORT = 0.36, 0.16  # of the width of the axes, the label of a budget
_ABOVE = 0.045  # of the height of the axes, between two labels of budgets


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
    axes.set_ylabel(f"transactions with {impact} (%)")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value * 100:.3g}")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def legend(figure: "Figure", axes: "Axes", title: str | None) -> None:
    """Explain the lines of the curve above everything: inside, some data would be under it."""
    lines = axes.get_legend_handles_labels()
    figure.legend(*lines, loc="outside upper center", ncols=3, title=title)


def label_budgets(axes: "Axes", load: Load, with_limit: bool) -> None:
    """Write at each budget what it is and its limit, on the side that the curve leaves free.

    The curve rises from left to right, so above the line it is free from the left edge to the
    limit; where that is too narrow, the curve is far above at the right edge.
    """
    above = {"left": 0.0, "right": 0.0}
    for threshold in sorted(load.thresholds, key=lambda one: one.budget):
        reached = threshold.estimate_ms or threshold.safe_ms or axes.get_xlim()[1]
        across, up = _inside(axes, reached, height(load, threshold.budget))
        side = "left" if across > (_LONG if with_limit else _SHORT) else "right"
        up = max(up, above[side])
        above[side] = up + _ABOVE
        axes.annotate(
            _budget(threshold, with_limit),
            (0.01 if side == "left" else 0.99, up),
            xycoords="axes fraction",
            xytext=(0, 4),
            textcoords="offset points",
            ha=side,
            color=LIMIT,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
            zorder=6,
        )


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
    text += f", safe: {floored(threshold.safe_ms)} ms"
    if threshold.p99 is not None and threshold.p99.safe_ms is not None:
        text += f", P99 {floored(threshold.p99.safe_ms)} ms"
    return text


def _inside(axes: "Axes", dose_ms: float, impact: float) -> tuple[float, float]:
    """Give where a point is, as fractions of the width and the height of the axes."""
    across, up = (axes.transScale + axes.transLimits).transform((dose_ms, impact))
    return float(across), float(up)
