"""A place that a fault can be put: what the agent must be told to act there."""

import re
from dataclasses import dataclass, field

from chaos_go.agent.contract import Proxy
from chaos_go.errors import TargetError

LAST_PORT = 65535


@dataclass(frozen=True)
class Place:
    """One place.

    Attributes:
        name: the target, complete: ``pid/1234:8081`` even if no port was given.
        kind: what stands before the slash.
        port: the TCP port whose connections are intercepted; 0 with a proxy or a dependency.
        proxy: the explicit proxy; None without.
        to: HOST:PORT of the dependency whose calls are intercepted; "" without.
        caller_pid: the process whose calls to it are meant; 0 for every process.
        agent_arguments: what the agent's command line needs to get there.
    """

    name: str
    kind: str
    port: int = 0
    proxy: Proxy | None = None
    to: str = ""
    caller_pid: int = 0
    agent_arguments: list[str] = field(default_factory=list)

    @property
    def slug(self) -> str:
        """The name as part of another name: ``port-8081``."""
        name = self.name.partition("->")[0] if self.proxy else self.name
        return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def read_host_port(target: str, text: str, example: str) -> tuple[str, int]:
    """Read ``HOST:PORT`` and give host, an IPv6 address with its brackets, and port.

    Raises:
        TargetError: one of them is missing or invalid.
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bad = ":" in host and not bracketed
    if not colon or not host.strip("[]") or bad or any(x in host for x in " /%"):
        fix = f"{text!r} is not host:port; give one like {example}, IPv6 as [::1]:8081"
        raise TargetError(target, fix)
    return host, read_port(target, port)


def read_port(target: str, text: str) -> int:
    """Read a TCP port.

    Raises:
        TargetError: it is not a number from 1 to 65535.
    """
    # isdecimal alone would take the digits of other scripts, and int() signs and underscores.
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:6]) <= LAST_PORT):
        raise TargetError(target, f"the port {text!r} is not a number from 1 to {LAST_PORT}")
    return int(text)
