"""The matrix of deaths: its targets, the scene of one test, and the times that were measured.

Every test of the matrix runs on every row of `TARGETS`. A `Scene` has the service with the fault,
clients that were connected through the fault when something broke, and a bystander: another service
in the same network namespace, whose clients must not see a single error.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clients import PAUSE_S
from world import HERE, SERVICE_PORT, Namespace, is_answered, what_is_left

BYSTANDER_PORT = 9083
PROXY_PORT = 19082
FAULTED = "/api/v1/users/42"  # answered 503 while the fault is armed
PASSING = "/api/v1/users/7"  # the path of the live connections, which no fault matches
LIVE_CONNECTIONS = 4
LEASE_S = 6.0
LONG_S = 60.0  # a fault that no test waits for

DEAD_S = 2.0  # promised: 0.2 s; a loaded machine needs more
HUNG_S = 4.0  # promised: 2 s
DRAIN_S = 5.0  # promised: 2 s for connections to end in order


@dataclass(frozen=True)
class Target:
    """One way to a service. `released` is the outcome of a new connection after the fault."""

    name: str
    chaos: str
    port: int
    released: str = "200"

    def url(self, path: str) -> str:
        """Return the address that a client of this way dials."""
        return f"http://127.0.0.1:{self.port}{path}"


TARGETS = [
    Target("inbound", f"port/{SERVICE_PORT}", SERVICE_PORT),
    Target("outbound", f"to/127.0.0.1:{SERVICE_PORT}", SERVICE_PORT),
    Target(
        "explicit",
        f"proxy/127.0.0.1:{PROXY_PORT}->127.0.0.1:{SERVICE_PORT}",
        PROXY_PORT,
        released="refused",
    ),
]

MEASURED: list[tuple[str, str, float, float]] = []
"""Case, target, seconds until new connections were free, seconds until nothing was left."""


class Scene:
    """A namespace with the service, the bystander, and clients of both."""

    def __init__(self, namespace: Namespace, target: Target) -> None:
        """Start everything."""
        self.namespace, self.target = namespace, target
        self.ports = {SERVICE_PORT, BYSTANDER_PORT}
        self.service = namespace.start_service(SERVICE_PORT)
        namespace.start_service(BYSTANDER_PORT)
        self._clients = namespace.popen(
            [sys.executable, HERE / "clients.py", f"http://127.0.0.1:{BYSTANDER_PORT}{PASSING}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def connect(self) -> None:
        """Check that the fault answers, then connect live clients through it."""
        self.wait_for("503", within_s=5.0)
        self._ask("connect", url=self.target.url(PASSING), number=LIVE_CONNECTIONS)

    def open_idle(self) -> None:
        """Open a connection of a client that then does nothing."""
        self._ask("open_idle", url=self.target.url(PASSING))

    def use_idle(self) -> float:
        """Send a request on that connection; it must be answered. Return the seconds it took."""
        return float(self._ask("use_idle"))

    def wait_for(self, outcome: str, within_s: float) -> float:
        """Open new connections until a request that matches the fault has this outcome."""
        url = self.target.url(FAULTED)
        took_s = float(self._ask("wait_for", url=url, outcome=outcome, within_s=within_s))
        assert took_s >= 0, f"{self.target.name}: no {outcome} within {within_s:g} s"
        return took_s

    def breaks(
        self,
        case: str,
        breaking: Callable[[], object],
        *,
        free_within_s: float,
        gone_within_s: float,
        resets: int = 1,
        dies_slowly: bool = False,
    ) -> None:
        """Break something, then check that the fault is gone and that no other client had an error.

        Args:
            case: Its name in the table of measured times.
            breaking: Breaks it.
            free_within_s: Seconds after which new connections must bypass the agent.
            gone_within_s: Seconds after which nothing of the fault may be left.
            resets: The number of errors that each live connection may have had.
            dies_slowly: Whether clients may be refused repeatedly until new connections bypass the
                agent, and not only once for each error.
        """
        began = time.monotonic()
        breaking()
        self.wait_for(self.target.released, free_within_s + 10)
        free_s = time.monotonic() - began
        while left := what_is_left(self.namespace, self.ports):
            waited_s = time.monotonic() - began
            assert waited_s < gone_within_s + 10, f"after {waited_s:.1f} s: {'; '.join(left)}"
            time.sleep(0.02)
        gone_s = time.monotonic() - began
        MEASURED.append((case, self.target.name, free_s, gone_s))
        print(f"{case}, {self.target.name}: free after {free_s:.2f} s, gone after {gone_s:.2f} s")
        assert free_s <= free_within_s
        assert gone_s <= gone_within_s
        assert self.namespace.routing() == []
        assert is_answered(self.namespace, SERVICE_PORT)
        refusals_until_free = int(free_within_s / PAUSE_S)  # one after each pause
        self.nobody_else_is_touched(resets, refusals_until_free if dies_slowly else resets)

    def nobody_else_is_touched(self, resets: int, refusals: int) -> None:
        """Check the clients: those of the bystander had no error, the live ones only a few."""
        comes_back = self.target.released == "200"
        # Whatever the number of refusals is by now: every client must get through in the end.
        are_back = not comes_back or self._ask("reach_it_again", within_s=DEAD_S)
        seen = self._ask("report")
        for client in seen["bystanders"]:
            assert client["answered"] > 3, seen
            assert (client["errors"], client["refused"]) == ([], 0), seen
        for client in seen["live"]:
            # A client that connects again before the process has ended has one more error.
            assert len(client["errors"]) <= 2 * resets, seen
            assert client["refused"] <= refusals or not comes_back, seen
        assert are_back, seen

    def _ask(self, function: str, **arguments: object) -> Any:
        assert self._clients.stdin is not None
        assert self._clients.stdout is not None
        self._clients.stdin.write(json.dumps({"call": function, "arguments": arguments}) + "\n")
        self._clients.stdin.flush()
        return json.loads(self._clients.stdout.readline())


def table() -> list[str]:
    """Return what was measured, a row per case, a column per target: seconds "free / gone"."""
    names = [target.name for target in TARGETS]
    rows: dict[str, dict[str, str]] = {}
    for case, target, free_s, gone_s in MEASURED:
        rows.setdefault(case, {})[target] = f"{free_s:.2f} / {gone_s:.2f}"
    lines = [f"| {'case':<44} |" + "".join(f" {name:<11} |" for name in names)]
    lines.append(f"|{'-' * 46}|" + "".join(f"{'-' * 13}|" for _ in names))
    for case, row in rows.items():
        lines.append(f"| {case:<44} |" + "".join(f" {row.get(name, '-'):<11} |" for name in names))
    return lines
