"""Looks up what an experiment names in Python: modules, functions and their arguments."""

import importlib
import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from chaos_go.errors import RenamedArgumentError, shorten
from chaos_go.validate.keys import suggest

_INJECTED = ("configuration", "secrets")
_HOOK_INJECTED = {"context", "state", "experiment", "extensions", "settings", "event_registry"}
_HOOK_INJECTED |= set(_INJECTED)

Placed = tuple[str, dict[str, Any]]
"""A place in the file and the mapping there."""


def check(experiment: dict[str, Any]) -> Iterator[str]:
    """Yield the problems with the functions, arguments and controls that are named."""
    for path, activity in activities(experiment):
        if activity.get("provider", {}).get("type") == "python":
            yield from _function(f"{path}.provider", activity["provider"])
        tolerance = activity.get("tolerance")
        if isinstance(tolerance, dict) and tolerance.get("type") == "probe":
            yield from _tolerance_probe(f"{path}.tolerance.provider", tolerance["provider"])
    for path, control in controls(experiment):
        if "provider" in control:
            yield from _control(f"{path}.provider", control)


def activities(experiment: dict[str, Any]) -> Iterator[Placed]:
    """Yield every activity with its place in the file."""
    hypothesis = experiment.get("steady-state-hypothesis", {})
    lists = {
        "steady-state-hypothesis.probes": hypothesis.get("probes", []),
        "method": experiment["method"],
        "rollbacks": experiment.get("rollbacks", []),
    }
    for path, items in lists.items():
        yield from ((f"{path}[{number}]", item) for number, item in enumerate(items))
    for name, value in experiment.get("configuration", {}).items():
        if isinstance(value, dict) and value.get("type") == "probe":
            yield f"configuration.{name}", value


def controls(experiment: dict[str, Any]) -> Iterator[Placed]:
    """Yield every control with its place in the file."""
    hypothesis = experiment.get("steady-state-hypothesis", {})
    owners = [("", experiment), ("steady-state-hypothesis.", hypothesis)]
    owners += [(f"{path}.", activity) for path, activity in activities(experiment)]
    for prefix, owner in owners:
        for number, control in enumerate(owner.get("controls", [])):
            yield f"{prefix}controls[{number}]", control


def _function(path: str, provider: dict[str, Any]) -> Iterator[str]:
    """Check that a function exists and takes the arguments."""
    module, problem = _import(provider["module"])
    if module is None:
        yield f"{path}.module: {problem}"
        return
    functions = dict(inspect.getmembers(module, inspect.isroutine))
    function = functions.get(provider["func"])
    if function is None:
        public = [x for x in getattr(module, "__all__", functions) if x in functions]
        fix = suggest(provider["func"], public)
        yield f"{path}.func: {provider['module']} has no function {provider['func']!r} ({fix})"
    elif inspect.iscoroutinefunction(function):
        yield f"{path}.func: {provider['func']!r} is async, which Chaos Toolkit never awaits"
    else:
        yield from _arguments(path, function, provider.get("arguments", {}))


def _arguments(path: str, function: Callable[..., Any], arguments: dict[str, Any]) -> Iterator[str]:
    parameters = inspect.signature(function).parameters.values()
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    named = {
        p.name: p
        for p in parameters
        if p.name not in _INJECTED and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }
    renamed = getattr(inspect.signature(function), "renamed", {})
    for name in arguments:
        if name in renamed:
            yield str(RenamedArgumentError(name, renamed[name], f"{path}.arguments."))
        elif name not in named and not takes_any:
            yield f"{path}.arguments.{name}: unknown argument ({suggest(name, named)})"
    for name, parameter in named.items():
        if parameter.default is parameter.empty and name not in arguments:
            yield f"{path}.arguments.{name}: missing; {function.__name__} needs it"


def _tolerance_probe(path: str, provider: dict[str, Any]) -> Iterator[str]:
    if not isinstance(provider.get("arguments"), dict):
        yield f"{path}.arguments: missing; Chaos Toolkit puts the value there, give at least {{}}"
    elif provider["type"] == "python":
        given = {**provider, "arguments": {**provider["arguments"], "value": None}}
        yield from _function(path, given)


def _control(path: str, control: dict[str, Any]) -> Iterator[str]:
    """Check a control: Chaos Toolkit does not call a hook that does not take every argument."""
    provider = control["provider"]
    module, problem = _import(provider["module"])
    if module is None:
        yield f"{path}.module: {problem}; Chaos Toolkit would run without the control"
        return
    for name, hook in inspect.getmembers(module, inspect.isfunction):
        is_hook = name.startswith(("before_", "after_")) and name.endswith("_control")
        if is_hook or name == "configure_control":
            yield from _hook(path, name, hook, provider.get("arguments", {}))
    if hasattr(module, "validate_control") and not hasattr(module, "asked"):  # see `values`
        try:
            module.validate_control({"name": "", **control})
        except Exception as error:  # noqa: BLE001 - a control may raise any error
            yield f"{path}: {shorten(str(error), 400)}"


def _hook(
    path: str, name: str, hook: Callable[..., Any], arguments: dict[str, Any]
) -> Iterator[str]:
    parameters = inspect.signature(hook).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return  # it checks its arguments itself
    known = [parameter for parameter in parameters if parameter not in _HOOK_INJECTED]
    for argument in arguments:
        if argument not in known:
            fix = suggest(argument, known)
            problem = f"{name} does not take it ({fix}), so Chaos Toolkit skips {name}"
            yield f"{path}.arguments.{argument}: {problem}"


def _import(name: str) -> tuple[ModuleType | None, str]:
    """Import a module; return it and "", or None and why it cannot be imported."""
    try:
        return importlib.import_module(name), ""
    except Exception as error:  # noqa: BLE001 - a module may raise anything while it is imported
        return None, f"cannot import {name!r}: {shorten(str(error))}"
