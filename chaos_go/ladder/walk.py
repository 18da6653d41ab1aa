"""Measures one load: the baseline, one level after another, then the baseline again.

It ends with one of these codes:

- ``levels-done``: every given level was measured.
- ``design-done``: the design has no further level; its reason says why.
- ``max-impacted``, ``abort``, ``guard``: one of the limits stopped it early.
- ``inconclusive``: no window of a level could be used.
- ``interrupted``, ``error``: the action did not finish.

After ``guard`` and ``inconclusive`` the baseline is not measured again: either the service has to
recover, or the load cannot be driven.
"""

import logging

from chaos_go.ladder.choice import Chooser
from chaos_go.ladder.dose import Inject
from chaos_go.ladder.level import BASELINE_AFTER, BASELINE_BEFORE, DOSED, End, Level
from chaos_go.ladder.plan import Plan
from chaos_go.ladder.record import Record, Row
from chaos_go.traffic.contract import Load

logger = logging.getLogger("chaostoolkit")

AT_ONCE = ("guard", "inconclusive")
"""Ends after which nothing more is measured."""


class Walk:
    """The ladder at one load."""

    def __init__(self, plan: Plan, record: Record, inject: Inject, load: Load) -> None:
        """Prepare."""
        self._plan = plan
        self._record = record
        self._inject = inject
        self._load = load
        self._rows: list[Row] = []

    def run(self) -> End:
        """Measure all levels. The fault of a level is gone before the next level begins."""
        chooser = Chooser(self._plan)
        self._say(f"the baseline at {self._load.rate_rps:g} requests per second; {chooser.left()}")
        end = self._level(0.0, BASELINE_BEFORE)
        while end is None:
            step = chooser.next(self._rows, self._record.impacted)
            if step.dose_ms is None:
                end = End(chooser.done_code, step.reason)
            else:
                self._say(f"next {step.dose_ms:g} ms: {step.reason}; {chooser.left()}")
                end = self._level(step.dose_ms, DOSED)
        if end.code in AT_ONCE:
            self._say(f"stops: {end.why}")
            return end
        self._say(f"no further delay: {end.why}; now the baseline again")
        return self._level(0.0, BASELINE_AFTER) or end

    def _level(self, dose_ms: float, phase: str) -> End | None:
        baseline = [row for row in self._rows if row["dose_ms"] == 0]
        level = Level(self._plan, self._record, self._load, dose_ms, baseline)
        end = level.measure(self._inject, phase)
        self._rows += level.rows
        return end

    def _say(self, text: str) -> None:
        logger.info("ladder %r: %s", self._plan.name, text)
