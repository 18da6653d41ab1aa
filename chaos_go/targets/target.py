"""What every kind of target has, and how the parts of its text are read."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from chaos_go.agent.contract import Way
from chaos_go.agent.place import Place
from chaos_go.errors import TargetError, shorten

MOST_PERCENTAGE = 50.0
"""The largest share of the pods of a workload, or of nodes, unless the user says otherwise."""


@dataclass(frozen=True)
class Target(ABC):
    """The meaning of the text of a target.

    Attributes:
        text: The target as it was given.
        no_traffic: Why faults on traffic cannot have such a target, and what to give; "" if they
            can.
    """

    text: str

    no_traffic: ClassVar[str] = ""

    @property
    def most_percentage(self) -> float:
        """The largest share of its places that may be hit, in percent, without a scope's own."""
        return 100.0

    @property
    @abstractmethod
    def ways(self) -> tuple[Way, ...]:
        """Which traffic, as far as the text alone tells; empty when it has to be looked up."""

    @abstractmethod
    def places(self) -> tuple[Place, ...]:
        """Look up the places, at least one.

        Raises:
            TargetError: Something that the text names does not exist or is ambiguous.
        """

    @property
    def slug(self) -> str:
        """The target as part of another name: ``port-8081``."""
        return slug(self.text)


def slug(text: str) -> str:
    """Return a text as part of a name: letters, digits and single hyphens."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")


def read_ports(target: str, text: str) -> tuple[int, ...]:
    """Read one or more ports, separated by commas. The agent checks the upper end of their range.

    Raises:
        TargetError: A port is not a number, is 0 (which means no port), or is given twice.
    """
    ports = []
    for port in text.split(","):
        # isdecimal alone would accept the digits of other scripts, and int() signs and underscores.
        if not (port.isascii() and port.isdecimal() and len(port) <= 9 and int(port)):
            raise TargetError(target, f"the port {shorten(port)!r} is not a number from 1 to 65535")
        ports.append(int(port))
    if len(set(ports)) < len(ports):
        raise TargetError(target, "a port is given twice; give each once")
    return tuple(ports)
