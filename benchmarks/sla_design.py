"""How the choice of doses affects the width and error of the interval, and the rejections.

The curve is stretched by a random factor, so no design knows where its threshold is. All designs
have the same number of levels, including the baseline. The curves of `sla_coverage` have a shape of
about 2.5; those with a shape of 3, the default here, are steeper.

    python benchmarks/sla_design.py --n 300 --seed 1 --shape 3
"""

import argparse
import math
import time

import numpy as np
from sla_coverage import BACKGROUND, Truth, truths

from chaos_go.sla.design import next_level
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.solve import back_calculate

BUDGET = 0.02
N_LEVEL = 1000
GRID = {6: (100, 200, 400, 800, 1600), 8: (100, 159, 252, 400, 635, 1008, 1600)}
ROWS = [(6, "fixed grid"), (6, "next_level"), (8, "fixed grid"), (8, "next_level")]
"""Number of levels and design of each row of the table."""


def measure(truth: Truth, scale: float, dose: float, rng: np.random.Generator) -> Level:
    """Draw one level of a curve that is stretched by a factor."""
    p = BACKGROUND + (1 - BACKGROUND) * truth.risk(dose / scale)
    return Level(dose, N_LEVEL, int(rng.binomial(N_LEVEL, p)))


def merged(levels: list[Level]) -> Observations:
    """Sum up the levels of one dose."""
    sums: dict[float, tuple[int, int]] = {}
    for level in levels:
        n, k = sums.get(level.dose_ms, (0, 0))
        sums[level.dose_ms] = (n + level.n, k + level.k)
    rows = tuple(Level(dose, n, k) for dose, (n, k) in sorted(sums.items()))
    return Observations(rows, windowed=False)


def adaptive(truth: Truth, scale: float, count: int, rng: np.random.Generator) -> Observations:
    """Measure at the doses that `next_level` returns, up to a number of levels."""
    levels = [measure(truth, scale, 0.0, rng)]
    while len(levels) < count:
        step = next_level(
            merged(levels),
            BUDGET,
            start_ms=100,
            max_dose_ms=3200,
            target_width=0,
            rejected_budget=10**9,
        )
        if step.dose_ms is None:
            break
        levels.append(measure(truth, scale, step.dose_ms, rng))
    return merged(levels)


def fixed(truth: Truth, scale: float, count: int, rng: np.random.Generator) -> Observations:
    """Measure a geometric grid."""
    return merged([measure(truth, scale, dose, rng) for dose in (0.0, *map(float, GRID[count]))])


def run(count: int, name: str, n: int, shape: float, rng: np.random.Generator) -> str:
    """Return one row of the table."""
    design = adaptive if name == "next_level" else fixed
    curves = [truths(shape)[one] for one in ("log-logistic", "weibull", "hinge")]
    widths, errors, rejected, covered = [], [], [], 0
    for at in range(n):
        truth = curves[at % 3]
        scale = math.exp(rng.uniform(math.log(0.3), math.log(1.6)))
        observations = design(truth, scale, count, rng)
        (found,) = back_calculate(observations, [BUDGET]).thresholds
        target = scale * truth.dose(BUDGET)
        covered += (found.low_ms or 0) <= target <= (found.high_ms or math.inf)
        rejected.append(sum(level.k for level in observations.levels if level.dose_ms > 0))
        if found.verdict == "bounded" and found.estimate_ms:
            widths.append(math.log((found.high_ms or math.inf) / (found.low_ms or 1)))
            errors.append(math.log(found.estimate_ms / target))
    return (
        f"| {count} | {name} | {np.mean(widths):.3f} "
        f"| {math.sqrt(np.mean(np.square(errors))):.3f} "
        f"| {np.median(rejected):.0f} | {covered / n:.3f} | {len(widths) / n:.2f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=150, help="experiments per row")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--shape", type=float, default=3.0, help="shape of log-logistic and Weibull"
    )
    asked = parser.parse_args()
    started = time.monotonic()
    print(
        f"{100 * BUDGET:g} %, n={N_LEVEL} per level, shape {asked.shape:g}, N={asked.n}, "
        f"seed {asked.seed}"
    )
    print("| levels | design | width ln | RMSE ln | impact, median | coverage | bounded |")
    print("|---|---|---|---|---|---|---|")
    for at, (count, name) in enumerate(ROWS):
        rng = np.random.default_rng([asked.seed, at])
        print(run(count, name, asked.n, asked.shape, rng), flush=True)
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
