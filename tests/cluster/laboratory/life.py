"""Starts and stops a laboratory."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import api, build, cgroups, images, network, packages, processes
from .cache import say
from .errors import LaboratoryError
from .places import API_ADDRESS, API_INSIDE_ADDRESS, HERE, INSIDE, Places, node_address, node_names
from .processes import Running

READY_WITHIN_S = 90.0
CLEAN_WITHIN_S = 20.0
LOOK_S = 0.05
NEEDED_COMMANDS = {"unshare": "util-linux", "mount": "mount", "ip": "iproute2", "bash": "bash"}
"""Command -> its Debian package."""


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
        raise LaboratoryError("the laboratory needs root, for namespaces and cgroups; run it with sudo")
    missing = [name for name in NEEDED_COMMANDS if not shutil.which(name)]
    if missing:
        wanted = " ".join(sorted({NEEDED_COMMANDS[name] for name in missing}))
        raise LaboratoryError(f"there is no {', '.join(missing)}; run: apt-get install {wanted}")
    packages.check_machine()


def start(
    places: Places, nodes: int = 1, version: str = build.DEFAULT_VERSION, tether: int | None = None
) -> Running:
    """Start a laboratory and wait until pods can run in it. This process enters its network.

    Args:
        places: Its files.
        nodes: Number of nodes, 1 to 3.
        version: Version of Kubernetes.
        tether: File descriptor of the read end of a pipe: the laboratory ends when nobody has the
            write end open any more. None for a laboratory that runs until it is stopped.

    Raises:
        LaboratoryError: It cannot run here, or was not ready in time.
    """
    names = node_names(nodes)
    check_machine()
    kubebox, unpacked, tools = build.kubebox(version), packages.packages(), build.tools()
    build.coredns()
    started = time.monotonic()
    stop(places)
    shutil.rmtree(places.logs, ignore_errors=True)
    for folder in (places.shared, places.images, places.logs):
        folder.mkdir(parents=True)
    for member in ("control-plane", *names):
        for folder in ("run", "lib", "log"):
            (places.state / member / folder).mkdir(parents=True)
    network.write_resolver(places)
    images.write_all(places.images, unpacked)
    _write_keys(places, tools, names)
    cgroups.create(places.cgroup, names)
    try:
        running = _launch(places, kubebox, unpacked, nodes, tether)
        settings = {"nodes": nodes, "version": version, "kubebox": str(kubebox)}
        _remember(running, settings)
        network.enter(running)
        _await_ready(running, kubebox, names, started)
        _remember(running, {**settings, "ready": True})
    except BaseException:
        stop(places)
        raise
    say(f"usable after {time.monotonic() - started:.1f} s: Kubernetes {version}, nodes: {nodes}")
    return running


def _write_keys(places: Places, tools: Path, names: list[str]) -> None:
    command = [tools / "pki", "-dir", places.pki, "-context", places.context]
    command += ["-api", API_ADDRESS, "-api-inside", API_INSIDE_ADDRESS]
    subprocess.run([*command, *(f"{name}={node_address(name)}" for name in names)], check=True)


def _launch(
    places: Places, kubebox: Path, unpacked: Path, nodes: int, tether: int | None
) -> Running:
    """Start the processes and return when PID 1 of the laboratory runs."""
    os.mkfifo(places.commands)
    environment = {  # no other: nothing of the caller's environment is for daemons and pods
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LAB_STATE": str(places.state),
        "LAB_INSIDE": str(INSIDE),
        "LAB_KUBEBOX": str(kubebox),
        "LAB_PACKAGES": str(unpacked),
        "LAB_NODES": str(nodes),
        "LAB_CGROUP": places.cgroup,
        "LAB_TETHER": "" if tether is None else "1",
    }
    with (places.logs / "lab.log").open("w") as log:
        outer = subprocess.Popen(
            ["bash", INSIDE / "outer.sh"],
            stdin=subprocess.DEVNULL if tether is None else tether,
            stdout=log,
            stderr=log,
            env=environment,
            cwd="/",
            start_new_session=True,
        )

    def first_process() -> int:
        inside = [pid for pid in processes.descendants(outer.pid) if processes.number_inside(pid) == 1]
        if outer.poll() is not None:
            raise LaboratoryError(f"the namespaces could not be made: {_last_lines(places)}")
        return inside[0] if inside else 0

    while not (pid := first_process()):
        time.sleep(LOOK_S)
    return Running(places, pid, outer.pid)


def _remember(running: Running, settings: dict[str, object]) -> None:
    mine: dict[str, object] = {}
    for role, pid in (("first", running.pid), ("outer", running.outer)):
        mine[role] = {"pid": pid, "started_at": processes.started_at(pid)}
    unfinished = running.places.settings.with_suffix(".unfinished")
    unfinished.write_text(json.dumps({**settings, **mine}))
    unfinished.replace(running.places.settings)


def _await_ready(running: Running, kubebox: Path, names: list[str], started: float) -> None:
    places = running.places
    _wait(running, "the API server", lambda: api.is_ready(places))
    say(f"the API server is ready after {time.monotonic() - started:.1f} s")
    (places.shared / "api-ready").touch()
    subprocess.run(
        [kubebox / "client" / "kubectl", "apply", "--filename", HERE / "manifests"],
        env={**os.environ, "KUBECONFIG": str(places.kubeconfig), "KUBECACHEDIR": str(places.shared)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    for name in names:
        _wait(running, name, lambda name=name: api.node_is_ready(places, name))
    say(f"the nodes are ready after {time.monotonic() - started:.1f} s")
    _wait(running, "the default service account", lambda: api.has_service_account(places))
    _wait(running, "the DNS", lambda: api.dns_is_ready(places, len(names)))


def _wait(running: Running, what: str, is_ready: Callable[[], bool]) -> None:
    end = time.monotonic() + READY_WITHIN_S
    while not is_ready():
        problem = _problem(running)
        if not problem and time.monotonic() > end:
            problem = f"not within {READY_WITHIN_S:.0f} s"
        if problem:
            raise LaboratoryError(
                f"{what} was not ready: {problem}. The logs are in {running.places.logs}, their last "
                f"lines: {_last_lines(running.places)}"
            )
        time.sleep(LOOK_S)


def _problem(running: Running) -> str:
    """Return what makes it useless to wait any longer; "" if nothing does."""
    if not processes.started_at(running.pid):
        return "the laboratory has ended"
    ended = sorted(path.stem for path in running.places.shared.glob("*.ended"))
    return f"{', '.join(ended)} ended" if ended else ""


def _last_lines(places: Places) -> str:
    """Return the last line of every log, for an error message."""
    lines = []
    for log in sorted(places.logs.glob("*.log")):
        text = log.read_text(errors="replace").splitlines()
        lines += [f"  {log.name}: {text[-1]}"] if text else []
    return "\n" + "\n".join(lines)


def stop(places: Places) -> bool:
    """Kill a laboratory and remove everything but its logs; return whether it was running.

    Raises:
        LaboratoryError: Something of it does not end.
    """
    running = Running.find(places)
    if running is not None:
        processes.kill(running.pid)
    if (outer := processes.recorded(places, "outer")) and not processes.ends(outer, CLEAN_WITHIN_S):
        processes.kill(outer)
    # What outer.sh has not removed, because it was killed too.
    cgroups.remove(places.cgroup)
    for path in places.state.iterdir() if places.state.is_dir() else ():
        if path.is_dir() and path != places.logs:
            shutil.rmtree(path)
        elif path.name != "lock" and path != places.logs:
            path.unlink()
    return running is not None
