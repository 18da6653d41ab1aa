"""The picture of a back-calculation: the curve and its limit, and the decay over several loads."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from chaos_go.report import sla_axes, sla_decay
from chaos_go.report.picture import COLOURS, DASHES, LIMIT, MARKERS, check_output, limit_line, saved
from chaos_go.sla.answer import Answer, Load, Threshold
from chaos_go.sla.latency import per_load
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.words import exact, percent
from chaos_go.stats import proportion_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from chaos_go.report.picture import Dash

_FAINT = "#777777"
_TELLING = 0.01  # of the weight; a family with less does not show in the average
_SEVERAL = "observed (loads side by side), average of the models, band; bar: interval of the limit"
_ASIDE_POINTS = 4.0  # from the points of one load to those of the next
_MOST_ASIDE_POINTS = 12.0  # from those of the first to those of the last


def draw(answer: Answer, observations: Observations, path: str, impact: str) -> None:
    """Draw the curve with its band, every budget and its limit; with several loads the decay too.

    Args:
        answer: with its limits as P99, where it was measured.
        observations: that it comes from.
        path: file to write, .png (800 pixels wide) or .svg.
        impact: what happens to a transaction, for instance ``rejections``.

    Raises:
        BadInputError: the file is of another kind or cannot be written.
        ChaosGoError: matplotlib is not installed.
    """
    check_output(path)
    with saved(path, height_in=8.8 if len(per_load(answer)) > 1 else 5.6) as figure:
        paint(figure, answer, observations, impact)


def paint(figure: "Figure", answer: Answer, observations: Observations, impact: str) -> None:
    """Draw on an empty figure what `draw` writes to a file."""
    from chaos_go.sla.curve import curves

    loads = per_load(answer)
    drawn = curves(observations, loads[0].thresholds[0].confidence)
    axes, *below = (
        figure.subplots(2, height_ratios=(3, 2)) if len(loads) > 1 else [figure.subplots()]
    )
    sla_axes.scale(axes, observations.levels, loads)
    if below:
        _several(axes, answer, drawn, observations)
        sla_decay.draw(below[0], loads)
    else:
        _single(axes, loads[0], drawn[0], observations.levels)
    sla_axes.name(axes, impact)
    sla_axes.legend(figure, axes, _SEVERAL if below else None)


def _single(axes: "Axes", load: Load, line: Load, levels: Sequence[Level]) -> None:
    _families(axes, line)
    name = f"background {percent(load.background)}"
    axes.axhline(load.background, color=_FAINT, linewidth=1.2, linestyle=":", label=name)
    _curve(axes, line, COLOURS[0], named=True)
    _points(axes, levels, "#000000", "o", "observed, 95 %")
    for threshold in load.thresholds:
        height = sla_axes.height(load, threshold.budget)
        limit_line(axes, height)
        _interval(axes, height, threshold, LIMIT)
        if threshold.safe_ms is not None:
            down_to = axes.get_ylim()[0]
            axes.plot([threshold.safe_ms] * 2, [down_to, height], color=LIMIT, linewidth=1.5)
    sla_axes.label_budgets(axes, load)
    sla_axes.p99(axes, levels)


def _several(
    axes: "Axes", answer: Answer, drawn: Sequence[Load], observations: Observations
) -> None:
    """Draw the curve of each load, its points a little beside those of the others."""
    loads, levels = answer.loads, observations.by_load()
    step = min(_ASIDE_POINTS, _MOST_ASIDE_POINTS / (len(loads) - 1))
    for at, (load, line) in enumerate(zip(loads, drawn, strict=True)):
        colour, marker = COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)]
        _curve(axes, line, colour, DASHES[at % len(DASHES)])
        aside = (at - (len(loads) - 1) / 2) * step
        name = f"{exact(load.load_rps or 0.0)} requests/s"
        _points(axes, levels[load.load_rps], colour, marker, name, aside)
        for threshold in load.thresholds:
            _interval(axes, sla_axes.height(load, threshold.budget), threshold, colour)
    # The loads may have unlike backgrounds: a line for each of them would be one too many.
    governing = answer.governing(0)
    for threshold in governing.thresholds:
        limit_line(axes, sla_axes.height(governing, threshold.budget))
    sla_axes.label_budgets(axes, governing, governing.load_rps)


def _curve(axes: "Axes", load: Load, colour: str, dash: "Dash" = "-", named: bool = False) -> None:
    """Draw the median of the models and the band of its limits, which are limits of the dose."""
    right = axes.get_xlim()[1]
    label, band = "average of the models" if named else None, None
    for known in _stretches(load):
        if named:
            band = band or f"{percent(known[0].confidence)} band"
        budgets = [one.budget for one in known]
        heights, lows = _smooth(load, budgets, [one.low_ms or 0.0 for one in known])
        ends = [right if one.high_ms is None else one.high_ms for one in known]
        _, highs = _smooth(load, budgets, ends)
        axes.fill_betweenx(heights, lows, highs, color=colour, alpha=0.18, linewidth=0, label=band)
        _, doses = _smooth(load, budgets, [one.estimate_ms or 0.0 for one in known])
        if known[0] is load.thresholds[0]:  # otherwise nothing is known below
            heights, doses = [load.background, *heights], [0.0, *doses]
        axes.plot(doses, heights, color=colour, linewidth=2, linestyle=dash, label=label)
        label, band = None, "_"


def _stretches(load: Load) -> list[list[Threshold]]:
    """Return the budgets that have an estimate, apart where one between them has none."""
    rows = groupby(load.thresholds, key=lambda one: one.estimate_ms is not None)
    return [list(known) for has, known in rows if has]


def _families(axes: "Axes", load: Load) -> None:
    """Draw the families that count, as far as the average goes."""
    label: str | None = "each model"
    for known in _stretches(load):
        fits = [(one.budget, family) for one in known for family in one.families]
        for name in dict.fromkeys(family.name for _, family in fits):
            own = [(budget, family) for budget, family in fits if family.name == name]
            if max(family.weight for _, family in own) < _TELLING:
                continue
            doses_ms = [family.estimate_ms for _, family in own]
            heights, doses = _smooth(load, [budget for budget, _ in own], doses_ms)
            axes.plot(doses, heights, color=_FAINT, linewidth=0.8, alpha=0.6, label=label)
            label = None


def _points(
    axes: "Axes",
    levels: Sequence[Level],
    colour: str,
    marker: str,
    label: str,
    aside_points: float = 0.0,
) -> None:
    from matplotlib.transforms import offset_copy

    rates = [level.k / level.n for level in levels]
    limits = [proportion_interval(level.k, level.n) for level in levels]
    pairs = list(zip(rates, limits, strict=True))
    axes.errorbar(
        [level.dose_ms for level in levels],
        rates,
        yerr=(
            [max(rate - limit.low, 0) for rate, limit in pairs],
            [max(limit.high - rate, 0) for rate, limit in pairs],
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


def _smooth(
    load: Load, budgets: Sequence[float], doses_ms: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Return heights and doses of a curve through a few points, monotone between them."""
    import numpy as np
    from scipy.interpolate import PchipInterpolator

    roots = np.cbrt(budgets)  # where the points of `curves` are evenly spaced
    # Each budget is fitted by itself: on flat data a greater one may be reached a little earlier.
    rising = np.maximum.accumulate(doses_ms)
    if len(roots) > 1:
        fine = np.linspace(roots[0], roots[-1], 60)
        rising, roots = PchipInterpolator(roots, rising)(fine), fine
    heights = [sla_axes.height(load, float(root) ** 3) for root in roots]
    return heights, [float(dose) for dose in rising]
