"""What was observed: at each dose, the number of transactions and how many had business impact.

Windows are summed up per level, so memory is proportional to the levels, not to the rows.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """All windows of one dose at one load.

    Attributes:
        dose_ms: Injected delay in milliseconds, exactly known, at least 0; 0 is the baseline.
        n: Number of transactions over all windows.
        k: How many of them had business impact; a timeout counts as impact.
        windows: Number of windows of which n and k are the sums, at least 1.
        squares: Sum of k_i ** 2 / n_i over the windows, from which the dispersion follows.
        load_rps: Load in requests per second; None when the data have no such column.
        p99_ms: P99 of the service at this dose in milliseconds; None when not measured.
        p99_low_ms: Lower limit of its 95 % interval; None when not known.
        p99_high_ms: Upper limit of its 95 % interval; None when not known or not bounded. It is
            not bounded when more than 1 % of the transactions timed out: the P99 is censored.
    """

    dose_ms: float
    n: int
    k: int
    windows: int = 1
    squares: float = 0.0
    load_rps: float | None = None
    p99_ms: float | None = None
    p99_low_ms: float | None = None
    p99_high_ms: float | None = None


@dataclass(frozen=True)
class Baseline:
    """The zero-dose rows of one load before the first and after the last other dose.

    Attributes:
        load_rps: Load in requests per second; None when the data have no such column.
        n_before, k_before: Sums over the rows before.
        n_after, k_after: Sums over the rows after; 0 when the baseline was measured only once.
    """

    load_rps: float | None
    n_before: int
    k_before: int
    n_after: int
    k_after: int


@dataclass(frozen=True)
class Observations:
    """All levels, sorted by load and dose. Every load has a level of dose 0.

    Attributes:
        levels: One level per load and dose.
        windowed: Whether the data say which window each row is; if not, every transaction is
            treated as independent.
        baselines: One baseline per load, to find a drift.
    """

    levels: tuple[Level, ...]
    windowed: bool
    baselines: tuple[Baseline, ...] = ()

    def by_load(self) -> dict[float | None, list[Level]]:
        """Return the levels of each load, in ascending order of load and dose."""
        loads: dict[float | None, list[Level]] = {}
        for level in sorted(self.levels, key=lambda one: (one.load_rps or 0.0, one.dose_ms)):
            loads.setdefault(level.load_rps, []).append(level)
        return loads
