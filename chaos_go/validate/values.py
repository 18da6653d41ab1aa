"""Judges the values of arguments, before anything runs, by the agent that a run would ask.

What is not known before the run is not judged: a ``${variable}`` that neither the configuration nor
the environment has now.
"""

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
from chaos_go.validate.activities import activities, controls

logger = logging.getLogger("chaostoolkit")


def check(experiment: dict[str, Any]) -> Iterator[str]:
    """Yield the problems with values of actions, loads and ladders."""
    known = _configuration(experiment)
    asked: list[tuple[str, Asked]] = []
    for path, arguments, ask in _askers(experiment):
        given = substitute(dict(arguments), known, {}) or {}
        try:
            asked += [(path, one) for one in ask(given)]
        except BadInputError as error:
            yield f"{path}.arguments: {error}"
    try:
        errors = judge.judge([one.spec for _, one in asked])
    except AgentError as error:
        logger.warning("the values of faults and loads were not judged: %s", error)
        return
    seen: set[str] = set()
    for (path, one), wrong in zip(asked, errors, strict=True):
        if wrong is None:
            continue
        problem = f"{path}.arguments: {one.error(wrong)}"
        if problem not in seen:  # each rate of a ladder and each port of a target would tell it
            seen.add(problem)
            yield problem


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
