"""``port/8081``: whoever listens on this port in the network namespace of this process."""

from dataclasses import dataclass

from chaos_go.agent.contract import Way
from chaos_go.agent.place import LocalReach, Place
from chaos_go.targets.target import Target, read_ports

FORMS = (
    ("port/8081", "requests to whoever listens on this port, in this network namespace"),
    ("port/8081,8082", "the same on several ports: one fault, one place per port"),
)


@dataclass(frozen=True)
class PortTarget(Target):
    """Services, by their ports."""

    ports: tuple[int, ...]

    @property
    def ways(self) -> tuple[Way, ...]:
        """One per port."""
        return tuple(Way(port=port) for port in self.ports)

    def places(self) -> tuple[Place, ...]:
        """Return one per port. The agent sees whether somebody listens there, when it arms."""
        return tuple(Place(f"port/{way.port}", LocalReach(), way) for way in self.ways)


def read(target: str, rest: str) -> Target:
    """Read ``8081`` or ``8081,8082``.

    Raises:
        TargetError: It has not this form.
    """
    return PortTarget(target, read_ports(target, rest))
