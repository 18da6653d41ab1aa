"""A made-up kind of fault, `dice`, and its action, on fake agents.

Nothing in chaos_go names this kind. A fixture made of `known` registers it for a test.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fake_agent import FakeAgents, FakeChannel, FakeReach

from chaos_go.agent import holder, kinds
from chaos_go.agent.contract import Spec, Way
from chaos_go.agent.holder import LeaseHolder
from chaos_go.agent.kinds import Kind, Totals
from chaos_go.agent.line import Line
from chaos_go.agent.place import Place


@dataclass(frozen=True, kw_only=True)
class Dice(Line):
    """The detail of a spec: how slowly the dice fall."""

    wait_ms: float
    sides: int = 6


@dataclass(frozen=True, kw_only=True)
class DiceTotals(Totals):
    """The totals of an event: how many dice fell."""

    rolled: int
    fell: int

    @property
    def touched(self) -> int | None:
        return self.fell

    def said(self) -> str:
        return f"{self.fell} of {self.rolled} dice fell"

    def advice(self) -> str:
        return "roll them"


KIND = Kind(name="dice", detail=Dice, totals=DiceTotals)


class Table(FakeAgents):
    """The agents that hold this kind.

    Attributes:
        places: The places at which `roll` holds a fault.
        falls: How many of nine dice fall at each place; 4 by default.
        holder: The holder of the faults.
    """

    def __init__(self, holder: LeaseHolder) -> None:
        super().__init__()
        self.places = ["table"]
        self.falls: dict[str, int] = {}
        self.holder = holder

    def place(self, name: str, way: Way | None = None) -> Place:
        return Place(name, FakeReach(name, _At(self, name)), way or Way(port=8081))


class _At(FakeAgents):
    """The agents of one place of a table."""

    def __init__(self, of: Table, name: str) -> None:
        super().__init__()
        self.of, self.name = of, name

    def open(self, command: str) -> FakeChannel:
        channel = self.of.open(command)
        fell = self.of.falls.get(self.name, 4)
        channel.totals = lambda name: DiceTotals(rolled=9, fell=fell)  # type: ignore[method-assign]
        return channel


def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    """Register the kind for one test, in a process that holds nothing else."""
    own = LeaseHolder()
    monkeypatch.setitem(kinds._kinds, KIND.name, KIND)
    monkeypatch.setattr(holder, "holder", own)
    for name in ("faults", "find", "fault_window", "stop_all"):
        monkeypatch.setattr(holder, name, getattr(own, name))
    _tables.append(Table(own))
    yield _tables[-1]
    _tables.pop().holder.stop_all(timeout_s=1.0)


_tables: list[Table] = []


def roll(
    wait_ms: float, sides: int = 6, duration_s: float = 60.0, name: str = "dice"
) -> dict[str, Any]:
    """Hold a fault whose dose is ``wait_ms``."""
    detail = Dice(wait_ms=wait_ms, sides=sides)
    spec = Spec(id=name, kind=KIND.name, duration_s=duration_s, detail=detail)
    table = _tables[-1]
    return table.holder.hold([table.place(place) for place in table.places], spec).record()
