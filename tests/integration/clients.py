"""Clients of a test, in a network namespace: they count their errors.

    python clients.py BYSTANDER_URL

From the start, two clients use the bystander, a service without a fault: one keeps its connection,
the other opens a new one for each request. Commands are lines of JSON on standard input; each is
answered with one line.
"""

import http.client
import json
import sys
import threading
import time
from typing import Any
from urllib.parse import urlsplit

PAUSE_S = 0.02
QUICK_S = 0.25  # longer than any answer of a healthy service takes, also on a loaded machine


class Client(threading.Thread):
    """Sends request after request, and connects again after an error."""

    def __init__(self, url: str, timeout_s: float = 20.0, keeps_connection: bool = True) -> None:
        """Start to send."""
        super().__init__(daemon=True)
        parts = urlsplit(url)
        self._path = parts.path
        self._connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=timeout_s
        )
        self._keeps_connection = keeps_connection
        self.reached = 0  # answers of any status
        self.answered = 0
        self.refused = 0
        self.errors: list[str] = []
        self.start()

    def run(self) -> None:
        """Send until the process ends."""
        while True:
            try:
                self._send()
            except ConnectionRefusedError:
                self.refused += 1
                self._connection.close()
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(repr(error))
                self._connection.close()
            time.sleep(PAUSE_S)

    def _send(self) -> None:
        self._connection.request("GET", self._path)
        answer = self._connection.getresponse()
        answer.read()
        self.reached += 1
        if answer.status == 200:
            self.answered += 1
        else:
            self.errors.append(f"status {answer.status}")
        if not self._keeps_connection:
            self._connection.close()

    def report(self) -> dict[str, Any]:
        """Return what was counted."""
        return {"answered": self.answered, "refused": self.refused, "errors": self.errors}


class Clients:
    """The commands."""

    def __init__(self, bystander_url: str) -> None:
        """Start the clients of the bystander."""
        self._bystanders = [
            Client(bystander_url, keeps_connection=keeps) for keeps in (True, False)
        ]
        self._live: list[Client] = []
        self._idle = http.client.HTTPConnection("")
        self._path = ""

    def connect(self, url: str, number: int) -> None:
        """Start clients that keep their connections; return when each was answered."""
        self._live = [Client(url) for _ in range(number)]
        while not all(client.answered for client in self._live):
            time.sleep(PAUSE_S)

    def reach_it_again(self, within_s: float) -> bool:
        """Wait until every live client has had one more answer; return whether that was in time."""
        reached = [client.reached for client in self._live]
        deadline = time.monotonic() + within_s
        while any(c.reached == before for c, before in zip(self._live, reached, strict=True)):
            if time.monotonic() > deadline:
                return False
            time.sleep(PAUSE_S)
        return True

    def open_idle(self, url: str) -> None:
        """Open a connection, use it once and keep it."""
        parts = urlsplit(url)
        self._path = parts.path
        self._idle = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        self._idle.connect()
        self._use_idle()

    def use_idle(self) -> float:
        """Use the connection again, without connecting anew; return the seconds until an answer."""
        self._idle.auto_open = 0
        started = time.monotonic()
        self._use_idle()
        return time.monotonic() - started

    def _use_idle(self) -> None:
        self._idle.request("GET", self._path)
        answer = self._idle.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"status {answer.status}")

    def wait_for(self, url: str, outcome: str, within_s: float) -> float:
        """Connect anew until a request has this outcome; return the seconds, or -1 for never."""
        started = time.monotonic()
        while outcome_of(url) != outcome:
            if time.monotonic() - started > within_s:
                return -1.0
        return time.monotonic() - started

    def report(self) -> dict[str, Any]:
        """Return what every client has counted."""
        return {
            "bystanders": [client.report() for client in self._bystanders],
            "live": [client.report() for client in self._live],
        }


def outcome_of(url: str) -> str:
    """Send one request on a new connection; return its status, `refused`, or otherwise `hangs`."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=QUICK_S)
    try:
        connection.request("GET", parts.path)
        return str(connection.getresponse().status)
    except ConnectionRefusedError:
        time.sleep(PAUSE_S)
        return "refused"
    except (OSError, http.client.HTTPException):
        return "hangs"
    finally:
        connection.close()


def main() -> None:
    """Execute commands until standard input ends."""
    clients = Clients(sys.argv[1])
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(getattr(clients, asked["call"])(**asked["arguments"])), flush=True)


if __name__ == "__main__":
    main()
