"""A fault is a process: whatever dies or fails, nothing of it is left. Times are printed (-rP)."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from world import CHAOS, HERE, SERVICE_PORT, Driver, Namespace, nothing_left, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

TARGET = f"port/{SERVICE_PORT}"
PORTS = {SERVICE_PORT}
STRATEGIES = ["default", "always", "never", "deviated"]
LONG_S = 30.0  # a pause or a fault that the test never waits for
EVIDENCE = {
    "name": "evidence",
    "provider": {"type": "python", "module": "chaos_go.controls.evidence"},
}


def call(name: str, module: str, func: str, **arguments: object) -> dict[str, Any]:
    """Give an action that calls a Python function."""
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    return {"name": name, "type": "action", "provider": provider}


def write_experiment(
    folder: Path, probe: str, pause_s: float, controls: list[dict[str, Any]]
) -> Path:
    """Write an experiment that answers 503, looks once, and pauses; a rollback ends the fault."""
    measured = call(probe, "stubborn_probes", probe)
    tolerance = {"type": "range", "range": [1, 1]}
    looked = call("look", "stubborn_probes", "write_status", port=SERVICE_PORT, file="status")
    experiment = {
        "title": f"is anything left when the probe is {probe}?",
        "description": "hypothesis: nothing is",
        "controls": controls,
        "steady-state-hypothesis": {
            "title": "the probe gives 1",
            "probes": [{**measured, "type": "probe", "tolerance": tolerance}],
        },
        "method": [
            call("break", "chaos_go.faults.http", "abort", target=TARGET, duration_s=LONG_S),
            {**looked, "pauses": {"after": pause_s}},
        ],
        "rollbacks": [call("mend", "chaos_go.faults", "stop")],
    }
    path = folder / "experiment.json"
    path.write_text(json.dumps(experiment))
    return path


def start_run(
    namespace: Namespace,
    folder: Path,
    probe: str = "stay_well",
    strategy: str = "default",
    pause_s: float = 0.0,
    controls: list[dict[str, Any]] | None = None,
) -> subprocess.Popen[str]:
    """Start a real `chaos run` in the namespace."""
    experiment = write_experiment(folder, probe, pause_s, controls or [])
    options = ["--rollback-strategy", strategy, "--journal-path", "journal.json"]
    return namespace.popen(
        [CHAOS, "--no-version-check", "run", *options, experiment],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(run: subprocess.Popen[str]) -> str:
    """Wait for the end of a run and give its log."""
    _, log = run.communicate(timeout=60)
    return log


def wait_for_fault(folder: Path) -> None:
    """Wait until the run has seen its own fault answer."""
    status = folder / "status"
    wait_until("the fault answers", lambda: status.exists() and status.read_text() == "503")


@pytest.fixture
def armed(namespace: Namespace, service: object, driver: Driver) -> Driver:
    """Give a Python process that holds a fault which answers 503."""
    driver.abort(TARGET, duration_s=LONG_S)
    assert driver.request(SERVICE_PORT)["status"] == 503
    return driver


def test_killed_agent(armed: Driver, namespace: Namespace) -> None:
    (agent,) = namespace.agents()
    os.kill(agent, signal.SIGKILL)
    nothing_left(namespace, PORTS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_agent_that_is_asked_to_end(armed: Driver, namespace: Namespace, number: int) -> None:
    (agent,) = namespace.agents()
    os.kill(agent, number)
    nothing_left(namespace, PORTS)


def test_killed_python(armed: Driver, namespace: Namespace) -> None:
    armed.process.kill()
    nothing_left(namespace, PORTS)


def test_hung_python(armed: Driver, namespace: Namespace) -> None:
    armed.process.send_signal(signal.SIGSTOP)
    lease_s = 10.0
    nothing_left(namespace, PORTS, within_s=lease_s + 15.0)


def test_deadline(namespace: Namespace, service: object, driver: Driver) -> None:
    driver.abort(TARGET, duration_s=1.0)
    nothing_left(namespace, PORTS)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("strategy", ["default", "always"])
def test_signal_to_chaos_run(
    namespace: Namespace, service: object, tmp_path: Path, number: int, strategy: str
) -> None:
    run = start_run(namespace, tmp_path, strategy=strategy, pause_s=LONG_S)
    wait_for_fault(tmp_path)
    run.send_signal(number)
    nothing_left(namespace, PORTS)
    finish(run)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("probe", ["stay_well", "get_worse", "fail", "say_nothing"])
def test_every_rollback_strategy(
    namespace: Namespace, service: object, tmp_path: Path, probe: str, strategy: str
) -> None:
    """Without the evidence control: only the end of the process is left to end the fault."""
    run = start_run(namespace, tmp_path, probe, strategy)
    log = finish(run)
    assert (tmp_path / "status").read_text() == "503", log
    has_crashed = not (tmp_path / "journal.json").exists()
    assert has_crashed == (probe == "say_nothing"), log
    nothing_left(namespace, PORTS)


def test_record_of_a_fault_that_nobody_rolled_back(
    namespace: Namespace, service: object, tmp_path: Path
) -> None:
    log = finish(start_run(namespace, tmp_path, strategy="never", controls=[EVIDENCE]))
    nothing_left(namespace, PORTS)
    journal = json.loads((tmp_path / "journal.json").read_text())
    (record,) = journal["chaos_go"]["faults"]
    assert record["state"] == "ended", log
    assert record["reason"] == "stop"
    assert record["totals"]["aborted"] == 1
    assert record["effect"] is True


def test_killed_agent_is_no_success(namespace: Namespace, service: object, tmp_path: Path) -> None:
    """The hypothesis is met in the end, but the fault was gone before: never "held"."""
    run = start_run(namespace, tmp_path, pause_s=3.0, controls=[EVIDENCE])
    wait_for_fault(tmp_path)
    (agent,) = namespace.agents()
    os.kill(agent, signal.SIGKILL)
    nothing_left(namespace, PORTS)
    finish(run)
    verdict = namespace.run(
        [CHAOS, "--no-version-check", "go", "verdict", "journal.json"], cwd=tmp_path
    )
    assert verdict.returncode == 2, verdict.stdout + verdict.stderr


def test_exit_without_a_word(namespace: Namespace, service: object, driver: Driver) -> None:
    """os._exit runs no atexit: only the closed pipe tells the agent."""
    script = (
        "import os; from chaos_go.faults import http; "
        f"http.abort('{TARGET}', duration_s={LONG_S}); os._exit(9)"
    )
    ended = namespace.run([sys.executable, "-c", script])
    assert ended.returncode == 9, ended.stderr
    nothing_left(namespace, PORTS)
