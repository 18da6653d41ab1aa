"""The guard of a ladder: a probe of Chaos Toolkit that must stay within its tolerance."""

from typing import Any

from chaoslib.activity import ensure_activity_is_valid, run_activity
from chaoslib.exceptions import ActivityFailed, InvalidActivity, InvalidExperiment
from chaoslib.hypothesis import ensure_hypothesis_tolerance_is_valid, within_tolerance

from chaos_go.errors import BadInputError

_EXAMPLE = (
    "give a probe with name, tolerance and provider, like one of a steady-state hypothesis, "
    "or {} for none"
)

_WRONG_TYPE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""The errors that Chaos Toolkit raises when a value has a type that it does not expect."""


def check(guard: dict[str, Any]) -> dict[str, Any]:
    """Return a guard as an activity of Chaos Toolkit; an empty guard stays empty.

    Raises:
        BadInputError: Chaos Toolkit could not run the guard.
    """
    if not isinstance(guard, dict):
        raise BadInputError("limits.guard", guard, _EXAMPLE)
    if not guard:
        return {}
    probe = {"type": "probe", "name": "guard", **guard}
    if probe["type"] != "probe" or "tolerance" not in probe or "provider" not in probe:
        raise BadInputError("limits.guard", guard, _EXAMPLE)
    try:
        ensure_activity_is_valid(probe)
        ensure_hypothesis_tolerance_is_valid(probe["tolerance"])
    except (InvalidActivity, InvalidExperiment, *_WRONG_TYPE) as error:
        raise BadInputError("limits.guard", guard, f"{error}; {_EXAMPLE}") from error
    return probe


def breach(guard: dict[str, Any]) -> str:
    """Run the guard; return how it was breached, or "" when it is within its tolerance.

    A guard that cannot be measured counts as breached, because it does not protect the service.
    """
    if not guard:
        return ""
    try:
        value = run_activity(guard, {}, {})
    except ActivityFailed as error:
        return f"guard {guard['name']!r} could not be measured: {error}"
    tolerance = guard["tolerance"]
    try:
        if within_tolerance(tolerance, value, configuration={}, secrets={}):
            return ""
    except _WRONG_TYPE as error:
        return f"guard {guard['name']!r} = {value!r} could not be judged: {error}"
    return f"guard {guard['name']!r} = {value!r}, outside its tolerance {tolerance!r}"
