"""Calls functions on behalf of a test, in the network namespace in which this process was started.

It reads and writes one JSON object per line. The input is ``{"call": "module.function",
"arguments": {...}}``; the output is ``{"result": ...}``, or ``{"error": "class", "message":
"..."}``.
Like `chaos run`, this process holds the faults that it was asked for.
"""

import http.client
import importlib
import json
import socket
import sys
import time
from dataclasses import replace
from typing import Any

from chaos_go.agent import holder


def request(
    host: str,
    port: int,
    path: str = "/api/v1/users/42",
    method: str = "GET",
    headers: dict[str, str] | None = None,
    times: int = 1,
) -> list[dict[str, Any]]:
    """Send requests one after the other, each on its own connection; return the answers."""
    answers = []
    for _ in range(times):
        started = time.monotonic()
        connection = http.client.HTTPConnection(host, port, timeout=20)
        try:
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            body = response.read().decode()
        finally:
            connection.close()
        answers.append(
            {
                "status": response.status,
                "headers": dict(response.getheaders()),
                "body": body,
                "seconds": time.monotonic() - started,
            }
        )
    return answers


def statuses_from_one_port(host: str, port: int, from_port: int, times: int) -> list[int]:
    """Send requests one after the other; the other side closes each connection."""
    statuses = []
    for _ in range(times):
        with socket.create_connection((host, port), 20, source_address=("", from_port)) as sent:
            sent.sendall(b"GET /hash HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            with sent.makefile("rb") as answer:
                statuses.append(int(answer.read().split()[1]))
    return statuses


def hold_leased(action: str, arguments: dict[str, Any], lease_s: float) -> None:
    """Hold what an action asks for; its agent waits not longer than lease_s for a sign of us."""
    asked = _function(action).request(**arguments)
    holder.hold(asked.target.places(), replace(asked.spec, id="leased", lease_s=lease_s))


def newest() -> dict[str, Any]:
    """Return the record of the newest fault."""
    record: dict[str, Any] = holder.faults()[-1].record()
    return record


def problem() -> dict[str, Any]:
    """Return how the newest fault, which is at one place, ended there and as a whole."""
    record = newest()
    (place,) = record["places"]
    told = {name: record[name] for name in ("state", "problem")}
    return told | {name: place[name] for name in ("reason", "exit_code")}


def post(port: int, path: str, body: Any) -> dict[str, Any]:
    """Send one POST with JSON to a port of this host; return the status of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        return {"status": response.status}
    finally:
        connection.close()


def _function(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _answer(line: str) -> dict[str, Any]:
    asked = json.loads(line)
    try:
        return {"result": _function(asked["call"])(**asked["arguments"])}
    except Exception as error:  # noqa: BLE001 - the test judges it
        return {"error": type(error).__name__, "message": str(error)}


def main() -> None:
    """Answer until standard input ends."""
    for line in sys.stdin:
        print(json.dumps(_answer(line), default=str), flush=True)


if __name__ == "__main__":
    main()
