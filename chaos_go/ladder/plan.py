"""The arguments of a ladder, checked before anything is started."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from chaos_go import arguments
from chaos_go.agent import judge
from chaos_go.agent.contract import LONGEST_DURATION_S
from chaos_go.agent.judge import Asked
from chaos_go.errors import BadInputError
from chaos_go.ladder import dose as doses
from chaos_go.ladder import guard as guards
from chaos_go.ladder.dose import Dosed
from chaos_go.stats import smallest_n
from chaos_go.traffic import load as loads
from chaos_go.traffic.contract import Impact, Load

_LONGEST_SETTLE_S = 600
_CHANGE_S = 3  # to start and stop the fault and the load
LARGEST_DOSE_MS = 600_000.0
_LARGEST_COUNT = 10**9
_LONGEST_NAME = 60  # leaves room for what the names of loads and faults add to it

_FAULT = "fault.arguments"
_LEVELS = {
    "doses_ms": [],
    "start_ms": 100.0,
    "max_ms": 2000.0,
    "max_count": 10,
    "target_width": 0.25,
}
_WINDOWS = {"count": 3, "length_s": 10, "settle_s": 3.0}
_LIMITS = {"impacted": 500, "extra_risk": 0.2, "guard": {}}


@dataclass(frozen=True)
class Plan:
    """Valid arguments of `chaos_go.ladder.measure`.

    Attributes:
        name: Name of the ladder.
        dosed: The fault, and its argument that is the dose.
        levels_ms: Given doses in rising order; empty when the design chooses them.
        budget, start_ms, max_dose_ms, target_width, max_levels: What the design needs.
        windows, window_s, settle_s: How each level is measured.
        loads: The load, once per rate.
        p99_load: The load whose P99 is reported; None for the P99 of ``loads``.
        max_impacted, abort_extra_risk, guard: When it stops early.
    """

    name: str
    dosed: Dosed
    levels_ms: tuple[float, ...]
    budget: float
    start_ms: float
    max_dose_ms: float
    target_width: float
    max_levels: int
    windows: int
    window_s: int
    settle_s: float
    loads: tuple[Load, ...]
    p99_load: Load | None
    max_impacted: int
    abort_extra_risk: float
    guard: dict[str, Any]

    @property
    def level_s(self) -> float:
        """How many seconds one level takes when every window is measured once."""
        return self.settle_s + self.windows * self.window_s + _CHANGE_S

    @property
    def longest_level_s(self) -> float:
        """The most seconds that a fault may be needed: every window twice, and its late data."""
        return self.settle_s + self.windows * (2 * self.window_s + 2) + self.patience_s

    @property
    def patience_s(self) -> float:
        """How many seconds after its end the data of a window may arrive."""
        slowest_ms = max(load.timeout_ms for load in (*self.loads, self.p99_load) if load)
        return 2 * slowest_ms / 1000 + 5

    def settings(self) -> dict[str, Any]:
        """Return the plan for the journal, without the values of headers and bodies."""
        return {
            "fault": self.dosed.as_json(),
            "levels_ms": list(self.levels_ms),
            "budget": self.budget,
            "start_ms": self.start_ms,
            "max_dose_ms": self.max_dose_ms,
            "target_width": self.target_width,
            "max_levels": self.max_levels,
            "windows": self.windows,
            "window_s": self.window_s,
            "settle_s": self.settle_s,
            "max_impacted": self.max_impacted,
            "abort_extra_risk": self.abort_extra_risk,
            "guard": self.guard.get("name", ""),
            "rates_rps": [load.rate_rps for load in self.loads],
            "load": self.loads[0].redacted(),
            "p99_load": self.p99_load.redacted() if self.p99_load else {},
        }

    @property
    def doses(self) -> dict[str, float]:
        """The doses that are known before the run, by the argument that has each.

        When the design chooses the doses, these are the first dose and the largest possible one.
        """
        if self.levels_ms:
            return {f"levels.doses_ms[{at}]": dose for at, dose in enumerate(self.levels_ms)}
        return {"levels.start_ms": self.start_ms, "levels.max_ms": self.max_dose_ms}

    def asked_for_loads(self) -> list[Asked]:
        """Return the loads that agents will be asked for."""
        asked = [Asked("load", loads.spec_of(self.name, load)) for load in self.loads]
        if self.p99_load:
            asked.append(Asked("p99_load", loads.spec_of(self.name, self.p99_load)))
        return asked

    def asked_for_fault(self, doses: Mapping[str, float]) -> list[Asked]:
        """Return the faults that agents will be asked for, one or more per dose.

        Args:
            doses: The doses, by the argument that has each.

        Raises:
            BadInputError: An argument of the fault has a wrong type.
        """
        asked = []
        for written, dose_ms in doses.items():
            longest_s = min(self.longest_level_s + dose_ms / 1000, LONGEST_DURATION_S)
            elsewhere = {f"{_FAULT}.{self.dosed.dose}": written}
            specs = self.dosed.specs(dose_ms, longest_s, self.name)
            asked += [Asked(_FAULT, spec, elsewhere) for spec in specs]
        return asked


def read(
    *,
    fault: object,
    load: object,
    budget: object,
    dose: object,
    levels: object,
    windows: object,
    limits: object,
    p99_load: object,
    name: object,
) -> Plan:
    """Read the arguments of `chaos_go.ladder.measure`. Nothing is started.

    Raises:
        BadInputError: An argument is invalid. The message names it, its value and how to fix it.
    """
    every = {**_LEVELS, **arguments.mapping("levels", levels, _LEVELS)}
    each = {**_WINDOWS, **arguments.mapping("windows", windows, _WINDOWS)}
    stop = {**_LIMITS, **arguments.mapping("limits", limits, _LIMITS)}
    count = arguments.whole
    plan = Plan(
        name=_name(name),
        dosed=doses.read(fault, dose),
        levels_ms=read_levels(every["doses_ms"]),
        budget=fraction("budget", budget),
        start_ms=_dose("levels.start_ms", every["start_ms"]),
        max_dose_ms=_dose("levels.max_ms", every["max_ms"]),
        target_width=fraction("levels.target_width", every["target_width"], most=10.0),
        max_levels=count("levels.max_count", every["max_count"], 1, 100),
        windows=count("windows.count", each["count"], 1, 100),
        window_s=count("windows.length_s", each["length_s"], 1, 600),
        settle_s=arguments.number(
            "windows.settle_s", each["settle_s"], _LONGEST_SETTLE_S, "seconds", least=0
        ),
        loads=read_loads(load),
        p99_load=_read_p99_load(p99_load),
        max_impacted=count("limits.impacted", stop["impacted"], 1, _LARGEST_COUNT),
        abort_extra_risk=fraction("limits.extra_risk", stop["extra_risk"], most=1.0),
        guard=guards.check(stop["guard"]),
    )
    _check_together(plan)
    return plan


def refuse(plan: Plan) -> None:
    """Refuse a plan with a value that an agent would refuse, before anything is started.

    Raises:
        BadInputError: A value is invalid. The message names its argument and how to fix it.
        AgentError: The agent cannot be executed here.
    """
    asked = [*plan.asked_for_loads(), *plan.asked_for_fault(plan.doses)]
    errors = judge.judge([one.spec for one in asked])
    for one, error in zip(asked, errors, strict=True):
        if error:
            raise one.error(error)


def fraction(name: str, value: object, most: float = 0.5) -> float:
    """Return a value, if it is a fraction above 0 and at most ``most``.

    Raises:
        BadInputError: The value is no such fraction.
    """
    try:
        return arguments.positive(name, value, most)
    except BadInputError as error:
        fix = f"give a fraction, more than 0 and at most {most:g}, for instance 0.02 for 2 %"
        raise BadInputError(name, value, fix) from error


def read_levels(levels_ms: object) -> tuple[float, ...]:
    """Return the given doses; without any, the design chooses them.

    Raises:
        BadInputError: The doses do not rise, or one is not a delay.
    """
    fix = "give rising delays like [100, 200, 400], or [] to have them chosen"
    if not isinstance(levels_ms, list):
        raise BadInputError("levels.doses_ms", levels_ms, fix)
    levels = [_dose(f"levels.doses_ms[{at}]", dose) for at, dose in enumerate(levels_ms)]
    if any(one >= other for one, other in pairwise(levels)):
        raise BadInputError("levels.doses_ms", levels_ms, f"not in rising order; {fix}")
    return tuple(levels)


def read_loads(given: object) -> tuple[Load, ...]:
    """Return the load of each rate, with the rule that says which transactions hurt the business.

    Raises:
        BadInputError: A key is unknown, or a value is invalid.
    """
    rates = given.get("rate_rps", loads.RATE_RPS) if isinstance(given, Mapping) else loads.RATE_RPS
    fix = "give requests per second in rising order, like [50, 100], or one number"
    if isinstance(rates, list) and not rates:
        raise BadInputError("load.rate_rps", rates, fix)
    several = rates if isinstance(rates, list) else [rates]
    made = []
    for rate in several:
        one = {**given, "rate_rps": rate} if isinstance(given, Mapping) else given
        load = loads.read(one)
        made.append(replace(load, impact=_with_timeouts(load.impact, one)))
    if any(one.rate_rps >= other.rate_rps for one, other in pairwise(made)):
        raise BadInputError("load.rate_rps", rates, fix)
    return tuple(made)


def _with_timeouts(impact: Impact | None, load: object) -> Impact:
    if impact is None:
        fix = "say which transactions hurt the business, e.g. {statuses: [503], timeout: true}"
        raise BadInputError("load.impact", {}, fix)
    given = load.get("impact") if isinstance(load, Mapping) else None
    if isinstance(given, Mapping) and given.get("timeout") is False:
        fix = "a transaction that timed out is lost and always counts; leave it out"
        raise BadInputError("load.impact.timeout", False, fix)
    return replace(impact, timeout=True)


def _read_p99_load(given: object) -> Load | None:
    return None if given == {} else loads.read(given, "p99_load")


def _name(name: object) -> str:
    """Return the name of the ladder, if names of loads and faults can be derived from it."""
    text = arguments.text("name", name)
    if not text or len(text.encode()) > _LONGEST_NAME or not text.isprintable():
        raise BadInputError("name", name, f"give 1 to {_LONGEST_NAME} printable characters")
    return text


def _dose(name: str, value: object) -> float:
    return arguments.positive(name, value, LARGEST_DOSE_MS, "milliseconds")


def check_p99_rate(plan: Plan) -> None:
    """Refuse a ``p99_load`` that sends too few requests for a P99.

    Raises:
        BadInputError: A window has fewer requests than a P99 with both limits needs.
    """
    load, needed = plan.p99_load, smallest_n(0.99)
    if load is None or load.rate_rps * plan.window_s >= needed:
        return
    rate_rps = math.ceil(needed / plan.window_s)
    fix = (
        f"{load.rate_rps * plan.window_s:g} requests in a window of {plan.window_s} s, and a P99 "
        f"needs {needed}; give at least {rate_rps}, or a longer windows.length_s"
    )
    raise BadInputError("p99_load.rate_rps", load.rate_rps, fix)


def _check_together(plan: Plan) -> None:
    """Refuse values that contradict each other."""
    if plan.abort_extra_risk <= plan.budget:
        fix = f"give more than the budget ({plan.budget:g}), which has to be measured"
        raise BadInputError("limits.extra_risk", plan.abort_extra_risk, fix)
    if plan.start_ms > plan.max_dose_ms:
        fix = f"give at most levels.max_ms ({plan.max_dose_ms:g})"
        raise BadInputError("levels.start_ms", plan.start_ms, fix)
    if plan.levels_ms and plan.levels_ms[-1] > plan.max_dose_ms:
        fix = f"more than levels.max_ms ({plan.max_dose_ms:g}); leave it out or raise that"
        raise BadInputError("levels.doses_ms", plan.levels_ms[-1], fix)
    longest_s = LONGEST_DURATION_S - plan.max_dose_ms / 1000
    if plan.longest_level_s > longest_s:
        fix = (
            f"a level would take up to {plan.longest_level_s:.0f} s; {longest_s:.0f} s are left: "
            "lower windows.length_s or windows.count"
        )
        raise BadInputError("windows.length_s", plan.window_s, fix)
