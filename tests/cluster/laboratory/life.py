"""Starts and stops a laboratory."""

import ctypes
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import build, cgroups, launch, network, packages, processes, ready
from .cache import progress, say
from .errors import LaboratoryError
from .places import Places, node_names
from .processes import Running

CLEAN_WITHIN_S = 20.0
NEEDED_COMMANDS = {
    "unshare": "util-linux",
    "mount": "mount",
    "ip": "iproute2",
    "setpriv": "util-linux",
}
"""Command -> its Debian package."""
WATCHES_PER_NODE = 10
"""inotify instances that containerd, kubelet and kube-proxy have (8), and two to spare."""
INOTIFY_WITHIN_S = 60.0


@contextmanager
def locked(places: Places) -> Iterator[None]:
    """Let one process at a time start or stop a laboratory."""
    places.state.mkdir(parents=True, exist_ok=True)
    with (places.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def check_machine() -> None:
    """Find out whether a laboratory can run here.

    Raises:
        LaboratoryError: It cannot; the message tells what is missing.
    """
    if sys.platform != "linux":
        raise LaboratoryError(f"the laboratory needs Linux, and this is {sys.platform}")
    if os.geteuid() != 0:
        raise LaboratoryError("the laboratory needs root, for namespaces and cgroups; use sudo")
    missing = [name for name in NEEDED_COMMANDS if not shutil.which(name)]
    if missing:
        wanted = " ".join(sorted({NEEDED_COMMANDS[name] for name in missing}))
        raise LaboratoryError(f"there is no {', '.join(missing)}; run: apt-get install {wanted}")
    packages.check_machine()


def await_inotify(wanted: int) -> None:
    """Wait until the kernel gives root so many inotify instances: another cluster may be ending.

    Without them the kubelet ends again and again with "too many open files".

    Raises:
        LaboratoryError: It does not give them in time.
    """
    if _has_inotify(wanted):
        return
    limit = Path("/proc/sys/fs/inotify/max_user_instances").read_text().strip()
    problem = f"root may have {limit} inotify instances, and fewer than {wanted} of them are free"
    end = time.monotonic() + INOTIFY_WITHIN_S
    with progress("waiting for another cluster to end", problem):
        while not _has_inotify(wanted):
            if time.monotonic() > end:
                raise LaboratoryError(
                    f"{problem}; stop another cluster, or run: "
                    "sysctl fs.inotify.max_user_instances=1024"
                )
            time.sleep(1)


def _has_inotify(wanted: int) -> bool:
    """Ask for so many instances, which is the only way to find out, and give them back."""
    libc = ctypes.CDLL(None)
    instances = [libc.inotify_init1(os.O_CLOEXEC) for _ in range(wanted)]
    for instance in instances:
        if instance != -1:
            os.close(instance)
    return -1 not in instances


def start(
    places: Places,
    nodes: int = 1,
    version: str = build.DEFAULT_VERSION,
    tether: int | None = None,
    audit: Path | None = None,
) -> Running:
    """Start a laboratory and wait until pods can run in it. This process enters its network.

    Args:
        places: Its files.
        nodes: Number of nodes, 1 to 3.
        version: Version of Kubernetes.
        tether: File descriptor of the read end of a pipe: the laboratory ends when nobody has the
            write end open any more. None for a laboratory that runs until it is stopped.
        audit: Policy of the audit log that the API server writes to `Places.audit_log`; None for no
            such log, which would cost every request some time.

    Raises:
        LaboratoryError: It cannot run here, or was not ready in time.
    """
    names = node_names(nodes)
    check_machine()
    await_inotify(nodes * WATCHES_PER_NODE)
    parts = launch.Parts(build.kubebox(version), packages.packages(), build.tools())
    build.coredns()  # now, so that the time of the start does not include it
    started = time.monotonic()
    stop(places)
    try:
        launch.prepare(places, parts, names)
        if audit:
            shutil.copy(audit, places.audit_policy)
        running = launch.launch(places, parts, names, tether)
        settings = {"nodes": nodes, "version": version, "kubebox": str(parts.kubebox)}
        processes.record(running, {**settings, "ready": False})
        network.enter(running)
        ready.wait_until_usable(running, parts.kubebox, names, started)
        processes.record(running, {**settings, "ready": True})
    except BaseException:
        stop(places)
        raise
    say(f"usable after {time.monotonic() - started:.1f} s: Kubernetes {version}, nodes: {nodes}")
    return running


def stop(places: Places) -> bool:
    """Kill a laboratory and remove everything but its logs; return whether it was running.

    Raises:
        LaboratoryError: Something of it does not end.
    """
    running = Running.find(places)
    if running is not None:
        processes.kill(running.pid)
    outer = processes.recorded(places, "outer")
    if outer and not processes.ends(outer, CLEAN_WITHIN_S):
        processes.kill(outer)
    # What outer.sh has not removed, because it was killed too.
    cgroups.remove(places.cgroup)
    for path in places.state.iterdir() if places.state.is_dir() else ():
        if path.is_dir() and path != places.logs:
            shutil.rmtree(path)
        elif path.name != "lock" and path != places.logs:
            path.unlink()
    return running is not None
