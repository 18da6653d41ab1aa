"""Reads the arguments of a ladder from an experiment file, before the run.

A value with a ``${variable}`` in it is not known yet. A stand-in takes its place that is compatible
with every other argument. So only values that are in the file can be refused.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chaos_go.agent.judge import Asked
from chaos_go.arguments import has_variable
from chaos_go.ladder import plan as plans
from chaos_go.ladder.plan import Plan
from chaos_go.targets import with_a_target

_URL = "http://localhost/"
_FAULT = {
    "module": "chaos_go.faults.http",
    "func": "delay",
    "arguments": {"target": "port/1"},
}
_STAND_INS: dict[str, Any] = {
    "load": {"url": _URL, "impact": {"timeout": True}},
    "url": _URL,
    "timeout_ms": 1,
    "impact": {"timeout": True},
    "statuses": [503],
    "json_field": "x",
    "json_value": "x",
    "timeout": True,
    "budget": 1e-9,
    "extra_risk": 1.0,
    "start_ms": 1e-6,
    "count": 1,
    "length_s": 1,
    "settle_s": 0,
}


def asked(arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[Asked]:
    """Return what agents will be asked for, as far as it is known. Nothing is started.

    The values of a fault, and its dose, depend on each other. So they are not judged when one of
    them has a variable in it. A variable in the target does not matter.

    Args:
        arguments: The arguments in the experiment: all names are known, no required one is missing.
        defaults: The default of each argument that has one.

    Raises:
        BadInputError: An argument is invalid. The message names it, its value and how to fix it.
    """
    arguments = {**defaults, **arguments}
    plan = read(arguments, defaults)
    known = with_a_target(plan.dosed.arguments)
    if has_variable(known) or _is_fault_unknown(arguments):
        return plan.asked_for_loads()
    plan = replace(plan, dosed=replace(plan.dosed, arguments=known))
    doses = _known_doses(arguments.get("levels", {}), plan)
    return [*plan.asked_for_loads(), *plan.asked_for_fault(doses)]


def read(arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> Plan:
    """Return the plan of a ladder, with stand-ins for unknown values. Nothing is started.

    Args:
        arguments: The arguments in the experiment: all names are known, no required one is missing.
        defaults: The default of each argument that has one.

    Raises:
        BadInputError: An argument is invalid. The message names it, its value and how to fix it.
    """
    known = _known(arguments)
    if _is_fault_unknown(arguments):
        known |= {"fault": _FAULT, "dose": "delay_ms"}
    else:
        known["fault"] = arguments["fault"]  # only checked when all is known
    if has_variable(_part(arguments, "levels").get("max_ms")):
        known["levels"] = {**_part(known, "levels"), "max_ms": _longest_dose(known)}
    plan = plans.read(**{**defaults, **known})
    window = _part(arguments, "windows").get("length_s")
    if not has_variable([window, arguments.get("p99_load")]):
        plans.check_p99_rate(plan)
    return plan


def _is_fault_unknown(arguments: Mapping[str, Any]) -> bool:
    """Return whether a variable hides the fault's action, or the names of its arguments."""
    fault = arguments["fault"]
    if not isinstance(fault, Mapping):
        return has_variable(fault)
    has_no_names = isinstance(fault.get("arguments"), str)
    parts = [fault.get("module"), fault.get("func"), arguments.get("dose")]
    return has_variable([*parts, fault["arguments"] if has_no_names else ""])


def _known_doses(levels: object, plan: Plan) -> dict[str, float]:
    """Return the doses of a plan without those that stand in for a variable."""
    if not isinstance(levels, Mapping) or has_variable(levels.get("doses_ms")):
        return {}
    return {
        written: dose_ms
        for written, dose_ms in plan.doses.items()
        if not has_variable(levels.get(written.removeprefix("levels.")))
    }


def _part(arguments: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = arguments.get(name, {})
    return part if isinstance(part, Mapping) else {}


def _known(given: Mapping[str, Any]) -> dict[str, Any]:
    """Replace each variable by its stand-in; leave the argument out if it has none."""
    known: dict[str, Any] = {}
    for key, value in given.items():
        if isinstance(value, Mapping) and key != "guard":
            known[key] = _known(value)
        elif not has_variable(value):
            known[key] = value
        elif key in _STAND_INS:
            known[key] = _STAND_INS[key]
    return known


def _longest_dose(known: Mapping[str, Any]) -> float:
    """Return the smallest ``levels.max_ms`` that the other arguments allow."""
    levels = _part(known, "levels")
    given = levels.get("doses_ms", [])
    doses = [levels.get("start_ms", 100.0), *(given if isinstance(given, list) else [])]
    numbers = [dose for dose in doses if isinstance(dose, int | float)]
    return max([1.0, *(dose for dose in numbers if dose <= plans.LARGEST_DOSE_MS)])
