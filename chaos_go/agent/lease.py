"""One lease: the state of one fault or load at one place, as its agent reports it."""

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any

from chaos_go.agent import kinds
from chaos_go.agent.contract import Armed, Command, Event, Problem, Spec
from chaos_go.agent.kinds import Totals
from chaos_go.agent.place import Place
from chaos_go.agent.process import AgentProcess
from chaos_go.errors import AgentLostError, shorten

logger = logging.getLogger("chaostoolkit")

EXIT_S = 0.3
"""Seconds that Python waits for the exit of an agent that has disarmed. Afterwards the agent drains
alone, at most 30 s: it relays the remaining connections without any fault."""


class Lease:
    """One fault or load at one place. Attributes may be read from any thread.

    Attributes:
        id: Name of the fault or load.
        spec: What was asked of the agent.
        place: Where it is.
        state: ``arming``, ``armed``, ``ended`` (the agent said so) or ``lost`` (the agent is gone).
        armed_unix_s: When ``armed`` was received, by the clock of this machine.
        ended_unix_s: When the end was asked for or reported, whichever came first; None before.
        armed_detail: What the agent has put in place.
        reason: ``stop``, ``deadline``, ``lease`` or ``signal`` once it has ended; empty before.
        problem: What went wrong; empty if nothing did.
        agent: The process that holds it, possibly together with others.
        refusal: Why the agent did not arm it; None if it did.
    """

    def __init__(self, spec: Spec, place: Place, agent: AgentProcess) -> None:
        """Prepare; `LeaseHolder.hold` returns leases that are armed."""
        self.id = spec.id
        self.spec = spec
        self.place = place
        self.state = "arming"
        self.armed_unix_s = math.nan
        self.ended_unix_s: float | None = None
        self.armed_detail: Armed | None = None
        self.reason = ""
        self.problem = ""
        self.agent = agent
        self.refusal: Problem | None = None
        self._lost_unix_s: float | None = None
        self._reports = kinds.named(spec.kind).reports  # if not, a stats event has no totals since the start
        self._totals: Totals | None = None
        self._asked = False
        self._disarmed_s = math.nan  # by the monotonic clock
        self._changed = threading.Condition()
        self._delivery = threading.RLock()  # not _changed: callbacks take locks of their own
        self._events: list[Event] = []
        self._callbacks: list[Callable[[Event], None]] = []

    @property
    def totals(self) -> dict[str, Any]:
        """What was counted, as last reported; for a load only at its end."""
        return self._totals.to_dict() if self._totals else {}

    @property
    def effect(self) -> bool | None:
        """Whether something was touched; None while that is not known yet, and for a load."""
        touched = self._totals.touched if self._totals else None
        if touched:
            return True
        return False if touched == 0 and self.state == "ended" else None

    @property
    def said(self) -> str:
        """One line about what was seen and done, as last reported."""
        return self._totals.said() if self._totals else "nothing was reported"

    @property
    def advice(self) -> str:
        """What to check when nothing was touched."""
        return self._totals.advice() if self._totals else "see whether its agent reports"

    @property
    def gone_by_unix_s(self) -> float | None:
        """The latest time at which it was gone; None while it is in place.

        A fault ends with its agent. When the stream broke without an exit code, the end of the
        agent was not seen. Then its lease guarantees the end, because nobody renews it any more.
        The same holds for exit code 0 of an agent that did not say that it has ended: a container
        runtime that dies reports it, while the agent lives on.
        """
        if self.state == "ended":
            return self.ended_unix_s
        if self.state != "lost" or self._lost_unix_s is None:
            return None
        left_s = self.agent.lease_s if self.agent.exit_code in (None, 0) else 0.0
        return self._lost_unix_s + left_s

    def subscribe(self, callback: Callable[[Event], None]) -> None:
        """Call a function with every event: first the earlier ones, then each new one.

        The callback runs in the thread of the agent, one event at a time.
        """
        with self._delivery:
            for event in self._events:
                callback(event)
            self._callbacks.append(callback)

    def ask_to_stop(self) -> None:
        """Ask the agent to end this, without waiting. Does nothing if it has ended."""
        with self._changed:
            if self.state != "armed" or self._asked:
                return
            self._asked = True
            self.ended_unix_s = time.time()
        self.agent.send(Command(command="remove", id=self.id))

    def stop(self, timeout_s: float = 5.0) -> dict[str, Any]:
        """End this and wait until it is undone. A second stop changes nothing.

        Args:
            timeout_s: Seconds that the agent may take before it is killed; 5 by default.

        Returns:
            The record, see `record`.

        Raises:
            AgentLostError: The agent did not answer and was killed; nothing of it is left.
        """
        self.ask_to_stop()
        if not self.wait_while("armed", timeout_s):
            when = f"within {timeout_s:.2g} s" if timeout_s else "in time"
            problem = (
                f"agent of {self.place.name} did not stop {self.id!r} {when} and was killed; "
                "see whether the machine is overloaded"
            )
            self.lose(problem)
            self.agent.kill()
            raise AgentLostError(problem)
        if not self.agent.holds:
            self.agent.finish(max(0.0, self._disarmed_s + EXIT_S - time.monotonic()))
        return self.record()

    def record(self) -> dict[str, Any]:
        """Return what is known of this place, as plain JSON."""
        return {
            "place": self.place.name,
            "state": self.state,
            "armed_unix_s": self.armed_unix_s,
            "ended_unix_s": self.ended_unix_s,
            "gone_by_unix_s": self.gone_by_unix_s,
            "armed": self.armed_detail.to_dict() if self.armed_detail else {},
            "reason": self.reason,
            "totals": self.totals,
            "said": self.said,
            "exit_code": self.agent.exit_code,
            "effect": self.effect,
            "problem": self.problem,
        }

    def wait_while(self, state: str, timeout_s: float) -> bool:
        """Wait until the state is another one; return whether that was in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.state != state, timeout_s)

    def take(self, event: Event) -> None:
        """Process an event of the agent."""
        with self._changed:
            if self._reports or event.event == "disarmed":
                self._totals = event.totals or self._totals
            if event.event == "armed" and self.state == "arming":
                self.armed_detail, self.armed_unix_s = event.armed, time.time()
                self.state = "armed"
            elif event.event == "disarmed":
                self._end("ended")
                self._disarmed_s = time.monotonic()
                self.reason = event.reason
            elif event.error is not None and self.state == "arming":
                self.refusal = event.error
                self._end("lost")
            elif event.error is not None and self.state == "armed":
                self.problem = f"agent of {self.place.name} refused: {say(event.error)}"
            self._changed.notify_all()
        self._deliver(event)

    def note(self, problem: str) -> None:
        """Note a problem of the agent. A lease that is not armed yet is lost then."""
        with self._changed:
            self.problem = problem
            if self.state == "arming":
                self._end("lost")
            self._changed.notify_all()

    def lose(self, problem: str) -> None:
        """Note that the agent is gone; a lease that has already ended stays ended."""
        with self._changed:
            if self.state in ("arming", "armed"):
                self.problem = self.problem or problem
                self._end("lost")
                self._changed.notify_all()

    def _end(self, state: str) -> None:
        now_s = time.time()
        self.state = state
        self._lost_unix_s = now_s if state == "lost" else None
        if self.ended_unix_s is None:
            self.ended_unix_s = now_s

    def _deliver(self, event: Event) -> None:
        with self._delivery:
            self._events.append(event)
            for callback in self._callbacks:
                try:
                    callback(event)
                except Exception:
                    logger.exception("a listener of %r failed on an event", self.id)


def say(problem: Problem) -> str:
    """Return in one line why an agent refused."""
    value = f"{problem.field}={shorten(problem.value)}: " if problem.field else ""
    return f"{value}{problem.message}{'; ' if problem.fix else ''}{problem.fix}"
