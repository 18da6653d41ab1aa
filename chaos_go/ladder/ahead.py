"""Judges the arguments of a ladder before the run, as far as an experiment file tells them.

A value with a ``${variable}`` in it is not known yet. What stands in for it fits to every other
argument, so that only what is written down can be refused.
"""

import inspect
import re
from collections.abc import Mapping
from typing import Any

from chaos_go.ladder import measure
from chaos_go.ladder import plan as plans

_URL = "http://localhost/"
_STAND_INS: dict[str, Any] = {
    "target": "port/1",
    "traffic": {"url": _URL},
    "url": _URL,
    "timeout_ms": 1,
    "impact": {"timeout": True},
    "statuses": [503],
    "json_field": "x",
    "json_value": "x",
    "timeout": True,
    "budget": 1e-9,
    "abort_extra_risk": 1.0,
    "start_ms": 1e-6,
    "windows": 1,
    "window_s": 1,
    "settle_s": 0,
}
_PROCESS = re.compile(r"pid/[0-9]+(:[0-9]+|->.+)?")


def check(arguments: Mapping[str, Any]) -> None:
    """Refuse what the plan of `chaos_go.ladder.measure` would refuse; nothing is started.

    Args:
        arguments: as in the experiment; the names of all are known, and no needed one is missing.

    Raises:
        BadInputError: names the argument, its value and how to fix it.
    """
    known = _known(arguments)
    if _PROCESS.fullmatch(str(arguments["target"])):  # it need not run yet
        known["target"] = _STAND_INS["target"]
    bound = inspect.signature(measure).bind(**known)
    bound.apply_defaults()
    if _has_variable(arguments.get("max_dose_ms")):
        bound.arguments["max_dose_ms"] = _longest_dose(bound.arguments)
    plan = plans.read(bound.arguments)
    if not _has_variable([arguments.get("window_s"), arguments.get("p99_traffic")]):
        plans.check_p99_rate(plan)


def _known(given: Mapping[str, Any]) -> dict[str, Any]:
    """Put something that fits in place of every variable; where a default fits, nothing."""
    known: dict[str, Any] = {}
    for key, value in given.items():
        if isinstance(value, Mapping) and key != "guard":
            known[key] = _known(value)
        elif not _has_variable(value):
            known[key] = value
        elif key in _STAND_INS:
            known[key] = _STAND_INS[key]
    return known


def _has_variable(value: object) -> bool:
    return "${" in str(value)


def _longest_dose(known: Mapping[str, Any]) -> float:
    """Return the least ``max_dose_ms`` that the other arguments allow."""
    levels = known["levels_ms"] if isinstance(known["levels_ms"], list) else []
    doses = [dose for dose in (known["start_ms"], *levels) if isinstance(dose, int | float)]
    return max([1.0, *(dose for dose in doses if dose <= plans.LARGEST_DOSE_MS)])
