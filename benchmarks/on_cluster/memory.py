"""The memory of `chaos run` for an experiment that kills one pod, beside the same with chaosk8s."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from table import Reach, Rounds, Row

from .lab import Lab
from .speed import GOAL_S, NAMESPACE, PEER, WORKLOAD, deleted_unix_s

MOST_MB = 150.0
TARGET = f"deployment/{NAMESPACE}/{WORKLOAD}"
_MEASURED = """\
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""Runs a command from a small process, since ``ru_maxrss`` begins with the size of its starter."""

CHAOS = Path(sys.executable).parent / "chaos"


def memory(lab: Lab, rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Run both experiments, in turn."""
    if not lab.exists(f"/api/v1/namespaces/{NAMESPACE}"):
        lab.deploy(NAMESPACE, (WORKLOAD,))
    say("chaos run: chaos_go.faults.pods.kill, probes.pods.recovery_s, chaos_go.controls.evidence")
    say("chaos run: chaosk8s.pod.actions.terminate_pods, "
        "chaosk8s.deployment.probes.deployment_available_and_healthy")  # fmt: skip
    ours: list[float] = []
    theirs: list[float] = []
    called: list[float] = []
    for _ in range(rounds):
        peak_mb, journal = one_run(lab, chaos_go_experiment())
        ours.append(peak_mb)
        action = journal["run"][0]
        pod = action["output"]["places"][0]["place"].rpartition("/")[2]
        began_unix_s = datetime.fromisoformat(action["start"]).timestamp()
        called.append(deleted_unix_s(lab, {"pods": [pod]}) - began_unix_s)
        theirs.append(one_run(lab, chaosk8s_experiment())[0])
    return [
        Row("peak memory of chaos run with a pod kill", Rounds("MB", ours), PEER,
            Rounds("MB", theirs), Reach(most=MOST_MB, of="value")),
        Row("action called to pod deleted, in chaos run after a probe of pods",
            Rounds("s", called), reach=Reach(most=GOAL_S, of="value")),
    ]  # fmt: skip


def one_run(lab: Lab, experiment: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """Run an experiment.

    Returns:
        The most memory that the process had, in MB, and the journal.

    Raises:
        RuntimeError: The run did not complete.
    """
    lab.wait_until_available(NAMESPACE, WORKLOAD)
    with tempfile.TemporaryDirectory() as folder:
        file, journal = Path(folder) / "experiment.json", Path(folder) / "journal.json"
        file.write_text(json.dumps(experiment))
        command: list[str | Path] = [sys.executable, "-c", _MEASURED, CHAOS, "--no-log-file", "run"]
        done = subprocess.run(
            [*command, "--journal-path", journal, file],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        found = json.loads(journal.read_text()) if journal.exists() else {}
    if done.returncode != 0 or found.get("status") != "completed":
        raise RuntimeError(f"chaos run ended with {done.returncode}: {done.stdout[-2000:]}")
    return int(done.stdout.split()[-1]) * 1024 / 1e6, found


def chaos_go_experiment() -> dict[str, Any]:
    """Return an experiment that kills one pod, and asks for the recovery."""
    probe = _python("recovery", "probe", "probes.pods", "recovery_s",
                    {"target": TARGET, "fault": "kill"})  # fmt: skip
    probe["tolerance"] = {"type": "range", "range": [0, 60]}
    kill = _python("kill", "action", "chaos_go.faults.pods", "kill",
                   {"target": TARGET, "name": "kill"})  # fmt: skip
    control = {"type": "python", "module": "chaos_go.controls.evidence"}
    return _experiment(probe, kill, [{"name": "evidence", "provider": control}])


def chaosk8s_experiment() -> dict[str, Any]:
    """Return the experiment with which users of chaosk8s ask the same."""
    probe = _python("available", "probe", "chaosk8s.deployment.probes",
                    "deployment_available_and_healthy",
                    {"name": WORKLOAD, "ns": NAMESPACE})  # fmt: skip
    probe["tolerance"] = True
    which = {"label_selector": f"app={WORKLOAD}", "ns": NAMESPACE, "rand": True}
    kill = _python("kill", "action", "chaosk8s.pod.actions", "terminate_pods", which)
    kill["pauses"] = {"after": 5}
    return _experiment(probe, kill, [])


def _experiment(
    probe: dict[str, Any], kill: dict[str, Any], controls: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "title": "What does one pod kill need?",
        "description": "Measured by make bench-kubernetes.",
        "controls": controls,
        "steady-state-hypothesis": {"title": "The pods are there", "probes": [probe]},
        "method": [kill],
        "rollbacks": [],
    }


def _python(
    name: str, kind: str, module: str, function: str, arguments: dict[str, Any]
) -> dict[str, Any]:
    provider = {"type": "python", "module": module, "func": function, "arguments": arguments}
    return {"type": kind, "name": name, "provider": provider}
