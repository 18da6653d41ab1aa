"""A load without an agent: it has its own time, and its seconds arrive when the test says so.

It replaces the lease, the layer below traffic, and feeds real `Recording`s and `Fault`s.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from chaos_go.agent import holder, judge
from chaos_go.agent.contract import Event, Spec, Way
from chaos_go.agent.fault import Fault
from chaos_go.agent.holder import LeaseHolder
from chaos_go.agent.place import LocalReach, Place
from chaos_go.faults.http import HTTP, HTTPAbort
from chaos_go.traffic import histogram, load, recording
from chaos_go.traffic.contract import Histogram, Load, LoadSecond
from chaos_go.traffic.recording import Clock, Recording

START = 1_764_108_000.25
URL = "http://127.0.0.1:8080/checkout"


class Timeline(Clock):
    """Time that passes only while a thread waits, and actions that run at given times."""

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
    """The part of a lease that faults, traffic, probes and controls use.

    Attributes:
        stops: How often its end was waited for.
        fails_to_stop: The error that this raises, if any.
    """

    effect: bool | None = None
    said = "nothing was reported"
    advice = "see whether its agent reports"

    def __init__(self, spec: Spec, armed_unix_s: float = START, place: Place | None = None) -> None:
        self.id = spec.id
        self.spec = spec
        self.place = place or Place(f"load/{spec.id}", LocalReach())
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

    def ask_to_stop(self) -> None:
        pass

    def stop(self, timeout_s: float = 5.0) -> dict[str, Any]:
        self.stops += 1
        if self.fails_to_stop:
            raise self.fails_to_stop
        if self.state == "armed":
            self.end("stop", self.armed_unix_s + 60)
        return self.record()

    def record(self) -> dict[str, Any]:
        return {
            "place": self.place.name,
            "state": self.state,
            "reason": self.reason,
            "totals": {},
            "problem": self.problem,
        }


def fault_of(*leases: FakeLease) -> Fault:
    """Return a real fault that has fake leases."""
    return Fault(leases[0].spec, leases)  # type: ignore[arg-type]


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
    lease.emit(Event(event="stats", id=lease.id, at_unix_s=record.start_unix_s + 1, totals=record))


def load_spec(name: str = "checkout", timeout_ms: float = 2000.0) -> Spec:
    return load.spec_of(name, Load(url=URL, rate_rps=100.0, timeout_ms=timeout_ms))


class World(LeaseHolder):
    """A process in which leases are fakes and time is a `Timeline`.

    The real agent judges every value, as it does before it arms.

    Attributes:
        time: The time, which passes while a probe waits.
        leases: All leases of loads and faults that were held.
        held: Places and spec of each call of ``hold`` that was not refused.
        refuses: The error that ``hold`` raises, if any.
        delivers: Counters of every second that a load delivers; None for no seconds.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.time = Timeline()
        self.leases: list[FakeLease] = []
        self.held: list[tuple[list[Place], Spec]] = []
        self.refuses: Exception | None = None
        self.delivers: dict[str, Any] | None = {}
        for name in ("hold", "faults", "find", "fault_window"):
            monkeypatch.setattr(holder, name, getattr(self, name))
        monkeypatch.setattr(recording, "Clock", lambda: self.time)

    def hold(
        self,
        places: Sequence[Place],
        spec: Spec,
        scope: Mapping[str, Any] | None = None,
        start_timeout_s: float = 10.0,
        derived: str = "",
    ) -> Fault:
        if self.refuses:
            raise self.refuses
        spec = replace(spec, id=spec.id or derived)
        for error in judge.judge([replace(spec, way=place.way) for place in places]):
            if error:
                raise error
        self.held.append((list(places), spec))
        leases = [FakeLease(spec, self.time.now(), place) for place in places]
        for lease in leases if isinstance(spec.detail, Load) else ():
            self._plan_seconds(lease)
        return self._keep(leases)

    def _keep(self, leases: list[FakeLease]) -> Fault:
        self.leases += leases
        fault = fault_of(*leases)
        self._faults.append(fault)
        return fault

    def _plan_seconds(self, lease: FakeLease) -> None:
        for number in range(120) if self.delivers is not None else ():
            arrival = lease.armed_unix_s + number + 1.5
            self.time.at(arrival, lambda n=number: self.deliver(lease, n))

    def deliver(self, to: FakeLease, number: int) -> None:
        if to.state == "armed":
            arrives(to, second(number, start=to.armed_unix_s, **(self.delivers or {})))

    def start(self, name: str = "checkout") -> Recording:
        return load.start(name, Load(url=URL, rate_rps=100.0))

    def arm(self, name: str, armed_s: float, ended_s: float | None = None) -> FakeLease:
        """Have a fault that was armed at some second of the time, at one place."""
        return self.arm_at(name, (armed_s, ended_s))[0]

    def arm_at(self, name: str, *times: tuple[float, float | None]) -> list[FakeLease]:
        """Have a fault at one place per pair of times, from when it was armed there to its end."""
        detail = HTTP(percentage=100.0, abort=HTTPAbort(status=503))
        spec = Spec(id=name, kind="http", duration_s=60.0, detail=detail)
        leases = []
        for port, (armed_s, ended_s) in enumerate(times, start=8081):
            place = Place(f"port/{port}", LocalReach(), Way(port=port))
            lease = FakeLease(spec, START + armed_s, place)
            if ended_s is not None:
                lease.end("stop", START + ended_s)
            leases.append(lease)
        self._keep(leases)
        return leases

    def stop_all(self, timeout_s: float = 5.0) -> None:
        for running in load.running():
            load.stop(running)
