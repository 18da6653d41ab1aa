"""Network namespaces for the integration tests, with processes and checks of what is left."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SHOP = ROOT / "demo" / "bin" / "shop"
NAMESPACE = ROOT / "demo" / "namespace.py"
CHAOS = Path(sys.executable).with_name("chaos")
SHOP_PORTS = {8080, 8081, 8082, 8083}
SERVICE_PORT = 9082  # of the fixture `service`
LOOK_S = 0.02
LISTENING = "0A"  # state of a socket in /proc/net/tcp, include/net/tcp_states.h


def tool(name: str) -> str:
    """Return the path of a program that the tests need, or fail: a skipped test proves nothing."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not found:
        raise AssertionError(f"{name} is missing; install it: apt-get install nftables iproute2")
    return found


def wait_until(what: str, condition: Callable[[], bool], within_s: float = 20.0) -> float:
    """Poll until a condition holds and return the seconds it took, or fail at the deadline."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > within_s:
            raise AssertionError(f"not within {within_s:g} s: {what}")
        time.sleep(LOOK_S)
    return time.monotonic() - started


def marked_processes(mark: str) -> dict[int, str]:
    """Find every process that has inherited a text in its environment: pid and command line."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                command = (process / "cmdline").read_text().replace("\0", " ").strip()
                found[int(process.name)] = command
        except OSError:
            continue  # it has just ended, or it belongs to somebody else
    return found


def only_place(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record of the only place of a fault."""
    place: dict[str, Any]
    (place,) = record["places"]
    return place


class Namespace:
    """A new network namespace with `lo` up. It exists as long as its holder process runs."""

    def __init__(self, parent: "Namespace | None" = None) -> None:
        """Create it; with a parent, in its user namespace, so that the two can be connected."""
        command = [sys.executable, str(NAMESPACE), "sh", "-c", "echo made; exec cat"]
        self._children: list[subprocess.Popen[Any]] = []
        self._holder = subprocess.Popen(
            parent.inside(command) if parent else command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline().strip() != "made":
            raise AssertionError("this machine allows no network namespace: run as root")
        self.pid = self._holder.pid

    def inside(self, command: Sequence[str | Path]) -> list[str]:
        """Return the command line that runs a command in here."""
        enter = ["nsenter", "--target", str(self.pid), "--net"]
        if os.readlink(f"/proc/{self.pid}/ns/user") != os.readlink("/proc/self/ns/user"):
            enter += ["--user", "--preserve-credentials"]
        return [*enter, *(str(word) for word in command)]

    def popen(self, command: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
        """Start a process in here; it is killed with the namespace at the latest."""
        child = subprocess.Popen(self.inside(command), **options)
        self._children.append(child)
        return child

    def run(
        self, command: Sequence[str | Path], timeout_s: float = 60.0, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in here to its end and return its output."""
        return subprocess.run(
            self.inside(command),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            **options,
        )

    def start_service(self, port: int) -> subprocess.Popen[bytes]:
        """Start the users service without latency on every address; return when it listens."""
        assert SHOP.is_file(), f"{SHOP} is missing; build it with: make demo"
        command = [SHOP, "users", "--listen", f":{port}", "--latency", "0s", "--tail", "0s"]
        process = self.popen(command, stderr=subprocess.DEVNULL)
        wait_until(f"a service listens on {port}", lambda: port in self.listeners())
        return process

    def driver(self, *prefix: str, **options: Any) -> "Driver":
        """Start a `Driver` in here, with a prefix such as `setpriv ...` before its command line."""
        return Driver(self, prefix, options)

    def listeners(self) -> set[int]:
        """Return the TCP ports on which a process listens in here."""
        ports = set()
        for name in ("tcp", "tcp6"):
            for line in Path(f"/proc/{self.pid}/net/{name}").read_text().splitlines()[1:]:
                _, local, _, state = line.split()[:4]
                if state == LISTENING:
                    ports.add(int(local.rpartition(":")[2], 16))
        return ports

    def agents(self) -> list[int]:
        """Return the process ids of the agents in here, without workers whose parent runs.

        A worker without its parent counts, so that no process is left when this is empty.
        """
        processes = self._agent_processes()
        return sorted(pid for pid, parent in processes.items() if parent not in processes)

    def worker(self, agent: int) -> int:
        """Return the process id of the worker of an agent."""
        (worker,) = (pid for pid, parent in self._agent_processes().items() if parent == agent)
        return worker

    def _agent_processes(self) -> dict[int, int]:
        """Return every process of an agent in here, and its parent."""
        here = os.readlink(f"/proc/{self.pid}/ns/net")
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                agent = os.readlink(process / "exe").rpartition("/")[2].startswith("chaos-agent")
                if agent and os.readlink(process / "ns" / "net") == here:
                    stat = (process / "stat").read_text().rpartition(")")[2]
                    found[int(process.name)] = int(stat.split()[1])
            except OSError:
                continue  # it has just ended, or it belongs to somebody else
        return found

    def tables(self) -> str:
        """Return the tables of nftables in here; "" if there are none."""
        listed = self.run([tool("nft"), "list", "tables"])
        assert listed.returncode == 0, listed.stderr
        return listed.stdout.strip()

    def routing(self) -> list[str]:
        """Return the rules and routes in here that a new network namespace does not have."""
        lines = []
        for family in ("-4", "-6"):
            listed = self.run([tool("ip"), family, "rule", "show"]).stdout.splitlines()
            own = ("lookup local", "lookup main", "lookup default")
            lines += [line for line in listed if not line.rstrip().endswith(own)]
            listed = self.run(
                [tool("ip"), family, "route", "show", "table", "all"]
            ).stdout.splitlines()
            lines += [line for line in listed if " table " in line and " table local " not in line]
        return lines

    def locks(self) -> list[str]:
        """Return the abstract sockets with which agents hold their places in here."""
        lines = Path(f"/proc/{self.pid}/net/unix").read_text(errors="replace").splitlines()
        return [line.rpartition(" @")[2] for line in lines if "@chaos-agent/" in line]

    def leave(self) -> None:
        """End what the test has started in here, except its agents, which keep the namespace."""
        for child in self._children:
            child.kill()
            child.communicate()
        self._children = []
        self._holder.communicate()

    def close(self) -> None:
        """End everything that was started in here."""
        for child in self._children:
            child.kill()
            child.communicate()
        for agent in self._agent_processes():
            with suppress(ProcessLookupError):
                os.kill(agent, signal.SIGKILL)
        self._holder.communicate()


class Driver:
    """A Python process in a namespace that calls functions for a test; see driver.py."""

    def __init__(
        self, namespace: Namespace, prefix: Sequence[str], options: dict[str, Any]
    ) -> None:
        """Start the process."""
        self.process = namespace.popen(
            [*prefix, sys.executable, HERE / "driver.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            **options,
        )

    def call(self, function: str, **arguments: Any) -> Any:
        """Call ``module.function`` there and return its result; fail if it raises."""
        answer = self._ask(function, arguments)
        assert "error" not in answer, f"{function}({arguments}): {answer}"
        return answer["result"]

    def refusal(self, function: str, **arguments: Any) -> str:
        """Call ``module.function`` there, which must raise; return its message of one line."""
        answer = self._ask(function, arguments)
        assert "error" in answer, f"{function}({arguments}) was not refused: {answer}"
        message = str(answer["message"])
        assert "\n" not in message, message
        return message

    def abort(self, target: str, **arguments: Any) -> Any:
        """Arm an abort."""
        return self.call("chaos_go.faults.http.abort", target=target, **arguments)

    def abort_leased(self, target: str, lease_s: float, **arguments: Any) -> None:
        """Arm an abort whose agent waits not longer than lease_s for a sign of the process."""
        asked = {"target": target, **arguments}
        action = "chaos_go.faults.http.abort"
        self.call("driver.hold_leased", action=action, arguments=asked, lease_s=lease_s)

    def delay(self, target: str, **arguments: Any) -> Any:
        """Arm a delay."""
        return self.call("chaos_go.faults.http.delay", target=target, **arguments)

    def modify(self, target: str, **arguments: Any) -> Any:
        """Arm a change of answers."""
        return self.call("chaos_go.faults.http.modify", target=target, **arguments)

    def stop(self, name: str = "") -> Any:
        """End one fault or all."""
        return self.call("chaos_go.faults.stop", name=name)

    def request(self, port: int, host: str = "127.0.0.1", **arguments: Any) -> dict[str, Any]:
        """Send one request and return its answer."""
        answer: dict[str, Any] = self.requests(1, port, host, **arguments)[0]
        return answer

    def requests(self, times: int, port: int, host: str, **arguments: Any) -> list[dict[str, Any]]:
        """Send several requests one after the other."""
        answers: list[dict[str, Any]] = self.call(
            "driver.request", host=host, port=port, times=times, **arguments
        )
        return answers

    def _ask(self, function: str, arguments: dict[str, Any], within_s: float = 60.0) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        line = json.dumps({"call": function, "arguments": arguments}) + "\n"
        self.process.stdin.write(line.encode())
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], within_s)
        assert ready, f"{function}({arguments}) did not return within {within_s:g} s"
        answer = self.process.stdout.readline()
        assert answer, f"the driver died in {function}({arguments})"
        return json.loads(answer)


def is_answered(namespace: Namespace, port: int, path: str = "/api/v1/users/42") -> bool:
    """Return whether the service answers a request of a separate process with 200."""
    script = (
        "import sys, urllib.request\n"
        "try: sys.exit(urllib.request.urlopen(sys.argv[1], timeout=10).status != 200)\n"
        "except OSError: sys.exit(1)"
    )
    url = f"http://127.0.0.1:{port}{path}"
    return namespace.run([sys.executable, "-c", script, url]).returncode == 0


def what_is_left(namespace: Namespace, ports: set[int]) -> list[str]:
    """List every trace of a fault in a namespace whose services listen on these ports."""
    left = [f"agent process {pid}" for pid in namespace.agents()]
    left += [f"listener on port {port}" for port in sorted(namespace.listeners() - ports)]
    left += [f"lock {name}" for name in namespace.locks()]
    if tables := namespace.tables():
        left.append(f"nftables: {tables}")
    return left


def nothing_left(namespace: Namespace, ports: set[int], within_s: float = 15.0) -> float:
    """Wait until no trace of a fault is left and the first service answers 200.

    Returns:
        The seconds it took. They are printed too; `pytest -rP` shows them.
    """
    started = time.monotonic()
    while left := what_is_left(namespace, ports):
        waited_s = time.monotonic() - started
        assert waited_s < within_s, f"still there after {waited_s:.1f} s: {'; '.join(left)}"
        time.sleep(LOOK_S)
    gone_s = time.monotonic() - started
    assert namespace.routing() == []
    service = 8082 if 8082 in ports else min(ports)
    assert is_answered(namespace, service), f"the service on port {service} does not answer 200"
    print(f"gone after {gone_s:.2f} s")
    return gone_s
