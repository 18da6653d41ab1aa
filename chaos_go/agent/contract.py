"""The messages between Python and the Go agent: one JSON object per line.

The structs in ``agent/internal/spec`` define and explain each field; ``contract/`` holds their JSON
schema and examples, which the tests of both languages read. This module has only the objects that
all kinds share. A field with a default may be absent on the wire, and is left out when it is empty
or 0. Unknown fields are refused. The objects of one kind are in its own package, see
`chaos_go.agent.kinds`.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Self

from chaos_go.agent import kinds
from chaos_go.agent.kinds import Totals
from chaos_go.agent.line import Line
from chaos_go.errors import BadInputError

PROTOCOL = 2
"""Version of the wire; the agent refuses another one."""

DEFAULT_LEASE_S = 10.0
"""Seconds that an agent goes on without a line from Python when ``lease_s`` is absent."""

LONGEST_DURATION_S = 3600.0
"""The longest duration of a fault or a load, in seconds."""


LONGEST_SPEC = (1 << 20) - 1024
"""Bytes of a spec as a line, as the agent has it; it ends at a command that is longer than 1 MiB."""


@dataclass(frozen=True, kw_only=True)
class Proxy(Line):
    """An explicit proxy: clients dial ``listen``, a loopback address, to reach ``upstream``."""

    listen: str
    upstream: str


@dataclass(frozen=True, kw_only=True)
class Way(Line):
    """Which traffic of a place: one of ``port``, ``proxy`` and ``to``.

    ``port`` is the port of a service, and ``to`` is the HOST:PORT of a dependency that is called. A
    ``caller_pid`` of 0 means the calls of every process.
    """

    port: int = 0
    proxy: Proxy | None = None
    to: str = ""
    caller_pid: int = 0


@dataclass(frozen=True, kw_only=True)
class Spec(Line):
    """One fault or one load; a ``lease_s`` of 0 means `DEFAULT_LEASE_S`.

    ``detail`` has the fields of its kind. On the wire, the name of the kind is its key.
    """

    id: str
    kind: str
    duration_s: float
    version: int = PROTOCOL
    lease_s: float = 0.0
    way: Way | None = None
    detail: Line | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the object as plain JSON values."""
        return _renamed(super().to_dict(), "detail", self.kind)

    def redacted(self) -> dict[str, Any]:
        """Return `to_dict` without what may be a secret."""
        return _renamed(super().redacted(), "detail", self.kind)

    @classmethod
    def from_dict(cls, value: object, path: str = "") -> Self:
        """Read an object, and the detail in it, whose key is the name of its kind."""
        _refuse_own_name("detail", value, path)
        kind = kinds.find(str(value.get("kind"))) if isinstance(value, dict) else None
        if kind is None or not isinstance(value, dict) or kind.name not in value:
            return super().from_dict(value, path)
        common = {key: item for key, item in value.items() if key != kind.name}
        detail = kind.detail.from_dict(value[kind.name], _under(path, kind.name))
        return replace(super().from_dict(common, path), detail=detail)


@dataclass(frozen=True, kw_only=True)
class Command(Line):
    """A message to an agent after its first spec: heartbeat, add, remove or stop."""

    command: str
    spec: Spec | None = None
    id: str = ""


@dataclass(frozen=True, kw_only=True)
class Armed(Line):
    """What the agent has put in place.

    Of the ``existing_connections``, ``untouched_connections`` are left alone. ``pid`` is the
    process that Python started, and ``worker_pid`` is its child that holds the fault.
    """

    agent_version: str
    protocol: int
    pid: int
    existing_connections: int = 0
    untouched_connections: int = 0
    existing_handling: str = ""
    existing_problem: str = ""
    worker_pid: int = 0
    seed: int = 0
    steering: str = ""
    resolved: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Problem(Line):
    """Why an agent refused; ``field`` is empty when the cause is the place and not the spec."""

    message: str
    field: str = ""
    value: str = ""
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class Event(Line):
    """A line of an agent: armed, stats, disarmed, judged or error.

    ``totals`` is what was counted. On the wire, the name of the kind is its key. ``problems`` are
    all problems of a spec that was judged.
    """

    event: str
    id: str
    at_unix_s: float
    armed: Armed | None = None
    totals: Totals | None = None
    reason: str = ""
    error: Problem | None = None
    problems: list[Problem] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the object as plain JSON values."""
        name = kinds.of_totals(self.totals).name if self.totals else ""
        return _renamed(super().to_dict(), "totals", name)

    @classmethod
    def from_dict(cls, value: object, path: str = "") -> Self:
        """Read an object, and the totals in it, whose key is the name of a kind."""
        _refuse_own_name("totals", value, path)
        known = {kind.name: kind for kind in kinds.known()}
        given = [key for key in value if key in known] if isinstance(value, dict) else []
        if not given or not isinstance(value, dict):
            return super().from_dict(value, path)
        name, *others = given
        if others:
            raise BadInputError(_under(path, others[0]), value[others[0]], "totals of two kinds")
        common = {key: item for key, item in value.items() if key != name}
        totals = known[name].totals.from_dict(value[name], _under(path, name))
        return replace(super().from_dict(common, path), totals=totals)


def _refuse_own_name(name: str, value: object, path: str) -> None:
    """Refuse Python's own name of an object whose key on the wire is the name of its kind."""
    if isinstance(value, dict) and name in value:
        fix = "unknown field; the key of this object is the name of its kind"
        raise BadInputError(_under(path, name), value[name], fix)


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _renamed(plain: dict[str, Any], name: str, to: str) -> dict[str, Any]:
    """Return a copy of an object in which one key has another name, at the same position."""
    return {to if key == name else key: item for key, item in plain.items()}
