"""The processes of a laboratory, as the machine numbers them."""

import json
import os
import signal
import time
from pathlib import Path

from .errors import LaboratoryError
from .places import Places

LOOK_S = 0.01


def children(pid: int) -> list[int]:
    """Return the children of a process; none if it has ended."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def descendants(pid: int) -> list[int]:
    """Return the children of a process, their children and so on."""
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def number_inside(pid: int) -> int:
    """Return the number of a process in the innermost process namespace; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next(int(line.split()[-1]) for line in status.splitlines() if line.startswith("NSpid:"))


def started_at(pid: int) -> str:
    """Return when a process was started, in ticks since boot; "" if it has ended.

    The number of a process may be given to another one later; with this time it is unique.
    """
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if after_name[0] in "ZX" else after_name[19]


def command_line(pid: int) -> list[str]:
    """Return the arguments of a process; none if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []


def kill(pid: int) -> None:
    """Kill a process and wait until it, and the namespaces whose PID 1 it is, have ended."""
    when = started_at(pid)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    while when and started_at(pid) == when:
        time.sleep(LOOK_S)


def ends(pid: int, within_s: float) -> bool:
    """Wait until a process has ended; return whether it has."""
    when, end = started_at(pid), time.monotonic() + within_s
    while when and started_at(pid) == when and time.monotonic() < end:
        time.sleep(LOOK_S)
    return started_at(pid) != when or not when


def recorded(places: Places, role: str) -> int:
    """Return a process of the laboratory that still runs; 0 if it does not.

    Args:
        places: The files of the laboratory.
        role: "first" for PID 1, or "outer" for the process that cleans up after it.
    """
    try:
        entry = json.loads(places.settings.read_text())[role]
    except (OSError, ValueError, KeyError):
        return 0
    return int(entry["pid"]) if started_at(entry["pid"]) == entry["started_at"] else 0


def record(running: "Running", settings: dict[str, object]) -> None:
    """Write down what runs, and with which settings, so that another process finds it."""
    entries = dict(settings)
    for role, pid in (("first", running.pid), ("outer", running.outer)):
        entries[role] = {"pid": pid, "started_at": started_at(pid)}
    unfinished = running.places.settings.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(entries))
    unfinished.replace(running.places.settings)


class Running:
    """The processes of a laboratory that runs."""

    def __init__(self, places: Places, pid: int, outer: int) -> None:
        """Remember a laboratory.

        Args:
            places: Its files.
            pid: Its PID 1, as the machine numbers it.
            outer: The process that cleans up after it.
        """
        self.places = places
        self.pid = pid
        self.outer = outer

    @classmethod
    def find(cls, places: Places) -> "Running | None":
        """Return the running laboratory; None if there is none."""
        pid = recorded(places, "first")
        return cls(places, pid, recorded(places, "outer")) if pid else None

    @classmethod
    def get(cls, places: Places) -> "Running":
        """Return the running laboratory.

        Raises:
            LaboratoryError: It does not run.
        """
        found = cls.find(places)
        if found is None:
            raise LaboratoryError(f"no cluster {places.name!r} runs; start it with: make cluster")
        return found

    def member(self, name: str) -> int:
        """Return PID 1 of the control plane or of a node.

        Args:
            name: "control-plane", "node1" ...

        Raises:
            LaboratoryError: There is no such member, or it is dead.
        """
        members = self.members()
        if name not in members:
            raise LaboratoryError(
                f"{name!r} does not run in the cluster {self.places.name!r}; what runs there: "
                f"{', '.join(sorted(members))}"
            )
        return members[name]

    def members(self) -> dict[str, int]:
        """Return the control plane and the nodes that live: name -> PID 1."""
        found = {}
        for pid in descendants(self.pid):
            words = command_line(pid)
            if len(words) > 2 and words[1].endswith("/member.sh") and number_inside(pid) == 1:
                found[words[2]] = pid
        return found

    def daemon(self, member: str, name: str) -> int:
        """Return the process of a daemon; 0 if it is not running now.

        Args:
            member: "control-plane", "node1" ...
            name: Name of the daemon, for instance "apiserver" or "kubelet".

        Raises:
            LaboratoryError: There is no such member or daemon.
        """
        folder = self.daemons(member)
        known = sorted(path.stem for path in folder.glob("*.pid"))
        if name not in known:
            raise LaboratoryError(f"{member} has no daemon {name!r}; it has: {', '.join(known)}")
        wanted = int((folder / f"{name}.pid").read_text() or 0)
        for pid in descendants(self.member(member)):
            if number_inside(pid) == wanted:
                return pid
        return 0

    def daemons(self, member: str) -> Path:
        """Return the folder with a file NAME.pid per daemon of a member."""
        return Path(f"/proc/{self.member(member)}/root/run/lab/daemons")
