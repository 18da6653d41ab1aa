"""Start the four services of the shop in this network namespace, and stop them again.

    python demo/shop.py [--bad VARIANT] [--logs DIR] [COMMAND ...]

prints "ready" once all of them answer, and stops them when COMMAND has ended, without one at the
end of its standard input.
"""

import argparse
import http.client
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import processes

BINARY = Path(__file__).parent / "bin" / "shop"
PORTS = {"users": 8082, "risk": 8083, "checkout": 8081, "gateway": 8080}
READY_TIMEOUT_S = 30.0
LOOK_S = 0.05


class ShopError(Exception):
    """The shop could not be started; the message says which service and why."""


class Shop:
    """The four services, on 127.0.0.1:8080 to 8083, as long as the ``with`` block lasts."""

    def __init__(self, logs: Path, bad: str = "", checkout_flags: Sequence[str] = ()) -> None:
        """Prepare a shop.

        Args:
            logs: folder for the output of the services, one file each.
            bad: how checkout is built badly, a comma list of variants (`shop checkout --help`
                lists them); "" builds it well.
            checkout_flags: further flags of checkout.
        """
        self._logs = logs
        self._flags = {"checkout": [*checkout_flags, *(["--bad", bad] if bad else [])]}
        self._services: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Shop":
        """Start all services and wait until they answer.

        Raises:
            ShopError: the binary is missing, or a service ended or did not answer in time.
        """
        if not BINARY.is_file():
            raise ShopError(f"{BINARY} is missing; build it with: make demo")
        try:
            for role in PORTS:
                self._start(role)
            for role, port in PORTS.items():
                self._await(role, port, time.monotonic() + READY_TIMEOUT_S)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop all services."""
        self.stop()

    def stop(self) -> None:
        """Stop all services, those that customers reach first before those that they need."""
        for role in reversed(self._services):
            processes.stop(self._services[role])
        self._services.clear()

    def _start(self, role: str) -> None:
        command = [str(BINARY), role, *self._flags.get(role, [])]
        with self._log(role).open("wb") as log:
            self._services[role] = processes.start(command, log, own_group=True)

    def _await(self, role: str, port: int, deadline: float) -> None:
        while not (self._listens(role) and _is_healthy(port)):
            code = self._services[role].poll()
            if code is not None:
                raise ShopError(f"service {role} ended with code {code}: {self._said(role)}")
            if time.monotonic() > deadline:
                raise ShopError(
                    f"service {role} did not answer http://127.0.0.1:{port}/healthz with 200 in "
                    f"{READY_TIMEOUT_S:g} s; it said: {self._said(role) or 'nothing'}"
                )
            time.sleep(LOOK_S)

    def _listens(self, role: str) -> bool:
        """Tell whether it is our service that has the port: a stranger would answer as well."""
        return "listening on" in self._said(role)

    def _said(self, role: str) -> str:
        return self._log(role).read_text(errors="replace").strip()

    def _log(self, role: str) -> Path:
        return self._logs / f"shop-{role}.log"


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> int:
    """Run the shop as long as the command, or until standard input ends; give the exit code."""
    parser = argparse.ArgumentParser(
        description="Run the shop as long as COMMAND, without one until standard input ends."
    )
    parser.add_argument("--bad", default="", help="how checkout is built badly")
    parser.add_argument("--logs", type=Path, help="folder for the logs; default: a temporary one")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="for instance bash")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        try:
            with Shop(options.logs or Path(temporary), options.bad):
                print("ready", flush=True)
                if options.command:
                    # Ctrl-C reaches the command too, which decides what it means.
                    signal.signal(signal.SIGINT, lambda *_: None)
                    return subprocess.call(options.command)
                sys.stdin.read()
        except (ShopError, OSError) as error:
            sys.exit(f"shop.py: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
