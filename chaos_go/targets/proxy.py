"""``proxy/127.0.0.1:9081->127.0.0.1:8081``: an explicit proxy that clients are pointed at.

It needs no privileges, but only clients that dial LISTEN instead of UPSTREAM meet the fault.
"""

import ipaddress

from chaos_go.agent.contract import Proxy
from chaos_go.errors import TargetError
from chaos_go.targets.place import Place, read_host_port

_EXAMPLE = "proxy/127.0.0.1:9081->127.0.0.1:8081"


def parse(target: str, rest: str) -> Place:
    """Read ``LISTEN->UPSTREAM``, both ``host:port``, IPv6 addresses in brackets.

    Raises:
        TargetError: one of them is invalid, or LISTEN is not a loopback address: nobody
            outside may use the agent as a relay.
    """
    listen, arrow, upstream = rest.partition("->")
    if not arrow:
        raise TargetError(target, f"the -> is missing; give one like {_EXAMPLE}")
    listen_host, listen_port = read_host_port(target, listen, _EXAMPLE)
    upstream_host, upstream_port = read_host_port(target, upstream, _EXAMPLE)
    if not _is_loopback(listen_host):
        fix = (
            f"LISTEN {listen!r} must be a loopback address like 127.0.0.1 or [::1], so that "
            "nobody outside can use the agent as a relay"
        )
        raise TargetError(target, fix)
    listen, upstream = f"{listen_host}:{listen_port}", f"{upstream_host}:{upstream_port}"
    if listen == upstream:
        raise TargetError(target, "the proxy would dial itself; give LISTEN another port")
    return Place(
        f"proxy/{listen}->{upstream}", "proxy", proxy=Proxy(listen=listen, upstream=upstream)
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
