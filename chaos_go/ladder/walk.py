"""The walk at one load: the baseline, level by level, the baseline again.

How it ends is one of these codes:

- ``levels-done``: every given level was measured.
- ``design-done``: the design has no further level; its reason says why.
- ``max-impacted``, ``abort``, ``guard``: it stopped early, as asked.
- ``time``: the load may last no longer.
- ``inconclusive``: no window of a level could be used.
- ``interrupted``, ``error``: the action did not come to its end.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chaos_go.agent.contract import LONGEST_DURATION_S, LoadSecond
from chaos_go.agent.lease import Lease
from chaos_go.errors import AgentLostError, ChaosGoError, NoEffectError, NotEnoughDataError
from chaos_go.ladder import guard, seen
from chaos_go.ladder.choice import Chooser
from chaos_go.ladder.dose import Inject
from chaos_go.ladder.plan import Plan
from chaos_go.ladder.record import Record, Row
from chaos_go.traffic.recording import Recording, Window

logger = logging.getLogger("chaostoolkit")

_GRID_S = 0.5  # seconds start on a grid of one second

LOOK_CONFIDENCE = 0.99
"""Of the interval that the abort level is judged by: it is looked at every second."""

BASELINE_BEFORE, LEVEL, BASELINE_AFTER = "baseline-before", "level", "baseline-after"


@dataclass(frozen=True)
class End:
    """Why a walk ended."""

    code: str
    why: str


class Walk:
    """One load's walk. What it finds goes into the record at once, window by window."""

    def __init__(
        self,
        plan: Plan,
        record: Record,
        inject: Inject,
        recording: Recording,
        p99_recording: Recording | None,
    ) -> None:
        """Prepare; the loads run already."""
        self._plan = plan
        self._record = record
        self._inject = inject
        self._recording = recording
        self._p99_recording = p99_recording or recording
        self._rate_rps = recording.spec.load.rate_rps if recording.spec.load else math.nan
        self._began_unix_s = recording.now()
        self._rows: list[Row] = []
        self._level_rows: list[Row] = []
        self._dosed: list[tuple[float, float]] = []  # when a dose was in place
        self._number = 0
        self._impacted_before = record.impacted

    def run(self) -> End:
        """Measure everything; the fault of a level is gone before the next one begins."""
        end = self._guard() or self._level(0.0, BASELINE_BEFORE)
        chooser = Chooser(self._plan)
        while end is None:
            step = chooser.next(self._rows, self._record.impacted)
            if step.dose_ms is None:
                end = End(chooser.done_code, step.reason)
            elif self._is_late():
                end = End("time", f"a load lasts at most {LONGEST_DURATION_S:.0f} s")
            else:
                self._say(f"next {step.dose_ms:g} ms: {step.reason}; {chooser.left()}")
                end = self._level(step.dose_ms, LEVEL)
        self._say(f"stops: {end.code}: {end.why}")
        if end.code in ("guard", "inconclusive"):
            return end
        return self._level(0.0, BASELINE_AFTER) or end

    def _is_late(self) -> bool:
        """Whether another level and the last baseline do not fit into the life of the load."""
        spent_s = self._recording.now() - self._began_unix_s
        return spent_s + 2 * self._plan.longest_level_s > LONGEST_DURATION_S

    def _level(self, dose_ms: float, phase: str) -> End | None:
        """Measure all windows of one dose; its fault is gone afterwards, whatever happens."""
        number = len(self._record.levels) + 1
        level: dict[str, Any] = {"number": number, "dose_ms": dose_ms, "phase": phase}
        level["load_rps"] = self._rate_rps
        self._record.levels.append(level)
        self._level_rows = []
        fault: Lease | None = None
        problem: ChaosGoError | None = None
        name = f"{self._record.name}-{number}-{dose_ms:g}-ms"
        longest_s = self._plan.longest_level_s + dose_ms / 1000
        try:
            with self._inject(dose_ms, longest_s, name) as fault:
                self._begin(fault)
                end = self._settle() or self._windows(dose_ms, phase)
        finally:
            problem = self._account(level, fault)
        if problem:
            raise problem
        if not self._level_rows and end is None:
            end = End("inconclusive", f"no window at {dose_ms:g} ms could be used")
        return end

    def _begin(self, fault: Lease | None) -> None:
        """Count what is rejected from now on; say which connections the fault does not reach."""
        if fault is None:
            return
        self._dosed.append((self._recording.now(), math.inf))
        old = fault.armed_detail.untouched_connections if fault.armed_detail else 0
        if old:
            self._say(f"{old} connections from before the fault are not delayed until they end")

    def _settle(self) -> End | None:
        """Let the change of dose pass, unless too much is rejected even so."""
        until = self._recording.now() + self._plan.settle_s
        while self._recording.now() < until:
            self._recording.wait(until)
            if end := self._spent():
                return end
        return None

    def _windows(self, dose_ms: float, phase: str) -> End | None:
        """Measure the windows of a level; one that cannot be used is repeated once."""
        for number in range(1, self._plan.windows + 1):
            for _attempt in range(2):
                window, end = self._window(dose_ms)
                if window:
                    self._keep(window, dose_ms, phase, number)
                if end := end or self._guard():
                    return end
                if window:
                    break
        return None

    def _window(self, dose_ms: float) -> tuple[Window | None, End | None]:
        """Measure one window, up to now if something ends the walk; None when it is of no use."""
        origin, now = self._recording.origin(), self._recording.now()
        start = origin + math.ceil(now - origin)
        end, seconds = self._watch(dose_ms, start)
        if seconds == 0:
            return None, end
        self._number += 1
        try:
            return self._recording.between(start, start + seconds), end
        except NotEnoughDataError as error:
            if self._recording.lease.state != "armed":
                raise
            self._refuse({"dose_ms": dose_ms, "start_unix_s": start}, str(error))
            return None, end

    def _watch(self, dose_ms: float, start: float) -> tuple[End | None, int]:
        """Look at every second of a window as it arrives; give how many whole ones it has."""
        length = self._plan.window_s
        latest = start + length + self._plan.patience_s
        while True:
            seconds = [
                second
                for second in self._recording.seconds()
                if -_GRID_S < second.start_unix_s - start < length - _GRID_S
            ]
            end = (self._spent() or self._is_abort(seconds)) if dose_ms else None
            if end:
                return end, len(seconds)
            if len(seconds) == length or self._recording.now() > latest:
                return None, length
            self._recording.wait(latest)

    def _spent(self) -> End | None:
        """Count the rejected transactions of all doses, and tell when they are too many."""
        impacted = self._impacted_before + sum(
            second.impact
            for second in self._recording.seconds()
            if any(begin - 1 < second.start_unix_s < end for begin, end in self._dosed)
        )
        self._record.impacted = impacted
        if impacted < self._plan.max_impacted:
            return None
        return End("max-impacted", f"{impacted} of {self._plan.max_impacted} impacted transactions")

    def _is_abort(self, seconds: Sequence[LoadSecond]) -> End | None:
        """Tell when the extra risk of this level is clearly above the abort level."""
        partial = {
            "n": sum(second.impact_n for second in seconds),
            "k": sum(second.impact for second in seconds),
        }
        rows = [*self._level_rows, partial]
        if not any(row["n"] for row in rows):
            return None
        risk = seen.extra_risk(rows, self._baseline(), LOOK_CONFIDENCE)
        if risk.low <= self._plan.abort_extra_risk:
            return None
        return End("abort", f"extra risk {risk} is above {self._plan.abort_extra_risk:.2%}")

    def _baseline(self) -> list[Row]:
        return [row for row in self._rows if row["dose_ms"] == 0]

    def _keep(self, window: Window, dose_ms: float, phase: str, number: int) -> None:
        """Write a window down, at once, and say what it shows."""
        row = seen.row(window, dose_ms, self._number, self._rate_rps)
        row["phase"] = phase
        try:
            p99_window = window
            if self._p99_recording is not self._recording:
                begin, end = window.start_unix_s, window.end_unix_s
                p99_window = self._p99_recording.between(begin, end)
            seen.add_p99(row, p99_window)
        except NotEnoughDataError as error:
            row["p99_missing"] = str(error)
        self._record.observations.append(row)
        self._rows.append(row)
        self._level_rows.append(row)
        risk = f"extra risk {seen.extra_risk(self._level_rows, self._baseline())}"
        if dose_ms == 0:
            risk = f"background {row['k'] / max(row['n'], 1):.2%}"
        self._say(
            f"{dose_ms:g} ms, window {number} of {self._plan.windows}: n={row['n']} k={row['k']}, "
            f"{risk}, {seen.say_p99(row)}; {self._record.impacted} of "
            f"{self._plan.max_impacted} impacted"
        )

    def _account(self, level: dict[str, Any], fault: Lease | None) -> ChaosGoError | None:
        """Close the books of a level; windows of a fault that did not act are no observations."""
        problem: ChaosGoError | None = None
        if fault:
            self._dosed[-1:] = [(begin, self._recording.now()) for begin, _ in self._dosed[-1:]]
            self._spent()
            level |= {"fault": fault.id, "delayed": fault.totals.get("delayed", 0)}
            level["untouched_connections"] = (
                fault.armed_detail.untouched_connections if fault.armed_detail else 0
            )
            problem = _problem(fault)
        if problem:
            for row in self._level_rows:
                self._record.observations.remove(row)
                self._refuse(row, str(problem))
            self._level_rows = []
        level["n"] = sum(row["n"] for row in self._level_rows)
        level["k"] = sum(row["k"] for row in self._level_rows)
        return problem

    def _refuse(self, row: Row, reason: str) -> None:
        """Write down that a window is of no use, and why."""
        self._say(f"a window at {row['dose_ms']:g} ms is inconclusive: {reason}")
        entry = {**row, "load_rps": self._rate_rps, "window": self._number, "reason": reason}
        self._record.inconclusive.append(entry)

    def _guard(self) -> End | None:
        breach = guard.breach(self._plan.guard)
        return End("guard", breach) if breach else None

    def _say(self, text: str) -> None:
        logger.info("ladder %r: %s", self._record.name, text)


def _problem(fault: Lease) -> ChaosGoError | None:
    """Tell why the windows under a fault that is over are not at its dose."""
    if fault.effect is not True:
        return NoEffectError(
            f"fault {fault.id!r} at {fault.place_name} touched no request "
            f"({fault.totals.get('seen', 0)} seen); see that the traffic leads to the target, that "
            "path and method match, and that settle_s outlasts old connections"
        )
    if fault.state != "ended" or fault.reason != "stop":
        how = fault.problem or fault.reason or fault.state
        return AgentLostError(f"fault {fault.id!r} did not last until its level was over: {how}")
    return None
