"""The kinds of faults and loads. The package of a kind registers it; the core names no kind.

The field ``kind`` on the wire has the name of a kind. The same name is the key of its objects: of
its detail in a spec (what is asked for) and of its totals in an event (what was counted).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos_go.agent.line import Line
from chaos_go.errors import BadInputError


class Totals(Line, ABC):
    """What one fault or load did at one place since it was armed."""

    @property
    @abstractmethod
    def touched(self) -> int | None:
        """How often the fault acted; None for what breaks nothing, such as a load."""

    @abstractmethod
    def said(self) -> str:
        """Return one line for the verdict: what was seen and what was done."""

    @abstractmethod
    def advice(self) -> str:
        """Return what to check when nothing was touched, beginning with a verb."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind.

    Attributes:
        name: Name of the kind, which is also the key of its objects on the wire.
        detail: The class of the object in a spec of this kind.
        totals: The class of the object in events of this kind.
        is_fault: Whether the kind breaks something; a load does not.
        reports: Whether its agent sends totals every second, so that silence means that it hangs.
        arguments: Maps each field on the wire to the argument of the user. A field that is not
            listed has the argument of the longest listed field above it: ``http.match`` also
            covers ``http.match.path``.
    """

    name: str
    detail: type[Line]
    totals: type[Totals]
    is_fault: bool = True
    reports: bool = True
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The sub-command of the agent that holds it."""
        return "fault" if self.is_fault else "load"


_ARGUMENTS = {"id": "name", "way": "target", "netns-pid": "target", "line": "arguments"}
_WHOLE = {"way", "netns-pid"}  # the argument is one text, so the rest of the field's path says nothing
_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> Kind:
    """Make a kind known; its module calls this once, when it is imported."""
    _kinds[kind.name] = kind
    return kind


def known() -> list[Kind]:
    """Return all kinds that are known, by name."""
    return [_kinds[name] for name in sorted(_kinds)]


def find(name: str) -> Kind | None:
    """Return the kind of this name; None when it is not known."""
    return _kinds.get(name)


def named(name: str) -> Kind:
    """Return the kind of this name.

    Raises:
        BadInputError: No kind has this name.
    """
    if name not in _kinds:
        raise BadInputError("kind", name, f"unknown kind; known: {', '.join(sorted(_kinds))}")
    return _kinds[name]


def of_totals(totals: Totals) -> Kind:
    """Return the kind whose totals these are."""
    return next(kind for kind in _kinds.values() if kind.totals is type(totals))


def argument(kind: str, path: str) -> str:
    """Return the user's argument for a field of a spec, for instance ``status``."""
    names = {**_ARGUMENTS, **(_kinds[kind].arguments if kind in _kinds else {})}
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        if prefix in names:
            rest = [] if prefix in _WHOLE else parts[length:]
            return ".".join([names[prefix], *rest])
    return path
