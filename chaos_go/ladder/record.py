"""Keeps what a ladder has measured so far, so that nothing is lost when it is interrupted.

Chaos Toolkit drops the output of an activity that was interrupted. The control
`chaos_go.controls.evidence` writes these records to the journal in every case.
"""

import threading
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]
"""One window: ``dose_ms``, ``n``, ``k``, ``load_rps``, ``window``, its P99 and its start."""

RUNNING = "running"
INTERRUPTED = "interrupted"
ERROR = "error"


@dataclass
class Record:
    """The record of one ladder, while it runs and afterwards.

    Attributes:
        name: Name of the ladder.
        target: Target of the fault.
        settings: The arguments of the ladder, without headers and bodies.
        observations: The windows that can be used, in the order in which they were measured.
        levels: The levels: each has its dose, its load, its fault and what was counted.
        inconclusive: The windows that cannot be used, each with its reason.
        impacted: Number of transactions with business impact while a dose was in place, also while
            it settled.
        stopped: Why it ended, one of the codes of `chaos_go.ladder.walk`; ``running`` until then.
        why: The reason in words.
        traffic: The records of the loads, by name. They go to ``traffic`` of the journal and not
            into the output of the action.
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
        """Add this record to those that `records` returns."""
        with _lock:
            _records.append(self)

    def end(self, code: str, why: str) -> None:
        """Set why the ladder ended; only the first reason is kept."""
        if self.stopped == RUNNING:
            self.stopped, self.why = code, why

    def add_traffic(self, name: str, seen: dict[str, Any]) -> None:
        """Add a load's record of one level; the journal has one record for all levels of a load."""
        known = self.traffic.setdefault(name, seen)
        if known is not seen:
            known["seconds"] += seen["seconds"]
            known["problem"] = known["problem"] or seen["problem"]
            known["totals"] = {}  # the totals of one level are not those of the whole load

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
