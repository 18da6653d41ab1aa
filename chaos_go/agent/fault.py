"""One fault or load: one name, one spec, and one lease at each of its places."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from chaos_go.agent import kinds
from chaos_go.agent.contract import Spec
from chaos_go.agent.held import Held
from chaos_go.agent.lease import Lease
from chaos_go.errors import AgentError, AgentLostError


class Fault(Held):
    """A fault that was armed at all of its places. A place that is lost does not end the others.

    Attributes:
        id: Name of the fault.
        spec: What was asked for, without the way of a place.
        leases: One per place, in the order in which the places were given.
        scope: How its places were chosen; empty when all places of the target were taken.
    """

    def __init__(
        self, spec: Spec, leases: Sequence[Lease], scope: Mapping[str, Any] | None = None
    ) -> None:
        """Make a fault from leases that are armed."""
        self.id = spec.id
        self.spec = spec
        self.leases = tuple(leases)
        self.scope = dict(scope or {})

    @property
    def kind(self) -> kinds.Kind:
        """The kind of the fault or load."""
        return kinds.named(self.spec.kind)

    @property
    def is_fault(self) -> bool:
        """Whether it breaks something; a load does not."""
        return self.kind.is_fault

    @property
    def advice(self) -> str:
        """What to check when nothing was touched."""
        return self.leases[0].advice

    @property
    def place_names(self) -> str:
        """The names of all places, as one text."""
        return ", ".join(lease.place.name for lease in self.leases)

    @property
    def state(self) -> str:
        """``armed`` while any place is armed; then ``lost`` if a place was lost, or ``ended``."""
        states = {lease.state for lease in self.leases}
        return next(state for state in ("armed", "lost", "ended") if state in states)

    @property
    def armed_unix_s(self) -> float:
        """When the last place was armed: from then on the fault was in place everywhere."""
        return max(lease.armed_unix_s for lease in self.leases)

    @property
    def ended_unix_s(self) -> float | None:
        """When the first place ended: until then it was in place everywhere. None before."""
        ends = [lease.ended_unix_s for lease in self.leases if lease.ended_unix_s is not None]
        return min(ends, default=None)

    @property
    def effect(self) -> bool | None:
        """Whether something was touched at any place; None while that is not known yet."""
        effects = [lease.effect for lease in self.leases]
        if True in effects:
            return True
        return False if all(effect is False for effect in effects) else None

    @property
    def untouched(self) -> list[str]:
        """The names of the places where nothing was touched."""
        return [lease.place.name for lease in self.leases if lease.effect is False]

    @property
    def said(self) -> str:
        """One line about what was seen and done."""
        if len(self.leases) == 1:
            return self.leases[0].said
        return "; ".join(f"{lease.place.name}: {lease.said}" for lease in self.leases)

    @property
    def problem(self) -> str:
        """What went wrong at any place; empty if nothing did."""
        return "; ".join(dict.fromkeys(x.problem for x in self.leases if x.problem))

    def ask_to_stop(self) -> None:
        """Ask every agent to end this, without waiting. Does nothing where it has ended."""
        for lease in self.leases:
            lease.ask_to_stop()

    def stop(self, timeout_s: float = 5.0) -> dict[str, Any]:
        """End this everywhere and wait until it is undone. A second stop changes nothing.

        Args:
            timeout_s: Seconds that all agents together may take before they are killed; 5 by
                default.

        Returns:
            The record, see `record`.

        Raises:
            AgentLostError: An agent did not answer and was killed; nothing of it is left.
        """
        self.ask_to_stop()
        until_s = time.monotonic() + timeout_s
        problems = []
        for lease in self.leases:
            try:
                lease.stop(max(0.0, until_s - time.monotonic()))
            except AgentError as error:
                problems.append(str(error))
        if problems:
            raise AgentLostError("; ".join(problems))
        return self.record()

    def record(self) -> dict[str, Any]:
        """Return what is known, as plain JSON. The spec is without values that may be secrets."""
        record = {
            "id": self.id,
            "kind": self.spec.kind,
            "spec": self.spec.redacted(),
            "state": self.state,
            "armed_unix_s": self.armed_unix_s,
            "ended_unix_s": self.ended_unix_s,
            "effect": self.effect,
            "untouched": self.untouched,
            "said": self.said,
            "advice": self.advice,
            "problem": self.problem,
            "places": [lease.record() for lease in self.leases],
        }
        more = {"scope": self.scope, "violations": list(self.violations)}
        return record | {key: value for key, value in more.items() if value}
