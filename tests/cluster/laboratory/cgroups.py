"""The cgroups of the pods: the only thing that a laboratory has outside of its namespaces."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from .errors import LaboratoryError

ROOT = Path("/sys/fs/cgroup")
NEEDED_CONTROLLERS = {"cpu", "cpuset", "memory", "pids"}
REMOVE_WITHIN_S = 5.0
LOOK_S = 0.02


def create(name: str, nodes: Sequence[str]) -> None:
    """Create the folder of a laboratory in every hierarchy, and one for each node in it.

    Args:
        name: Name of the folder.
        nodes: Names of the nodes.

    Raises:
        LaboratoryError: A controller that the kubelet needs cannot be used here.
    """
    try:
        if (ROOT / "cgroup.controllers").exists():
            _create_version_2(name, nodes)
        else:
            _create_version_1(name, nodes)
    except OSError as error:
        raise LaboratoryError(
            f"cgroups cannot be created below {ROOT}: {error}; the laboratory needs them writable. "
            "In a container, that takes --privileged"
        ) from error


def _create_version_1(name: str, nodes: Sequence[str]) -> None:
    hierarchies = _hierarchies("cgroup")
    missing = NEEDED_CONTROLLERS - {word for path in hierarchies for word in path.name.split(",")}
    if missing:
        raise LaboratoryError(
            f"the cgroup controllers {', '.join(sorted(missing))} are not mounted below {ROOT}; "
            "mount them, as systemd does"
        )
    for hierarchy in hierarchies:
        for folder in [hierarchy / name, *(hierarchy / name / node for node in nodes)]:
            folder.mkdir(exist_ok=True)
            for setting in ("cpuset.cpus", "cpuset.mems"):  # a new cpuset has none
                if (folder / setting).exists():
                    (folder / setting).write_text((hierarchy / setting).read_text())


def _create_version_2(name: str, nodes: Sequence[str]) -> None:
    available = set((ROOT / "cgroup.controllers").read_text().split())
    if missing := NEEDED_CONTROLLERS - available:
        raise LaboratoryError(f"{ROOT} has no cgroup controllers {', '.join(sorted(missing))}")
    wanted = " ".join(f"+{controller}" for controller in sorted(available))
    # A controller is there for a folder only if its parent passes it on.
    (ROOT / "cgroup.subtree_control").write_text(wanted)
    (ROOT / name).mkdir(exist_ok=True)
    (ROOT / name / "cgroup.subtree_control").write_text(wanted)
    for node in nodes:
        (ROOT / name / node).mkdir(exist_ok=True)


def remove(name: str, node: str = "") -> None:
    """Remove the folders, which are empty once their processes have ended.

    Args:
        name: Name of the folder of the laboratory.
        node: Only what is below the folder of this node, which stays; "" for everything.

    Raises:
        LaboratoryError: There are processes in them that do not end.
    """
    end = time.monotonic() + REMOVE_WITHIN_S
    while left := [
        path for path in folders(name, node) if not _remove_below(path, keep=bool(node))
    ]:
        if time.monotonic() > end:
            raise LaboratoryError(f"{left[0]} cannot be removed: there are processes in it")
        time.sleep(LOOK_S)


def folders(name: str, node: str = "") -> list[Path]:
    """Return the folders that a laboratory has, or one node of it."""
    # runc also makes a folder in the hierarchy of version 2 that systemd mounts beside version 1.
    places = [ROOT, *_hierarchies("cgroup"), *_hierarchies("cgroup2")]
    found = {place / name / node for place in places}
    return sorted(path for path in found if path.is_dir())


def _remove_below(folder: Path, *, keep: bool) -> bool:
    """Remove empty folders, the deepest first; return whether nothing is left."""
    done = True
    for path, _, _ in os.walk(folder, topdown=False):
        if keep and Path(path) == folder:
            continue
        try:
            Path(path).rmdir()
        except OSError:
            done = False
    return done


def _hierarchies(kind: str) -> list[Path]:
    """Return where file systems of a kind, cgroup or cgroup2, are mounted."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    paths = [Path(fields[1]) for fields in mounts if fields[2] == kind]
    return [path for path in paths if path.is_relative_to(ROOT)]
