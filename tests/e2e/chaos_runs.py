"""Real `chaos run` and `chaos go` processes against the cluster of a test."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clusters import Cluster, wait_until

CHAOS = Path(sys.executable).with_name("chaos")
EVIDENCE = {
    "name": "evidence",
    "provider": {"type": "python", "module": "chaos_go.controls.evidence"},
}


def action(func: str, **arguments: object) -> dict[str, Any]:
    """Return an action of `chaos_go.faults.pods`."""
    provider = {"type": "python", "module": "chaos_go.faults.pods", "func": func}
    return {"name": func, "type": "action", "provider": {**provider, "arguments": arguments}}


class ChaosRun:
    """A `chaos run` with a method of actions, in a folder of its own."""

    def __init__(self, cluster: Cluster, folder: Path, method: Sequence[dict[str, Any]]) -> None:
        """Write the experiment. After these actions it waits for a long time.

        The wait is a pause before another action: Chaos Toolkit makes the pause after an action
        even when that action was interrupted.
        """
        self.folder = folder
        self._cluster = cluster
        self._process: subprocess.Popen[bytes] | None = None
        stop = {"type": "python", "module": "chaos_go.faults", "func": "stop"}
        wait = {"name": "wait", "type": "action", "provider": stop, "pauses": {"before": 600}}
        experiment = {
            "title": "is what was changed restored?",
            "description": "hypothesis: it is",
            "controls": [EVIDENCE],
            "method": [*method, wait],
        }
        (folder / "experiment.json").write_text(json.dumps(experiment))

    def start(self) -> subprocess.Popen[bytes]:
        """Start it; its log is in the file ``log``."""
        command = [CHAOS, "--no-version-check", "run", "--journal-path", "journal.json"]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "experiment.json"],
                cwd=self.folder,
                env=self._cluster.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self._process

    def __enter__(self) -> "ChaosRun":
        """Return it; a test that fails must not leave its process behind."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill its process, if it still runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def log(self) -> str:
        """Return its output so far."""
        return (self.folder / "log").read_text()

    def undo_files(self) -> list[Path]:
        """Return the undo files in its folder."""
        return sorted(self.folder.glob("chaos-go-undo-*"))

    def wait_for_undo_file(self) -> Path:
        """Wait until it has written one undo file, and return it."""
        (file,) = wait_until(self.undo_files, f"an undo file is there: {self.log()}", 30)
        return file

    def journal(self) -> dict[str, Any]:
        """Return its journal."""
        return dict(json.loads((self.folder / "journal.json").read_text()))


def chaos_go(cluster: Cluster, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``chaos go`` with these arguments."""
    command = [CHAOS, "--no-version-check", "go", *map(str, arguments)]
    return subprocess.run(
        command, env=cluster.environment, capture_output=True, text=True, timeout=60
    )
