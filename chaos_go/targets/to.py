"""``to/users:8082``: the calls to a dependency from the network namespace of this process."""

from dataclasses import dataclass

from chaos_go.agent.contract import Way
from chaos_go.agent.place import LocalReach, Place
from chaos_go.errors import TargetError
from chaos_go.targets.target import Target

FORMS = (("to/users:8082", "the calls made in this network namespace to a dependency"),)


@dataclass(frozen=True)
class DependencyTarget(Target):
    """Calls to a dependency. The agent resolves its name, when it arms."""

    dependency: str

    @property
    def ways(self) -> tuple[Way, ...]:
        """One way, for the calls of every process."""
        return (Way(to=self.dependency),)

    def places(self) -> tuple[Place, ...]:
        """Return the one place."""
        return (Place(f"to/{self.dependency}", LocalReach(), self.ways[0]),)


def read(target: str, rest: str) -> Target:
    """Read ``HOST:PORT``. The agent checks its form.

    Raises:
        TargetError: It is missing.
    """
    if not rest:
        raise TargetError(target, "HOST:PORT is missing; give one like to/users:8082")
    return DependencyTarget(target, rest)
