"""``to/users:8082``: the calls made in the network namespace of this process to a dependency."""

import ipaddress

from chaos_go.errors import TargetError
from chaos_go.targets.place import Place, read_host_port


def parse(target: str, rest: str) -> Place:
    """Read ``HOST:PORT``. Which addresses HOST has is seen by the agent, when it arms.

    Raises:
        TargetError: it is not one.
    """
    to = dependency(target, rest)
    return Place(f"to/{to}", "to", to=to)


def dependency(target: str, text: str) -> str:
    """Read ``HOST:PORT`` and give it in one spelling.

    Raises:
        TargetError: it is not one, or nobody can be called there.
    """
    host, port = read_host_port(target, text, "users:8082")
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:  # a name
        return f"{host}:{port}"
    if address.is_unspecified or address.is_multicast:
        raise TargetError(target, f"{host} is no address that can be called; give the caller's")
    return f"{host}:{port}"
