"""What an activity would do, found out without changing anything, for ``chaos go doctor``."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos_go.kubernetes.pods import Pod


@dataclass(frozen=True)
class Preview:
    """What an activity would hit. It has passed the guards of the activity.

    Attributes:
        said: One line, for instance ``deletes 1 of 3 Ready pods``.
        details: The same for programs, as plain JSON.
        pods: The pods among which those are that leave.
        count: How many of them leave at a time at most.
        evicts: Whether they leave by the Eviction API, which PodDisruptionBudgets can refuse.
    """

    said: str
    details: dict[str, Any] = field(default_factory=dict)
    pods: Sequence[Pod] = ()
    count: int = 0
    evicts: bool = False
