"""The agent is killed, hangs or crashes while clients are connected through it."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from matrix import DEAD_S, DRAIN_S, FAULTED, HUNG_S, LEASE_S, MEASURED, TARGETS, Scene
from world import Driver, Namespace, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def watchdog(scene: Scene, number: int) -> None:
    """Send a signal to the process that Python has started."""
    (agent,) = scene.namespace.agents()
    os.kill(agent, number)


def worker(scene: Scene, number: int) -> None:
    """Send a signal to the process that holds the fault."""
    (agent,) = scene.namespace.agents()
    os.kill(scene.namespace.worker(agent), number)


def both(scene: Scene, number: int) -> None:
    """Send a signal to the process group."""
    (agent,) = scene.namespace.agents()
    os.killpg(agent, number)


@dataclass(frozen=True)
class Case:
    """A way to die. `problem` is in what Python says about the fault, `reason` in its record."""

    name: str
    breaking: Callable[[Scene, int], None]
    number: int
    free_within_s: float = DEAD_S
    gone_within_s: float = DEAD_S
    problem: str = ""
    reason: str = ""
    resets: int = 1


CASES = [
    Case("agent: SIGKILL, both", both, signal.SIGKILL, problem="killed by SIGKILL"),
    Case("agent: SIGKILL, watchdog", watchdog, signal.SIGKILL, problem="killed by SIGKILL"),
    Case("agent: SIGKILL, worker", worker, signal.SIGKILL, problem="signal: killed"),
    Case("agent: crash with stack dump (SIGQUIT)", worker, signal.SIGQUIT, problem="SIGQUIT: quit"),
    Case("agent: SIGSTOP, worker", worker, signal.SIGSTOP, HUNG_S, HUNG_S, problem="hung for 1.6s"),
    Case("agent: SIGSTOP, watchdog", watchdog, signal.SIGSTOP, HUNG_S, HUNG_S, reason="lease"),
    Case("agent: SIGTERM", watchdog, signal.SIGTERM, DRAIN_S, DRAIN_S, reason="signal", resets=0),
    Case("agent: SIGINT", watchdog, signal.SIGINT, DRAIN_S, DRAIN_S, reason="signal", resets=0),
    Case("agent: SIGHUP", watchdog, signal.SIGHUP, DRAIN_S, DRAIN_S, reason="signal", resets=0),
]


@pytest.fixture
def armed(scene: Scene, driver: Driver) -> Driver:
    """Return a Python process that holds a fault, with live clients connected through it."""
    driver.abort_leased(scene.target.chaos, LEASE_S, match={"path": FAULTED})
    scene.connect()
    return driver


def told(driver: Driver, problem: str, reason: str = "") -> None:
    """Check what Python knows about the end of the fault."""
    wait_until(
        "Python has seen the end of the agent",
        lambda: driver.call("driver.problem")["exit_code"] is not None,
    )
    known = driver.call("driver.problem")
    assert problem in known["problem"], known
    assert (known["state"], known["reason"]) == ("ended" if reason else "lost", reason), known


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_agent(scene: Scene, armed: Driver, case: Case) -> None:
    scene.breaks(
        case.name,
        lambda: case.breaking(scene, case.number),
        free_within_s=case.free_within_s,
        gone_within_s=case.gone_within_s,
        resets=case.resets,
    )
    told(armed, case.problem, case.reason)


def test_agent_that_hangs_as_a_whole(scene: Scene, armed: Driver) -> None:
    """Neither the kernel nor the agent can kill it: Python does; new connections bypass it."""
    is_proxy = scene.target.released == "refused"  # nothing can bypass a proxy
    scene.breaks(
        "agent: SIGSTOP, both",
        lambda: both(scene, signal.SIGSTOP),
        free_within_s=LEASE_S + 1 if is_proxy else HUNG_S,
        gone_within_s=LEASE_S + 1,
    )
    told(armed, "it hung for")


def test_existing_connection_of_an_agent_that_hangs(namespace: Namespace, driver: Driver) -> None:
    """The agent waits for its next request, whose packets bypass it like new connections."""
    scene = Scene(namespace, TARGETS[0])
    scene.open_idle()
    driver.abort_leased(scene.target.chaos, LEASE_S, match={"path": FAULTED})
    both(scene, signal.SIGSTOP)
    answered_s = scene.use_idle()
    MEASURED.append(("agent: SIGSTOP, both, older connection", "inbound", answered_s, answered_s))
    assert answered_s < HUNG_S
    scene.breaks(
        "agent: SIGSTOP, both, then SIGKILL",
        lambda: both(scene, signal.SIGKILL),
        free_within_s=HUNG_S,
        gone_within_s=DEAD_S,
    )
    assert scene.use_idle() < DEAD_S


def test_agent_without_memory(scene: Scene, armed: Driver) -> None:
    """RLIMIT_DATA acts like a memory cgroup: the next page that Go asks for is refused."""
    (agent,) = scene.namespace.agents()
    pid = scene.namespace.worker(agent)
    resource.prlimit(pid, resource.RLIMIT_DATA, (1, 1))
    flood = scene.namespace.popen(
        [sys.executable, "-c", FLOOD, str(scene.target.port)], stdout=subprocess.DEVNULL
    )
    wait_until("the worker is dead", lambda: not Path(f"/proc/{pid}/fd/0").exists())
    flood.kill()
    scene.breaks(
        "agent: out of memory (RLIMIT_DATA)",
        lambda: None,
        free_within_s=DEAD_S,
        gone_within_s=DEAD_S,
        dies_slowly=True,  # its last dump takes 0.1 s on a busy machine
    )
    told(armed, "died")  # mostly out of memory; some allocations of the runtime end in SIGSEGV


FLOOD = """
import socket, sys, time
held = []
while True:
    try:
        held.append(socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1))
        held[-1].sendall(b"POST /api/v1/users HTTP/1.1\\r\\nHost: x\\r\\nX-Filler: " + b"x" * 6000)
    except OSError:
        time.sleep(0.01)
"""
