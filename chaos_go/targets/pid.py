"""``pid/1234``, ``pid/1234:8081`` and ``pid/1234->HOST:PORT``: a process and its network namespace.

Without a port it is the one that the process itself listens on; with an arrow, these are the calls
that this process makes to a dependency. Read from procfs: proc(5) for
``fd`` and ``net/tcp``.
"""

from collections.abc import Iterator
from pathlib import Path

from chaos_go.errors import TargetError
from chaos_go.targets import to
from chaos_go.targets.place import Place, read_port

_LISTEN = "0A"  # TCP_LISTEN of include/net/tcp_states.h, as net/tcp prints it
_PREFIX = "socket:["


def parse(target: str, rest: str) -> Place:
    """Read ``1234``, ``1234:8081`` or ``1234->HOST:PORT`` and look the process up.

    Raises:
        TargetError: no pid, no such process, or the port is not given and not clear.
    """
    rest, arrow, dependency = rest.partition("->")
    if arrow:
        return _calls(target, rest, to.dependency(target, dependency))
    text, colon, port_text = rest.partition(":")
    pid = _read_pid(target, text)
    port = read_port(target, port_text) if colon else 0
    _expect_process(target, pid)
    port = port or _only_port(target, pid)
    return Place(f"pid/{pid}:{port}", "pid", port, agent_arguments=_enter(pid))


def _calls(target: str, pid_text: str, dependency: str) -> Place:
    pid = _read_pid(target, pid_text)
    _expect_process(target, pid)
    name = f"pid/{pid}->{dependency}"
    return Place(name, "pid", to=dependency, caller_pid=pid, agent_arguments=_enter(pid))


def _enter(pid: int) -> list[str]:
    return ["--netns-pid", str(pid)]


def _read_pid(target: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:10]) < 2**31):
        raise TargetError(target, f"the pid {text!r} is not a number; give one like pid/1234:8081")
    return int(text)


def _expect_process(target: str, pid: int) -> None:
    if not Path(f"/proc/{pid}").exists():
        raise TargetError(target, f"there is no process {pid}; give the pid of the service")


def _only_port(target: str, pid: int) -> int:
    try:
        ports = sorted(set(_listening_ports(pid)))
    except FileNotFoundError as error:
        raise TargetError(target, f"process {pid} ended just now; give one that runs") from error
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
    """Return the inodes of the sockets that a process has open."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            link = str(descriptor.readlink())
        except FileNotFoundError:  # closed since
            continue
        if link.startswith(_PREFIX):
            yield link.removeprefix(_PREFIX).rstrip("]")
