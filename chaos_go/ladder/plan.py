"""What a ladder is asked to do, judged before anything is started."""

import math
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from chaos_go import regex, targets
from chaos_go.agent.contract import LONGEST_DURATION_S, Impact, Load
from chaos_go.agent.lease import redact
from chaos_go.errors import BadInputError
from chaos_go.faults import arguments as check
from chaos_go.ladder import guard as guards
from chaos_go.stats import smallest_n
from chaos_go.traffic import load as loads

_LONGEST_SETTLE_S = 600
_CHANGE_S = 3  # until fault and load are there, and gone again
LARGEST_DOSE_MS = 600_000.0
_LARGEST_COUNT = 10**9
_LONGEST_NAME = 60  # what is added to it has to fit into the names of loads and faults
_TRAFFIC = {"url", "method", "headers", "body", "timeout_ms", "max_in_flight"}


@dataclass(frozen=True)
class Plan:
    """Arguments of `chaos_go.ladder.measure` that can be meant.

    Attributes:
        name, target, path, method, seed: see there.
        levels_ms: given doses in rising order; empty when the design chooses them.
        budget, start_ms, max_dose_ms, target_width, max_levels: what the design needs.
        windows, window_s, settle_s: how each level is measured.
        loads: the traffic, once per rate.
        p99_load: the traffic whose P99 is taken; None when that of ``loads`` is.
        max_impacted, abort_extra_risk, guard: when it stops early.
    """

    name: str
    target: str
    path: str
    method: str
    seed: int
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
        """How long one level takes when every window is measured once."""
        return self.settle_s + self.windows * self.window_s + _CHANGE_S

    @property
    def longest_level_s(self) -> float:
        """How long a fault must be able to last: each window twice, and until its data is here."""
        return self.settle_s + self.windows * (2 * self.window_s + 2) + self.patience_s

    @property
    def patience_s(self) -> float:
        """How long after its end the data of a window may arrive."""
        slowest_ms = max(load.timeout_ms for load in (*self.loads, self.p99_load) if load)
        return 2 * slowest_ms / 1000 + 5

    def settings(self) -> dict[str, Any]:
        """Return what the journal keeps of it; values of headers and bodies are left out."""
        kept = asdict(self)
        for key in ("name", "target", "loads", "p99_load"):
            del kept[key]
        kept["guard"] = self.guard.get("name", "")
        kept["rates_rps"] = [load.rate_rps for load in self.loads]
        kept["traffic"] = redact(self.loads[0].to_dict())
        kept["p99_traffic"] = redact(self.p99_load.to_dict()) if self.p99_load else {}
        return kept


def read(arguments: dict[str, Any]) -> Plan:
    """Return the plan that all arguments of `chaos_go.ladder.measure` make.

    Raises:
        BadInputError: names the argument, its value and how to fix it.
    """
    given = dict(arguments)
    loads = read_loads(given.pop("traffic"), given.pop("rates_rps"), given.pop("impact"))
    p99_load = read_p99_load(given.pop("p99_traffic"))
    given["name"] = _name(given["name"])
    given["levels_ms"] = read_levels(given["levels_ms"])
    return check_plan(Plan(**given, loads=loads, p99_load=p99_load))


def check_plan(plan: Plan) -> Plan:
    """Return a plan whose every value can be meant, with what follows from others filled in.

    Raises:
        BadInputError: names the argument, its value and how to fix it.
    """
    targets.parse(plan.target)
    check.seed(plan.seed)
    _check_path(plan.path)
    check.method(plan.method)
    fraction("budget", plan.budget)
    fraction("abort_extra_risk", plan.abort_extra_risk, most=1.0)
    if plan.abort_extra_risk <= plan.budget:
        fix = f"give more than the budget ({plan.budget:g}), which has to be measured"
        raise BadInputError("abort_extra_risk", plan.abort_extra_risk, fix)
    check.whole("max_impacted", plan.max_impacted, 1, _LARGEST_COUNT, "how many may be rejected")
    check.whole("windows", plan.windows, 1, 100, "windows per level")
    check.whole("max_levels", plan.max_levels, 1, 100, "how many levels may be chosen")
    check.whole("window_s", plan.window_s, 1, 600, "whole seconds of a window")
    _check_settle(plan.settle_s)
    fraction("target_width", plan.target_width, most=10.0)
    _check_doses(plan)
    _check_time(plan)
    return replace(plan, guard=guards.check(plan.guard))


def fraction(name: str, value: Any, most: float = 0.5) -> float:
    """Return a fraction that is more than 0 and at most ``most``.

    Raises:
        BadInputError: it is none of these.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value <= most:
        fix = f"give a fraction, more than 0 and at most {most:g}, for instance 0.02 for 2 %"
        raise BadInputError(name, value, fix)
    return float(value)


def read_levels(levels_ms: object) -> tuple[float, ...]:
    """Return doses that rise; none lets the design choose.

    Raises:
        BadInputError: they do not rise, or one cannot be a delay.
    """
    fix = "give rising delays like [100, 200, 400], or [] to have them chosen"
    if not isinstance(levels_ms, list):
        raise BadInputError("levels_ms", levels_ms, fix)
    levels = [
        check.number(f"levels_ms[{number}]", dose, LARGEST_DOSE_MS, "milliseconds")
        for number, dose in enumerate(levels_ms)
    ]
    if any(one >= other for one, other in pairwise(levels)):
        raise BadInputError("levels_ms", levels_ms, f"not in rising order; {fix}")
    return tuple(levels)


def read_loads(traffic: object, rates_rps: object, impact: dict[str, Any]) -> tuple[Load, ...]:
    """Return the load of each rate, with the rule that says which transactions hurt the business.

    Raises:
        BadInputError: an unknown key, or a value that is invalid.
    """
    rule = _impact(impact)
    fields = _fields("traffic", traffic, _TRAFFIC)
    fix = "give requests per second in rising order, like [50] or [50, 100]"
    if not isinstance(rates_rps, list) or not rates_rps:
        raise BadInputError("rates_rps", rates_rps, fix)
    made = tuple(loads.check(Load(**fields, rate_rps=rate, impact=rule)) for rate in rates_rps)
    if any(one.rate_rps >= other.rate_rps for one, other in pairwise(made)):
        raise BadInputError("rates_rps", rates_rps, fix)
    return made


def read_p99_load(traffic: object) -> Load | None:
    """Return the load whose P99 is taken; none when nothing was given.

    Raises:
        BadInputError: an unknown key, or a value that is invalid.
    """
    if traffic == {}:
        return None
    fields = _fields("p99_traffic", traffic, {*_TRAFFIC, "rate_rps"})
    return loads.check(Load(**{"rate_rps": 50.0, **fields}))


def _fields(name: str, given: object, known: set[str]) -> dict[str, Any]:
    if not isinstance(given, dict) or not given.get("url"):
        fix = f"give a mapping with url and any of {', '.join(sorted(known - {'url'}))}"
        raise BadInputError(name, given, fix)
    loads.refuse_unknown(f"{name}.", given, known)
    check.headers(f"{name}.headers", given.get("headers", {}))
    return given


def _impact(rule: dict[str, Any]) -> Impact:
    impact = loads.impact_of(rule)
    if impact is None:
        fix = "say which transactions hurt the business, e.g. {statuses: [503], timeout: true}"
        raise BadInputError("impact", rule, fix)
    if rule.get("timeout") is False:
        fix = "a transaction that timed out is lost and always counts; leave it out"
        raise BadInputError("impact.timeout", False, fix)
    return replace(impact, timeout=True)


def _name(name: object) -> str:
    """Return a name from which those of traffic and faults can be made."""
    text = check.text("name", name)
    if not text or len(text.encode()) > _LONGEST_NAME or not text.isprintable():
        raise BadInputError("name", name, f"give 1 to {_LONGEST_NAME} printable characters")
    return text


def _check_settle(settle_s: Any) -> None:
    is_number = isinstance(settle_s, int | float) and not isinstance(settle_s, bool)
    if not is_number or not 0 <= settle_s <= _LONGEST_SETTLE_S:
        fix = f"give a number of seconds from 0 to {_LONGEST_SETTLE_S}"
        raise BadInputError("settle_s", settle_s, fix)


def check_p99_rate(plan: Plan) -> None:
    """Refuse a load whose P99 is asked for, but which is too slow to tell it.

    Raises:
        BadInputError: a window has fewer requests than a P99 with both its limits takes.
    """
    load, needed = plan.p99_load, smallest_n(0.99)
    if load is None or load.rate_rps * plan.window_s >= needed:
        return
    rate_rps = math.ceil(needed / plan.window_s)
    fix = (
        f"{load.rate_rps * plan.window_s:g} requests in a window of {plan.window_s} s, and a P99 "
        f"needs {needed}; give at least {rate_rps}, or a longer window_s"
    )
    raise BadInputError("p99_traffic.rate_rps", load.rate_rps, fix)


def _check_path(path: object) -> None:
    """Refuse what is no expression; the agent would do so after the baseline, at the first dose."""
    slip = regex.slip(check.text("path", path))
    if slip:
        fix = f"no regular expression: {slip}; write it in RE2 syntax, as Go does"
        raise BadInputError("path", path, fix)


def _check_doses(plan: Plan) -> None:
    check.number("max_dose_ms", plan.max_dose_ms, LARGEST_DOSE_MS, "milliseconds")
    check.number("start_ms", plan.start_ms, LARGEST_DOSE_MS, "milliseconds")
    if plan.start_ms > plan.max_dose_ms:
        fix = f"give at most max_dose_ms ({plan.max_dose_ms:g})"
        raise BadInputError("start_ms", plan.start_ms, fix)
    if plan.levels_ms and plan.levels_ms[-1] > plan.max_dose_ms:
        fix = f"more than max_dose_ms ({plan.max_dose_ms:g}); leave it out or raise that"
        raise BadInputError("levels_ms", plan.levels_ms[-1], fix)


def _check_time(plan: Plan) -> None:
    """Refuse a level that takes longer than a fault may last."""
    longest_s = LONGEST_DURATION_S - plan.max_dose_ms / 1000
    if plan.longest_level_s > longest_s:
        fix = f"a level would take up to {plan.longest_level_s:.0f} s; {longest_s:.0f} s are left"
        raise BadInputError("window_s", plan.window_s, f"{fix}: lower window_s or windows")
