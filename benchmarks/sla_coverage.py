"""How often the intervals of the SLA back-calculation contain the true threshold.

Data are drawn from known curves, and the intervals of `back_calculate` are compared with the truth.
The column "log-logistic alone" is the coverage of that single family on the same data.

    python benchmarks/sla_coverage.py --n 300 --seed 1
"""

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chaos_go.sla.answer import FamilyFit, Threshold
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.solve import back_calculate

BACKGROUND = 0.002
SIX = (0.0, 100.0, 300.0, 500.0, 650.0, 800.0)
FOUR = (0.0, 300.0, 500.0, 800.0)
GAP = (500.0, 650.0)  # doses of SIX between which the step is; no data show where between them
FAR = (0.0, 200.0, 400.0, 600.0, 900.0, 1200.0)


@dataclass(frozen=True)
class Truth:
    """A curve: extra risk at a dose, and the dose of an extra risk."""

    name: str
    risk: Callable[[float], float]

    def dose(self, budget: float) -> float:
        """Invert by bisection."""
        low, high = 1.0, 5000.0
        while high - low > 1e-6:
            middle = (low + high) / 2
            low, high = (middle, high) if self.risk(middle) < budget else (low, middle)
        return high


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


def _expit(t: float) -> float:
    return 1 / (1 + math.exp(-t)) if t > -700 else 0.0


def truths(shape: float | None = None, step_ms: float = 600.0) -> dict[str, Truth]:
    """Return curves with 1.8 % extra risk at 500 ms.

    Log-logistic and Weibull have the given shape, or the one with 5.6 % at 800 ms.
    """
    ratio = math.log(800 / 500)
    s_logistic = shape or (_logit(0.056) - _logit(0.018)) / ratio
    s_weibull = shape or math.log(math.log1p(-0.056) / math.log1p(-0.018)) / ratio
    rate = -math.log1p(-0.018) / 150
    at_500 = _logit(0.018 / 0.08)
    curves = [
        Truth(
            "log-logistic",
            lambda x: _expit(s_logistic * math.log(x / 500) + _logit(0.018)) if x else 0.0,
        ),
        Truth("weibull", lambda x: -math.expm1(math.log1p(-0.018) * (x / 500) ** s_weibull)),
        Truth("hinge", lambda x: -math.expm1(-rate * max(x - 350, 0.0))),
        Truth("saturating", lambda x: 0.08 * _expit(8 * math.log(x / 500) + at_500) if x else 0.0),
        Truth("step", lambda x: 0.056 if x >= step_ms else 0.0),
    ]
    return {curve.name: curve for curve in curves}


@dataclass(frozen=True)
class Case:
    """One row of the table: a true curve, a budget and a design."""

    truth: str
    budget: float
    n: int
    doses: tuple[float, ...] = SIX
    windows: int = 1
    rho: float = 0.0


LOGISTIC, WEIBULL, HINGE = "log-logistic", "weibull", "hinge"
CASES = [
    Case(LOGISTIC, 0.02, 1000),
    Case(WEIBULL, 0.02, 1000),
    Case(HINGE, 0.02, 1000),
    Case(LOGISTIC, 0.01, 5000),
    Case(WEIBULL, 0.01, 5000),
    Case(HINGE, 0.01, 5000),
    Case(LOGISTIC, 0.02, 2000, FOUR),
    Case(WEIBULL, 0.02, 2000, FOUR),
    Case(HINGE, 0.02, 2000, FOUR),
    Case(LOGISTIC, 0.005, 1000),
    Case(WEIBULL, 0.005, 1000),
    Case(HINGE, 0.005, 1000),
    Case(LOGISTIC, 0.005, 1000, FAR),
    Case(WEIBULL, 0.005, 1000, FAR),
    Case(HINGE, 0.005, 1000, FAR),
    Case("saturating", 0.02, 2000),
    Case("saturating", 0.01, 2000),
    Case("saturating", 0.005, 2000),
    Case("step", 0.02, 1000),
    Case(LOGISTIC, 0.02, 3000, windows=10, rho=0.01),
    Case(WEIBULL, 0.02, 3000, windows=10, rho=0.01),
    Case(HINGE, 0.02, 3000, windows=10, rho=0.01),
]


def draw(case: Case, truth: Truth, rng: np.random.Generator) -> Observations:
    """Draw one data set; if rho is not 0, the windows are beta-binomial with that correlation."""
    levels = []
    for dose in case.doses:
        p = BACKGROUND + (1 - BACKGROUND) * truth.risk(dose)
        size = case.n // case.windows
        risks = np.full(case.windows, p)
        if case.rho:
            a = (1 - case.rho) / case.rho
            risks = rng.beta(a * p, a * (1 - p), case.windows)
        k = rng.binomial(size, risks)
        squares = float((k * k).sum() / size)
        levels.append(Level(dose, size * case.windows, int(k.sum()), case.windows, squares))
    return Observations(tuple(levels), windowed=case.windows > 1)


def run(case: Case, n: int, rng: np.random.Generator, step_ms: float | None = None) -> str:
    """Return one row of the table.

    Args:
        case: The row.
        n: Number of data sets.
        rng: Source of the random numbers.
        step_ms: Where the step is; by default at another random place in `GAP` for each data set.
    """
    truth = truths()[case.truth]
    target = truth.dose(case.budget)
    covered = alone = safe = bounded = 0
    widths, errors = [], []
    for _ in range(n):
        if case.truth == "step":
            truth = truths(step_ms=step_ms or float(rng.uniform(*GAP)))["step"]
            target = truth.dose(case.budget)
        threshold = back_calculate(draw(case, truth, rng), [case.budget]).thresholds[0]
        covered += _holds(threshold, target)
        alone += _holds(next(one for one in threshold.families if one.name == LOGISTIC), target)
        safe += (threshold.safe_ms or 0.0) <= target
        if threshold.verdict == "bounded":
            bounded += 1
            widths.append(
                math.log((threshold.high_ms or math.nan) / (threshold.low_ms or math.nan))
            )
            errors.append(math.log((threshold.estimate_ms or math.nan) / target))
    kind = f"{100 * case.budget:g} %, n={case.n}, {len(case.doses)} levels"
    kind += f" to {case.doses[-1]:g} ms" if case.doses is FAR else ""
    if case.rho:
        kind += f", {case.windows} windows, rho={case.rho:g}"

    rmse = math.sqrt(float(np.mean(np.square(errors)))) if errors else math.nan
    width = float(np.median(widths)) if widths else math.nan
    bias = float(np.mean(errors)) if errors else math.nan
    return (
        f"| {case.truth} | {kind} | {alone / n:.3f} | {covered / n:.3f} "
        f"| {safe / n:.3f} | {bounded / n:.2f} | {width:.3f} | {rmse:.3f} | {bias:+.3f} |"
    )


def _holds(limits: Threshold | FamilyFit, target: float) -> bool:
    return (limits.low_ms or 0.0) <= target <= (limits.high_ms or math.inf)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=300, help="data sets per row")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--truth", help="only the rows of this curve")
    parser.add_argument("--step-ms", type=float, help="where the step is; default: a random place")
    asked = parser.parse_args()
    started = time.monotonic()
    error = 1.96 * math.sqrt(0.95 * 0.05 / asked.n)
    print(f"95 %, N={asked.n} per row, seed {asked.seed}, Monte-Carlo error +-{error:.3f}")
    heads = (
        "truth, case, log-logistic alone, average, safe holds, bounded, width ln, RMSE ln, bias ln"
    )
    print(f"| {heads.replace(', ', ' | ')} |")
    print("|" + "---|" * len(heads.split(",")))
    for at, case in enumerate(CASES):
        if asked.truth in (None, case.truth):
            rng = np.random.default_rng([asked.seed, at])
            print(run(case, asked.n, rng, asked.step_ms), flush=True)
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
