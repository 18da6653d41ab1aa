"""Callers of a service, in the network namespace of a test."""

import json
import subprocess
import sys
from typing import Any

import wire
from world import SERVICE_PORT, Namespace

from chaos_go.agent.binary import find_agent

LOAD_S = 40.0


class Load:
    """POST requests at a constant rate, from a Go client in a namespace."""

    def __init__(self, namespace: Namespace, url: str, rate_rps: float = 100) -> None:
        """Start it."""
        load = {
            "url": url,
            "method": "POST",
            "headers": {"Content-Type": "application/json"},
            "body": '{"user_id":"42","amount":19.9}',
            "rate_rps": rate_rps,
            "timeout_ms": 10_000,
        }
        self.process = namespace.popen(
            [find_agent(), "load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.say(wire.spec("load", load, duration_s=LOAD_S, lease_s=60))

    def say(self, line: dict[str, Any]) -> None:
        """Write one line to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()

    def end(self) -> dict[str, Any]:
        """Stop it and return the results of the requests."""
        self.say({"command": "stop"})
        assert self.process.stdout is not None
        events = [json.loads(line) for line in self.process.stdout]
        totals: dict[str, Any] = events[-1]["load"]
        print({name: totals[name] for name in ("sent", "statuses", "timeouts")})
        return totals


class Caller:
    """A client that keeps one connection, and returns the result of each request."""

    SCRIPT = (
        "import http.client, sys\n"
        "here = ('', int(sys.argv[1]))\n"
        f"c = http.client.HTTPConnection('127.0.0.1', {SERVICE_PORT}, 20, source_address=here)\n"
        "c.connect(); c.auto_open = 0\n"
        "for _ in sys.stdin:\n"
        "    try: c.request('GET', '/healthz'); r = c.getresponse(); r.read(); print(r.status)\n"
        "    except (OSError, http.client.HTTPException) as e: print(type(e).__name__)\n"
        "    sys.stdout.flush()\n"
    )

    def __init__(self, namespace: Namespace, from_port: int = 0) -> None:
        """Connect, from any port or from a certain one."""
        self.process = namespace.popen(
            [sys.executable, "-c", self.SCRIPT, str(from_port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self) -> str:
        """Send one request and return the status, or the name of the error."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return str(self.process.stdout.readline().strip())
