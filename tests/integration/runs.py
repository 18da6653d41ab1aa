"""Real `chaos run` processes for the tests, with an experiment of one fault."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from matrix import FAULTED, LONG_S, Target
from world import CHAOS, HERE, Namespace, wait_until

EVIDENCE = {
    "name": "evidence",
    "provider": {"type": "python", "module": "chaos_go.controls.evidence"},
}


def call(name: str, module: str, func: str, **arguments: object) -> dict[str, Any]:
    """Return an action that calls a Python function."""
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    return {"name": name, "type": "action", "provider": provider}


class Run:
    """A `chaos run`: a probe, a fault that answers 503, a request, a pause, a rollback."""

    def __init__(
        self,
        folder: Path,
        target: Target,
        *,
        probe: str = "stay_well",
        strategy: str = "default",
        pause_s: float = 0.0,
        rollback_s: float = 0.0,
        controls: list[dict[str, Any]] | None = None,
    ) -> None:
        """Write the experiment.

        Args:
            folder: Folder of the experiment and of the files that the run writes.
            target: Target of the fault.
            probe: Name of a function of `stubborn_probes`; its tolerance is 1 to 1.
            strategy: Strategy for rollbacks.
            pause_s: Seconds that the run does nothing while the fault is armed.
            rollback_s: Seconds that its first rollback takes; the second one ends the fault.
            controls: Controls of the experiment.
        """
        self.folder, self._strategy = folder, strategy
        measured = call(probe, "stubborn_probes", probe)
        tolerance = {"type": "range", "range": [1, 1]}
        looked = call("look", "stubborn_probes", "write_status", url=target.url(FAULTED))
        wait = call("wait", "stubborn_probes", "take_time", seconds=rollback_s, file="rollback")
        fault = {"target": target.chaos, "match": {"path": FAULTED}, "duration_s": LONG_S}
        experiment = {
            "title": f"is anything left when the probe is {probe}?",
            "description": "hypothesis: nothing is",
            "controls": controls or [],
            "steady-state-hypothesis": {
                "title": "the probe gives 1",
                "probes": [{**measured, "type": "probe", "tolerance": tolerance}],
            },
            "method": [
                call("break", "chaos_go.faults.http", "abort", **fault),
                {**looked, "pauses": {"after": pause_s}},
            ],
            "rollbacks": [wait, call("fix", "chaos_go.faults", "stop")],
        }
        self.file("experiment.json").write_text(json.dumps(experiment))

    def file(self, name: str) -> Path:
        """Return the path of a file of this run."""
        return self.folder / name

    def start(self, namespace: Namespace, *prefix: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start it, with a prefix before its command line; its log is in the file ``log``."""
        with self.file("log").open("wb") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            command = [CHAOS, "--no-version-check", "run", "--journal-path", "journal.json"]
            strategy = ["--rollback-strategy", self._strategy]
            return namespace.popen(
                [*prefix, *command, *strategy, "experiment.json"],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": f"{HERE}:{os.environ.get('PYTHONPATH', '')}"},
                **{**streams, **options},
            )

    def wait_for_fault(self) -> None:
        """Wait until a request of the run was answered by its fault."""
        status = self.file("status")
        wait_until("the fault answers", lambda: status.exists() and status.read_text() == "503")

    def wait_for_rollback(self) -> None:
        """Wait until its first rollback has begun."""
        wait_until("a rollback has begun", self.file("rollback").exists)

    def log(self) -> str:
        """Return its output so far."""
        return self.file("log").read_text()
