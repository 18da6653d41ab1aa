"""Start the four services of the shop in this network namespace, and stop them again.

    python demo/shop.py [--bad VARIANT] [--logs DIR] [COMMAND ...]

prints "ready" when all services answer. The services stop when COMMAND has ended or, without a
COMMAND, at the end of standard input.
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
    """The shop could not be started. The message names the service and the reason."""


class Shop:
    """The four services on 127.0.0.1:8080 to 8083; they run during the ``with`` block."""

    def __init__(self, logs: Path, bad: str = "", checkout_flags: Sequence[str] = ()) -> None:
        """Start nothing yet.

        Args:
            logs: Folder for the output of the services, one file each.
            bad: Bad variants of checkout, separated by commas (`shop checkout --help` lists them);
                "" for a well-built checkout.
            checkout_flags: Further flags of checkout; default none.
        """
        self._logs = logs
        self._flags = {"checkout": [*checkout_flags, *(["--bad", bad] if bad else [])]}
        self._services: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Shop":
        """Start all services and wait until they answer.

        Raises:
            ShopError: The binary is missing, or a service ended or did not answer in time.
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
        """Stop all services, each before the services that it calls."""
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
        """Return whether our service has the port: another process could answer there as well."""
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
    """Run the shop until the command or standard input ends, and return the exit code."""
    parser = argparse.ArgumentParser(
        description="Run the shop until COMMAND ends, or without it until standard input ends."
    )
    parser.add_argument("--bad", default="", help="bad variants of checkout")
    parser.add_argument("--logs", type=Path, help="folder for the logs; default: a temporary one")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="for instance bash")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        try:
            with Shop(options.logs or Path(temporary), options.bad):
                print("ready", flush=True)
                if options.command:
                    # Ctrl-C also reaches the command, which decides whether to end.
                    signal.signal(signal.SIGINT, lambda *_: None)
                    return subprocess.call(options.command)
                sys.stdin.read()
        except (ShopError, OSError) as error:
            sys.exit(f"shop.py: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
