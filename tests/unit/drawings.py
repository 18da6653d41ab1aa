"""Drawings of back-calculations with ready-made fits: log-logistic curves by their formula."""

from collections.abc import Iterable, Sequence
from typing import Any

from chaos_go.sla import curve, latency
from chaos_go.sla.answer import Load, P99Limit, Threshold
from chaos_go.sla.drawing import Drawing, Line, LoadCurve, Stretch
from chaos_go.sla.observations import Level, Observations

DOSES = (0.0, 100.0, 300.0, 500.0, 800.0)
RISING = (5, 5, 9, 90, 280)  # of 5000
MIDDLE_MS, SHAPE = 1350.0, 5.4  # of the curve of RISING


def observed(
    k: Sequence[int],
    doses: Sequence[float] = DOSES,
    n: int = 5000,
    load_rps: float | None = None,
    p99: bool = False,
) -> list[Level]:
    return [
        Level(dose, n, count, load_rps=load_rps, p99_ms=dose + 50 if p99 else None)
        for dose, count in zip(doses, k, strict=True)
    ]


def limit(
    budget: float, middle_ms: float | None, p99: bool = False, safe_ms: float | None = None
) -> Threshold:
    """Return the limit of a curve that reaches a half at ``middle_ms``; None for no curve."""
    if middle_ms is None:
        verdict = "inconclusive" if safe_ms is None else "lower-bound-only"
        return Threshold(budget, 0.95, None, None, None, safe_ms, verdict, ("no-trend",), ())
    at = middle_ms * (budget / (1 - budget)) ** (1 / SHAPE)
    limits = (at, 0.85 * at, 1.15 * at, 0.88 * at)
    told = P99Limit(*(limit + 50 for limit in limits)) if p99 else None
    return Threshold(budget, 0.95, *limits, "bounded", (), (), told)


def fitted(
    levels: Sequence[Level],
    budgets: Iterable[float],
    middle_ms: float | None = MIDDLE_MS,
    safe_ms: float | None = None,
) -> LoadCurve:
    """Return what is drawn of one load; without ``middle_ms`` there is no curve.

    Args:
        levels: The levels that were observed.
        budgets: The budgets that were asked for.
        middle_ms: The dose at which the curve reaches a half.
        safe_ms: The safe limit of a load without a curve; None for no limit.
    """
    background = levels[0].k / levels[0].n
    p99 = levels[0].p99_ms is not None
    limits = tuple(limit(budget, middle_ms, p99, safe_ms) for budget in budgets)
    load = Load(levels[0].load_rps, background, limits)
    (points,) = curve.points(Observations(tuple(levels), windowed=True)).values()
    highest = max(point.rate for point in points)
    rows = [limit(highest * (at / 60) ** 3, middle_ms) for at in range(1, 60)]
    impacts = [load.impact(row.budget) for row in rows]
    low, average, high = (
        Line(impacts, [getattr(row, name) for row in rows])
        for name in ("low_ms", "estimate_ms", "high_ms")
    )
    known = middle_ms is not None
    return LoadCurve(
        load,
        points,
        stretches=[Stretch(average, low, high)] if known else [],
        models=[average, low] if known else [],
        p99=latency.curve(levels),
    )


def drawn(*curves: LoadCurve, logarithmic: bool = False) -> Drawing:
    highest = max(point.level.dose_ms for one in curves for point in one.points)
    return Drawing(
        curves,
        governing=curves[-1].load,
        confidence=0.95,
        edge_ms=highest * (1.5 if logarithmic else 1.06),
        logarithmic=logarithmic,
    )


def single(k: Sequence[int], *budgets: float, **more: Any) -> Drawing:
    """Return the drawing of one load, with the curve of RISING whatever the counts."""
    return drawn(fitted(observed(k, **more), budgets))


def several(*budgets: float, loads: Sequence[float] = (10, 40, 160)) -> Drawing:
    """Return the drawing of loads whose limits fall by half from the first to the last."""
    curves = []
    for at, load_rps in enumerate(loads):
        middle_ms = MIDDLE_MS * (1 - 0.5 * at / (len(loads) - 1))
        rates = [0.002 + 1 / (1 + (middle_ms / dose) ** SHAPE) for dose in DOSES[1:]]
        levels = observed([10, *(round(5000 * rate) for rate in rates)], load_rps=load_rps)
        curves.append(fitted(levels, budgets, middle_ms))
    return drawn(*curves)
