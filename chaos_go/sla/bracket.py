"""What the observed proportions show without a model: bracket, trend, and doses above a budget.

Source: W. W. Piegorsch et al., "Nonparametric estimation of benchmark doses", Environmetrics 23
(2012) 717-728: isotonic regression, used here as a bracket only.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, xlog1py, xlogy

from chaos_go.sla.dispersion import Dispersion
from chaos_go.sla.families import Array
from chaos_go.sla.latency import isotonic
from chaos_go.sla.observations import Level

_CLEARLY = 0.01  # one-sided p value below which a dose clearly exceeds a budget
_POINTS = 33
_NARROWINGS = 10  # each by 16, down to 1e-12: far below the error of a background


@dataclass(frozen=True)
class ModelFree:
    """What the observed proportions of one load show without a model.

    Attributes:
        levels: Levels of one load, in ascending order of dose.
        dispersion: Over-dispersion of the windows.
        extra: Isotonic extra risk over that at the lowest dose, one fraction per dose; 0 if every
            transaction has impact at the lowest dose already.
        trend_p: One-sided p value of the Cochran-Armitage test, with phi.
        saturated: Whether every transaction has impact at the lowest dose; then no dose can add
            impact.
    """

    levels: tuple[Level, ...]
    dispersion: Dispersion
    extra: tuple[float, ...]
    trend_p: float
    saturated: bool = False

    @property
    def highest_ms(self) -> float:
        """Return the highest dose in milliseconds."""
        return self.levels[-1].dose_ms

    def bracket(
        self, budget: float, exceeded_ms: float | None
    ) -> tuple[float | None, float | None]:
        """Return the last dose within a budget and the first dose beyond it, in milliseconds.

        Each of the two is None where there is no such dose. Both are None if every transaction has
        impact at the lowest dose.

        Args:
            budget: Extra risk, a fraction.
            exceeded_ms: First dose whose own transactions clearly exceed the budget; None if there
                is none.
        """
        if self.saturated:
            return None, None
        end = sum(risk <= budget for risk in self.extra)
        doses_ms = [level.dose_ms for level in self.levels]
        if exceeded_ms is not None:
            end = min(end, doses_ms.index(exceeded_ms))
        return (doses_ms[end - 1] if end else None, doses_ms[end] if end < len(doses_ms) else None)

    def exceeded_ms(self, budget: float) -> float | None:
        """Return the first dose whose own transactions clearly exceed a budget; None: no dose."""
        for level in self.levels[1:]:
            if _exceeds(level, self.levels, budget, self.dispersion):
                return level.dose_ms
        return None


def without_model(levels: Sequence[Level], dispersion: Dispersion) -> ModelFree:
    """Return what the proportions of one load show: their isotonic regression and their trend."""
    risk = isotonic([level.k / level.n for level in levels], [float(level.n) for level in levels])
    free = 1.0 - risk[0]
    extra = tuple((value - risk[0]) / free if free > 0 else 0.0 for value in risk)
    trend_p = _trend(levels, dispersion.phi)
    return ModelFree(tuple(levels), dispersion, extra, trend_p, saturated=free <= 0)


def _exceeds(level: Level, levels: Sequence[Level], budget: float, dispersion: Dispersion) -> bool:
    """Return whether a level rejects that its extra risk is within a budget.

    The test is a likelihood ratio: any risk at that dose against the greatest risk that is within
    the budget. The background is bounded by all other levels, not by the baseline alone, because
    the risk at no dose is below the background.
    """
    others = [one for one in levels if one is not level]
    least = min(one.k / one.n for one in others)
    if level.k / level.n <= least + (1 - least) * budget:
        return False

    baseline, *dosed = others

    def without(background: Array) -> Array:
        """Return the drop of the log-likelihood of the other levels at a background."""
        rest = (_drop(one, np.maximum(one.k / one.n, background)) for one in dosed)
        return sum(rest, _drop(baseline, background))

    x2 = 2 * (_least(lambda g: without(g) + _drop(level, within(g, budget))) - _least(without))
    root = math.sqrt(max(x2, 0.0) / dispersion.phi)
    return float(dispersion.cdf(np.array(-root))) < _CLEARLY


def within(background: Array, extra: float) -> Array:
    """Return the total risk g + (1 - g) F of a background g and an extra risk F."""
    return background + (1 - background) * extra


def _drop(level: Level, risk: Array) -> Array:
    """Return the drop of the log-likelihood from the observed proportion to each of some risks."""
    missed, own = level.n - level.k, level.k / level.n
    most = xlogy(level.k, own) + xlog1py(missed, -own)
    result: Array = most - xlogy(level.k, risk) - xlog1py(missed, -risk)
    return result


def _least(function: Callable[[Array], Array]) -> float:
    """Return the minimum over the background of a convex function, by narrowing a grid.

    scipy.optimize is not used because its import takes longer than the whole calculation here.
    """
    grid = np.linspace(0.0, 1.0, _POINTS)
    for _ in range(_NARROWINGS):
        at = int(function(grid).argmin())
        grid = np.linspace(grid[max(at - 1, 0)], grid[min(at + 1, _POINTS - 1)], _POINTS)
    return float(function(grid).min())


def _trend(levels: Sequence[Level], phi: float) -> float:
    """Return the one-sided p value of the Cochran-Armitage test for a rise with the dose."""
    n = np.array([level.n for level in levels], dtype=float)
    k = np.array([level.k for level in levels], dtype=float)
    dose = np.array([level.dose_ms for level in levels], dtype=float)
    if dose[-1] > 0:
        dose = dose / dose[-1]
    p = k.sum() / n.sum()
    spread = float((n * (dose - (n @ dose) / n.sum()) ** 2).sum())
    variance = p * (1 - p) * spread * phi
    if variance <= 0:
        return 1.0
    return float(ndtr(-float(dose @ (k - n * p)) / math.sqrt(variance)))
