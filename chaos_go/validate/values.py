"""Has the agent judge the values of arguments before anything runs.

A value with a ``${variable}`` is not judged when neither the configuration nor the environment has
the variable now.
"""

import copy
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from chaoslib import substitute
from chaoslib.configuration import load_configuration
from chaoslib.exceptions import InvalidExperiment

from chaos_go.agent import judge
from chaos_go.agent.judge import Asked
from chaos_go.errors import AgentError, BadInputError
from chaos_go.targets import with_a_target
from chaos_go.validate.activities import activities, controls

logger = logging.getLogger("chaostoolkit")


def check(experiment: dict[str, Any]) -> Iterator[str]:
    """Yield the problems with values of actions, loads and ladders, in their order in the file."""
    known = known_configuration(experiment)
    problems: dict[str, list[BadInputError]] = {}  # by the place in the file
    asked: list[tuple[str, Asked]] = []
    for path, arguments, ask in _askers(experiment):
        errors, found = _ask_all(ask, substitute(dict(arguments), known, {}) or {})
        problems[path] = errors
        asked += [(path, one) for one in found]
    try:
        judged = judge.judge_all([one.spec for _, one in asked])
    except AgentError as error:
        logger.warning("the values of faults and loads were not judged: %s", error)
        judged = []
    for (path, one), wrong in zip(asked, judged, strict=False):
        problems[path] += [one.error(error) for error in wrong]
    # A dictionary, because each rate of a ladder and each port of a target gives the same problem.
    yield from dict.fromkeys(
        f"{path}.arguments: {error}" for path, errors in problems.items() for error in errors
    )


def _ask_all(ask: "_Ask", given: Mapping[str, Any]) -> tuple[list[BadInputError], list[Asked]]:
    """Return the errors of wrong types, and what an agent will be asked for with the rest."""
    errors: list[BadInputError] = []
    left = copy.deepcopy(dict(given))
    while True:
        try:
            return errors, ask(left)
        except BadInputError as error:
            if any(f"{one.field}.".startswith(f"{error.field}.") for one in errors):
                return errors, []  # an argument that was dropped is required
            errors.append(error)
            if error.field == "target":  # the other values do not depend on the target
                left = with_a_target({**left, "target": "${target}"})
            elif not _drop(left, error.field):
                return errors, []
        except (KeyError, TypeError):  # an argument that was dropped is required
            return errors, []


def _drop(given: dict[str, Any], field: str) -> bool:
    """Drop a field, or the value that is in the way to it; return whether there was one."""
    inside: Any = given
    *parents, last = field.split(".")
    for name in parents:
        if not isinstance(inside.get(name), dict):
            last = name
            break
        inside = inside[name]
    return inside.pop(last, inside) is not inside


_Ask = Callable[[Mapping[str, Any]], list[Asked]]


def _askers(experiment: dict[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], _Ask]]:
    """Yield the places of the experiment that ask an agent for something.

    Each comes with its arguments and a function that returns what it will ask for: the attribute
    ``asked`` of its function or control module, in any package.
    """
    for path, activity in activities(experiment):
        provider = activity.get("provider", {})
        function: Any = getattr(_module(provider), provider.get("func", ""), None)
        if hasattr(function, "asked"):
            yield f"{path}.provider", provider.get("arguments", {}), function.asked
    for path, control in controls(experiment):
        provider = control.get("provider", {})
        if hasattr(_module(provider), "asked"):
            yield f"{path}.provider", provider.get("arguments", {}), partial(_control, control)


def _control(control: Mapping[str, Any], given: Mapping[str, Any]) -> list[Asked]:
    known = {**control, "provider": {**control["provider"], "arguments": given}}
    asked: list[Asked] = _module(control["provider"]).asked(known)
    return asked


def _module(provider: Mapping[str, Any]) -> Any:
    """Return the module of a provider, if `activities` could import it."""
    return sys.modules.get(provider.get("module", ""))


def known_configuration(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the configuration that is known without running anything."""
    known: dict[str, Any] = {}
    for name, value in experiment.get("configuration", {}).items():
        if isinstance(value, dict) and value.get("type") not in (None, "env"):
            continue  # a probe would have to be run
        try:
            known |= load_configuration({name: value})
        except (InvalidExperiment, ValueError):
            continue  # neither the environment nor a default has a value that fits
    return {name: value for name, value in known.items() if value is not None}
