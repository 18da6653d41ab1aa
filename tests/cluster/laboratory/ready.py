"""Waits until a laboratory that was started can be used."""

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from . import api, network, processes
from .cache import say
from .errors import LaboratoryError
from .places import HERE
from .processes import Running

READY_WITHIN_S = 90.0
LOOK_S = 0.05


def wait_until_usable(
    running: Running, kubebox: Path, nodes: Sequence[str], started: float
) -> None:
    """Wait until pods can run on every node and find each other by name.

    This process must be in the network of the laboratory.

    Args:
        running: The laboratory.
        kubebox: Folder with kubectl.
        nodes: Names of the nodes.
        started: When the start began, on the monotonic clock, for the lines that tell the user.

    Raises:
        LaboratoryError: It takes too long, or a process has ended.
    """
    places = running.places
    _wait(running, "the API server", lambda: api.is_ready(places))
    say(f"the API server is ready after {time.monotonic() - started:.1f} s")
    (places.shared / "api-ready").touch()
    _apply(running, kubebox, HERE / "manifests")
    _wait(running, "a node", lambda: all(api.node_is_ready(places, node) for node in nodes))
    say(f"the nodes are ready after {time.monotonic() - started:.1f} s")
    _wait(running, "the default service account", lambda: api.has_service_account(places))
    _wait(running, "the DNS", lambda: api.dns_is_ready(places, len(nodes)))


def _apply(running: Running, kubebox: Path, folder: Path) -> None:
    result = subprocess.run(
        [kubebox / "client" / "kubectl", "apply", "--filename", folder],
        env=network.environment(running, kubebox),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise LaboratoryError(f"kubectl does not apply {folder}: {result.stderr.strip()}")


def _wait(running: Running, what: str, is_ready: Callable[[], bool]) -> None:
    end = time.monotonic() + READY_WITHIN_S
    while not is_ready():
        problem = _problem(running)
        if not problem and time.monotonic() > end:
            problem = f"not within {READY_WITHIN_S:.0f} s"
        if problem:
            logs = running.places.logs
            raise LaboratoryError(
                f"{what} was not ready: {problem}. The logs are in {logs}; their last lines:\n"
                f"{_last_lines(logs)}"
            )
        time.sleep(LOOK_S)


def _problem(running: Running) -> str:
    """Return what makes it useless to wait any longer; "" if nothing does."""
    if not processes.started_at(running.pid):
        return "the laboratory has ended"
    ended = sorted(path.stem for path in running.places.shared.glob("*.ended"))
    return f"{', '.join(ended)} ended" if ended else ""


def _last_lines(logs: Path) -> str:
    """Return the last line of every log."""
    lines = []
    for log in sorted(logs.glob("*.log")):
        text = log.read_text(errors="replace").splitlines()
        lines += [f"  {log.name}: {text[-1]}"] if text else []
    return "\n".join(lines)
