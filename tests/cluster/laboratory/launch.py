"""Makes the folders, keys and cgroups of a laboratory, and starts its first process."""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import cgroups, images, network, processes
from .errors import LaboratoryError
from .places import API_ADDRESS, API_INSIDE_ADDRESS, INSIDE, Places, node_address
from .processes import Running

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LOOK_S = 0.01


@dataclass(frozen=True)
class Parts:
    """What was built or fetched.

    Attributes:
        kubebox: Folder with the daemons of Kubernetes.
        packages: Folder with the unpacked Debian packages.
        tools: Folder with the tools of the laboratory.
    """

    kubebox: Path
    packages: Path
    tools: Path


def prepare(places: Places, parts: Parts, nodes: Sequence[str]) -> None:
    """Write everything that the processes of the laboratory need.

    Raises:
        LaboratoryError: Something cannot be written; the message names it.
    """
    shutil.rmtree(places.logs, ignore_errors=True)
    for folder in (places.shared, places.images, places.logs):
        folder.mkdir(parents=True)
    for member in ("control-plane", *nodes):
        for name in ("run", "lib", "log"):
            (places.state / member / name).mkdir(parents=True)
    os.mkfifo(places.commands)
    network.write_resolver(places)
    images.write_all(places.images, parts.packages)
    _write_keys(places, parts.tools, nodes)
    cgroups.create(places.cgroup, nodes)


def _write_keys(places: Places, tools: Path, nodes: Sequence[str]) -> None:
    command: list[str | Path] = [tools / "pki", "-dir", places.pki, "-context", places.context]
    command += ["-api", API_ADDRESS, "-api-inside", API_INSIDE_ADDRESS]
    subprocess.run([*command, *(f"{name}={node_address(name)}" for name in nodes)], check=True)


def launch(places: Places, parts: Parts, nodes: Sequence[str], tether: int | None) -> Running:
    """Start the processes and return when PID 1 of the laboratory runs.

    Raises:
        LaboratoryError: The kernel does not allow the namespaces.
    """
    environment = {  # nothing of the caller's environment is for daemons and pods
        "PATH": PATH,
        "LAB_STATE": str(places.state),
        "LAB_INSIDE": str(INSIDE),
        "LAB_KUBEBOX": str(parts.kubebox),
        "LAB_PACKAGES": str(parts.packages),
        "LAB_NODES": str(len(nodes)),
        "LAB_CGROUP": places.cgroup,
        "LAB_USER": str(places.user),
        "LAB_TETHER": "" if tether is None else "1",
    }
    log_file = places.logs / "lab.log"
    with log_file.open("w") as log:
        outer = subprocess.Popen(
            ["bash", INSIDE / "outer.sh"],
            stdin=subprocess.DEVNULL if tether is None else tether,
            stdout=log,
            stderr=log,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    while outer.poll() is None:
        for pid in processes.descendants(outer.pid):
            if processes.number_inside(pid) == 1:
                return Running(places, pid, outer.pid)
        time.sleep(LOOK_S)
    raise LaboratoryError(f"the namespaces could not be made: {log_file.read_text().strip()}")
