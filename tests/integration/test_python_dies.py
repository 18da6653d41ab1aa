"""The Python process that holds a fault ends, hangs or fails."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from matrix import DRAIN_S, FAULTED, LEASE_S, LONG_S, MEASURED, TARGETS, Scene
from runs import Run
from world import Driver, nothing_left, tool

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

PROBES = ["stay_well", "get_worse", "fail", "say_nothing"]
STRATEGIES = ["never", "deviated", "always", "default"]
# All pairs on one way to the service; on the others each probe and each strategy once.
RUNS = [
    pytest.param(target, probe, strategy, id=f"{target.name}-{probe}-{strategy}")
    for target in TARGETS
    for probe, strategy in (
        product(PROBES, STRATEGIES)
        if target is TARGETS[0]
        else zip(PROBES, STRATEGIES, strict=True)
    )
]
ROLLBACK_S = 2.0  # how long a run may take from a signal to its last rollback


def ends(scene: Scene, case: str, ending: Callable[[], object], within_s: float = DRAIN_S) -> None:
    """Check an end that the agent notices: it lets all connections end in order."""
    scene.breaks(case, ending, free_within_s=within_s, gone_within_s=within_s, resets=0)


@pytest.fixture
def armed(scene: Scene, driver: Driver) -> Driver:
    """Return a Python process that holds a fault, with live clients connected through it."""
    driver.abort_leased(scene.target.chaos, LEASE_S, match={"path": FAULTED})
    scene.connect()
    return driver


def test_killed(scene: Scene, armed: Driver) -> None:
    ends(scene, "Python: SIGKILL", armed.process.kill)


def test_hung(scene: Scene, armed: Driver) -> None:
    stop = lambda: armed.process.send_signal(signal.SIGSTOP)  # noqa: E731
    ends(scene, f"Python: SIGSTOP, lease_s={LEASE_S:g}", stop, within_s=LEASE_S + 1)


def test_deadline(scene: Scene, driver: Driver) -> None:
    driver.abort(scene.target.chaos, match={"path": FAULTED}, duration_s=2.0)
    scene.connect()
    ends(
        scene,
        "the fault's duration (2 s) is over",
        lambda: scene.wait_for(scene.target.released, 5.0),
    )


def test_exit_without_cleanup(scene: Scene) -> None:
    """os._exit runs no atexit: only the closed pipe tells the agent."""
    script = (
        "import os, sys; from chaos_go.faults import http; "
        f"http.abort('{scene.target.chaos}', match={{'path': '{FAULTED}'}}, duration_s={LONG_S}); "
        "print('armed', flush=True); sys.stdin.readline(); os._exit(9)"
    )
    process = scene.namespace.popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"armed\n"
    scene.connect()
    ends(scene, "Python: os._exit", lambda: process.communicate(b"go on\n"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("strategy", ["default", "always"])
def test_signal_to_chaos_run(scene: Scene, tmp_path: Path, number: int, strategy: str) -> None:
    run = Run(tmp_path, scene.target, strategy=strategy, pause_s=LONG_S)
    process = run.start(scene.namespace)
    run.wait_for_fault()
    scene.connect()
    case = f"chaos run: {signal.Signals(number).name}, rollbacks {strategy}"
    ends(scene, case, lambda: process.send_signal(number), DRAIN_S + ROLLBACK_S)
    assert process.wait(20) != 0


def test_interrupt_during_rollbacks(scene: Scene, tmp_path: Path) -> None:
    run = Run(tmp_path, scene.target, strategy="always", rollback_s=LONG_S)
    process = run.start(scene.namespace)
    run.wait_for_rollback()
    scene.connect()
    interrupt = lambda: process.send_signal(signal.SIGINT)  # noqa: E731
    ends(scene, "chaos run: SIGINT in a rollback", interrupt, DRAIN_S + ROLLBACK_S)


def test_terminal_closed(scene: Scene, tmp_path: Path) -> None:
    """The run leads the session of the terminal; closing the other end sends it SIGHUP."""
    run = Run(tmp_path, scene.target, pause_s=LONG_S)
    master, slave = pty.openpty()
    streams = {"stdin": slave, "stdout": slave, "stderr": slave}
    run.start(scene.namespace, tool("setsid"), "--ctty", **streams)
    os.close(slave)
    run.wait_for_fault()
    scene.connect()
    ends(scene, "chaos run: terminal closed", lambda: os.close(master), DRAIN_S + ROLLBACK_S)


@pytest.mark.parametrize(("scene", "probe", "strategy"), RUNS, indirect=["scene"])
def test_every_rollback_strategy(scene: Scene, tmp_path: Path, probe: str, strategy: str) -> None:
    """Without the evidence control, only the end of the process ends the fault."""
    run = Run(tmp_path, scene.target, probe=probe, strategy=strategy)
    run.start(scene.namespace).wait(60)
    assert run.file("status").read_text() == "503", run.log()
    has_crashed = not run.file("journal.json").exists()
    assert has_crashed == (probe == "say_nothing"), run.log()
    gone_s = nothing_left(scene.namespace, scene.ports, within_s=DRAIN_S)
    MEASURED.append((f"probe {probe}, rollbacks {strategy}", scene.target.name, gone_s, gone_s))
    scene.nobody_else_is_touched(resets=0, refusals=0)
