"""Kills and stops parts of a laboratory: nodes and daemons; and loads images into it."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from . import cgroups, processes
from .errors import LaboratoryError
from .places import node_names
from .processes import Running

LOOK_S = 0.02


def load_images(running: Running, archives: Sequence[Path]) -> None:
    """Import images into every node that runs; nodes that start later import them too.

    A pod that runs keeps its image. A new pod gets the new one.

    Args:
        running: The laboratory.
        archives: Files that `ctr images import` reads.

    Raises:
        LaboratoryError: A node refuses an image.
    """
    for archive in archives:
        if archive.parent != running.places.images:
            shutil.copy(archive, running.places.images)
    for name, pid in running.members().items():
        if name == "control-plane":
            continue
        for archive in archives:
            _import(name, pid, archive.name)


def _import(name: str, pid: int, file: str) -> None:
    packages = "/run/lab/packages/usr/bin"
    command = ["nsenter", "--target", str(pid), "--all", f"{packages}/ctr"]
    command += ["--namespace", "k8s.io", "images", "import", f"/run/lab/images/{file}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise LaboratoryError(f"{name} does not import {file}: {result.stderr.strip()}")


def kill_node(running: Running, name: str) -> None:
    """Kill a node with all its pods at once, as a power failure does.

    Raises:
        LaboratoryError: The node does not run.
    """
    processes.kill(running.member(name))
    # A kubelet that starts again takes 3 s for every cgroup that is left of an earlier pod.
    cgroups.remove(running.places.cgroup, name)


def start_node(running: Running, name: str) -> None:
    """Start a node again that was killed.

    Raises:
        LaboratoryError: There is no such node, or it runs.
    """
    nodes = json.loads(running.places.settings.read_text())["nodes"]
    if name not in node_names(nodes):
        raise LaboratoryError(f"there is no {name!r}; there are: {', '.join(node_names(nodes))}")
    if name in running.members():
        raise LaboratoryError(f"{name} runs already")
    cgroups.remove(running.places.cgroup, name)
    running.places.commands.write_text(f"start {name}\n")
    while name not in running.members():
        time.sleep(LOOK_S)


def signal_daemon(running: Running, member: str, name: str, what: str) -> None:
    """Do something to a daemon.

    Args:
        running: The laboratory.
        member: "control-plane", "node1" ...
        name: Name of the daemon, for instance "apiserver" or "kubelet".
        what: "kill": it is started again after 0.5 s; "stop": it stays down until "start";
            "freeze" and "thaw": SIGSTOP and SIGCONT.

    Raises:
        LaboratoryError: There is no such member or daemon.
    """
    pid = running.daemon(member, name)
    stopped = running.daemons(member) / f"{name}.stopped"
    if what == "stop":
        stopped.touch()
    elif what == "start":
        stopped.unlink(missing_ok=True)
        return
    signals = {"freeze": signal.SIGSTOP, "thaw": signal.SIGCONT}
    if pid and what in signals:
        os.kill(pid, signals[what])
    elif pid:
        processes.kill(pid)
