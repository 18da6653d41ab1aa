"""``pid/1234``, ``pid/1234:8081`` and ``pid/1234->HOST:PORT``: a process and its network namespace.

Without a port, it is the one port that the process itself listens on. With an arrow, the target is
the calls that this process makes to a dependency. The ports are read from procfs, see ``fd`` and
``net/tcp`` in proc(5).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chaos_go.agent.contract import Way
from chaos_go.agent.place import LocalReach, Place
from chaos_go.errors import TargetError, shorten
from chaos_go.targets.target import Target, read_ports

FORMS = (
    ("pid/1234", "requests to the port that this process listens on, in its network namespace"),
    ("pid/1234:8081", "the same, on this port; several as pid/1234:8081,8082"),
    ("pid/1234->users:8082", "the calls that this process makes to a dependency"),
)

_LISTEN = "0A"  # TCP_LISTEN of include/net/tcp_states.h, as net/tcp prints it
_PREFIX = "socket:["


@dataclass(frozen=True)
class ProcessTarget(Target):
    """A process: the given ports (without any, the only port it listens on), or its calls."""

    pid: int
    ports: tuple[int, ...] = ()
    dependency: str = ""

    @property
    def ways(self) -> tuple[Way, ...]:
        """One way for the calls, or one per given port; empty when the port has to be looked up."""
        if self.dependency:
            return (Way(to=self.dependency, caller_pid=self.pid),)
        return tuple(Way(port=port) for port in self.ports)

    def places(self) -> tuple[Place, ...]:
        """Return the place of the calls, or one per port.

        Raises:
            TargetError: There is no such process, or no port was given and it does not listen on
                exactly one.
        """
        if not Path(f"/proc/{self.pid}").exists():
            fix = f"there is no process {self.pid}; give the pid of the service"
            raise TargetError(self.text, fix)
        ways = self.ways or (Way(port=_only_port(self.text, self.pid)),)
        reach = LocalReach(netns_pid=self.pid)
        return tuple(Place(f"pid/{self.pid}{_suffix(way)}", reach, way) for way in ways)


def read(target: str, rest: str) -> Target:
    """Read ``1234``, ``1234:8081`` or ``1234->HOST:PORT``.

    Raises:
        TargetError: The text has none of these forms.
    """
    rest, arrow, dependency = rest.partition("->")
    if arrow:
        if not dependency:
            fix = "HOST:PORT is missing after the ->; give one like pid/1234->users:8082"
            raise TargetError(target, fix)
        return ProcessTarget(target, _read_pid(target, rest), dependency=dependency)
    pid, colon, ports = rest.partition(":")
    return ProcessTarget(
        target, _read_pid(target, pid), ports=read_ports(target, ports) if colon else ()
    )


def _suffix(way: Way) -> str:
    return f"->{way.to}" if way.to else f":{way.port}"


def _read_pid(target: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:10]) < 2**31):
        raise TargetError(
            target, f"the pid {shorten(text)!r} is not a number; give one like pid/1234:8081"
        )
    return int(text)


def _only_port(target: str, pid: int) -> int:
    try:
        ports = sorted(set(_listening_ports(pid)))
    except FileNotFoundError as error:
        raise TargetError(target, f"process {pid} has just ended; give one that runs") from error
    except PermissionError as error:
        fix = f"process {pid} is not yours, so its ports cannot be seen; give pid/{pid}:PORT"
        raise TargetError(target, fix) from error
    if not ports:
        raise TargetError(target, f"process {pid} listens on no TCP port; give another pid")
    if len(ports) > 1:
        known = ", ".join(str(port) for port in ports)
        fix = f"process {pid} listens on several ports ({known}); give one: pid/{pid}:{ports[0]}"
        raise TargetError(target, fix)
    return ports[0]


def _listening_ports(pid: int) -> Iterator[int]:
    own = set(_sockets(pid))
    for table in ("tcp", "tcp6"):
        path = Path(f"/proc/{pid}/net/{table}")
        if not path.exists():  # a kernel without IPv6
            continue
        for line in path.read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == _LISTEN and columns[9] in own:
                yield int(columns[1].rpartition(":")[2], 16)


def _sockets(pid: int) -> Iterator[str]:
    """Yield the inodes of the sockets that a process has open."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            link = str(descriptor.readlink())
        except FileNotFoundError:  # closed since
            continue
        if link.startswith(_PREFIX):
            yield link.removeprefix(_PREFIX).rstrip("]")
