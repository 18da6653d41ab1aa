"""``port/8081``: the service that listens on this port in the network namespace of this process."""

from dataclasses import dataclass

from chaos_go.agent.contract import Way
from chaos_go.agent.place import LocalReach, Place
from chaos_go.targets.target import Target, read_ports

FORMS = (
    ("port/8081", "requests to the service that listens on this port, in this network namespace"),
    ("port/8081,8082", "the same on several ports: one fault, one place per port"),
)


@dataclass(frozen=True)
class PortTarget(Target):
    """One or more services, given by their ports."""

    ports: tuple[int, ...]

    @property
    def ways(self) -> tuple[Way, ...]:
        """One way per port."""
        return tuple(Way(port=port) for port in self.ports)

    def places(self) -> tuple[Place, ...]:
        """Return one place per port. The agent checks whether a process listens there."""
        return tuple(Place(f"port/{way.port}", LocalReach(), way) for way in self.ways)


def read(target: str, rest: str) -> Target:
    """Read ``8081`` or ``8081,8082``.

    Raises:
        TargetError: The text does not have this form.
    """
    return PortTarget(target, read_ports(target, rest))
