"""Judges the values of arguments, before anything runs, by the agent that a run would ask.

What is not known before the run is not judged: a ``${variable}`` that neither the configuration nor
the environment has now.
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
    known = _configuration(experiment)
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
    # A dictionary, since each rate of a ladder and each port of a target would tell the same.
    yield from dict.fromkeys(
        f"{path}.arguments: {error}" for path, errors in problems.items() for error in errors
    )


def _ask_all(ask: "_Ask", given: Mapping[str, Any]) -> tuple[list[BadInputError], list[Asked]]:
    """Return what has a wrong type, and what an agent will be asked of the rest."""
    errors: list[BadInputError] = []
    left = copy.deepcopy(dict(given))
    while True:
        try:
            return errors, ask(left)
        except BadInputError as error:
            if any(f"{one.field}.".startswith(f"{error.field}.") for one in errors):
                return errors, []  # it is about what was dropped: that is needed
            errors.append(error)
            if error.field == "target":  # all the rest can be judged at any other place
                left = with_a_target({**left, "target": "${target}"})
            elif not _drop(left, error.field):
                return errors, []
        except (KeyError, TypeError):  # what was dropped is needed
            return errors, []


def _drop(given: dict[str, Any], field: str) -> bool:
    """Drop the value of a field, or the mapping that it is in; tell whether there was one."""
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
    """Yield everything in the experiment that an agent will be asked, and how.

    These are functions and modules of controls with an attribute ``asked``, whoever wrote them.
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
    """Return the module of a provider; `activities` has imported it, or told why it cannot."""
    return sys.modules.get(provider.get("module", ""))


def _configuration(experiment: Mapping[str, Any]) -> dict[str, Any]:
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
