"""The service, the peers and the agent, each a process on its own port of this namespace."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import processes
import requests

from chaos_go import faults
from chaos_go.agent import holder
from chaos_go.agent.binary import find_agent
from chaos_go.errors import NoEffectError
from chaos_go.faults import http

HERE = Path(__file__).resolve().parent
BENCH, TOXIPROXY = HERE / "bin" / "bench", HERE / "bin" / "toxiproxy"
TOXIPROXY_MODULE = "github.com/Shopify/toxiproxy/v2"
HAPROXY = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
NO_HAPROXY = "haproxy is missing; install it: apt-get install haproxy"

# The service listens on one port per fault, so that no fault affects the other measurements.
SERVICE_PORTS = range(9081, 9087)
DIRECT, ARMED, HALVED, DELAYED, AWAITED, HELD = SERVICE_PORTS
RELAY, REVERSE_PROXY, TOXI, TOXI_SLOW, TOXI_CONTROL, HA = range(9181, 9187)
NEVER = "/never"
"""The path that the rules of the agent and of HAProxy answer with 503."""

LOAD_CONNECTIONS = 32

HAPROXY_CONFIG = f"""\
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend in
  bind 127.0.0.1:{HA}
  http-request return status 503 if {{ path {NEVER} }}
  default_backend service
backend service
  server s 127.0.0.1:{DIRECT}
"""


class World:
    """The service, the peers and the faults of the agent; all end with the ``with`` block."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Start nothing yet.

        Args:
            say: Is called with every command that is run.
        """
        self._say = say
        self._running: list[subprocess.Popen[bytes]] = []
        self._folder = tempfile.TemporaryDirectory(prefix="bench-")

    def __enter__(self) -> "World":
        """Start the service and the peers; this process must still have a single thread."""
        service = [f"127.0.0.1:{port}" for port in SERVICE_PORTS]
        self._start([str(BENCH), "serve", *service], DIRECT)
        self._start([str(BENCH), "relay", f":{RELAY}", f"127.0.0.1:{DIRECT}"], RELAY)
        upstream = ["reverseproxy", f"127.0.0.1:{REVERSE_PROXY}", f"127.0.0.1:{DIRECT}"]
        self._start([str(BENCH), *upstream], REVERSE_PROXY)
        self._start_toxiproxy()
        if HAPROXY:
            config = Path(self._folder.name, "haproxy.cfg")
            config.write_text(HAPROXY_CONFIG)
            self._start([HAPROXY, "-db", "-f", str(config)], HA)
        return self

    def __exit__(self, *_: object) -> None:
        """End all faults and processes."""
        holder.stop_all()
        for process in reversed(self._running):
            processes.stop(process)
        self._folder.cleanup()

    def arm(self, action: str, **arguments: Any) -> dict[str, Any]:
        """Call an action of `chaos_go.faults.http` and return the record of the fault."""
        shown = ", ".join(f"{key}={value!r}" for key, value in arguments.items() if key != "name")
        self._say(f"chaos_go.faults.http.{action}({shown})")
        record: dict[str, Any] = getattr(http, action)(**arguments)
        return record

    def arm_once(self, action: str, **arguments: Any) -> None:
        """Call an action unless a fault with this name is in place already."""
        if arguments["name"] not in {fault.id for fault in holder.faults()}:
            self.arm(action, **arguments)

    def disarm(self, name: str) -> dict[str, Any]:
        """End a fault, whether or not it touched a request, and return its record."""
        with suppress(NoEffectError):
            faults.stop(name)
        return holder.find(name).record()

    def run(self, *arguments: str) -> dict[str, Any]:
        """Run one client to its end and return what it reports."""
        self._say("bench " + " ".join(arguments))
        done = subprocess.run([BENCH, *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"bench {' '.join(arguments)}: {done.stderr.strip()}")
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    @contextmanager
    def client(self, *arguments: str) -> Iterator[Callable[[], dict[str, Any]]]:
        """Run a client during the ``with`` block; yield a function that returns its next report."""
        self._say("bench " + " ".join(arguments))
        pipe = subprocess.PIPE
        with subprocess.Popen([BENCH, *arguments], stdin=pipe, stdout=pipe, text=True) as process:

            def report() -> dict[str, Any]:
                line = process.stdout.readline() if process.stdout else ""
                if not line:
                    raise RuntimeError(f"bench {' '.join(arguments)}: ended early; see its output")
                result: dict[str, Any] = json.loads(line)
                return result

            try:
                yield report
            finally:
                process.communicate()  # closes its stdin, which ends it

    def load(self, port: int, rate_rps: int, seconds: float) -> dict[int, int]:
        """Drive open-loop load and return the histogram of its latencies, bucket to count."""
        url = f"http://127.0.0.1:{port}/"
        # A long timeout: a busy machine should show in the latencies, not fail requests.
        load = {"url": url, "rate_rps": rate_rps, "max_in_flight": LOAD_CONNECTIONS}
        load["timeout_ms"] = 30_000
        spec = {"version": 2, "id": "bench", "kind": "load", "duration_s": seconds, "lease_s": 60}
        line = json.dumps(spec | {"load": load})
        self._say(f"chaos-agent load <<< '{line}'")
        pipe = subprocess.PIPE
        with subprocess.Popen([find_agent(), "load"], stdin=pipe, stdout=pipe, text=True) as agent:
            told, said = cast(IO[str], agent.stdin), cast(IO[str], agent.stdout)
            told.write(line + "\n")
            told.flush()  # not closed: that would end the load
            events = [json.loads(event) for event in said]
        total = events[-1]["load"]
        if set(total["statuses"]) != {"200"} or total["timeouts"] or total["dropped"]:
            seen = {name: total[name] for name in ("statuses", "timeouts", "dropped")}
            raise RuntimeError(f"load on {url}: not every request was answered 200: {seen}")
        counts = total["latency"]["counts"]
        return {int(bucket): n for bucket, n in counts.items()}

    def slow_toxiproxy(self, delay_ms: float) -> None:
        """Make the second proxy of toxiproxy delay all answers, in whole milliseconds."""
        toxic = {"name": "slow", "type": "latency", "attributes": {"latency": int(delay_ms)}}
        self._say(f"POST /proxies/slow/toxics to toxiproxy: {json.dumps(toxic)}")
        address = f"http://127.0.0.1:{TOXI_CONTROL}/proxies/slow/toxics"
        requests.post(address, json=toxic, timeout=10).raise_for_status()

    def _start_toxiproxy(self) -> None:
        config = Path(self._folder.name, "toxiproxy.json")
        upstream = {"upstream": f"127.0.0.1:{DIRECT}", "enabled": True}
        proxies = [
            upstream | {"name": name, "listen": f"127.0.0.1:{port}"}
            for name, port in (("fast", TOXI), ("slow", TOXI_SLOW))
        ]
        config.write_text(json.dumps(proxies))
        command = [str(TOXIPROXY), "-host", "127.0.0.1", "-port", str(TOXI_CONTROL)]
        self._start([*command, "-config", str(config)], TOXI)

    def _start(self, command: list[str], port: int) -> None:
        shown = " ".join([Path(command[0]).name, *command[1:]])
        self._say(shown.replace(self._folder.name + "/", ""))
        log = Path(self._folder.name, f"{port}.log")
        with log.open("wb") as output:
            self._running.append(processes.start(command, output, own_group=True))
        deadline = time.monotonic() + 10
        while not _answers(port):
            if time.monotonic() > deadline or self._running[-1].poll() is not None:
                raise RuntimeError(f"{shown}: does not answer on {port}: {log.read_text()[-500:]}")
            time.sleep(0.02)


def _answers(port: int) -> bool:
    asked = [str(BENCH), "drive", "-connections", "1", "-requests", "1", f"127.0.0.1:{port}", "/"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class Memory:
    """Memory of some processes in MB (10^6 bytes)."""

    resident: float
    """Sum of the resident set sizes; a shared page counts for every process that shares it."""

    proportional: float
    """The same, but a shared page counts once, divided among the processes that share it."""


def memory_of(pid: int) -> Memory:
    """Return the memory of a process and all its descendants together; see proc_pid_smaps(5)."""
    kib = {"Rss": 0, "Pss": 0}
    waiting = [pid]
    while waiting:
        process = Path(f"/proc/{waiting.pop()}")
        for line in (process / "smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in kib:
                kib[name] += int(value.split()[0])
        for task in (process / "task").iterdir():
            waiting += [int(child) for child in (task / "children").read_text().split()]
    return Memory(kib["Rss"] * 1024 / 1e6, kib["Pss"] * 1024 / 1e6)
