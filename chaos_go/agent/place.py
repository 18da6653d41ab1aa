"""Where a fault or load is: one place, how an agent is started there, and which traffic of it."""

from dataclasses import dataclass
from typing import Protocol

from chaos_go.agent.binary import find_agent
from chaos_go.agent.channel import Channel, LocalChannel
from chaos_go.agent.contract import Way


class Reach(Protocol):
    """How an agent is started at a place. Equal reaches lead to the same place."""

    def open(self, command: str) -> Channel:
        """Start an agent.

        Args:
            command: sub-command of the agent, ``fault`` or ``load``.

        Raises:
            AgentError: it cannot be started there.
        """
        ...


@dataclass(frozen=True)
class LocalReach:
    """A child process on this host.

    Attributes:
        netns_pid: process whose network namespace the agent enters; 0 for the one of this process.
    """

    netns_pid: int = 0

    def open(self, command: str) -> Channel:
        """Start the agent that is part of this package."""
        argv = [str(find_agent()), command]
        if self.netns_pid:
            argv += ["--netns-pid", str(self.netns_pid)]
        return LocalChannel(argv)


@dataclass(frozen=True)
class Place:
    """One place. Two that are equal are held by the same agent, if the kind is the same.

    Attributes:
        name: what users call it, for instance ``port/8081``.
        reach: how an agent is started there.
        way: which traffic there; None for what acts on no traffic, such as a load.
    """

    name: str
    reach: Reach
    way: Way | None = None
