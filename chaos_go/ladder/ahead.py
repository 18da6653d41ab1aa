"""Reads the arguments of a ladder before the run, as far as an experiment file tells them.

A value with a ``${variable}`` in it is not known yet. What stands in for it fits to every other
argument, so that only what is written down can be refused.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from chaos_go.ladder import measure
from chaos_go.ladder import plan as plans
from chaos_go.ladder.plan import Plan

_URL = "http://localhost/"
_STAND_INS: dict[str, Any] = {
    "target": "port/1",
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


def read(arguments: Mapping[str, Any]) -> Plan:
    """Return the plan of a ladder, with stand-ins for what is not known; nothing is started.

    Args:
        arguments: As in the experiment; the names of all are known, and no needed one is missing.

    Raises:
        BadInputError: Names the argument, its value and how to fix it.
    """
    known = _known(arguments)
    if has_variable(_part(arguments, "levels").get("max_ms")):
        known["levels"] = {**_part(known, "levels"), "max_ms": _longest_dose(known)}
    plan = plans.read(**{**_defaults(), **known})
    window = _part(arguments, "windows").get("length_s")
    if not has_variable([window, arguments.get("p99_load")]):
        plans.check_p99_rate(plan)
    return plan


def has_variable(value: object) -> bool:
    """Tell whether a value refers to the configuration or a secret."""
    return "${" in str(value)


def _defaults() -> dict[str, Any]:
    parameters = inspect.signature(measure).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _part(arguments: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = arguments.get(name, {})
    return part if isinstance(part, Mapping) else {}


def _known(given: Mapping[str, Any]) -> dict[str, Any]:
    """Put something that fits in place of every variable; where a default fits, nothing."""
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
    """Return the least ``levels.max_ms`` that the other arguments allow."""
    levels = _part(known, "levels")
    given = levels.get("doses_ms", [])
    doses = [levels.get("start_ms", 100.0), *(given if isinstance(given, list) else [])]
    numbers = [dose for dose in doses if isinstance(dose, int | float)]
    return max([1.0, *(dose for dose in numbers if dose <= plans.LARGEST_DOSE_MS)])
