"""The picture of a back-calculation: the curve and its limit, and the decay over several loads."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chaos_go.report import sla_axes, sla_decay
from chaos_go.report.picture import COLOURS, DASHES, LIMIT, MARKERS, check_output, limit_line, saved
from chaos_go.sla.answer import Threshold
from chaos_go.sla.drawing import Drawing, LoadCurve, Point
from chaos_go.sla.words import exact, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from chaos_go.report.picture import Dash

_FAINT = "#777777"
_SEVERAL = "observed (loads side by side), average of the models, band; bar: interval of the limit"
_ASIDE_POINTS = 4.0  # from the points of one load to those of the next
_MOST_ASIDE_POINTS = 12.0  # from those of the first to those of the last


def draw(drawing: Drawing, path: str, impact: str) -> None:
    """Draw the curve with its band, every budget and its limit; with several loads the decay too.

    Args:
        drawing: Everything that the picture shows.
        path: The file to write, .png (800 pixels wide) or .svg.
        impact: What happens to a transaction, for instance ``rejections``.

    Raises:
        BadInputError: The file is of another kind or cannot be written.
        ChaosGoError: Matplotlib is not installed.
    """
    check_output(path)
    with saved(path, height_in=8.8 if len(drawing.curves) > 1 else 5.6) as figure:
        paint(figure, drawing, impact)


def paint(figure: "Figure", drawing: Drawing, impact: str) -> None:
    """Draw on an empty figure what `draw` writes to a file."""
    several = len(drawing.curves) > 1
    axes, *below = figure.subplots(2, height_ratios=(3, 2)) if several else [figure.subplots()]
    sla_axes.scale(axes, drawing)
    if below:
        _several(axes, drawing)
        sla_decay.draw(below[0], [curve.load for curve in drawing.curves])
    else:
        _single(axes, drawing)
    sla_axes.name(axes, impact)
    sla_axes.legend(figure, axes, _SEVERAL if below else None)


def _single(axes: "Axes", drawing: Drawing) -> None:
    (curve,) = drawing.curves
    load = curve.load
    label: str | None = "each model"
    for line in curve.models:
        axes.plot(line.doses_ms, line.impacts, color=_FAINT, linewidth=0.8, alpha=0.6, label=label)
        label = None
    name = f"background {percent(load.background)}"
    axes.axhline(load.background, color=_FAINT, linewidth=1.2, linestyle=":", label=name)
    band = f"{percent(drawing.confidence)} band"
    _curve(axes, curve, COLOURS[0], labels=("average of the models", band))
    _points(axes, curve.points, "#000000", "o", "observed, 95 %")
    for threshold in load.thresholds:
        height = load.impact(threshold.budget)
        limit_line(axes, height)
        _interval(axes, height, threshold, LIMIT)
        if threshold.safe_ms is not None:
            down_to = axes.get_ylim()[0]
            axes.plot([threshold.safe_ms] * 2, [down_to, height], color=LIMIT, linewidth=1.5)
    sla_axes.label_budgets(axes, load)
    if curve.p99 is not None:
        sla_axes.p99(axes, curve.p99)


def _several(axes: "Axes", drawing: Drawing) -> None:
    """Draw the curve of each load, its points a little beside those of the others."""
    count = len(drawing.curves)
    step = min(_ASIDE_POINTS, _MOST_ASIDE_POINTS / (count - 1))
    for at, curve in enumerate(drawing.curves):
        colour, marker = COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)]
        _curve(axes, curve, colour, DASHES[at % len(DASHES)])
        aside = (at - (count - 1) / 2) * step
        name = f"{exact(curve.load.load_rps or 0.0)} requests/s"
        _points(axes, curve.points, colour, marker, name, aside)
        for threshold in curve.load.thresholds:
            _interval(axes, curve.load.impact(threshold.budget), threshold, colour)
    # The loads may have different backgrounds, so a limit line for each would be too many lines.
    governing = drawing.governing
    for threshold in governing.thresholds:
        limit_line(axes, governing.impact(threshold.budget))
    sla_axes.label_budgets(axes, governing, governing.load_rps)


def _curve(
    axes: "Axes",
    curve: LoadCurve,
    colour: str,
    dash: "Dash" = "-",
    labels: tuple[str | None, str | None] = (None, None),
) -> None:
    """Draw the average of the models and its band, which is an interval of the dose."""
    label, band = labels
    for one in curve.stretches:
        axes.fill_betweenx(
            one.low.impacts,
            one.low.doses_ms,
            one.high.doses_ms,
            color=colour,
            alpha=0.18,
            linewidth=0,
            label=band,
        )
        line = one.average
        axes.plot(
            line.doses_ms, line.impacts, color=colour, linewidth=2, linestyle=dash, label=label
        )
        label, band = None, None


def _points(
    axes: "Axes",
    points: Sequence[Point],
    colour: str,
    marker: str,
    label: str,
    aside_points: float = 0.0,
) -> None:
    from matplotlib.transforms import offset_copy

    axes.errorbar(
        [point.level.dose_ms for point in points],
        [point.rate for point in points],
        yerr=(
            [max(point.rate - point.low, 0) for point in points],
            [max(point.high - point.rate, 0) for point in points],
        ),
        fmt=marker,
        markersize=5,
        color=colour,
        capsize=3,
        label=label,
        zorder=4,
        transform=offset_copy(
            axes.transData, axes.get_figure(root=True), x=aside_points, units="points"
        ),
    )


def _interval(axes: "Axes", height: float, threshold: Threshold, colour: str) -> None:
    """Draw the interval of a limit as a bar at the height of its budget."""
    if threshold.estimate_ms is None:
        return
    low = threshold.low_ms or 0.0
    high = axes.get_xlim()[1] if threshold.high_ms is None else threshold.high_ms
    axes.plot([low, high], [height, height], color=colour, linewidth=5, solid_capstyle="butt")
    axes.plot(threshold.estimate_ms, height, "D", color="white", markeredgecolor=colour, zorder=5)
