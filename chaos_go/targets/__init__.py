"""Where a fault is: a target string, and the place it stands for.

One file per kind of target; each has one function that reads what follows ``kind/``, and a row in
``KINDS``.
"""

from collections.abc import Callable

from chaos_go.errors import TargetError
from chaos_go.targets import pid, port, proxy, to
from chaos_go.targets.place import Place

__all__ = ["KINDS", "Place", "parse"]

KINDS: dict[str, tuple[str, Callable[[str, str], Place]]] = {
    "port": ("port/8081", port.parse),
    "pid": ("pid/1234, pid/1234:8081 or pid/1234->users:8082", pid.parse),
    "to": ("to/users:8082", to.parse),
    "proxy": ("proxy/127.0.0.1:9081->127.0.0.1:8081", proxy.parse),
}
"""Prefix of a target: an example, and what reads it."""


def parse(target: str) -> Place:
    """Return the place that a target stands for.

    Args:
        target: ``port/8081`` (whoever listens there, in this network namespace), ``pid/1234`` or
            ``pid/1234:8081`` (in the network namespace of that process), ``to/HOST:PORT`` (the
            calls made in this network namespace to a dependency), ``pid/1234->HOST:PORT`` (the
            calls that this process makes to it), or ``proxy/LISTEN->UPSTREAM`` (an explicit proxy,
            needs no privileges).

    Raises:
        TargetError: the kind is unknown, the rest is invalid, or the process is not there.
    """
    known = ", ".join(example for example, _ in KINDS.values())
    if not isinstance(target, str):
        raise TargetError(target, f"give a text like {known}")
    kind, slash, rest = target.partition("/")
    if not slash or kind not in KINDS:
        raise TargetError(target, f"unknown kind of target; give one like {known}")
    return KINDS[kind][1](target, rest)
