"""Clients that keep connections open, and agents without any Python, for test_takeover.py."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import wire
from world import SERVICE_PORT, Namespace

from chaos_go.agent.binary import find_agent

CONNECTIONS = 16


class Clients:
    """Go clients that post without a pause, each on its own connection."""

    def __init__(self, namespace: Namespace, program: Path, host: str, *paths: str) -> None:
        """Start them and wait until they are busy."""
        drive = [program, "drive", f"http://{host}:{SERVICE_PORT}", str(CONNECTIONS), *paths]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = namespace.popen(drive, **pipes)
        time.sleep(0.3)

    def end(self) -> dict[str, Any]:
        """Stop them and return their counts."""
        out, _ = self.process.communicate("", timeout=60)
        report: dict[str, Any] = json.loads(out)
        return report


class Agent:
    """An agent without any Python, for many quick faults."""

    def __init__(self, namespace: Namespace, path: str, to: str = "") -> None:
        """Arm an abort of a path, on the service's port or on the calls to it."""
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = namespace.popen([find_agent(), "fault"], **pipes)
        self._say(wire.abort({"to": to} if to else {"port": SERVICE_PORT}, path))
        event = json.loads(read(self.process))
        assert event["event"] == "armed", event
        self.armed = event["armed"]

    def stop(self) -> dict[str, Any]:
        """End the fault and return its totals; the process goes on as long as it needs."""
        self._say({"command": "stop"})
        while (event := json.loads(read(self.process)))["event"] != "disarmed":
            pass
        totals: dict[str, Any] = event["http"]
        return totals

    def _say(self, line: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()


def read(process: subprocess.Popen[str]) -> str:
    """Return the next line of a process."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


class Asking:
    """A Python client that keeps its connection open, and counts how often it had to connect."""

    _SCRIPT = (
        "import http.client, sys\n"
        f"c = http.client.HTTPConnection(sys.argv[1], {SERVICE_PORT}, timeout=20)\n"
        "for _ in sys.stdin:\n"
        "    try: c.request('POST', '/hash', 'x'); r = c.getresponse(); r.read(); s = r.status\n"
        "    except OSError as e: s = type(e).__name__; c.close()\n"
        "    print(s, flush=True)\n"
    )

    def __init__(self, namespace: Namespace, host: str = "127.0.0.1") -> None:
        """Start it."""
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = namespace.popen([sys.executable, "-c", self._SCRIPT, host], **pipes)

    def ask(self) -> str:
        """Send one request and return its status, or the name of the error."""
        assert self.process.stdin is not None
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        return read(self.process)
