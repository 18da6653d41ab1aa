"""Reads budgets and confidences from text, and refuses invalid ones."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from chaos_go.errors import BadInputError
from chaos_go.sla import number
from chaos_go.sla.observations import Level, Observations
from chaos_go.sla.words import exact
from chaos_go.stats import proportion_interval


class Budget(NamedTuple):
    """Extra impact that is tolerated, on top of the background without any fault.

    Attributes:
        text: The budget as it was written.
        extra: The extra impact as a fraction.
        on_top: Whether it was written with a plus sign, and so cannot be a total.
    """

    text: str
    extra: float
    on_top: bool


def parse(text: str) -> Budget:
    """Read a budget: ``1%``, ``0.01`` or ``+1%``.

    Raises:
        BadInputError: The text is no number between 0 and 100 %, or could be a percentage as well
            as a fraction.
    """
    return Budget(text, _fraction("budget", text), text.strip().startswith("+"))


def parse_confidence(text: str) -> float:
    """Read a confidence, ``95``, ``95%`` or ``0.95``, as a fraction above 0.5 and below 1.

    Raises:
        BadInputError: The text is no such number.
    """
    fix = "give more than 50 and less than 100, in percent, for instance 95"
    value = _number("confidence", text, fix)
    fraction = value / 100 if "%" in text or value >= 1 else value
    if not 0.5 < fraction < 1:
        raise BadInputError("confidence", text, fix)
    return fraction


def check(budgets: Iterable[Budget], observations: Observations) -> None:
    """Refuse a budget that is below the background, unless it was written with a plus sign.

    A budget is extra impact over the background. If 3 % of all transactions have impact without
    any fault, a budget of 1 % is probably a total by mistake, which no latency can keep. The
    background counts as above the budget when it is so with 95 % confidence.

    Args:
        budgets: The budgets.
        observations: What was measured.

    Raises:
        BadInputError: A budget is below the background, or every transaction of a load had impact,
            so that no latency could add any.
    """
    for load_rps, levels in observations.by_load().items():
        if all(level.k == level.n for level in levels):
            fix = (
                f"every transaction{_at(load_rps)} had impact, even without any fault; k counts "
                "those with impact, not those that went well"
            )
            raise BadInputError("k", str(levels[0].k), fix)
    for level in _baselines(observations):
        at_least = proportion_interval(level.k, level.n, confidence=0.9).low
        for budget in budgets:
            if at_least > budget.extra and not budget.on_top:
                fix = (
                    f"without any fault {level.k} of {level.n} already have impact"
                    f"{_at(level.load_rps)}; no latency limit keeps the total below that. To "
                    f"allow this much on top of it, write +{budget.text.strip()}"
                )
                raise BadInputError("budget", budget.text, fix)


def _at(load_rps: float | None) -> str:
    return "" if load_rps is None else f" at {exact(load_rps)} requests/s"


def _baselines(observations: Observations) -> Sequence[Level]:
    return [level for level in observations.levels if level.dose_ms == 0]


def _fraction(name: str, text: str) -> float:
    value = _number(name, text, "give a number, for instance 1%")
    percent = "%" in text
    fraction = value / 100 if percent else value
    if not percent and 1 <= value < 100:
        raise BadInputError(
            name, text, f"a percentage or a fraction? write {text.strip()}% or 0.01"
        )
    if not 0 < fraction < 1:
        raise BadInputError(name, text, "give more than 0 and less than 100 %, for instance 1%")
    return fraction


def _number(name: str, text: str, fix: str) -> float:
    try:
        return number.read(text.strip().removesuffix("%"))
    except ValueError:
        raise BadInputError(name, text, number.fix(text) or fix) from None
