"""What faults on pods have in common: they watch what becomes of the pods, for the probes."""

import time
from collections.abc import Sequence
from typing import Any

from chaos_go.agent.held import Held, Replacement
from chaos_go.kubernetes.presence import Presence
from chaos_go.kubernetes.pulse import Gap
from chaos_go.kubernetes.recovery import Kill
from chaos_go.kubernetes.selection import Asked


def _doubt(kill: Kill, at_unix_s: float | None, gap: Gap) -> str:
    silent_s = (gap.to_unix_s or time.time()) - gap.from_unix_s
    least_s = max(0.0, gap.from_unix_s - kill.at_unix_s)
    most = f"at most {at_unix_s - kill.at_unix_s:.1f} s" if at_unix_s else "an unknown time"
    return (
        f"the API server did not answer for {silent_s:.1f} s, so the recovery from the kill of "
        f"{kill.pod.name} was not seen: it took at least {least_s:.1f} s and {most}"
    )


class Watched(Held):
    """A fault that watches its pods.

    Attributes:
        presence: What became of the pods since the fault began.
        target: What the fault was asked to hit; None when that is not pods, but nodes.
        evictions_blocked: How many evictions the API server refused because of a budget.
    """

    presence: Presence
    target: Asked | None = None
    evictions_blocked: int = 0

    @property
    def replacements(self) -> tuple[Replacement, ...]:
        """When each pod was killed, and when its replacement was Ready."""
        return tuple((kill.at_unix_s, kill.replaced_unix_s) for kill in self.presence.kills)

    def recovery_s(self, kills: Sequence[Kill] | None = None) -> float | None:
        """Return the longest time from a kill to full availability, in seconds.

        None before the workload has recovered from every kill, and without any kill.

        Args:
            kills: The kills that are judged; None for all.
        """
        judged = self.presence.kills if kills is None else kills
        took = [
            None if at is None else at - kill.at_unix_s
            for kill in judged
            for at in [self.presence.recovered_unix_s(kill)]
        ]
        known = [seconds for seconds in took if seconds is not None]
        return max(known) if known and len(known) == len(took) else None

    def doubt(self) -> str:
        """Return why the time of the recovery is not known, in one line; "" if it is.

        The API server did not answer for a while, and the recovery may have been in that time.
        """
        for kill in self.presence.kills:
            at = self.presence.recovered_unix_s(kill)
            for gap in self.presence.gaps:
                if gap.hides(at or time.time()):
                    return _doubt(kill, at, gap)
        return ""

    def not_recovered(self, after_s: float) -> str:
        """Take note that the pods had not recovered in time; return why, in one line.

        The verdict of the run is then ``violated``.
        """
        reason = self.presence.why_not_recovered()
        violation = f"not recovered {after_s:.1f} s after the kill: {reason}"
        self.add_violation(violation)
        return violation

    def recovery_said(self) -> str:
        """Return one line about the recovery; "" when nothing was killed."""
        if doubt := self.doubt():
            return doubt
        took = self.recovery_s()
        if took is not None:
            return f"fully available again after {took:.2f} s"
        if not self.presence.kills:
            return ""
        over = self.presence.ended_unix_s is not None
        return "not seen to be fully available again" if over else "not fully available yet"

    def watched_record(self) -> dict[str, Any]:
        """Return what the journal keeps: the kills, Ready pods over time, what is violated."""
        return {
            **self.presence.record(),
            "recovery_s": None if self.doubt() else self.recovery_s(),
            "evictions_blocked": self.evictions_blocked,
        }
