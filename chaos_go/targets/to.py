"""``to/users:8082``: the calls made in the network namespace of this process to a dependency."""

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
        """The calls of every process."""
        return (Way(to=self.dependency),)

    def places(self) -> tuple[Place, ...]:
        """Return the one place."""
        return (Place(f"to/{self.dependency}", LocalReach(), self.ways[0]),)


def read(target: str, rest: str) -> Target:
    """Read ``HOST:PORT``, which the agent judges.

    Raises:
        TargetError: There is none.
    """
    if not rest:
        raise TargetError(target, "HOST:PORT is missing; give one like to/users:8082")
    return DependencyTarget(target, rest)
