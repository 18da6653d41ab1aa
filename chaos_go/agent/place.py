"""Where a fault or load is: a place, how an agent is started there, and which traffic there."""

from dataclasses import dataclass, replace
from typing import Protocol

from chaos_go.agent.binary import find_agent
from chaos_go.agent.channel import Channel, LocalChannel
from chaos_go.agent.contract import Spec, Way


class Reach(Protocol):
    """How an agent is started at a place. Equal reaches lead to the same place."""

    def open(self, command: str) -> Channel:
        """Start an agent.

        Args:
            command: Sub-command of the agent, ``fault`` or ``load``.

        Raises:
            AgentError: The agent cannot be started there.
            ClusterError: The API server of the cluster that leads there refused, or does not answer.
        """
        ...


@dataclass(frozen=True)
class LocalReach:
    """An agent that is a child process on this host.

    Attributes:
        netns_pid: Process whose network namespace the agent enters; 0 for the one of this process.
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
    """One place. The same agent holds all faults of one kind at equal places.

    Attributes:
        name: The name that users see, for instance ``port/8081``.
        reach: How an agent is started there.
        way: Which traffic there; None for what acts on no traffic, such as a load.
    """

    name: str
    reach: Reach
    way: Way | None = None

    def spec_of(self, spec: Spec) -> Spec:
        """Return what the agent here is asked for: the spec with the way of this place."""
        return replace(spec, way=self.way)
