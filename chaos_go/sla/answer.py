"""The answer of a back-calculation: limits per budget, with their intervals and flags.

`Answer.as_json` is what ``chaos go sla fit --json`` prints. A limit that does not exist is None
and a flag says why; no NaN and no infinity is ever in here.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

FLAGS = (
    "no-trend",
    "too-few-levels",
    "lack-of-fit",
    "not-identifiable",
    "extrapolation",
    "overdispersed",
    "windows-missing",
    "upper-unbounded",
    "baseline-drift",
)
VERDICTS = ("bounded", "lower-bound-only", "inconclusive")
_LEAST_SHAPE_P = 0.05
_LEAST_ORDER_P = 0.01


@dataclass(frozen=True)
class FamilyFit:
    """One family's part in a threshold."""

    name: str
    weight: float
    estimate_ms: float
    low_ms: float | None
    high_ms: float | None
    safe_ms: float | None
    log_likelihood: float
    aicc: float


@dataclass(frozen=True)
class P99Limit:
    """The same limit as the P99 of the service at that dose."""

    estimate_ms: float | None
    low_ms: float | None
    high_ms: float | None
    safe_ms: float | None


@dataclass(frozen=True)
class Threshold:
    """The dose at which the extra risk over the background equals the budget.

    Attributes:
        budget: extra risk, a fraction.
        confidence: of the two-sided interval low..high and of the one-sided limit safe.
        verdict: one of `VERDICTS`.
        flags: members of `FLAGS`.
        p99: the limit in terms of the service's P99; None without P99 data.
        bracket_ms: isotonic bracket (last dose within, first dose beyond the budget), each None
            when there is none.
    """

    budget: float
    confidence: float
    estimate_ms: float | None
    low_ms: float | None
    high_ms: float | None
    safe_ms: float | None
    verdict: str
    flags: tuple[str, ...]
    families: tuple[FamilyFit, ...]
    p99: P99Limit | None = None
    bracket_ms: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True)
class Fit:
    """Goodness of fit of the best family: Pearson's X2, its degrees of freedom and p value."""

    x2: float
    df: int
    p: float


@dataclass(frozen=True)
class Load:
    """The thresholds at one load (several loads: the SLO decay curve).

    Attributes:
        load_rps: the load; None when the data have no such column.
        background: risk without a fault, a fraction.
        thresholds: one per budget, in the order of the budgets.
    """

    load_rps: float | None
    background: float
    thresholds: tuple[Threshold, ...]

    def impact(self, extra: float) -> float:
        """Return the impact, a fraction, at which the extra impact over the background is this."""
        return self.background + (1 - self.background) * extra


@dataclass(frozen=True)
class Likeness:
    """Whether the loads are alike enough for one fit; nothing is tested with one load.

    Attributes:
        shape_p: p value of the test that the curves of all loads have one shape.
        order_p: p value of the test that no threshold rises with the load. To say so is an
            accusation of the data, and no interval relies on it, so it takes more to reject it.
    """

    shape_p: float = 1.0
    order_p: float = 1.0

    @property
    def shapes_differ(self) -> bool:
        """Whether the first test rejects, at 5 %."""
        return self.shape_p < _LEAST_SHAPE_P

    @property
    def out_of_order(self) -> bool:
        """Whether the second test rejects, at 1 %."""
        return self.order_p < _LEAST_ORDER_P

    @property
    def apart(self) -> bool:
        """Whether every load is fitted by itself."""
        return self.shapes_differ or self.out_of_order


def governing(loads: Sequence[Load], at: int, apart: bool) -> Load:
    """Return the load whose dose limit for a budget holds at every load.

    In a common fit that is the highest load. Loads that are apart promise nothing for each other:
    there it is the one with the lowest safe limit, and one without a limit goes before all others.

    Args:
        loads: ascending.
        at: which budget.
        apart: the loads were fitted each by itself.
    """
    if not apart:
        return loads[-1]
    return min(reversed(loads), key=lambda load: load.thresholds[at].safe_ms or 0.0)


@dataclass(frozen=True)
class Answer:
    """Everything that was calculated from one set of observations.

    Attributes:
        background: risk without a fault, a fraction, by the best family.
        phi: by how much the counts vary more than independent transactions would, >= 1.
        fit: goodness of fit of the best family.
        thresholds: one per budget; with several loads those of the highest, the most constraining,
            or, where the loads are apart, of the load with the lowest safe limit.
        loads: one entry per load; a single one without `load_rps` when the data have no such
            column but a P99 or a bracket to tell.
        likeness: of the loads.
    """

    background: float
    phi: float
    fit: Fit
    thresholds: tuple[Threshold, ...]
    loads: tuple[Load, ...] = ()
    likeness: Likeness = field(default_factory=Likeness)
    schema: int = field(default=1)

    def governing(self, at: int) -> Load:
        """Return the load whose dose limit for a budget holds at every measured load.

        Args:
            at: which budget.
        """
        return governing(self.loads, at, self.likeness.apart)

    def as_json(self) -> dict[str, Any]:
        """Return the answer as plain JSON values; P99 and bracket are told per load only."""
        thresholds = [asdict(threshold) for threshold in self.thresholds]
        for threshold in thresholds:
            del threshold["p99"], threshold["bracket_ms"]
        return {
            "schema": self.schema,
            "background": self.background,
            "phi": self.phi,
            "fit": asdict(self.fit),
            "thresholds": thresholds,
            "loads": [asdict(load) for load in self.loads],
        }
