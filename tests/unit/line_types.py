"""Finds every object of the wire that Python knows, without naming a kind."""

import dataclasses
import importlib
import pkgutil
from types import UnionType
from typing import Any, get_args, get_type_hints

from chaos_go import faults, traffic
from chaos_go.agent import kinds
from chaos_go.agent.contract import Command, Event, Spec
from chaos_go.agent.line import Line

for package in (faults, traffic):  # so that every kind is registered
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)

LINES: dict[str, type[Line]] = {"spec": Spec, "command": Command, "event": Event}
"""The classes of a line, by the first word of the name of its example."""


def line_types() -> dict[str, type[Line]]:
    """Return every class of an object on the wire, by its name, which no two share."""
    found: dict[str, type[Line]] = {}
    of_kinds = [of for kind in kinds.known() for of in (kind.detail, kind.totals)]
    waiting: list[type[Line]] = [*LINES.values(), *of_kinds]
    while waiting:
        of = waiting.pop()
        if found.setdefault(of.__name__, of) is not of:
            raise AssertionError(f"two objects are called {of.__name__}")
        types = get_type_hints(of)
        for field in dataclasses.fields(of):  # type: ignore[arg-type]
            waiting += [x for x in _classes(types[field.name]) if x.__name__ not in found]
    return found


def wire_fields(of: type[Line]) -> dict[str, bool]:
    """Return the fields of an object as the wire has them, and whether each is needed.

    A field of Python that has the object of any kind has one name per kind on the wire.
    """
    per_kind = {"Spec": "detail", "Event": "totals"}.get(of.__name__)
    fields: dict[str, bool] = {}
    for field in dataclasses.fields(of):  # type: ignore[arg-type]
        missing = dataclasses.MISSING
        needed = field.default is missing and field.default_factory is missing
        names = [kind.name for kind in kinds.known()] if field.name == per_kind else [field.name]
        fields |= dict.fromkeys(names, needed)
    return fields


def _classes(wanted: Any) -> list[type[Line]]:
    """Return the classes of objects in the type of a field."""
    if isinstance(wanted, UnionType) or get_args(wanted):
        return [found for inner in get_args(wanted) for found in _classes(inner)]
    is_object = isinstance(wanted, type) and issubclass(wanted, Line)
    return [wanted] if is_object and dataclasses.is_dataclass(wanted) else []
