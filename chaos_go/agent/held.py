"""What everything that is held has: faults and loads of agents, and faults in an API server."""

from abc import ABC, abstractmethod
from typing import Any

SCHEMA = 2
"""Version of the records of faults. It is raised when an older reader would misunderstand them."""

Replacement = tuple[float, float | None]
"""When something was killed, and when its replacement served (None: not yet); unix seconds."""


class Held(ABC):
    """Something that is in place, or was. The holder knows it by its name.

    Attributes:
        id: Its name.
        violations: What the probes found that no tolerance allows, for instance pods that did not
            recover; each makes the verdict of the run ``violated``.
    """

    id: str
    violations: tuple[str, ...] = ()

    @property
    @abstractmethod
    def is_fault(self) -> bool:
        """Whether it breaks something; a load does not."""

    @property
    @abstractmethod
    def place_names(self) -> str:
        """The names of all places, as one text."""

    @property
    @abstractmethod
    def state(self) -> str:
        """``armed`` while it is in place anywhere; then ``lost`` or ``ended``."""

    @property
    @abstractmethod
    def armed_unix_s(self) -> float:
        """From when on it was in place everywhere, in seconds since 1970."""

    @property
    @abstractmethod
    def ended_unix_s(self) -> float | None:
        """Until when it was in place everywhere, in seconds since 1970; None before."""

    @property
    @abstractmethod
    def effect(self) -> bool | None:
        """Whether something was touched anywhere; None while that is not known yet."""

    @property
    @abstractmethod
    def said(self) -> str:
        """One line about what was seen and done."""

    @property
    @abstractmethod
    def advice(self) -> str:
        """What to check when nothing was touched, beginning with a verb."""

    @property
    @abstractmethod
    def problem(self) -> str:
        """What went wrong; empty if nothing did."""

    @property
    def replacements(self) -> tuple[Replacement, ...]:
        """What was killed and replaced, in order; empty for faults that kill nothing."""
        return ()

    def add_violation(self, text: str) -> None:
        """Take note of something that no tolerance allows."""
        self.violations = (*self.violations, text)

    @abstractmethod
    def ask_to_stop(self) -> None:
        """Ask for the end of it, without waiting. Does nothing where it has ended."""

    def release(self) -> None:  # noqa: B027 - most have nothing to release
        """Give back what is kept for probes after the end, such as a watch."""

    @abstractmethod
    def stop(self, timeout_s: float = 5.0) -> dict[str, Any]:
        """End it everywhere, wait until it is undone, and return the record.

        A second stop changes nothing.

        Args:
            timeout_s: Seconds that it may take; 5 by default.

        Raises:
            ChaosGoError: It is not known to be undone. The message tells why.
        """

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """Return what is known, as plain JSON, without values that may be secrets."""
