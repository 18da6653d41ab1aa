"""What a ladder has measured so far: kept here, so that nothing is lost when it is interrupted.

Chaos Toolkit drops the output of an activity that was interrupted; the control
`chaos_go.controls.evidence` writes these records to the journal whatever happened.
"""

import threading
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]
"""One window: ``dose_ms``, ``n``, ``k``, ``load_rps``, ``window``, the P99 and when it began."""

RUNNING = "running"
INTERRUPTED = "interrupted"
ERROR = "error"


@dataclass
class Record:
    """One ladder, while it runs and after.

    Attributes:
        name: of the ladder.
        target: where the delay was.
        settings: the arguments that say how it was measured, without headers and bodies.
        observations: the windows that can be used, in the order in which they were measured.
        levels: one per fault: dose, load, id of the fault, what it obtained, what was seen.
        inconclusive: windows that cannot be used, each with its reason.
        impacted: transactions with business impact while a dose was in place, settling included.
        stopped: why it ended, one of the codes of `chaos_go.ladder.walk`; ``running`` until then.
        why: the same in words.
        traffic: what the loads saw, by name; for the journal's ``traffic``, not for the output.
    """

    name: str
    target: str
    settings: dict[str, Any]
    observations: list[Row] = field(default_factory=list)
    levels: list[dict[str, Any]] = field(default_factory=list)
    inconclusive: list[dict[str, Any]] = field(default_factory=list)
    impacted: int = 0
    stopped: str = RUNNING
    why: str = ""
    traffic: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Be found by `records` from now on."""
        with _lock:
            _records.append(self)

    def end(self, code: str, why: str) -> None:
        """Say why it ended; the first reason is the one that counts."""
        if self.stopped == RUNNING:
            self.stopped, self.why = code, why

    def add_traffic(self, name: str, seen: dict[str, Any]) -> None:
        """Keep what a load saw in one level; all levels together are one load in the journal."""
        known = self.traffic.setdefault(name, seen)
        if known is not seen:
            known["seconds"] += seen["seconds"]
            known["problem"] = known["problem"] or seen["problem"]
            known["totals"] = {}  # those of one level alone would mislead

    def as_json(self) -> dict[str, Any]:
        """Return the output of the action."""
        return {
            "kind": "ladder",
            "name": self.name,
            "target": self.target,
            **self.settings,
            "observations": list(self.observations),
            "levels": list(self.levels),
            "inconclusive": list(self.inconclusive),
            "impacted": self.impacted,
            "stopped": self.stopped,
            "why": self.why,
        }


_lock = threading.Lock()
_records: list[Record] = []


def records() -> list[Record]:
    """Return the records of all ladders of this process, in order."""
    with _lock:
        return list(_records)
