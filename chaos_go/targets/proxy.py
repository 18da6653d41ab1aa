"""``proxy/127.0.0.1:9081->127.0.0.1:8081``: an explicit proxy that clients are pointed at.

It needs no privileges, but the fault acts only on clients that dial LISTEN instead of UPSTREAM.
"""

from dataclasses import dataclass

from chaos_go.agent.contract import Proxy, Way
from chaos_go.agent.place import LocalReach, Place
from chaos_go.errors import TargetError
from chaos_go.targets.target import Target, slug

_EXAMPLE = "proxy/127.0.0.1:9081->127.0.0.1:8081"
FORMS = (
    (_EXAMPLE, "an explicit proxy on a loopback address that clients dial; needs no privileges"),
)


@dataclass(frozen=True)
class ProxyTarget(Target):
    """An explicit proxy."""

    proxy: Proxy

    @property
    def ways(self) -> tuple[Way, ...]:
        """The connections to the proxy."""
        return (Way(proxy=self.proxy),)

    def places(self) -> tuple[Place, ...]:
        """Return the one place."""
        name = f"proxy/{self.proxy.listen}->{self.proxy.upstream}"
        return (Place(name, LocalReach(), self.ways[0]),)

    @property
    def slug(self) -> str:
        """The target as part of another name, without the upstream."""
        return slug(self.text.partition("->")[0])


def read(target: str, rest: str) -> Target:
    """Read ``LISTEN->UPSTREAM``. The agent checks that both are HOST:PORT.

    Raises:
        TargetError: The arrow is missing.
    """
    listen, arrow, upstream = rest.partition("->")
    if not arrow:
        raise TargetError(target, f"the -> is missing; give one like {_EXAMPLE}")
    return ProxyTarget(target, Proxy(listen=listen, upstream=upstream))
