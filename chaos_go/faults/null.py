"""A fault that is held like every other one and breaks nothing."""

from dataclasses import dataclass

from chaos_go import arguments
from chaos_go.agent import kinds
from chaos_go.agent.kinds import Kind, Totals
from chaos_go.agent.line import Line
from chaos_go.faults._action import Request, holds, request

__all__ = ["hold"]


@dataclass(frozen=True, kw_only=True)
class Null(Line):
    """Asks for nothing but a note."""

    note: str


@dataclass(frozen=True, kw_only=True)
class NullTotals(Totals):
    """For how long the fault was held."""

    held_s: float

    @property
    def touched(self) -> int | None:
        """The fault counts as soon as it is held."""
        return int(self.held_s > 0)

    def said(self) -> str:
        """Return for how long it was held."""
        return f"held for {self.held_s:.1f} s"

    def advice(self) -> str:
        """Return what to check when it was not held."""
        return "see whether its agent ran"


KIND = kinds.register(
    Kind(name="null", detail=Null, totals=NullTotals, arguments={"null.note": "note"})
)


@holds(renamed={})
def hold(target: str, note: str, duration_s: float = 60.0, name: str = "") -> Request:
    """Hold a fault that breaks nothing.

    Args:
        target: Where it is held, see `chaos_go.faults.http.abort`.
        note: A text of 1 to 100 bytes.
        duration_s: Seconds after which it ends by itself, at most 3600.
        name: Name of this fault; "" derives one such as ``null-port-8081``.

    Returns:
        The record of the fault.

    Raises:
        ActivityFailed: An argument is invalid.
    """
    detail = Null(note=arguments.text("note", note))
    return request("null", target, KIND.name, detail, duration_s, name=name)
