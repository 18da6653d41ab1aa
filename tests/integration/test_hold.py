"""`chaos-agent hold` in a PID namespace, as in a container: agents are started from outside."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from world import tool, wait_until

from chaos_go.agent.binary import find_agent

pytestmark = pytest.mark.integration

IDLE_S = 2.0

# Unlike nsenter it goes on when its child is stopped, as the shim of a container runtime does.
ENTER = """
import os, sys
spaces = [os.open(f"/proc/{sys.argv[1]}/ns/{kind}", os.O_RDONLY) for kind in ("user", "pid", "mnt")]
for space in spaces:
    os.setns(space)
child = os.fork()
if child == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
sys.exit(abs(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
"""


class Container:
    """The processes of one PID namespace. The first of them is `hold`."""

    def __init__(self, idle_s: float) -> None:
        self.agent = str(find_agent())
        self.outer = subprocess.Popen(
            [tool("unshare"), "--user", "--map-root-user", "--pid", "--fork", "--mount-proc",
             "--kill-child", self.agent, "hold", "--idle", f"{idle_s}s"]
        )  # fmt: skip
        wait_until("hold runs", lambda: bool(self.init))
        self.started: list[subprocess.Popen[Any]] = []

    @property
    def init(self) -> int:
        """The pid of `hold`, as this machine numbers it; 0 before it runs."""
        children = (
            Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text().split()
        )
        if not children:
            return 0
        command = Path(f"/proc/{children[0]}/cmdline").read_text().split("\0")
        return int(children[0]) if command[1:2] == ["hold"] else 0

    def enter(self, *command: str) -> "subprocess.Popen[str]":
        """Start a process as pods/exec does: in the namespaces, without a parent there."""
        process = subprocess.Popen(
            [sys.executable, "-c", ENTER, str(self.init), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def load(self) -> "subprocess.Popen[str]":
        """Start a load on a port where nothing listens, and wait until it is armed."""
        process = self.enter(self.agent, "load")
        load = {"url": "http://127.0.0.1:9/", "rate_rps": 1}
        spec = {"version": 2, "id": "x", "kind": "load", "duration_s": 60, "lease_s": 60}
        process.stdin.write(json.dumps({**spec, "load": load}) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["event"] == "armed"
        return process

    def agents(self) -> list[int]:
        """The pids of the agents that were started here, as this machine numbers them."""
        space = os.readlink(f"/proc/{self.init}/ns/pid")
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has just ended
                inside = os.readlink(entry / "ns" / "pid") == space
                if inside and "\0load\0" in (entry / "cmdline").read_text():
                    found.append(int(entry.name))
        return found

    def children(self) -> list[str]:
        """The pids of the processes whose parent is `hold`, zombies too."""
        return Path(f"/proc/{self.init}/task/{self.init}/children").read_text().split()


@pytest.fixture
def container(request: pytest.FixtureRequest) -> Iterator[Container]:
    made = Container(getattr(request, "param", 60.0))
    yield made
    for process in made.started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            pipe.close()
    made.outer.kill()
    made.outer.wait()


def last_event(load: "subprocess.Popen[str]") -> dict[str, Any]:
    event: dict[str, Any] = json.loads(load.stdout.read().splitlines()[-1])
    return event


def test_a_signal_ends_the_agents_in_order(container: Container) -> None:
    load = container.load()
    began = time.monotonic()
    os.kill(container.init, signal.SIGTERM)
    event = last_event(load)
    assert (event["event"], event["reason"]) == ("disarmed", "signal")
    assert container.outer.wait(10) == 0
    assert time.monotonic() - began < 4


def test_an_agent_that_hangs_does_not_delay_the_end_for_long(container: Container) -> None:
    load = container.load()
    (frozen,) = container.agents()
    os.kill(frozen, signal.SIGSTOP)
    os.kill(container.init, signal.SIGTERM)
    assert container.outer.wait(10) == 0
    assert load.wait(10) != 0


@pytest.mark.parametrize("container", [IDLE_S], indirect=True)
def test_it_ends_by_itself_but_not_while_an_agent_is_here(container: Container) -> None:
    load = container.load()
    time.sleep(2 * IDLE_S)
    assert container.outer.poll() is None
    load.stdin.close()
    ended = time.monotonic()
    assert container.outer.wait(20) == 0
    assert IDLE_S - 1.2 <= time.monotonic() - ended <= IDLE_S + 3


def test_orphans_are_reaped(container: Container) -> None:
    shell = container.enter("sh", "-c", "sleep 0.5 & exit 0")
    shell.wait(10)
    assert container.children()
    wait_until("it is reaped", lambda: not container.children(), 10)
