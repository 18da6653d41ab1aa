"""What was observed: how many transactions of how many had business impact, at which dose.

Windows are summed up per level, so memory is proportional to the levels, not to the rows.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """All windows of one dose at one load.

    Attributes:
        dose_ms: injected delay, exactly known, >= 0; 0 is the baseline.
        n: transactions, over all windows.
        k: those of them with business impact; a timeout counts as impact.
        windows: how many windows n and k are the sum of, >= 1.
        squares: sum of k_i ** 2 / n_i over the windows, from which the dispersion follows.
        load_rps: load at which it was measured; None when the data have no such column.
        p99_ms: P99 of the service at this dose; None when not measured.
        p99_low_ms: lower limit of its 95 % interval; None when not known.
        p99_high_ms: upper limit of its 95 % interval; None when not known or not bounded (the P99
            is censored: more than 1 % of the transactions timed out).
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
        load_rps: as in `Level`.
        n_before, k_before: sums of the rows before.
        n_after, k_after: sums of the rows after; 0 when the baseline was measured once.
    """

    load_rps: float | None
    n_before: int
    k_before: int
    n_after: int
    k_after: int


@dataclass(frozen=True)
class Observations:
    """All levels, sorted by load and dose, at least one dose 0 per load.

    Attributes:
        levels: one per load and dose.
        windowed: the data say which window each row is; without, independence is assumed.
        baselines: one per load, for the drift check.
    """

    levels: tuple[Level, ...]
    windowed: bool
    baselines: tuple[Baseline, ...] = ()

    def by_load(self) -> dict[float | None, list[Level]]:
        """Return the levels of each load, loads and doses ascending."""
        loads: dict[float | None, list[Level]] = {}
        for level in sorted(self.levels, key=lambda one: (one.load_rps or 0.0, one.dose_ms)):
            loads.setdefault(level.load_rps, []).append(level)
        return loads
