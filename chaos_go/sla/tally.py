"""Sums up rows per level as they are read, so memory is proportional to the levels, not the rows.

The windows of a level are combined here. ``n``, ``k`` and what the dispersion needs are summed. The
P99 of a level and its limits are the means over its windows, weighted by ``n``. So the interval is
as wide as that of one window, which is conservative, and windows that all have the P99 of the whole
level give exactly this P99. If one window has no upper limit, the level has none.
"""

from dataclasses import dataclass, field

from chaos_go.errors import BadInputError
from chaos_go.sla.observations import Baseline, Level, Observations
from chaos_go.sla.words import exact

LARGEST_N = 10**15
"""Most transactions of a level; above it rounding errors exceed the interval of a proportion."""
FIX_OF_N = f"give at most {LARGEST_N:.0e}, for instance those of a shorter time"


@dataclass(slots=True)
class Sums:
    """Sums over the windows of one level."""

    dose_ms: float
    load_rps: float | None
    n: int = 0
    k: int = 0
    windows: int = 0
    squares: float = 0.0
    p99: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 0.0])
    low_known: bool = True
    high_known: bool = True

    def add_p99(self, n: int, p99_ms: float, low_ms: float | None, high_ms: float | None) -> None:
        """Add the P99 of a window of n transactions, in milliseconds, with its limits if known."""
        sums = self.p99
        sums[0] += n
        sums[1] += n * p99_ms
        sums[2] += n * (low_ms or 0.0)
        sums[3] += n * (high_ms or 0.0)
        self.low_known &= low_ms is not None
        self.high_known &= high_ms is not None

    def level(self) -> Level:
        """Return the level from all windows added so far."""
        n, p99, low, high = self.p99
        return Level(
            dose_ms=self.dose_ms,
            n=self.n,
            k=self.k,
            windows=self.windows,
            squares=self.squares,
            load_rps=self.load_rps,
            p99_ms=p99 / n if n else None,
            p99_low_ms=low / n if n and self.low_known else None,
            p99_high_ms=high / n if n and self.high_known else None,
        )


@dataclass(slots=True)
class _Edges:
    """Sums over the rows of dose 0 of one load, before the first and after the last other dose."""

    n_before: int = 0
    k_before: int = 0
    n_after: int = 0
    k_after: int = 0
    dosed: bool = False

    def add(self, dose_ms: float, n: int, k: int) -> None:
        if dose_ms > 0:
            self.dosed, self.n_after, self.k_after = True, 0, 0
        elif self.dosed:
            self.n_after += n
            self.k_after += k
        else:
            self.n_before += n
            self.k_before += k


class Tally:
    """Takes windows one by one and returns `Observations`."""

    def __init__(self) -> None:
        """Begin without any window."""
        self._levels: dict[tuple[float, float | None], Sums] = {}
        self._edges: dict[float | None, _Edges] = {}

    def at(self, dose_ms: float, load_rps: float | None) -> Sums:
        """Return the sums of a level, which `add` takes; dose in ms, load in requests/s or None."""
        key = (dose_ms, load_rps)
        if key not in self._levels:
            self._levels[key] = Sums(dose_ms, load_rps)
            self._edges.setdefault(load_rps, _Edges())
        return self._levels[key]

    def add(self, sums: Sums, n: int, k: int) -> None:
        """Add a window with n transactions, of which k had business impact."""
        sums.n += n
        sums.k += k
        sums.windows += 1
        sums.squares += k * k / n
        self._edges[sums.load_rps].add(sums.dose_ms, n, k)

    def observations(self, windowed: bool) -> Observations:
        """Return the observations, sorted by load and dose.

        Args:
            windowed: Whether the data say which window each row is.

        Raises:
            BadInputError: There is no row, a load has no row of dose 0, or a level has more than
                `LARGEST_N` transactions.
        """
        if not self._levels:
            raise BadInputError(
                "observations", "", "no row; give one per level, with dose_ms, n, k"
            )
        for load in self._edges:
            if (0.0, load) not in self._levels:
                doses = sorted(dose for dose, at in self._levels if at == load)
                where = "" if load is None else f" at load_rps={exact(load)}"
                fix = f"no row with dose 0{where}; measure the baseline, without any fault, too"
                raise BadInputError("dose_ms", doses, fix)
        levels = [sums.level() for sums in self._levels.values()]
        for level in levels:
            if level.n > LARGEST_N:
                fix = f"in all rows of dose_ms={exact(level.dose_ms)}; {FIX_OF_N}"
                raise BadInputError("n", level.n, fix)
        levels.sort(key=lambda level: (level.load_rps or 0.0, level.dose_ms))
        baselines = [
            Baseline(load, edges.n_before, edges.k_before, edges.n_after, edges.k_after)
            for load, edges in sorted(self._edges.items(), key=lambda item: item[0] or 0.0)
        ]
        return Observations(tuple(levels), windowed, tuple(baselines))
