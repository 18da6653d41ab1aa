"""Records the results of a load, second by second, while it runs.

A thread of the lease writes a `Recording`; probes read windows of it. A second arrives once all of
its requests have ended. A request may wait for a slot as long as its timeout and then take as long
again. So the newest second may arrive late by twice the timeout. Reading a window waits that long
and no longer. An incomplete window is an error; nothing is estimated from it.
"""

import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from chaos_go.agent.contract import Event
from chaos_go.agent.fault import Fault
from chaos_go.errors import NotEnoughDataError
from chaos_go.traffic.contract import Load, LoadSecond
from chaos_go.traffic.merge import merged

logger = logging.getLogger("chaostoolkit")

LONG_WAIT_S = 2
"""A probe that waits longer than this for data says so in the log."""

SLACK_S = 3.0
"""Seconds after the end of its last request in which a second may still arrive."""

LARGEST_UNSENT = 0.01
"""Largest fraction of requests that may be late or dropped. Above it, the load was not as asked."""

_LOOK_S = 0.5  # a lease that was lost sends no event, so its state is looked at this often
_GRID_S = 0.001  # tolerance: seconds start on a grid of one second, with errors of float arithmetic


@dataclass(frozen=True)
class Window:
    """The whole seconds of a period; none is missing.

    Attributes:
        traffic: Name of the load.
        start_unix_s: Start of the first second, in seconds since 1970.
        end_unix_s: End of the last second, in seconds since 1970.
        timeout_ms: Milliseconds after which a request was given up.
        seconds: The record of each second, in order.
    """

    traffic: str
    start_unix_s: float
    end_unix_s: float
    timeout_ms: float
    seconds: Sequence[LoadSecond] = field(repr=False)

    def total(self, counter: str) -> int:
        """Add one counter up over all seconds, for instance ``sent``."""
        return sum(getattr(second, counter) for second in self.seconds)


class Clock:
    """The time and how to wait. Tests replace it to control the time."""

    def now(self) -> float:
        """Return the seconds since 1970."""
        return time.time()

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:
        """Wait until another thread notifies, at most ``timeout_s``; the lock is held."""
        condition.wait(timeout_s)


class Generator(Protocol):
    """What sends a load in place of an agent on this machine, and is removed after it."""

    def clocks(self) -> "Clocks":
        """Return how the clocks of its agents are read."""
        ...

    def record(self) -> dict[str, Any]:
        """Return what the journal has of it."""
        ...

    def remove(self) -> None:
        """Remove it, at the end of the load. Errors are logged."""
        ...


@dataclass(frozen=True)
class Clocks:
    """The clocks of several agents that share a load.

    Attributes:
        start_unix_s: When the first second of all of them begins, by the clock of this machine.
        ahead_s: For each agent, by how much its clock is ahead of the one of this machine.
    """

    start_unix_s: float
    ahead_s: Sequence[float]


class Recording:
    """The seconds of one load as they arrive. Every method may be called from any thread.

    A load that several agents share is recorded as one: a second has arrived when all of them have
    delivered it.

    Attributes:
        name: Name of the load.
        load: What was asked for, of all agents together.
        fault: The fault object that holds the load.
        generator: What sends it; None for an agent on this machine.
        timeout_ms: Milliseconds after which a request is given up.
        patience_s: Seconds after its end in which a second may still arrive.
    """

    def __init__(
        self,
        name: str,
        fault: Fault,
        clock: Clock | None = None,
        generator: Generator | None = None,
    ) -> None:
        """Start to record what the agents report.

        Args:
            name: Name of the load.
            fault: The fault object that holds the load; with a generator, at several places.
            clock: The time of this machine; the real one by default.
            generator: What sends the load; by default an agent on this machine.
        """
        load = fault.spec.detail
        if not isinstance(load, Load):
            raise TypeError(f"name={name}: the spec is not one of a load")
        self.name = name
        self.load = load
        self.fault = fault
        self.generator = generator
        self.timeout_ms = load.timeout_ms
        self.patience_s = 2 * load.timeout_ms / 1000 + SLACK_S
        self._clock = clock or Clock()
        self._seconds: dict[int, LoadSecond] = {}
        self._parts: dict[int, dict[int, LoadSecond]] = {}  # of seconds that some have delivered
        self._clocks = generator.clocks() if generator else None
        self._origin: float | None = None
        self._changed = threading.Condition()
        for agent, lease in enumerate(fault.leases):
            lease.subscribe(partial(self._on_event, agent))

    @property
    def since_unix_s(self) -> float:
        """When the load began, in seconds since 1970."""
        return self._clocks.start_unix_s if self._clocks else self.fault.armed_unix_s

    @property
    def runs(self) -> bool:
        """Whether every agent still sends."""
        return not self._ended()

    def seconds(self) -> list[LoadSecond]:
        """Return all seconds that have arrived so far, in order."""
        with self._changed:
            return [self._seconds[number] for number in sorted(self._seconds)]

    def now(self) -> float:
        """Return the time by the clock of this recording, in seconds since 1970."""
        return self._clock.now()

    def origin(self) -> float:
        """Return the start of the first second, in seconds since 1970, once that has arrived.

        Raises:
            NotEnoughDataError: The first second did not arrive in time.
        """
        with self._changed:
            return self._wait_for_origin()

    def wait(self, until_unix_s: float) -> None:
        """Wait until a time, or until the next second arrives, whichever is first.

        Raises:
            NotEnoughDataError: The load has ended, so no second will arrive.
        """
        with self._changed:
            if ended := self._ended():
                raise NotEnoughDataError(
                    f"traffic {self.name!r} ended ({ended}) after {len(self._seconds)} s of data"
                )
            left_s = until_unix_s - self._clock.now()
            if left_s > 0:
                self._clock.wait(self._changed, min(left_s, _LOOK_S))

    def problem(self) -> str:
        """Return what is wrong with the record as a whole; "" if nothing is."""
        with self._changed:
            ended = self._ended()
            if ended:
                return f"traffic {self.name!r} ended ({ended}) after {len(self._seconds)} s of data"
            missing = max(self._seconds, default=-1) + 1 - len(self._seconds)
        if missing:
            return f"traffic {self.name!r}: {missing} seconds are missing in the record"
        return _unsent(self.name, self.seconds())

    def last(self, window_s: float) -> Window:
        """Return the newest whole seconds, as many as fit into ``window_s`` (at least 1).

        Right after the start of the load it waits until there are so many.

        Raises:
            NotEnoughDataError: As `between`.
        """
        length = math.floor(window_s + _GRID_S)
        with self._changed:
            origin = self._wait_for_origin()
            elapsed = math.floor(self._clock.now() - origin + _GRID_S)
            if length - elapsed > LONG_WAIT_S:
                logger.info(
                    "traffic %r is %d s old: waiting until it has %d s of data",
                    self.name,
                    elapsed,
                    length,
                )
            stop = max(elapsed, length)
            return self._numbers(origin, stop - length, stop)

    def between(self, start_unix_s: float, end_unix_s: float) -> Window:
        """Return the whole seconds that lie inside a period.

        Raises:
            NotEnoughDataError: The period has no whole second or begins before the load, the load
                ended, seconds are missing or stale, or more than 1 % of the requests were not sent
                on time. The message has the numbers.
        """
        with self._changed:
            origin = self._wait_for_origin()
            first = math.ceil(start_unix_s - origin - _GRID_S)
            stop = math.floor(end_unix_s - origin + _GRID_S)
            self._refuse_before_start(first)
            if stop <= first:
                raise NotEnoughDataError(
                    f"traffic {self.name!r}: a window of {end_unix_s - start_unix_s:.1f} s holds "
                    "no whole second; make it longer"
                )
            return self._numbers(origin, first, stop)

    def covering(self, start_unix_s: float, end_unix_s: float, before_s: float = 0.0) -> Window:
        """Return the whole seconds that a period touches, once they have arrived.

        Args:
            start_unix_s: Start of the period, in seconds since 1970.
            end_unix_s: Its end, in seconds since 1970. The second that it lies in is waited for.
            before_s: Seconds before the period that are wanted too, as far as the load ran by then;
                0 by default.

        Raises:
            NotEnoughDataError: As `between`.
        """
        with self._changed:
            origin = self._wait_for_origin()
            self._refuse_before_start(math.floor(start_unix_s - origin + _GRID_S))
            first = max(0, math.floor(start_unix_s - before_s - origin + _GRID_S))
            stop = math.ceil(end_unix_s - origin - _GRID_S)
            return self._numbers(origin, first, max(stop, first + 1))

    def _refuse_before_start(self, first: int) -> None:
        if first < 0:
            raise NotEnoughDataError(
                f"traffic {self.name!r} began {-first} s after the window did; "
                "start the load first, with the control chaos_go.controls.traffic"
            )

    def _numbers(self, origin: float, first: int, stop: int) -> Window:
        """Return the seconds first..stop-1, counted from the first one of the load."""
        self._wait_for_second(stop - 1, origin + stop)
        wanted = range(first, stop)
        missing = [number for number in wanted if number not in self._seconds]
        if missing:
            raise NotEnoughDataError(
                f"traffic {self.name!r}: {len(missing)} of {len(wanted)} seconds of the window are "
                f"missing, the first at unix time {origin + missing[0]:.0f}; run it again"
            )
        seconds = [self._seconds[number] for number in wanted]
        if problem := _unsent(self.name, seconds):
            raise NotEnoughDataError(problem)
        return Window(self.name, origin + first, origin + stop, self.timeout_ms, seconds)

    def _wait_for_origin(self) -> float:
        """Wait for the first second; return its start."""
        self._wait_for_second(0, self.since_unix_s + 1)
        if self._origin is None:
            raise AssertionError("the first second has arrived but has no start")
        return self._origin

    def _wait_for_second(self, number: int, end_unix_s: float) -> None:
        """Wait until a second or a later one has arrived, as long as it may still arrive."""
        deadline = end_unix_s + self.patience_s
        while max(self._seconds, default=-1) < number:
            if ended := self._ended():
                raise NotEnoughDataError(
                    f"traffic {self.name!r} ended ({ended}) after {len(self._seconds)} s of data; "
                    f"{number + 1} s are needed"
                )
            left_s = deadline - self._clock.now()
            if left_s <= 0:
                raise NotEnoughDataError(self._stale())
            self._clock.wait(self._changed, min(left_s, _LOOK_S))

    def _ended(self) -> str:
        """Return why no more seconds will come; "" while the load runs."""
        ends = {
            lease.place.name: lease.reason or lease.problem or lease.state
            for lease in self.fault.leases
            if lease.state != "armed"
        }
        if len(self.fault.leases) == 1:
            return "".join(ends.values())
        return "; ".join(f"{place}: {why}" for place, why in ends.items())

    def _stale(self) -> str:
        since, what = self.since_unix_s, "it has not delivered a second since its start"
        if self._origin is not None:
            since, what = self._origin + max(self._seconds) + 1, "its newest second is of"
        age_s = self._clock.now() - since
        return (
            f"traffic {self.name!r} is stale: {what} {age_s:.1f} s ago, more than "
            f"2 timeouts + {SLACK_S:g} s = {self.patience_s:g} s; see whether its agent is alive"
        )

    def _on_event(self, agent: int, event: Event) -> None:
        with self._changed:
            if event.event == "stats" and isinstance(event.totals, LoadSecond):
                if self._clocks:
                    self._take_part(self._clocks, agent, event.totals)
                else:
                    self._take(event.totals)
            self._changed.notify_all()

    def _take(self, second: LoadSecond) -> None:
        if self._origin is None:
            self._origin = second.start_unix_s
        self._seconds[round(second.start_unix_s - self._origin)] = second

    def _take_part(self, clocks: Clocks, agent: int, part: LoadSecond) -> None:
        start = part.start_unix_s - clocks.ahead_s[agent]
        number = round(start - clocks.start_unix_s)
        parts = self._parts.setdefault(number, {})
        parts[agent] = part
        if len(parts) == len(self.fault.leases):
            self._origin = clocks.start_unix_s
            del self._parts[number]
            self._seconds[number] = merged(list(parts.values()), clocks.start_unix_s + number)


_LATE = (
    "the machine that sends them was too busy: run again when it has less to do, lower rate_rps, "
    "or send from more pods"
)
_DROPPED = "max_in_flight requests waited for their answers: raise it, or lower rate_rps"


def _unsent(name: str, seconds: Sequence[LoadSecond]) -> str:
    """Return how the load was not as asked, or "". Such a load makes a service look too good."""
    intended, late, dropped = (
        sum(getattr(second, counter) for second in seconds)
        for counter in ("intended", "late", "dropped")
    )
    if intended == 0:
        return (
            f"traffic {name!r}: no request was due in {len(seconds)} s; raise rate_rps or make the "
            "window longer"
        )
    if late + dropped > LARGEST_UNSENT * intended:
        return (
            f"traffic {name!r}: {late} late and {dropped} dropped of {intended} requests are more "
            f"than {LARGEST_UNSENT:.0%}; {_LATE if late >= dropped else _DROPPED}"
        )
    return ""
