"""The picture of a back-calculation: the curve and its limit, and the decay over several loads."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chaos_go.errors import BadInputError, ChaosGoError
from chaos_go.sla.answer import Answer, Load, Threshold
from chaos_go.sla.latency import by_load, curve, per_load
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.words import floored, percent
from chaos_go.stats import proportion_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SUFFIXES = (".png", ".svg")
# Okabe and Ito's colours, told apart by the colour-blind too; each load has its own marker as well.
_LOADS = (("#0072B2", "o"), ("#009E73", "s"), ("#CC79A7", "^"), ("#000000", "D"))
_LIMIT, _FAINT = "#D55E00", "#777777"
_CLOSEST = 0.08  # of the width of the picture, between two labels of the upper axis


def check_output(path: str) -> None:
    """Refuse a file that is no picture.

    Raises:
        BadInputError: the file is of another kind.
    """
    if Path(path).suffix not in _SUFFIXES:
        raise BadInputError("output", path, f"give a name that ends in {' or '.join(_SUFFIXES)}")


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
    try:
        import matplotlib  # a tenth of a second and 40 MB, and an extra of the distribution
        from matplotlib.figure import Figure
    except ImportError as error:
        mend = "pip install 'chaostoolkit-go[report]'"
        raise ChaosGoError(f"a picture needs matplotlib; {mend}") from error
    loads = per_load(answer)
    with matplotlib.rc_context({"svg.hashsalt": "chaos_go", "font.size": 10}):
        figure = Figure(figsize=(8, 8.5 if len(loads) > 1 else 5.2), dpi=100, layout="constrained")
        if len(loads) > 1:
            upper, lower = figure.subplots(2, height_ratios=(3, 2))
            _decay(lower, loads, impact)
        else:
            upper = figure.subplots()
        _curves(upper, loads, observations, impact)
        figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else {})


def _curves(axes: "Axes", loads: Sequence[Load], observations: Observations, impact: str) -> None:
    from chaos_go.sla.curve import curves

    levels = by_load(observations)
    confidence = loads[0].thresholds[0].confidence
    highest = _highest(observations)
    widest = max(level.dose_ms for level in observations.levels)
    axes.set_xlim(-0.02 * widest, 1.06 * widest)
    axes.set_ylim(-0.03 * highest, 1.12 * highest)
    lines = {load.load_rps: load for load in curves(observations, confidence)}
    for at, load in enumerate(loads):
        colour, marker = _LOADS[at % len(_LOADS)]
        name = "" if load.load_rps is None else f" at {load.load_rps:g}/s"
        drawn = lines[load.load_rps]
        if len(loads) == 1:
            _families(axes, drawn)
            _background(axes, load)
        _curve(axes, drawn, colour, name)
        _points(axes, levels[load.load_rps], colour if name else "#000000", marker, name)
    for load in loads if len(loads) == 1 else ():
        for threshold in load.thresholds:
            _limit(axes, load, threshold)
    if len(loads) == 1:
        _p99_axis(axes, levels[loads[0].load_rps])
    axes.set_xlabel("injected delay (ms)")
    axes.set_ylabel(f"transactions with {impact} (%)")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value * 100:.3g}")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", framealpha=0.9)


def _curve(axes: "Axes", load: Load, colour: str, name: str) -> None:
    """Draw the median of the models and the band of its limits, which are limits of the dose."""
    right = axes.get_xlim()[1]
    known = [one for one in load.thresholds if one.estimate_ms is not None]
    heights = [_impact(load, one.budget) for one in known]
    doses = [one.estimate_ms or 0.0 for one in known]
    axes.plot(doses, heights, color=colour, linewidth=2, label=f"average of the models{name}")
    lows = [one.low_ms or 0.0 for one in known]
    highs = [right if one.high_ms is None else one.high_ms for one in known]
    sure = percent(known[0].confidence) if known else ""
    axes.fill_betweenx(
        heights, lows, highs, color=colour, alpha=0.18, linewidth=0, label=f"{sure} band{name}"
    )


def _families(axes: "Axes", load: Load) -> None:
    names = dict.fromkeys(family.name for one in load.thresholds for family in one.families)
    for at, name in enumerate(names):
        points = [
            (family.estimate_ms, _impact(load, one.budget))
            for one in load.thresholds
            for family in one.families
            if family.name == name
        ]
        label = "each model" if at == 0 else None
        axes.plot(*zip(*points, strict=True), color=_FAINT, linewidth=0.8, alpha=0.6, label=label)


def _points(axes: "Axes", levels: Sequence[Level], colour: str, marker: str, name: str) -> None:
    rates = [level.k / level.n for level in levels]
    limits = [proportion_interval(level.k, level.n) for level in levels]
    errors = (
        [max(rate - limit.low, 0) for rate, limit in zip(rates, limits, strict=True)],
        [max(limit.high - rate, 0) for rate, limit in zip(rates, limits, strict=True)],
    )
    axes.errorbar(
        [level.dose_ms for level in levels],
        rates,
        yerr=errors,
        fmt=marker,
        markersize=5,
        color=colour,
        capsize=3,
        label=f"observed{name}, 95 %",
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
    axes.axhline(height, color=_LIMIT, linewidth=1.2, linestyle=(0, (6, 3)))
    axes.annotate(
        f"budget +{percent(threshold.budget)}",
        (1, height),
        xycoords=axes.get_yaxis_transform(),
        xytext=(-4, 3),
        textcoords="offset points",
        ha="right",
        color=_LIMIT,
    )
    right = axes.get_xlim()[1]
    if threshold.estimate_ms is not None:
        low = threshold.low_ms or 0.0
        high = right if threshold.high_ms is None else threshold.high_ms
        axes.plot([low, high], [height, height], color=_LIMIT, linewidth=5, solid_capstyle="butt")
        axes.plot(
            threshold.estimate_ms, height, "D", color="white", markeredgecolor=_LIMIT, zorder=5
        )
    if threshold.safe_ms is not None:
        bottom = axes.get_ylim()[0]
        axes.plot([threshold.safe_ms] * 2, [bottom, height], color=_LIMIT, linewidth=1.5)
        axes.annotate(
            _safe(threshold),
            (threshold.safe_ms, height),
            xytext=(-6, 8),
            textcoords="offset points",
            ha="right",
            color=_LIMIT,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        )


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


def _decay(axes: "Axes", loads: Sequence[Load], impact: str) -> None:
    """Draw the limits against the load: as P99 when every load has it."""
    budgets = [threshold.budget for threshold in loads[0].thresholds]
    in_p99 = all(one.p99 and one.p99.safe_ms for load in loads for one in load.thresholds)
    for at, budget in enumerate(budgets):
        colour, marker = _LOADS[at % len(_LOADS)]
        rows = []
        for load in loads:
            one = load.thresholds[at]
            limits = one.p99 if in_p99 and one.p99 else one
            rows.append(
                (load.load_rps, limits.safe_ms, limits.estimate_ms, limits.low_ms, limits.high_ms)
            )
        _safe_line(axes, rows, colour, f"safe for +{percent(budget)} {impact}")
        _estimates(axes, rows, colour, marker)
    axes.set_xlabel("load (requests/s)")
    axes.set_ylabel("P99 limit (ms)" if in_p99 else "limit of the injected delay (ms)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower left", framealpha=0.9)


def _safe_line(
    axes: "Axes", rows: Sequence[tuple[float | None, ...]], colour: str, label: str
) -> None:
    known = [(row[0] or 0.0, row[1]) for row in rows if row[1] is not None]
    if known:
        axes.plot(*zip(*known, strict=True), color=colour, linewidth=2, label=label)


def _estimates(
    axes: "Axes", rows: Sequence[tuple[float | None, ...]], colour: str, marker: str
) -> None:
    known = [row for row in rows if row[2] is not None]
    lows = [(row[2] or 0.0) - (row[3] or 0.0) for row in known]
    highs = [0.0 if row[4] is None else row[4] - (row[2] or 0.0) for row in known]
    axes.errorbar(
        [row[0] or 0.0 for row in known],
        [row[2] or 0.0 for row in known],
        yerr=(lows, highs),
        fmt=marker,
        color=colour,
        capsize=4,
        label="estimate and interval",
    )


def _impact(load: Load, extra: float) -> float:
    return load.background + (1 - load.background) * extra


def _highest(observations: Observations) -> float:
    return max(proportion_interval(level.k, level.n).high for level in observations.levels)
