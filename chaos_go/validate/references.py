"""Checks the names with which parts of an experiment refer to each other."""

import re
from collections.abc import Iterator
from typing import Any

from chaos_go.validate.activities import activities, controls
from chaos_go.validate.keys import suggest

_FAULTS = "chaos_go.faults"
_TRAFFIC, _EVIDENCE = "chaos_go.controls.traffic", "chaos_go.controls.evidence"
_READERS = ("probes.traffic", "probes.recovery")  # the modules of probes that read a load
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def check(experiment: dict[str, Any]) -> Iterator[str]:
    """Yield the problems with names of faults, loads, variables, secrets and activities."""
    yield from _faults(experiment)
    yield from _traffic(experiment)
    yield from _variables(experiment)
    yield from _secrets(experiment)
    names = [activity["name"] for _, activity in activities(experiment) if "name" in activity]
    for path, activity in activities(experiment):
        if "ref" in activity and activity["ref"] not in names:
            yield f"{path}.ref: no activity {activity['ref']!r} ({suggest(activity['ref'], names)})"


def _faults(experiment: dict[str, Any]) -> Iterator[str]:
    """Check ``fault: x`` of probes and ``name: x`` of `chaos_go.faults.stop`."""
    armed, asked = [], []
    for path, provider in _providers(experiment):
        arguments = provider.get("arguments", {})
        if not provider["module"].startswith(_FAULTS):
            if provider["module"].startswith("probes.") and "fault" in arguments:
                asked.append((f"{path}.arguments.fault", arguments["fault"]))
        elif provider["func"] != "stop":
            armed.append(arguments.get("name", ""))
        elif "name" in arguments:
            asked.append((f"{path}.arguments.name", arguments["name"]))
    names = [name for name in armed if name]
    for path, name in asked:
        if name and not _has_variable(name, *names) and name not in names:
            yield f"{path}: no action has name: {name} ({suggest(name, names)})"
    modules = [control.get("provider", {}).get("module") for _, control in controls(experiment)]
    if armed and _EVIDENCE not in modules:
        yield f"controls: {_EVIDENCE} is missing; without it no verdict can be given"


def _traffic(experiment: dict[str, Any]) -> Iterator[str]:
    """Check ``traffic: x`` of probes, when the experiment declares its loads itself."""
    providers = [control.get("provider", {}) for _, control in controls(experiment)]
    loads = [
        provider.get("arguments", {}).get("name", "")
        for provider in providers
        if provider.get("module") == _TRAFFIC
    ]
    for path, provider in _providers(experiment):
        name = provider.get("arguments", {}).get("traffic", "")
        if provider["module"] not in _READERS:
            continue
        if not loads:
            yield f"{path}: it reads a load, and no control {_TRAFFIC} drives one"
        elif name and not _has_variable(name, *loads) and name not in loads:
            yield f"{path}.arguments.traffic: no load has this name ({suggest(name, loads)})"


def _variables(experiment: dict[str, Any]) -> Iterator[str]:
    """Check that every ``${x}`` is declared; Chaos Toolkit leaves an unknown one as it is."""
    secrets = experiment.get("secrets", {}).values()
    known = [*experiment.get("configuration", {})]
    known += [name for group in secrets if isinstance(group, dict) for name in group]
    used = {key: experiment.get(key) for key in ("title", "controls", "method", "rollbacks")}
    used["steady-state-hypothesis"] = experiment.get("steady-state-hypothesis")
    for path, text in _texts("", used):
        for name in _VARIABLE.findall(text):
            if name not in known:
                fix = suggest(name, known)
                yield f"{path}: ${{{name}}} is not in configuration or secrets ({fix})"


def _secrets(experiment: dict[str, Any]) -> Iterator[str]:
    """Check the groups of secrets; for an unknown name Chaos Toolkit passes an empty group."""
    groups = experiment.get("secrets", {})
    for path, provider in _providers(experiment):
        for name in provider.get("secrets", []):
            if name not in groups:
                yield f"{path}.secrets: no group {name!r} ({suggest(name, groups)})"


def _providers(experiment: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, activity in activities(experiment):
        provider = activity.get("provider", {})
        if provider.get("type") == "python":
            yield f"{path}.provider", provider


def _texts(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(f"{path}.{key}" if path else str(key), item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(f"{path}[{number}]", item)


def _has_variable(*texts: object) -> bool:
    return any(_VARIABLE.search(str(text)) for text in texts)
