"""What the picture of a back-calculation shows, as plain data; `chaos_go.sla.curve` calculates it.

Importing this module loads nothing heavy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chaos_go.sla import latency
from chaos_go.sla.answer import Load
from chaos_go.sla.observations import Level


@dataclass(frozen=True)
class Point:
    """What was observed at one dose and load.

    Attributes:
        level: the counts.
        rate: impact, a fraction.
        low, high: limits of its 95 % interval.
    """

    level: Level
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """Points to be joined, from the lowest to the highest.

    Attributes:
        impacts: ascending, fractions.
        doses_ms: the dose at which the impact is that high; never descending.
    """

    impacts: Sequence[float]
    doses_ms: Sequence[float]


@dataclass(frozen=True)
class Stretch:
    """The part of a curve between two budgets without an estimate, or all of it.

    Attributes:
        average: dose by impact, averaged over the models.
        low, high: limits of the dose; the upper one is at the edge of the picture where nothing
            bounds the dose.
    """

    average: Line
    low: Line
    high: Line


@dataclass(frozen=True)
class LoadCurve:
    """Everything that is shown of one load.

    Attributes:
        load: with its limits for the budgets that were asked for, as P99 too where it was measured.
        points: what was observed, doses ascending.
        stretches: of the averaged curve.
        models: the single models that count, as far as the average goes.
        p99: of the service by dose; None when it was not measured.
    """

    load: Load
    points: Sequence[Point]
    stretches: Sequence[Stretch]
    models: Sequence[Line]
    p99: latency.Curve | None = None


@dataclass(frozen=True)
class Drawing:
    """Everything that the picture shows.

    Attributes:
        curves: one per load, ascending.
        governing: the load whose limits for the first budget hold at every load.
        confidence: of the bands.
        edge_ms: the highest dose in the picture.
        logarithmic: the doses are so far apart that they need a logarithmic axis.
    """

    curves: Sequence[LoadCurve]
    governing: Load
    confidence: float
    edge_ms: float
    logarithmic: bool = False
