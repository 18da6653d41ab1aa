"""The result of one check, and of all of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["ok", "warning", "failed", "unknown"]
_ORDER: tuple[Status, ...] = ("failed", "unknown", "warning", "ok")
SCHEMA = 1


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes:
        where: What it belongs to: ``cluster``, ``this host``, ``experiment``, or the place of an
            activity in the experiment, for instance ``method[0]``.
        name: What was checked, for instance ``permission``.
        status: ``ok``; ``warning``: the run works, and may differ from what is expected;
            ``failed``: the run would fail; ``unknown``: it could not be checked.
        said: What was found, in one line.
        fix: What to do about it; "" when nothing, or when ``said`` tells it.
        details: The same for programs, as plain JSON.
    """

    where: str
    name: str
    status: Status
    said: str
    fix: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "where": self.where,
            "check": self.name,
            "status": self.status,
            "said": self.said,
            "fix": self.fix,
            "details": dict(self.details),
        }


@dataclass(frozen=True)
class Report:
    """What all checks found.

    Attributes:
        checks: Each check, in the order in which they are shown.
        titles: What each ``where`` is, for people.
        role: The Roles that are missing, as YAML; "" when no permission is missing.
    """

    checks: Sequence[Check]
    titles: Mapping[str, str] = field(default_factory=dict)
    role: str = ""

    @property
    def outcome(self) -> Status:
        """The worst status of all checks."""
        found = {check.status for check in self.checks}
        return next((status for status in _ORDER if status in found), "ok")

    @property
    def exit_code(self) -> int:
        """1 when a check failed, else 0."""
        return 1 if self.outcome == "failed" else 0

    @property
    def counts(self) -> dict[str, int]:
        """How many checks have each status."""
        counted = Counter(check.status for check in self.checks)
        return {status: counted[status] for status in reversed(_ORDER)}

    def record(self) -> dict[str, Any]:
        """Return everything as plain JSON."""
        return {
            "schema": SCHEMA,
            "outcome": self.outcome,
            "counts": self.counts,
            "checks": [check.record() for check in self.checks],
            "role": self.role,
        }
