"""How many transactions a limit needs: width of the interval against transactions per level.

The simulated service has no extra impact up to 350 ms, then 1.2 % more per 100 ms, and a background
of 0.2 %. Each measurement has a baseline and five delays around the limit. Prints the table of
docs/guide/sla.md.
"""

import argparse
import statistics

import numpy as np

from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.solve import back_calculate

DOSES_MS = (0, 200, 350, 450, 600, 800)
BUDGETS = (0.005, 0.01, 0.02)
SIZES = (300, 1000, 3000, 10_000, 30_000)


def impact(dose_ms: float) -> float:
    """Return the true fraction of transactions with impact."""
    return float(0.002 + 0.998 * (1 - np.exp(-0.00012 * max(0.0, dose_ms - 350))))


def widths(n: int, runs: int, random: np.random.Generator) -> list[tuple[float, float, int]]:
    """Return per budget the median safe limit in ms, the median half-width, and the number of runs.

    The half-width of the interval is relative to the estimate. Runs without an interval are left
    out.
    """
    found: dict[float, list[tuple[float, float]]] = {budget: [] for budget in BUDGETS}
    for _ in range(runs):
        levels = tuple(Level(dose, n, int(random.binomial(n, impact(dose)))) for dose in DOSES_MS)
        for one in back_calculate(Observations(levels, windowed=False), BUDGETS).thresholds:
            if one.estimate_ms and one.low_ms is not None and one.high_ms is not None:
                width = (one.high_ms - one.low_ms) / 2 / one.estimate_ms
                found[one.budget].append((one.safe_ms or 0.0, width))
    return [
        (
            statistics.median(safe for safe, _ in rows) if rows else float("nan"),
            statistics.median(width for _, width in rows) if rows else float("nan"),
            len(rows),
        )
        for rows in found.values()
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=25, help="data sets per row")
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    truth = [350 - np.log1p(-budget) / 0.00012 for budget in BUDGETS]
    print(f"seed {arguments.seed}, {arguments.runs} data sets per row; true limits:", *truth)
    print("| n per level | " + " | ".join(f"budget {budget:.1%}" for budget in BUDGETS) + " |")
    for n in SIZES:
        cells = [
            f"safe {safe:.0f} ms, +-{width:.0%} ({count})"
            for safe, width, count in widths(n, arguments.runs, random)
        ]
        print(f"| {n} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
