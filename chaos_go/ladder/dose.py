"""The fault of a ladder: any action that holds a fault, with one argument that is the dose."""

import contextlib
import importlib
import inspect
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from chaos_go import arguments
from chaos_go.agent import holder
from chaos_go.agent.contract import Spec
from chaos_go.agent.fault import Fault
from chaos_go.errors import BadInputError

Inject = Callable[[float, float, str], AbstractContextManager[Fault | None]]
"""Takes a dose in milliseconds, the longest duration in seconds, and a name for the fault. The
fault is in place inside the context. A dose of 0 is no fault."""

_KEYS = ("module", "func", "arguments")
_GIVEN_BY_THE_LADDER = ("duration_s", "name")
_EXAMPLE = (
    "give a mapping like {module: chaos_go.faults.http, func: delay, arguments: {target: "
    "port/8081}}"
)


@dataclass(frozen=True)
class Dosed:
    """A fault and its dose.

    Attributes:
        module: Python module of the action.
        func: Name of the action in it.
        arguments: Its arguments, without the dose, ``duration_s`` and ``name``.
        dose: Its argument that is the dose.
        action: The action itself.
    """

    module: str
    func: str
    arguments: Mapping[str, Any]
    dose: str
    action: Callable[..., Any]

    @property
    def target(self) -> str:
        """Where the fault is."""
        return str(self.arguments.get("target", ""))

    def as_json(self) -> dict[str, Any]:
        """Return what the ladder's record keeps; the record of each fault has more."""
        return {"module": self.module, "func": self.func, "dose": self.dose}

    def with_dose(self, dose_ms: float, duration_s: float, name: str) -> dict[str, Any]:
        """Return the arguments of the action for one dose."""
        return {**self.arguments, self.dose: dose_ms, "duration_s": duration_s, "name": name}

    def specs(self, dose_ms: float, duration_s: float, name: str) -> list[Spec]:
        """Return what agents would be asked for one dose; empty if the action cannot tell.

        Raises:
            BadInputError: An argument has a wrong type.
        """
        request = getattr(self.action, "request", None)
        if request is None:
            return []
        try:
            specs: list[Spec] = request(**self.with_dose(dose_ms, duration_s, name)).specs()
        except BadInputError as error:
            path = f"fault.arguments.{error.field}"
            raise BadInputError(path, error.value, error.fix) from error
        return specs

    @contextlib.contextmanager
    def inject(self, dose_ms: float, duration_s: float, name: str) -> Iterator[Fault | None]:
        """Keep the fault in place with one dose inside the context; a dose of 0 is no fault."""
        if dose_ms == 0:
            yield None
            return
        record = self.action(**self.with_dose(dose_ms, duration_s, name))
        fault = holder.find(record["id"])
        if not isinstance(fault, Fault):
            fault.stop()
            raise BadInputError("fault", record["id"], "give a fault that an agent holds")
        try:
            yield fault
        finally:
            fault.stop()


def read(fault: object, dose: object) -> Dosed:
    """Read the fault of a ladder and import its module, as Chaos Toolkit does with actions.

    Args:
        fault: A mapping of ``module``, ``func`` and ``arguments``.
        dose: Name of the argument that is the dose.

    Raises:
        BadInputError: There is no such action, an argument is unknown or missing, or the ladder
            gives this argument itself.
    """
    given = arguments.mapping("fault", fault, _KEYS)
    module, func = given.get("module"), given.get("func")
    if not isinstance(module, str) or not isinstance(func, str):
        raise BadInputError("fault", fault, _EXAMPLE)
    options = given.get("arguments", {})
    if not isinstance(options, Mapping):
        raise BadInputError("fault.arguments", options, "give a mapping of arguments")
    dose = arguments.text("dose", dose)
    action = _find(module, func)
    _check_arguments(action, options, dose)
    return Dosed(module, func, _with_one_seed(action, options), dose, action)


def _with_one_seed(action: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with a seed if they choose among places: all doses need the same places."""
    chooses = "seed" in inspect.signature(action).parameters and given.get("scope")
    if chooses and not given.get("seed"):
        return {**given, "seed": random.SystemRandom().randrange(1, 2**31)}
    return dict(given)


def _find(module: str, func: str) -> Callable[..., Any]:
    try:
        action = getattr(importlib.import_module(module), func, None)
    except ImportError as error:
        raise BadInputError("fault.module", module, f"cannot be imported: {error}") from error
    if not inspect.isfunction(action):
        raise BadInputError("fault.func", func, f"{module} has no such action")
    return action


def _check_arguments(action: Callable[..., Any], given: Mapping[str, Any], dose: str) -> None:
    signature = inspect.signature(action)
    known = signature.parameters
    for name in given:
        if name == dose or name in _GIVEN_BY_THE_LADDER:
            fix = "the ladder gives this argument itself; leave it out"
            raise BadInputError(f"fault.arguments.{name}", given[name], fix)
    renamed = getattr(signature, "renamed", {})
    if old := arguments.renamed_argument(renamed, given, "fault.arguments."):
        raise old
    arguments.refuse_unknown("fault.arguments.", given, list(known))
    if dose not in known or not dose.endswith("_ms"):
        doses = [name for name in known if name.endswith("_ms")]
        fix = f"name an argument of {action.__name__} in milliseconds: {', '.join(doses) or 'none'}"
        raise BadInputError("dose", dose, fix)
    for name, parameter in known.items():
        given_names = {*given, dose, *_GIVEN_BY_THE_LADDER}
        if parameter.default is parameter.empty and name not in given_names:
            raise BadInputError(f"fault.arguments.{name}", None, "missing; the action needs it")
