"""A load without an agent: its own time, and seconds that arrive when the test says so.

It stands in at the lease, the layer below traffic, and feeds real `Recording`s.
"""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from chaos_go.agent import binary, holder
from chaos_go.agent.contract import Event, Histogram, Load, LoadSecond, Spec
from chaos_go.traffic import histogram, load, recording
from chaos_go.traffic.recording import Clock, Recording

START = 1_764_108_000.25
URL = "http://127.0.0.1:8080/checkout"


class Timeline(Clock):
    """Time that passes only while somebody waits, and things that happen on the way."""

    def __init__(self, now_s: float = START) -> None:
        self.now_s = now_s
        self.planned: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        return self.now_s

    def at(self, unix_s: float, happens: Callable[[], None]) -> None:
        self.planned.append((unix_s, happens))
        self.planned.sort(key=lambda plan: plan[0])

    def go_to(self, unix_s: float) -> None:
        while self.planned and self.planned[0][0] <= unix_s:
            self.now_s, happens = self.planned.pop(0)
            happens()
        self.now_s = unix_s

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:
        until = self.now_s + timeout_s
        self.go_to(min(until, self.planned[0][0]) if self.planned else until)


class FakeLease:
    """What traffic, probes and controls use of a lease."""

    def __init__(self, spec: Spec, armed_unix_s: float = START) -> None:
        self.id = spec.id
        self.spec = spec
        self.state = "armed"
        self.reason = ""
        self.problem = ""
        self.armed_unix_s = armed_unix_s
        self.ended_unix_s: float | None = None
        self.callbacks: list[Callable[[Event], None]] = []
        self.stops = 0
        self.fails_to_stop: Exception | None = None

    def subscribe(self, callback: Callable[[Event], None]) -> None:
        self.callbacks.append(callback)

    def emit(self, event: Event) -> None:
        for callback in self.callbacks:
            callback(event)

    def end(self, reason: str, at_unix_s: float, state: str = "ended") -> None:
        self.state, self.reason, self.ended_unix_s = state, reason, at_unix_s

    def stop(self, timeout_s: float = 5.0) -> dict[str, Any]:
        self.stops += 1
        if self.fails_to_stop:
            raise self.fails_to_stop
        if self.state == "armed":
            self.end("stop", self.armed_unix_s + 60)
        return self.record()

    def record(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "kind": self.spec.kind,
            "state": self.state,
            "reason": self.reason,
            "spec": {"id": self.id},
            "totals": {},
            "problem": self.problem,
        }


def second(
    number: int,
    sent: int = 100,
    latency_ms: float = 20.0,
    start: float = START,
    **counters: Any,
) -> LoadSecond:
    """Return the record of one second of the load in which every request took ``latency_ms``."""
    statuses = counters.pop("statuses", {"200": sent})
    latency = {histogram.index(round(latency_ms * 1000)): sum(statuses.values())}
    counts = counters.pop("latency", latency)
    values = {"timeouts": 0, "connection_errors": 0, "late": 0, "dropped": 0, "impact": 0}
    values |= {"impact_n": 0, "intended": sent + counters.get("dropped", 0)} | counters
    return LoadSecond(
        start_unix_s=start + number,
        sent=sent,
        statuses=statuses,
        latency=Histogram(counts=counts),
        service_time=Histogram(counts=counts),
        **values,
    )


def arrives(lease: FakeLease, record: LoadSecond) -> None:
    lease.emit(Event(event="stats", id=lease.id, at_unix_s=record.start_unix_s + 1, load=record))


def load_spec(name: str = "checkout", timeout_ms: float = 2000.0) -> Spec:
    load = Load(url=URL, rate_rps=100.0, timeout_ms=timeout_ms)
    return Spec(id=name, kind="load", duration_s=3600.0, load=load)


class World:
    """A process in which leases are fakes and time is a `Timeline`.

    Attributes:
        time: passes while a probe waits.
        leases: all that were held, loads and faults.
        held: the arguments of each call of ``hold``.
        refuses: what ``hold`` raises, if anything.
        delivers: counters of every second that a load delivers; None for no seconds.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = Timeline()
        self.leases: list[FakeLease] = []
        self.held: list[tuple[list[str], str, Spec]] = []
        self.refuses: Exception | None = None
        self.delivers: dict[str, Any] | None = {}
        monkeypatch.setattr(binary, "find_agent", lambda: "/opt/chaos-agent")
        monkeypatch.setattr(holder, "hold", self.hold)
        monkeypatch.setattr(holder, "leases", lambda: list(self.leases))
        monkeypatch.setattr(recording, "Clock", lambda: self.time)

    def hold(self, argv: list[str], place: str, spec: Spec) -> FakeLease:
        if self.refuses:
            raise self.refuses
        self.held.append((argv, place, spec))
        started = FakeLease(spec, self.time.now())
        self.leases.append(started)
        for number in range(120) if self.delivers is not None else ():
            arrival = started.armed_unix_s + number + 1.5
            self.time.at(arrival, lambda n=number: self.deliver(started, n))
        return started

    def deliver(self, to: FakeLease, number: int) -> None:
        if to.state == "armed":
            arrives(to, second(number, start=to.armed_unix_s, **(self.delivers or {})))

    def start(self, name: str = "checkout") -> Recording:
        return load.start(name, Load(url=URL, rate_rps=100.0))

    def arm(self, name: str, armed_s: float, ended_s: float | None = None) -> FakeLease:
        fault = FakeLease(Spec(id=name, kind="http", duration_s=60.0), START + armed_s)
        if ended_s is not None:
            fault.end("stop", START + ended_s)
        self.leases.append(fault)
        return fault

    def stop_all(self) -> None:
        for running in load.running():
            load.stop(running)
