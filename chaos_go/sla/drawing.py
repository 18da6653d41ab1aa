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
        level: The counts.
        rate: The impact, a fraction.
        low, high: The limits of its 95 % interval.
    """

    level: Level
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """Points to be joined, from the lowest to the highest.

    Attributes:
        impacts: The impacts, fractions in ascending order.
        doses_ms: For each impact the dose at which it is reached; never descending.
    """

    impacts: Sequence[float]
    doses_ms: Sequence[float]


@dataclass(frozen=True)
class Stretch:
    """The part of a curve between two budgets without an estimate, or all of it.

    Attributes:
        average: The dose by impact, averaged over the models.
        low, high: The limits of the dose; the upper one is at the edge of the picture where
            nothing bounds the dose.
    """

    average: Line
    low: Line
    high: Line


@dataclass(frozen=True)
class LoadCurve:
    """Everything that is shown of one load.

    Attributes:
        load: The load, with its limits for the budgets that were asked for, also as a P99 where one
            was measured.
        points: What was observed, by ascending dose.
        stretches: The stretches of the averaged curve.
        models: The single models that count, as far as the average goes.
        p99: The P99 of the service by dose; None when it was not measured.
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
        curves: One curve per load, by ascending load.
        governing: The load whose limits for the first budget hold at every load.
        confidence: The confidence of the bands.
        edge_ms: The highest dose in the picture.
        logarithmic: Whether the doses are so far apart that they need a logarithmic axis.
    """

    curves: Sequence[LoadCurve]
    governing: Load
    confidence: float
    edge_ms: float
    logarithmic: bool = False
