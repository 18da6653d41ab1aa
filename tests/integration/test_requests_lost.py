"""Requests that a real load lost, against the count of the service that it was sent to."""

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from world import ROOT, wait_until

from chaos_go.traffic import load as loads
from chaos_go.traffic import lost
from chaos_go.traffic.contract import Load
from chaos_go.traffic.recording import Recording, Window
from demo import processes
from probes import recovery

pytestmark = pytest.mark.integration

SHOP = ROOT / "demo" / "bin" / "shop"
RATE_RPS = 100.0
GAP_S = 0.4


class Users:
    """The users service of the shop on one port, ended and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the service and wait until it is ready."""
        command = [str(SHOP), "users", "--listen", f"127.0.0.1:{self.port}"]
        with self._log(len(self._running)).open("wb") as log:
            self._running.append(processes.start(command, log))
        wait_until("users is ready", self._is_ready)

    def end(self) -> None:
        """Send SIGTERM and wait for the end. A second end changes nothing."""
        for process in self._running:
            processes.stop(process)

    def answered(self) -> int:
        """Return the number of answers with 200 that all processes have printed at their end."""
        lines = [self._log(number).read_text() for number in range(len(self._running))]
        counts = [json.loads(line.strip().splitlines()[-1])["requests"] for line in lines]
        return sum(status["200"] for count in counts for status in count.values())

    def _log(self, number: int) -> Path:
        return self._folder / f"users-{number}.log"

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()


@pytest.fixture
def users(tmp_path: Path) -> Iterator[Users]:
    users = Users(tmp_path)
    try:
        users.start()
        yield users
    finally:
        users.end()


@pytest.fixture
def recording(users: Users) -> Iterator[Recording]:
    url = f"http://127.0.0.1:{users.port}/api/v1/users/42"
    recording = loads.start("users", Load(url=url, rate_rps=RATE_RPS))
    yield recording
    loads.stop(recording)


def test_every_request_is_answered_or_lost_with_its_cause(
    users: Users, recording: Recording
) -> None:
    recording.last(1)
    users.end()
    time.sleep(GAP_S)
    users.start()
    detail = recovery.requests_lost_detail("users-ended", window_s=recording_age_s(recording) + 1)
    loads.stop(recording)
    users.end()
    seconds = recording.seconds()
    failed = lost.failures(Window("users", 0.0, 0.0, recording.timeout_ms, seconds))
    sent = sum(second.sent for second in seconds)
    causes = lost.by_cause(failed)
    assert sent - lost.count(failed) == users.answered()
    assert (detail["value"], detail["by_cause"]) == (lost.count(failed), causes)
    assert detail["unlisted"] == 0
    assert causes["refused"] >= 0.8 * GAP_S * RATE_RPS
    due = sorted(x.due_unix_s for x in failed if x.cause == "refused")
    assert due[-1] - due[0] >= 0.8 * GAP_S


def recording_age_s(recording: Recording) -> float:
    return recording.now() - recording.origin()
