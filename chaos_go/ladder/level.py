"""Measures one level: puts the dose in place, runs the load, measures windows, removes the dose.

The load starts after the dose and ends before it. So no connection is older than the fault, and no
request of a window goes on without the fault.
"""

import contextlib
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chaos_go.agent.fault import Fault
from chaos_go.errors import AgentLostError, ChaosGoError, NotEnoughDataError
from chaos_go.faults import no_effect
from chaos_go.ladder import guard, windows
from chaos_go.ladder.dose import Inject
from chaos_go.ladder.plan import Plan
from chaos_go.ladder.record import Record, Row
from chaos_go.traffic import load as loads
from chaos_go.traffic.contract import Load, LoadSecond
from chaos_go.traffic.recording import LARGEST_UNSENT, Recording, Window

logger = logging.getLogger("chaostoolkit")

BASELINE_BEFORE, DOSED, BASELINE_AFTER = "baseline-before", "dosed", "baseline-after"

LOOK_CONFIDENCE = 0.99
"""Confidence of the interval for the abort level. It is high, because every second is judged."""

_HALF_S = 0.5  # half a step of the grid on which seconds start


@dataclass(frozen=True)
class End:
    """Why a walk ends: one of the codes of `chaos_go.ladder.walk`, and the same in words."""

    code: str
    why: str


class Level:
    """One dose at one load. Each window is added to the record as soon as it is measured.

    Attributes:
        rows: The windows that can be used.
    """

    def __init__(
        self, plan: Plan, record: Record, load: Load, dose_ms: float, baseline: Sequence[Row]
    ) -> None:
        """Prepare; ``baseline`` has the windows without a dose at the same load so far."""
        self.rows: list[Row] = []
        self._plan = plan
        self._record = record
        self._load = load
        self._dose_ms = dose_ms
        self._baseline = baseline
        self._impacted_before = record.impacted
        self._number = len(record.levels) + 1

    def measure(self, inject: Inject, phase: str) -> End | None:
        """Measure all windows; return why the walk ends here, or None. The fault is gone then.

        Raises:
            ChaosGoError: The fault touched nothing or did not last, or the load ended.
        """
        level: dict[str, Any] = {"number": self._number, "dose_ms": self._dose_ms}
        level |= {"load_rps": self._load.rate_rps, "phase": phase}
        self._record.levels.append(level)
        name = f"{self._plan.name}-{self._number}-{self._dose_ms:g}-ms"
        longest_s = self._plan.longest_level_s + self._dose_ms / 1000
        fault: Fault | None = None
        problem: ChaosGoError | None = None
        try:
            with inject(self._dose_ms, longest_s, name) as fault, self._traffic() as recordings:
                end = self._settle(recordings[0]) or self._windows(*recordings)
        finally:
            problem = self._account(level, fault)
        if problem:
            raise problem
        if not self.rows and end is None:
            reason = self._record.inconclusive[-1]["reason"]
            why = f"no window at {self._dose_ms:g} ms could be used, at last because of {reason}"
            return End("inconclusive", why)
        return end

    @contextlib.contextmanager
    def _traffic(self) -> Iterator[tuple[Recording, Recording]]:
        """Drive the load and the load whose P99 is reported, which may be the same."""
        name, p99_load = self._plan.name, self._plan.p99_load
        with self._running(name, self._load) as recording:
            if p99_load is None:
                yield recording, recording
                return
            with self._running(f"{name}-p99", p99_load) as p99_recording:
                yield recording, p99_recording

    @contextlib.contextmanager
    def _running(self, name: str, load: Load) -> Iterator[Recording]:
        recording = loads.start(name, load)
        try:
            yield recording
        finally:
            self._record.add_traffic(name, loads.finish(recording))

    def _settle(self, recording: Recording) -> End | None:
        """Wait for the settling time; return an end if too many transactions are lost in it."""
        until = recording.now() + self._plan.settle_s
        while recording.now() < until:
            recording.wait(until)
            if end := self._is_spent(recording):
                return end
        return None

    def _windows(self, recording: Recording, p99_recording: Recording) -> End | None:
        """Measure every window; one that cannot be used is repeated once."""
        end = self._guard()
        for number in range(1, self._plan.windows + 1):
            for more in (True, False):
                if end:
                    return end
                window, end = self._window(recording, more)
                if window:
                    self._keep(window, p99_recording, number)
                end = end or self._guard()
                if window:
                    break
        return end

    def _guard(self) -> End | None:
        breach = guard.breach(self._plan.guard)
        return End("guard", breach) if breach else None

    def _window(self, recording: Recording, again: bool) -> tuple[Window | None, End | None]:
        """Measure a window; return it, or None if it cannot be used, and why the walk ends, if so.

        A window that is cut short by the end of the walk is returned too.
        """
        origin = recording.origin()
        start = origin + math.ceil(recording.now() - origin)
        end, seen_s = self._watch(recording, start)
        if end:
            return self._cut(recording, start, seen_s), end
        try:
            window = recording.between(start, start + self._plan.window_s)
        except NotEnoughDataError as error:
            if not recording.runs:
                raise
            self._refuse({"start_unix_s": start}, str(error))
            self._say(f"window cannot be used{' and is repeated' if again else ''}: {error}")
            return None, None
        if window.total("impact_n"):
            return window, None
        self._refuse({"start_unix_s": start}, "no transaction was answered or timed out")
        return None, None

    def _cut(self, recording: Recording, start: float, seconds: list[LoadSecond]) -> Window | None:
        """Return the window that was cut short; None if its load was not as asked."""
        window = Window(recording.name, start, start + len(seconds), recording.timeout_ms, seconds)
        unsent, intended = window.total("late") + window.total("dropped"), window.total("intended")
        if unsent > max(1, LARGEST_UNSENT * intended):  # of few requests, 1 is above 1 %
            reason = f"{unsent} of {intended} requests of the window that was cut short were late"
            self._refuse({"start_unix_s": start}, reason)
            self._say(f"window cannot be used: {reason}")
            return None
        return window if window.total("impact_n") else None

    def _watch(self, recording: Recording, start: float) -> tuple[End | None, list[LoadSecond]]:
        """Check each second of a window as it arrives; return why the walk ends, and them."""
        length = self._plan.window_s
        latest = start + length + self._plan.patience_s
        while True:
            seconds = [
                second
                for second in recording.seconds()
                if -_HALF_S < second.start_unix_s - start < length - _HALF_S
            ]
            end = self._is_spent(recording) or self._is_abort(seconds)
            if end:
                return end, seconds
            if len(seconds) == length or recording.now() > latest:
                return None, seconds
            recording.wait(latest)

    def _is_spent(self, recording: Recording) -> End | None:
        """Count the transactions that this dose has cost; return an end when they are too many."""
        if self._dose_ms == 0:
            return None
        impacted = self._impacted_before + sum(second.impact for second in recording.seconds())
        self._record.impacted = impacted
        if impacted < self._plan.max_impacted:
            return None
        return End("max-impacted", f"{impacted} of {self._plan.max_impacted} impacted transactions")

    def _is_abort(self, seconds: Sequence[LoadSecond]) -> End | None:
        """Return an end when the extra risk of this level is clearly above the abort level."""
        new = {"n": sum(x.impact_n for x in seconds), "k": sum(x.impact for x in seconds)}
        rows = [*self.rows, new]
        if self._dose_ms == 0 or not any(row["n"] for row in rows):
            return None
        risk = windows.extra_risk(rows, self._baseline, LOOK_CONFIDENCE)
        if risk.low <= self._plan.abort_extra_risk:
            return None
        return End("abort", f"extra risk {risk} is above {self._plan.abort_extra_risk:.2%}")

    def _keep(self, window: Window, p99_recording: Recording, number: int) -> None:
        """Add a window to the record and log what it shows."""
        of_load = [x for x in self._record.observations if x["load_rps"] == self._load.rate_rps]
        row = windows.row(window, self._dose_ms, len(of_load) + 1, self._load.rate_rps)
        try:
            p99_window = window
            if p99_recording.name != window.traffic:
                # The seconds of the two loads start at different times. With half a second more
                # at each end, the window of the second load has as many whole seconds.
                begin, end = window.start_unix_s - _HALF_S, window.end_unix_s + _HALF_S
                p99_window = p99_recording.between(begin, end)
            windows.add_p99(row, p99_window)
        except NotEnoughDataError as error:
            row["p99_missing"] = str(error)
        self._record.observations.append(row)
        self.rows.append(row)
        rows = [*self.rows] if self._dose_ms else []
        risk = f"extra risk {windows.extra_risk(rows, self._baseline)}" if rows else "no dose"
        self._say(
            f"{self._dose_ms:g} ms, window {number} of {self._plan.windows}: n={row['n']} "
            f"k={row['k']}, {risk}, {windows.say_p99(row)}; {self._record.impacted} of at most "
            f"{self._plan.max_impacted} lost"
        )

    def _account(self, level: dict[str, Any], fault: Fault | None) -> ChaosGoError | None:
        """Complete the level's record; return the fault's problem, after which no window counts."""
        problem = _problem(fault) if fault else None
        if fault:
            level |= {"fault": fault.id, "said": fault.said}
        if problem:
            for row in self.rows:
                self._record.observations.remove(row)
                self._refuse(row, str(problem))
            self.rows = []
        level["n"] = sum(row["n"] for row in self.rows)
        level["k"] = sum(row["k"] for row in self.rows)
        return problem

    def _refuse(self, row: Row, reason: str) -> None:
        """Record that a window cannot be used, and why."""
        of = {"level": self._number, "dose_ms": self._dose_ms, "load_rps": self._load.rate_rps}
        self._record.inconclusive.append({**row, **of, "reason": reason})

    def _say(self, text: str) -> None:
        logger.info("ladder %r: %s", self._plan.name, text)


def _problem(fault: Fault) -> ChaosGoError | None:
    """Return why a fault did not act on all windows of its level; None if it did."""
    if problem := no_effect(fault):
        return problem
    for lease in fault.leases:
        if lease.state != "ended" or lease.reason != "stop":
            how = lease.problem or lease.reason or lease.state
            return AgentLostError(
                f"fault {fault.id!r} did not last until its level was over: {how}"
            )
    return None
