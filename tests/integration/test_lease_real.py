"""The behaviour of leases, on the real agent with an explicit proxy: it needs no privileges."""

import http.server
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from lease_behaviour import LeaseBehaviour, Surroundings
from wire import PROTOCOL
from world import only_place

from chaos_go import __version__, targets
from chaos_go.agent.fault import Fault
from chaos_go.agent.holder import LeaseHolder

pytestmark = pytest.mark.integration


class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


class RealSurroundings(Surroundings):
    def __init__(self, upstream_port: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._listen = f"127.0.0.1:{free.getsockname()[1]}"
        target = targets.read(f"proxy/{self._listen}->127.0.0.1:{upstream_port}")
        (self.place,) = target.places()
        self.holder = LeaseHolder()

    def request(self) -> None:
        self.status()

    def status(self) -> int:
        try:
            with urllib.request.urlopen(f"http://{self._listen}/", timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def kill_agent(self, fault: Fault) -> None:
        os.kill(only_place(fault.record())["armed"]["pid"], signal.SIGKILL)

    def agents(self) -> int:
        return sum(_is_our_agent(process) for process in Path("/proc").glob("[0-9]*"))


def _is_our_agent(process: Path) -> bool:
    """Return whether a process is a running agent of this process; a zombie has no exe."""
    try:
        parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        return parent == os.getpid() and "chaos-agent" in str((process / "exe").readlink())
    except OSError:
        return False


@pytest.fixture
def here() -> Iterator[RealSurroundings]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        surroundings = RealSurroundings(server.server_port)
        yield surroundings
        surroundings.holder.stop_all()
        server.shutdown()


class TestOnTheRealAgent(LeaseBehaviour):
    pass


def test_agent_is_of_this_release(here: RealSurroundings) -> None:
    armed = only_place(here.hold().record())["armed"]
    assert (armed["agent_version"], armed["protocol"]) == (__version__, PROTOCOL)
    assert armed["steering"] == "proxy"


def test_request_meets_the_fault_only_while_it_is_armed(here: RealSurroundings) -> None:
    untouched = here.hold(path="/nowhere")
    assert here.status() == 200
    other = here.hold("all")
    assert here.status() == 503
    other.stop()
    assert here.status() == 200
    assert (other.record()["effect"], untouched.stop()["effect"]) == (True, False)
    with pytest.raises(urllib.error.URLError, match="refused"):
        here.status()


def test_heartbeats_outlast_the_lease(here: RealSurroundings) -> None:
    fault = here.hold(lease_s=1.0)
    time.sleep(3.0)
    assert fault.record()["state"] == "armed"
    assert only_place(fault.stop())["reason"] == "stop"
