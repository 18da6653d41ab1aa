"""The text of `chaos go sla fit`: the curve, the limits, a sentence, and the flags in words."""

from collections.abc import Mapping, Sequence

from chaos_go.sla.answer import Answer, Likeness, Threshold
from chaos_go.sla.decay import check_p99, highest_load
from chaos_go.sla.drawing import Point
from chaos_go.sla.latency import per_load
from chaos_go.sla.words import FLAGS, exact, floored, milliseconds, percent, sentence

_Table = list[tuple[str, ...]]


def report(
    answer: Answer,
    points: Mapping[float | None, Sequence[Point]],
    impact: str,
    p99_ms: float | None = None,
) -> str:
    """Write an answer for people.

    Args:
        answer: The answer, with its limits as P99 where that was measured.
        points: What was observed, by load.
        impact: What happens to a transaction, for instance ``rejections``.
        p99_ms: A P99. The text then says up to which load it is within the budgets.

    Raises:
        BadInputError: A P99 was given, but no P99 or no load was measured.
    """
    if p99_ms is not None:
        check_p99(answer, p99_ms)
    lines: list[str] = []
    for load in per_load(answer):
        if load.load_rps is not None:
            lines += [f"at {exact(load.load_rps)} requests/s", ""]
        lines += [*_columns(_observed(points[load.load_rps])), ""]
        lines += [*_columns(_limits(load.thresholds)), ""]
        lines += [sentence(threshold, impact) for threshold in load.thresholds]
        lines += ["", *_flags(load.thresholds)]
    lines += _unlike(answer.likeness)
    if p99_ms is not None:
        lines += [_up_to(answer, threshold.budget, p99_ms) for threshold in answer.thresholds]
    return "\n".join(lines).rstrip()


def _unlike(likeness: Likeness) -> list[str]:
    """Return the lines that say why every load was fitted by itself, if so."""
    lines = []
    if likeness.out_of_order:
        lines.append(
            "! The limits rise with the load, which a higher load alone cannot cause"
            f" (p = {likeness.order_p:.2g}); find out what else differed between the loads."
        )
    if likeness.shapes_differ:
        lines.append(f"> The curves of the loads differ in shape (p = {likeness.shape_p:.2g}).")
    if lines:
        lines.append(
            "> Every load was fitted by itself: only the lowest limit holds for all of them, and "
            "no limit does if one of them has none."
        )
    return [*lines, ""] if lines else []


def _up_to(answer: Answer, budget: float, p99_ms: float) -> str:
    load = highest_load(answer, budget, p99_ms=p99_ms)
    up_to = "at no measured load" if load is None else f"up to {exact(load)} requests/s"
    return f"A P99 of {exact(p99_ms)} ms stays within {percent(budget)} {up_to}."


def _observed(points: Sequence[Point]) -> _Table:
    rows: _Table = [("delay ms", "n", "k", "impact", "95 %", "P99 ms", "95 %")]
    for point in points:
        level = point.level
        rows.append(
            (
                exact(level.dose_ms),
                f"{level.n}",
                f"{level.k}",
                percent(point.rate),
                f"{percent(point.low)} to {percent(point.high)}",
                milliseconds(level.p99_ms),
                _span(level.p99_low_ms, level.p99_high_ms),
            )
        )
    if all(point.level.p99_ms is None for point in points):
        rows = [row[:5] for row in rows]
    return rows


def _limits(thresholds: Sequence[Threshold]) -> _Table:
    rows: _Table = [("extra", "limit of", "safe", "estimate", "interval", "verdict")]
    for one in thresholds:
        limits = [("delay ms", one.safe_ms, one.estimate_ms, one.low_ms, one.high_ms)]
        if (p99 := one.p99) is not None:
            limits.append(("P99 ms", p99.safe_ms, p99.estimate_ms, p99.low_ms, p99.high_ms))
        for what, safe, estimate, low, high in limits:
            kept = "-" if safe is None else floored(safe)
            row = (percent(one.budget), what, kept, milliseconds(estimate), _span(low, high))
            rows.append((*row, one.verdict))
    return rows


def _flags(thresholds: Sequence[Threshold]) -> list[str]:
    lines = []
    for flag, (means, fix) in FLAGS.items():
        having = [one for one in thresholds if flag in one.flags]
        if having:
            some = "" if len(having) == len(thresholds) else _which(having)
            lines.append(f"! {flag}{some}: {means}; {fix}.")
    lines += [_bracket(one) for one in thresholds if one.bracket_ms != (None, None)]
    return [*lines, ""] if lines else []


def _which(thresholds: Sequence[Threshold]) -> str:
    return f" ({', '.join(percent(one.budget) for one in thresholds)})"


def _bracket(threshold: Threshold) -> str:
    low, high = threshold.bracket_ms
    kept = "at no delay" if low is None else f"up to {milliseconds(low)} ms"
    beyond = "at no measured delay" if high is None else f"from {milliseconds(high)} ms"
    return f"> without any model: {percent(threshold.budget)} was kept {kept}, exceeded {beyond}."


def _span(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return "-"
    if high is None:
        return f"at least {milliseconds(low)}"
    return f"{milliseconds(low)} to {milliseconds(high)}"


def _columns(rows: _Table) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
