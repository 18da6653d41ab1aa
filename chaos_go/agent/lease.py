"""One lease: the life of one fault or load, as its agent tells it."""

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any

from chaos_go.agent.contract import (
    Armed,
    Command,
    Event,
    HTTPTotals,
    LoadSecond,
    Problem,
    Spec,
)
from chaos_go.agent.process import AgentProcess
from chaos_go.errors import AgentLostError, shorten

logger = logging.getLogger("chaostoolkit")

EXIT_S = 0.3
"""How long an agent that has disarmed may take to end before it is left to itself: it relays what
still goes through it, without any rule, until that has ended, for at most 30 s."""


class Lease:
    """One fault or load that an agent holds. Attributes may be read from any thread.

    Attributes:
        id: name of the fault or load.
        spec: what was asked of the agent.
        place_name: where it is, for instance ``port/8081``.
        state: ``arming``, ``armed``, ``ended`` (the agent said so) or ``lost`` (it is gone).
        armed_unix_s: when ``armed`` was received, by the clock of this machine.
        ended_unix_s: when the end was asked for or reported, whichever came first; else None.
        armed_detail: what the agent put in place.
        totals: what was counted, as last reported; empty before the first report.
        reason: ``stop``, ``deadline``, ``lease`` or ``signal`` once it ended; else empty.
        problem: what went wrong; empty when nothing did.
        agent: the process that holds it, maybe together with others.
        refusal: why the agent did not arm it, if so.
    """

    def __init__(self, spec: Spec, agent: AgentProcess) -> None:
        """Prepare; `LeaseHolder.hold` gives leases that are armed."""
        self.id = spec.id
        self.spec = spec
        self.place_name = agent.place
        self.state = "arming"
        self.armed_unix_s = math.nan
        self.ended_unix_s: float | None = None
        self.armed_detail: Armed | None = None
        self.reason = ""
        self.problem = ""
        self.agent = agent
        self.refusal: Problem | None = None
        self._totals: HTTPTotals | LoadSecond | None = None
        self._asked = False
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
        """Whether a request was changed; None while that may still come, and for a load."""
        touched = self._totals.touched if self._totals else None
        if touched:
            return True
        return False if touched == 0 and self.state == "ended" else None

    def subscribe(self, callback: Callable[[Event], None]) -> None:
        """Call back with every event: those that came already, then each new one.

        The callback runs in the thread of the agent, one event at a time.
        """
        with self._delivery:
            for event in self._events:
                callback(event)
            self._callbacks.append(callback)

    def ask_to_stop(self) -> None:
        """Ask the agent to end this, without waiting. Harmless when it has ended."""
        with self._changed:
            if self.state != "armed" or self._asked:
                return
            self._asked = True
            self.ended_unix_s = time.time()
        self.agent.send(Command(command="remove", id=self.id))

    def stop(self, timeout_s: float = 5.0) -> dict[str, Any]:
        """End this and wait until it is undone. A second stop changes nothing.

        Args:
            timeout_s: how long the agent may take before it is killed, in seconds.

        Returns:
            The record, see `record`.

        Raises:
            AgentLostError: the agent did not answer and was killed; nothing of it is left.
        """
        self.ask_to_stop()
        if not self.wait_while("armed", timeout_s):
            problem = (
                f"agent of {self.place_name} did not stop {self.id!r} within {timeout_s:g} s "
                "and was killed; see whether the machine is overloaded"
            )
            self.lose(problem)
            self.agent.kill()
            raise AgentLostError(problem)
        if not self.agent.holds:
            self.agent.finish(EXIT_S)
        return self.record()

    def record(self) -> dict[str, Any]:
        """Return what is known, as plain JSON. Header values and bodies are not in it."""
        return {
            "id": self.id,
            "kind": self.spec.kind,
            "place": self.place_name,
            "spec": redact(self.spec.to_dict()),
            "armed_unix_s": self.armed_unix_s,
            "ended_unix_s": self.ended_unix_s,
            "armed": self.armed_detail.to_dict() if self.armed_detail else {},
            "reason": self.reason,
            "totals": self.totals,
            "exit_code": self.agent.exit_code,
            "effect": self.effect,
            "state": self.state,
            "problem": self.problem,
        }

    def wait_while(self, state: str, timeout_s: float) -> bool:
        """Wait until the state is another one; False when it is not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.state != state, timeout_s)

    def take(self, event: Event) -> None:
        """Take an event of the agent."""
        with self._changed:
            self._totals = event.totals or self._totals
            if event.event == "armed" and self.state == "arming":
                self.armed_detail, self.armed_unix_s = event.armed, time.time()
                self.state = "armed"
            elif event.event == "disarmed":
                self._end("ended")
                self.reason = event.reason
            elif event.error is not None and self.state == "arming":
                self.refusal = event.error
                self._end("lost")
            elif event.error is not None:
                self.problem = f"agent of {self.place_name} refused: {say(event.error)}"
            self._changed.notify_all()
        self._deliver(event)

    def note(self, problem: str) -> None:
        """Take a problem of the agent; one that cannot be understood cannot be armed."""
        with self._changed:
            self.problem = problem
            if self.state == "arming":
                self._end("lost")
            self._changed.notify_all()

    def lose(self, problem: str) -> None:
        """Learn that the agent is gone; after a proper end that is no loss."""
        with self._changed:
            if self.state in ("arming", "armed"):
                self.problem = self.problem or problem
                self._end("lost")
                self._changed.notify_all()

    def _end(self, state: str) -> None:
        self.state = state
        if self.ended_unix_s is None:
            self.ended_unix_s = time.time()

    def _deliver(self, event: Event) -> None:
        with self._delivery:
            self._events.append(event)
            for callback in self._callbacks:
                try:
                    callback(event)
                except Exception:
                    logger.exception("a listener of %r failed on an event", self.id)


def say(problem: Problem) -> str:
    """Tell in one line why an agent refused."""
    value = f"{problem.field}={shorten(problem.value)}: " if problem.field else ""
    return f"{value}{problem.message}{'; ' if problem.fix else ''}{problem.fix}"


def redact(spec: dict[str, Any]) -> dict[str, Any]:
    """Leave out what may be a secret: the values of headers, and bodies."""
    clean: dict[str, Any] = {}
    for name, value in spec.items():
        if name in ("headers", "set_headers"):
            clean[name] = dict.fromkeys(value, "(redacted)")
        elif name == "body":
            clean[name] = f"(redacted, {len(value)} characters)"
        else:
            clean[name] = redact(value) if isinstance(value, dict) else value
    return clean
