"""Chooses the next dose: the next one of those that were given, or the one of the design."""

from collections.abc import Sequence

from chaos_go.ladder.plan import Plan
from chaos_go.ladder.record import Row
from chaos_go.sla import records
from chaos_go.sla.design import Step, next_level


class Chooser:
    """Chooses the levels of one load."""

    def __init__(self, plan: Plan) -> None:
        """Begin with the first of the given doses, if there are any."""
        self._plan = plan
        self._given = list(plan.levels_ms)
        self._chosen = 0
        self.done_code = "levels-done" if plan.levels_ms else "design-done"

    def next(self, rows: Sequence[Row], impacted: int) -> Step:
        """Return the next dose and why it comes next, or None and why there is none.

        Args:
            rows: The observations at this load.
            impacted: Number of transactions that the ladder has cost so far.
        """
        plan = self._plan
        if not plan.levels_ms and self._chosen == plan.max_levels:
            return Step(None, f"levels.max_count ({plan.max_levels}) are measured")
        if not plan.levels_ms:
            self._chosen += 1
            return next_level(
                records.read({"kind": records.KIND, "observations": list(rows)}),
                plan.budget,
                start_ms=plan.start_ms,
                max_dose_ms=plan.max_dose_ms,
                target_width=plan.target_width,
                rejected_budget=plan.max_impacted - impacted + _seen(rows),
            )
        if not self._given:
            return Step(None, f"all {len(plan.levels_ms)} levels are measured")
        number = len(plan.levels_ms) - len(self._given) + 1
        return Step(self._given.pop(0), f"level {number} of {len(plan.levels_ms)}")

    def left(self) -> str:
        """Return how long this load still takes, with the current level and the last baseline."""
        plan = self._plan
        if plan.levels_ms:
            return f"about {(len(self._given) + 2) * plan.level_s:.0f} s left"
        most_s = (plan.max_levels - self._chosen + 2) * plan.level_s
        return f"{plan.level_s:.0f} s per level, at most {most_s:.0f} s left"


def _seen(rows: Sequence[Row]) -> int:
    """Return the number of lost transactions in observations with a dose: the design has these."""
    return sum(row["k"] for row in rows if row["dose_ms"])
