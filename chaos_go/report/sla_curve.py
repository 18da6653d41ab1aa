"""The picture of a back-calculation: the curve and its limit, and the decay over several loads."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from chaos_go.report import sla_decay
from chaos_go.report.picture import COLOURS, LIMIT, MARKERS, check_output, limit_line, saved
from chaos_go.sla.answer import Answer, Load, Threshold
from chaos_go.sla.latency import curve, per_load
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.words import floored, percent
from chaos_go.stats import proportion_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FAINT = "#777777"
_CLOSEST = 0.08  # of the width of the picture, between two labels of the upper axis


def draw(answer: Answer, observations: Observations, path: str, impact: str) -> None:
    """Draw the curve with its band, every budget and its limit; with several loads the decay too.

    Args:
        answer: with its limits as P99, where it was measured.
        observations: that it comes from.
        path: file to write, .png (800 pixels wide) or .svg.
        impact: what happens to a transaction, for instance ``rejections``.

    Raises:
        BadInputError: the file is of another kind.
        ChaosGoError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    check_output(path)
    loads = per_load(answer)
    with saved(path, height_in=8.5 if len(loads) > 1 else 5.2) as figure:
        if len(loads) > 1:
            upper, lower = figure.subplots(2, height_ratios=(3, 2))
            sla_decay.draw(lower, loads, impact)
        else:
            upper = figure.subplots()
        _curves(upper, loads, observations, impact)


def _curves(axes: "Axes", loads: Sequence[Load], observations: Observations, impact: str) -> None:
    from chaos_go.sla.curve import curves

    levels = observations.by_load()
    highest = max(proportion_interval(level.k, level.n).high for level in observations.levels)
    widest = max(level.dose_ms for level in observations.levels)
    axes.set_xlim(-0.02 * widest, 1.06 * widest)
    axes.set_ylim(-0.03 * highest, 1.12 * highest)
    drawn = curves(observations, loads[0].thresholds[0].confidence)
    if len(loads) == 1:
        _families(axes, drawn[0])
        _background(axes, loads[0])
        _curve(axes, drawn[0], COLOURS[0])
        _points(axes, levels[loads[0].load_rps], "#000000", "o", "observed, 95 %")
        for threshold in loads[0].thresholds:
            _limit(axes, loads[0], threshold)
        _p99_axis(axes, levels[loads[0].load_rps])
        axes.legend(loc="upper left", framealpha=0.9)
    else:
        _several(axes, loads, drawn, levels)
        title = f"observed, average of the models and band;\nbar: limit for {_budgets(loads)}"
        axes.legend(loc="upper left", framealpha=0.9, title=title, alignment="left")
    axes.set_xlabel("injected delay (ms)")
    axes.set_ylabel(f"transactions with {impact} (%)")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value * 100:.3g}")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _several(
    axes: "Axes",
    loads: Sequence[Load],
    drawn: Sequence[Load],
    levels: Mapping[float | None, Sequence[Level]],
) -> None:
    """Draw the curve of each load, its points a little beside those of the others."""
    left, right = axes.get_xlim()
    for at, (load, line) in enumerate(zip(loads, drawn, strict=True)):
        colour, marker = COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)]
        _curve(axes, line, colour, named=False)
        name = f"{load.load_rps:g} requests/s"
        aside = (at - (len(loads) - 1) / 2) * 0.006 * (right - left)
        _points(axes, levels[load.load_rps], colour, marker, name, aside)
        for threshold in load.thresholds:
            _interval(axes, load, threshold, colour)


def _budgets(loads: Sequence[Load]) -> str:
    return ", ".join(f"+{percent(one.budget)}" for one in loads[0].thresholds)


def _curve(axes: "Axes", load: Load, colour: str, named: bool = True) -> None:
    """Draw the median of the models and the band of its limits, which are limits of the dose."""
    right = axes.get_xlim()[1]
    known = [one for one in load.thresholds if one.estimate_ms is not None]
    if not known:
        return
    budgets = [one.budget for one in known]
    heights, doses = _smooth(load, budgets, [one.estimate_ms or 0.0 for one in known])
    label = "average of the models" if named else None
    axes.plot([0, *doses], [load.background, *heights], color=colour, linewidth=2, label=label)
    _, lows = _smooth(load, budgets, [one.low_ms or 0.0 for one in known])
    ends = [right if one.high_ms is None else one.high_ms for one in known]
    _, highs = _smooth(load, budgets, ends)
    band = f"{percent(known[0].confidence)} band" if named else None
    axes.fill_betweenx(heights, lows, highs, color=colour, alpha=0.18, linewidth=0, label=band)


def _families(axes: "Axes", load: Load) -> None:
    names = dict.fromkeys(family.name for one in load.thresholds for family in one.families)
    for at, name in enumerate(names):
        points = [
            (one.budget, family.estimate_ms)
            for one in load.thresholds
            for family in one.families
            if family.name == name
        ]
        heights, doses = _smooth(load, *map(list, zip(*points, strict=True)))
        label = "each model" if at == 0 else None
        axes.plot(doses, heights, color=_FAINT, linewidth=0.8, alpha=0.6, label=label)


def _points(
    axes: "Axes",
    levels: Sequence[Level],
    colour: str,
    marker: str,
    label: str,
    aside_ms: float = 0.0,
) -> None:
    rates = [level.k / level.n for level in levels]
    limits = [proportion_interval(level.k, level.n) for level in levels]
    pairs = list(zip(rates, limits, strict=True))
    axes.errorbar(
        [level.dose_ms + aside_ms for level in levels],
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
    )


def _background(axes: "Axes", load: Load) -> None:
    axes.axhline(
        load.background,
        color=_FAINT,
        linewidth=1.2,
        linestyle=":",
        label=f"background {percent(load.background)}",
    )


def _limit(axes: "Axes", load: Load, threshold: Threshold) -> None:
    """Draw a budget, the interval of its limit on it, and the safe limit down to the axis."""
    height = _impact(load, threshold.budget)
    limit_line(axes, height, f"budget +{percent(threshold.budget)}")
    _interval(axes, load, threshold, LIMIT)
    if threshold.safe_ms is not None:
        bottom = axes.get_ylim()[0]
        axes.plot([threshold.safe_ms] * 2, [bottom, height], color=LIMIT, linewidth=1.5)
        axes.annotate(
            _safe(threshold),
            (threshold.safe_ms, height),
            xytext=(-6, 8),
            textcoords="offset points",
            ha="right",
            color=LIMIT,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        )


def _interval(axes: "Axes", load: Load, threshold: Threshold, colour: str) -> None:
    """Draw the interval of a limit as a bar at the height of its budget."""
    if threshold.estimate_ms is None:
        return
    height = _impact(load, threshold.budget)
    low = threshold.low_ms or 0.0
    high = axes.get_xlim()[1] if threshold.high_ms is None else threshold.high_ms
    axes.plot([low, high], [height, height], color=colour, linewidth=5, solid_capstyle="butt")
    axes.plot(threshold.estimate_ms, height, "D", color="white", markeredgecolor=colour, zorder=5)


def _safe(threshold: Threshold) -> str:
    text = f"safe: {floored(threshold.safe_ms or 0.0)} ms"
    if threshold.p99 is not None and threshold.p99.safe_ms is not None:
        text += f", P99 {floored(threshold.p99.safe_ms)} ms"
    return text


def _p99_axis(axes: "Axes", levels: Sequence[Level]) -> None:
    """Label the upper edge with the P99 that the service had at the doses."""
    fitted = curve(levels)
    if fitted is None:
        return
    left, right = axes.get_xlim()
    ticks: list[float] = []
    for dose in fitted.doses_ms:
        if not ticks or dose - ticks[-1] >= _CLOSEST * (right - left):
            ticks.append(dose)
    upper = axes.secondary_xaxis("top")
    upper.set_xticks(ticks, [f"{fitted.at(dose):.0f}" for dose in ticks])
    upper.set_xlabel("P99 of the service (ms)")


def _impact(load: Load, extra: float) -> float:
    return load.background + (1 - load.background) * extra


def _smooth(
    load: Load, budgets: Sequence[float], doses_ms: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Give heights and doses of a curve through a few points, which stays monotone between them."""
    import numpy as np
    from scipy.interpolate import PchipInterpolator

    roots = np.cbrt(budgets)  # where the points of `curves` are evenly spaced
    if len(roots) > 1:
        fine = np.linspace(roots[0], roots[-1], 60)
        doses_ms, roots = PchipInterpolator(roots, doses_ms)(fine), fine
    return [_impact(load, float(root) ** 3) for root in roots], [float(dose) for dose in doses_ms]
