"""How often the intervals of a common fit of several loads contain the true thresholds.

The curves of the three loads have the same shape. At a higher load the same impact occurs at a
lower delay, or at the same delay, which is the worst case for the order that the fit imposes.

    python benchmarks/sla_loads.py --n 300 --seed 1
"""

import argparse
import math
import time

import numpy as np
from sla_coverage import BACKGROUND, Truth, truths

from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.solve import back_calculate

BUDGET, N = 0.02, 1000
DOSES = (0.0, 200.0, 300.0, 400.0, 500.0, 700.0, 1000.0)
LOADS_RPS = (10.0, 20.0, 40.0)
FACTORS = {"equal": (1.0, 1.0, 1.0), "falling": (1.0, 1.1, 1.3)}
"""The threshold of the curve is divided by these factors, one per load."""


def draw(truth: Truth, factors: tuple[float, ...], rng: np.random.Generator) -> Observations:
    """Draw one data set."""
    levels = []
    for load_rps, factor in zip(LOADS_RPS, factors, strict=True):
        for dose in DOSES:
            p = BACKGROUND + (1 - BACKGROUND) * truth.risk(dose * factor)
            levels.append(Level(dose, N, int(rng.binomial(N, p)), load_rps=load_rps))
    return Observations(tuple(levels), windowed=False)


def run(truth: Truth, falls: str, n: int, rng: np.random.Generator) -> str:
    """Return one row of the table."""
    targets = [truth.dose(BUDGET) / factor for factor in FACTORS[falls]]
    covered, safe, apart = np.zeros(len(targets)), np.zeros(len(targets)), 0
    for _ in range(n):
        answer = back_calculate(draw(truth, FACTORS[falls], rng), [BUDGET])
        apart += answer.likeness.apart
        for at, (load, target) in enumerate(zip(answer.loads, targets, strict=True)):
            (found,) = load.thresholds
            covered[at] += (found.low_ms or 0.0) <= target <= (found.high_ms or math.inf)
            safe[at] += (found.safe_ms or 0.0) <= target
    told = [" / ".join(f"{share:.3f}" for share in one / n) for one in (covered, safe)]
    return f"| {truth.name} | {falls} | {told[0]} | {told[1]} | {apart / n:.3f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=300, help="data sets per row")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--truth", help="only the rows of this curve")
    asked = parser.parse_args()
    started = time.monotonic()
    error = 1.96 * math.sqrt(0.95 * 0.05 / asked.n)
    print(f"95 %, N={asked.n} per row, seed {asked.seed}, Monte-Carlo error +-{error:.3f}")
    print("| truth | thresholds | coverage at each load | safe holds | fitted apart |")
    print("|---|---|---|---|---|")
    names = [name for name in truths() if name != "step"]
    for at, (name, falls) in enumerate((name, falls) for name in names for falls in FACTORS):
        if asked.truth in (None, name):
            rng = np.random.default_rng([asked.seed, at])
            print(run(truths()[name], falls, asked.n, rng), flush=True)
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
