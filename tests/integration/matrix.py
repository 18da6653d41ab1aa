"""What the matrix of deaths is made of: targets, the scene of one test, and what was measured.

Every test of the matrix runs on every row of `TARGETS`. A `Scene` has the service that is faulted,
clients that were connected through the fault when things broke, and a bystander: another service
in the same network namespace, whose clients may not see a single error.
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
PASSING = "/api/v1/users/7"  # the way of the live connections, which no fault should hurt
LIVE_CONNECTIONS = 4
LEASE_S = 6.0
LONG_S = 60.0  # a fault that no test waits for

DEAD_S = 2.0  # 0.2 s is what is promised; the rest is for a loaded machine
HUNG_S = 4.0  # promised: 2 s
DRAIN_S = 5.0  # promised: 2 s for connections to end in order


@dataclass(frozen=True)
class Target:
    """One way to a service. `released` is what a new connection on it meets after the fault."""

    name: str
    chaos: str
    port: int
    released: str = "200"

    def url(self, path: str) -> str:
        """Return the address with which a client comes this way."""
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
        """Send a request on it, which must be answered; give the seconds that it took."""
        return float(self._ask("use_idle"))

    def wait_for(self, outcome: str, within_s: float) -> float:
        """Open new connections until a request that the fault is for has this outcome."""
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
        """Break something, then check that the fault goes and nobody else was touched.

        Args:
            case: how the table of measured times calls it.
            breaking: breaks it.
            free_within_s: until new connections must meet no agent.
            gone_within_s: until nothing of the fault may be left.
            resets: how many errors each live connection may have met.
            dies_slowly: its clients may have been refused another one again and again until new
                connections must meet no agent, not just once for each error.
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
        refusals_until_free = int(free_within_s / PAUSE_S)  # a client comes back after every pause
        self.nobody_else_is_touched(resets, refusals_until_free if dies_slowly else resets)

    def nobody_else_is_touched(self, resets: int, refusals: int) -> None:
        """Check what the clients have seen: the bystander's nothing, the live ones little."""
        comes_back = self.target.released == "200"
        # However few refusals are counted by now: nobody may be refused for ever.
        are_back = not comes_back or self._ask("reach_it_again", within_s=DEAD_S)
        seen = self._ask("report")
        for client in seen["bystanders"]:
            assert client["answered"] > 3, seen
            assert (client["errors"], client["refused"]) == ([], 0), seen
        for client in seen["live"]:
            # Who is back before the kernel has taken the whole process down meets that once more.
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
