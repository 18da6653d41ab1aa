"""An agent in this process that speaks the wire over a queue: it replaces the channel.

`FakeReach` opens it. Places with the same reach and way share an agent, like real ones.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chaos_go import __version__
from chaos_go.agent.contract import PROTOCOL, Armed, Command, Event, Problem, Spec, Way
from chaos_go.agent.kinds import Totals
from chaos_go.agent.place import Place
from chaos_go.faults.http import HTTP, HTTPTotals

SEED_DRAWN = 4711
DEATHS = {"SIGKILL": -9}


class FakeChannel:
    """One agent. It arms what it is told to and ends after its last fault, like the real one.

    Attributes:
        heard: Every command, in order.
        killed: Whether Python had to kill it.
        mute: Whether it takes lines and answers none.
        blocks: Until this is set, sending to it blocks; None when it does not.
        lives: Whether it goes on after its last fault, as long as connections pass through it.
        breaks: Whether its stream ends without an exit code.
    """

    def __init__(self, command: str = "fault") -> None:
        self.command = command
        self.heard: list[Command] = []
        self.killed = False
        self.closed = False
        self.mute = False
        self.blocks: threading.Event | None = None
        self.lives = False
        self.breaks = False
        self.spec: Spec | None = None
        self.refuses: Callable[[Spec], Problem | None] = refuse_bad_expressions
        self.armed: dict[str, Spec] = {}
        self.touched: dict[str, int] = {}
        self.code: int | None = None
        self._out: queue.Queue[str | None] = queue.Queue()
        self._gone = threading.Event()

    def send(self, line: str) -> None:
        if self.blocks:
            self.blocks.wait()
        if self.code is not None or self.breaks:
            raise BrokenPipeError
        if self.spec is None:
            self.spec = Spec.from_line(line)
            self._arm(self.spec)
            return
        command = Command.from_line(line)
        self.heard.append(command)
        if self.mute:
            return
        if command.spec is not None:
            self._arm(command.spec)
        elif command.command == "remove":
            self.disarm(command.id, "stop")

    def receive(self) -> str | None:
        return self._out.get()

    def complaints(self) -> str:
        return ""

    def close(self) -> None:
        self.closed = True

    def kill(self) -> None:
        self.killed = True
        self.die(DEATHS["SIGKILL"])

    def wait(self, timeout_s: float) -> int | None:
        if not self._gone.wait(timeout_s):
            raise TimeoutError
        return self.code

    def break_off(self) -> None:
        """End the stream without an exit code."""
        self.breaks = True
        self._gone.set()
        self._out.put(None)

    def say(self, line: str) -> None:
        self._out.put(line)

    def emit(self, event: str, name: str, **fields: Any) -> None:
        self.say(Event(event=event, id=name, at_unix_s=time.time(), **fields).to_line())

    def disarm(self, name: str, reason: str) -> None:
        if self.armed.pop(name, None) is None:
            problem = Problem(field="id", value=name, message="no such fault here", fix="name one")
            self.emit("error", name, error=problem)
            return
        self.emit("disarmed", name, reason=reason, totals=self.totals(name))
        if not self.armed and not self.lives:
            self.die(0)

    def die(self, code: int) -> None:
        self.armed.clear()  # as the kernel does
        if self.code is None:
            self.code = code
            self._gone.set()
            self._out.put(None)

    def totals(self, name: str) -> Totals:
        hits = self.touched.get(name, 0)
        zeros = dict.fromkeys(HTTPTotals.__dataclass_fields__, 0)
        return HTTPTotals(**(zeros | {"seen": hits, "matched": hits, "aborted": hits}))

    def _arm(self, spec: Spec) -> None:
        problem = self.refuses(spec)
        if problem:
            self.emit("error", spec.id, error=problem)
            if not self.armed:
                self.die(2 if problem.field else 3)
        elif not self.mute and self.code is None:  # a killed agent arms nothing
            self.armed[spec.id] = spec
            seed = (spec.detail.seed if isinstance(spec.detail, HTTP) else 0) or SEED_DRAWN
            self.emit("armed", spec.id, armed=armed_detail(seed=seed))


class FakeAgents:
    """Opens fake channels and keeps them; ``prepare`` changes each before its first line."""

    def __init__(self, prepare: Callable[[FakeChannel], None] = lambda channel: None) -> None:
        self.channels: list[FakeChannel] = []
        self.prepare = prepare

    def place(self, name: str, way: Way | None = None) -> Place:
        """Return a place whose agents are these."""
        return Place(name, FakeReach(name, self), way or Way(port=8081))

    def open(self, command: str) -> FakeChannel:
        channel = FakeChannel(command)
        self.prepare(channel)
        self.channels.append(channel)
        return channel

    def touch(self) -> None:
        """Send one request through every fault that is armed."""
        for channel in self.channels:
            for name in channel.armed:
                channel.touched[name] = channel.touched.get(name, 0) + 1


@dataclass(frozen=True)
class FakeReach:
    """Opens the fake agents of a test."""

    name: str
    agents: FakeAgents = field(compare=False)

    def open(self, command: str) -> FakeChannel:
        return self.agents.open(command)


def armed_detail(**changes: Any) -> Armed:
    values = {"agent_version": __version__, "protocol": PROTOCOL, "pid": 12}
    return Armed(**(values | changes))


def refuse_bad_expressions(spec: Spec) -> Problem | None:
    detail = spec.detail
    if isinstance(detail, HTTP) and detail.match and detail.match.path == "(":
        return Problem(
            field="http.match.path",
            value="(",
            message="not a regular expression: missing closing )",
            fix="write it in RE2 syntax",
        )
    return None
