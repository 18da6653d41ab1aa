"""The answer of a back-calculation: limits per budget, with their intervals and flags.

`Answer.as_json` is what ``chaos go sla fit --json`` prints. A limit that does not exist is None,
and a flag gives the reason. No value is ever NaN or infinite.
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
    """What one family of curves contributes to a threshold.

    Attributes:
        name: Name of the family.
        weight: Weight of the family in the model average, a fraction.
        estimate_ms: Dose in milliseconds at which its likelihood is greatest.
        low_ms: Lower limit of its two-sided interval in milliseconds; None if there is none.
        high_ms: Upper limit of its two-sided interval in milliseconds; None if there is none.
        safe_ms: Its one-sided lower limit in milliseconds; None if there is none.
        log_likelihood: Its greatest log-likelihood.
        aicc: Its quasi-AICc.
    """

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
    """A threshold as the P99 of the service at that dose, in milliseconds; None: no such limit."""

    estimate_ms: float | None
    low_ms: float | None
    high_ms: float | None
    safe_ms: float | None


@dataclass(frozen=True)
class Threshold:
    """The dose at which the extra risk over the background equals the budget.

    Attributes:
        budget: Extra risk, a fraction.
        confidence: Confidence of the two-sided interval from `low_ms` to `high_ms`, and of the
            one-sided limit `safe_ms`; a fraction.
        estimate_ms: Best estimate of the dose in milliseconds; None if there is none.
        low_ms: Lower limit of the two-sided interval in milliseconds; None if there is none.
        high_ms: Upper limit of the two-sided interval in milliseconds; None if there is none.
        safe_ms: One-sided lower limit in milliseconds; None if there is none.
        verdict: One of `VERDICTS`.
        flags: Members of `FLAGS`.
        families: What each family contributes.
        p99: The same threshold as the service's P99; None without P99 data.
        bracket_ms: Isotonic bracket in milliseconds: the last dose within the budget and the first
            dose beyond it. Each of the two is None where there is no such dose.
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
    """The thresholds at one load. Those of several loads make the SLO decay curve.

    Attributes:
        load_rps: The load in requests per second; None when the data have no such column.
        background: Risk without a fault, a fraction.
        thresholds: One threshold per budget, in the order of the budgets.
    """

    load_rps: float | None
    background: float
    thresholds: tuple[Threshold, ...]

    def impact(self, extra: float) -> float:
        """Return the impact, a fraction, at which the extra impact over the background is this."""
        return self.background + (1 - self.background) * extra


@dataclass(frozen=True)
class Likeness:
    """Whether the loads are alike enough for one fit; with one load nothing is tested.

    Attributes:
        shape_p: P value of the test that the curves of all loads have one shape.
        order_p: P value of the test that no threshold rises with the load. A rejection says that
            the data are wrong, and no interval relies on this order. Therefore this test uses the
            stricter level of 1 %.
    """

    shape_p: float = 1.0
    order_p: float = 1.0

    @property
    def shapes_differ(self) -> bool:
        """Whether the data reject a common shape, at 5 %."""
        return self.shape_p < _LEAST_SHAPE_P

    @property
    def out_of_order(self) -> bool:
        """Whether the data reject that no threshold rises with the load, at 1 %."""
        return self.order_p < _LEAST_ORDER_P

    @property
    def apart(self) -> bool:
        """Whether every load has to be fitted by itself."""
        return self.shapes_differ or self.out_of_order


def governing(loads: Sequence[Load], at: int, apart: bool) -> Load:
    """Return the load whose dose limit for a budget holds at every load.

    In a common fit this is the highest load. When each load was fitted by itself, the limit of one
    load does not hold at another. Then it is the load with the lowest safe limit, and a load
    without a safe limit comes before all others.

    Args:
        loads: All loads, in ascending order.
        at: Index of the budget.
        apart: Whether each load was fitted by itself.
    """
    if not apart:
        return loads[-1]
    return min(reversed(loads), key=lambda load: load.thresholds[at].safe_ms or 0.0)


@dataclass(frozen=True)
class Answer:
    """Everything that was calculated from one set of observations.

    Attributes:
        background: Risk without a fault by the best family, a fraction.
        phi: Over-dispersion: the variance of the counts, divided by that of independent
            transactions; at least 1.
        fit: Goodness of fit of the best family.
        thresholds: One threshold per budget. With several loads they are those of the highest
            load, which allows the least; if each load was fitted by itself, those of the load with
            the lowest safe limit.
        loads: One entry per load. When the data have no loads, it has a single entry without
            `load_rps` if there is a P99 or a bracket, and is empty otherwise.
        likeness: Whether the loads are alike enough for one fit.
        schema: Version of the JSON form.
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
            at: Index of the budget.
        """
        return governing(self.loads, at, self.likeness.apart)

    def as_json(self) -> dict[str, Any]:
        """Return the answer as plain JSON values; only the loads have the P99 and the bracket."""
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
