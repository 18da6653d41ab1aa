"""Connections from before a fault are taken over, left or reset; its end fails no request."""

import os
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from keepalive import CONNECTIONS, Agent, Asking, Clients, read
from world import ROOT, SERVICE_PORT, Driver, Namespace, only_place, tool, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

TARGET = f"port/{SERVICE_PORT}"
CYCLES = 100


@pytest.fixture(scope="module")
def keepalive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the service and its clients."""
    program = tmp_path_factory.mktemp("keepalive") / "keepalive"
    build = ["go", "build", "-buildvcs=false", "-o", program, "./internal/takeover/keepalive"]
    subprocess.run(build, cwd=ROOT / "agent", check=True, env=os.environ | {"CGO_ENABLED": "0"})
    return program


@pytest.fixture
def answering(namespace: Namespace, keepalive: Path) -> subprocess.Popen[str]:
    """Start the service on all addresses of IPv4 and IPv6."""
    serve = [keepalive, "serve", f":{SERVICE_PORT}"]
    process = namespace.popen(serve, stdout=subprocess.PIPE, text=True)
    assert read(process) == "ready"
    return process


@pytest.mark.parametrize("side", ["inbound", "outbound"])
@pytest.mark.parametrize(
    ("host", "aborted"), [("127.0.0.1", "/nobody"), ("[::1]", "/hash/aborted")], ids=["v4", "v6"]
)
@pytest.mark.usefixtures("answering")
def test_no_request_fails_by_starting_and_ending_faults(
    namespace: Namespace, keepalive: Path, host: str, aborted: str, side: str
) -> None:
    to = f"{host}:{SERVICE_PORT}" if side == "outbound" else ""
    clients = Clients(namespace, keepalive, host, "/hash", "/hash", "/hash/aborted")
    taken, existing, agents = 0, 0, []
    for _ in range(CYCLES):
        agent = Agent(namespace, aborted, to)
        time.sleep(0.1)
        taken += agent.stop().get("taken_over", 0)
        existing += agent.armed.get("existing_connections", 0)  # 0 while all of them reconnect
        agents.append(agent)
        time.sleep(0.05)
    report = clients.end()
    print(
        f"{CYCLES} faults, {report['requests']} requests {report['statuses']} on "
        f"{report['connections']} connections; {taken} of {existing} taken over, "
        f"{len(report['failures'])} failures"
    )
    assert report["failures"] == []
    assert ("503" in report["statuses"]) == (aborted != "/nobody")
    assert taken > existing / 2  # a loaded machine may not reach all of them in time
    for agent in agents:
        assert agent.process.wait(15) == 0
    nothing_left_here(namespace)


@pytest.mark.parametrize("target", [TARGET, f"to/127.0.0.1:{SERVICE_PORT}"])
@pytest.mark.usefixtures("answering")
def test_busy_connections_are_faulted_at_once(
    namespace: Namespace, driver: Driver, keepalive: Path, target: str
) -> None:
    clients = Clients(namespace, keepalive, "127.0.0.1", "/hash")
    record = driver.abort(target, duration_s=30)
    armed = only_place(record)["armed"]
    # A client may be between two of its connections, so some connections are new.
    assert armed["existing_handling"] == "takeover", armed
    assert armed["existing_connections"] == CONNECTIONS
    assert armed.get("untouched_connections", 0) == 0
    wait_until("the queues are gone with the last connection", lambda: queues(namespace) == 0)
    (record,) = driver.stop()
    report = clients.end()
    assert only_place(record)["totals"]["taken_over"] == CONNECTIONS
    assert report["failures"] == []
    late_ms = [(t - record["armed_unix_s"]) * 1000 for t in report["faulted_unix_s"]]
    assert len(late_ms) == CONNECTIONS
    print(
        f"first faulted answer after armed: {min(late_ms):.1f} ms, "
        f"median {statistics.median(late_ms):.1f}, last connection {max(late_ms):.1f}"
    )
    assert max(late_ms) <= 500
    nothing_left_here(namespace)


@pytest.mark.parametrize("to", ["", f"127.0.0.1:{SERVICE_PORT}"], ids=["inbound", "outbound"])
@pytest.mark.parametrize("path", ["/hash", "/early"])
@pytest.mark.usefixtures("answering")
def test_bodies_that_look_like_requests_are_never_changed(
    namespace: Namespace, keepalive: Path, path: str, to: str
) -> None:
    """The body is in flight when the fault starts; /early answers before the body has ended."""
    upload = [keepalive, "upload", f"127.0.0.1:{SERVICE_PORT}", path, "600"]
    clients = [namespace.popen(upload, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [read(client) for client in clients] == ["begun"] * 4
    agent = Agent(namespace, "/nobody", to)
    assert agent.armed["existing_connections"] == 4
    assert [read(client) for client in clients] == ["unchanged"] * 4
    assert agent.stop().get("taken_over", 0) == 0
    nothing_left_here(namespace)


@pytest.mark.usefixtures("answering")
def test_long_lived_connections_survive_start_and_end(
    namespace: Namespace, keepalive: Path, driver: Driver
) -> None:
    hold = [keepalive, "hold", f"127.0.0.1:{SERVICE_PORT}"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}

    def both_work(client: subprocess.Popen[str]) -> bool:
        assert client.stdin is not None
        client.stdin.write("again\n")
        client.stdin.flush()
        return read(client) == "both work"

    before = namespace.popen(hold, **pipes)
    assert read(before) == "both work"
    driver.abort(TARGET, match={"path": "/hash"}, duration_s=30)
    through = namespace.popen(hold, **pipes)
    assert read(through) == "both work"
    assert both_work(before)
    assert driver.request(SERVICE_PORT, path="/hash")["status"] == 503
    started = time.monotonic()
    driver.stop()
    print(f"stop returned after {time.monotonic() - started:.2f} s")
    assert time.monotonic() - started < 5
    assert namespace.tables() == ""
    assert driver.request(SERVICE_PORT, path="/hash")["status"] == 200
    started = time.monotonic()
    driver.process.communicate(timeout=10)
    print(f"Python ended after {time.monotonic() - started:.2f} s")
    assert driver.process.returncode == 0
    # Longer than a close may take: the agent still relays, without any rule.
    for _ in range(4):
        time.sleep(1)
        assert both_work(before)
        assert both_work(through)
    through.communicate("", timeout=10)
    before.communicate("", timeout=10)
    nothing_left_here(namespace)


@pytest.mark.usefixtures("answering")
def test_traffic_goes_on_when_the_agent_is_killed(namespace: Namespace, keepalive: Path) -> None:
    clients = Clients(namespace, keepalive, "127.0.0.1", "/hash")
    kills = 10
    for kill in range(kills):
        agent = Agent(namespace, "/nobody")
        time.sleep(0.002 * kill)
        agent.process.send_signal(signal.SIGKILL)
        assert agent.process.wait(5) == -signal.SIGKILL
        wait_until("the table is gone", lambda: namespace.tables() == "")
    time.sleep(0.3)
    report = clients.end()
    print(f"{len(report['failures'])} of {report['requests']} requests failed by {kills} kills")
    # One per connection through the agent; a client that connects at once may have one more.
    assert len(report["failures"]) <= 2 * kills * CONNECTIONS
    assert report["statuses"]["200"] > kills * CONNECTIONS * 5
    nothing_left_here(namespace)


@pytest.fixture
def asking(namespace: Namespace, answering: subprocess.Popen[str]) -> Iterator[Asking]:
    """Return a client whose one connection is open."""
    client = Asking(namespace)
    assert client.ask() == "200"
    yield client
    client.process.communicate("", timeout=10)


def test_slow_connection_is_taken_over_by_its_second_request(
    driver: Driver, namespace: Namespace, asking: Asking
) -> None:
    armed = only_place(driver.abort(TARGET, duration_s=30))["armed"]
    assert (armed["existing_connections"], armed["existing_handling"]) == (1, "takeover")
    assert [asking.ask() for _ in range(4)] == ["200", "200", "503", "503"]
    (record,) = driver.stop()
    assert only_place(record)["totals"]["taken_over"] == 1
    assert asking.ask() == "200"
    asking.process.communicate("", timeout=10)
    nothing_left_here(namespace)


def test_idle_connection_stays_as_it_is(
    driver: Driver, namespace: Namespace, asking: Asking
) -> None:
    driver.abort(TARGET, duration_s=30)
    assert driver.request(SERVICE_PORT)["status"] == 503
    driver.stop()
    assert asking.ask() == "200"
    asking.process.communicate("", timeout=10)
    nothing_left_here(namespace)


def test_leave_leaves_open_connections_alone(
    driver: Driver, namespace: Namespace, asking: Asking
) -> None:
    record = driver.abort(TARGET, duration_s=30, connections={"existing": "leave"})
    armed = only_place(record)["armed"]
    assert (armed["existing_handling"], armed["untouched_connections"]) == ("leave", 1)
    assert [asking.ask() for _ in range(4)] == ["200"] * 4
    assert driver.request(SERVICE_PORT)["status"] == 503
    message = driver.refusal("chaos_go.faults.http.abort", target=TARGET, name="second")
    assert "leave" in message
    driver.stop()
    asking.process.communicate("", timeout=10)
    nothing_left_here(namespace)


@pytest.mark.usefixtures("answering")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_reset_resets_open_connections(driver: Driver, namespace: Namespace, host: str) -> None:
    asking = Asking(namespace, host)
    assert asking.ask() == "200"
    record = driver.abort(TARGET, duration_s=30, connections={"existing": "reset"})
    armed = only_place(record)["armed"]
    assert (armed["existing_connections"], armed["existing_handling"]) == (1, "reset")
    assert asking.ask() in ("ConnectionResetError", "RemoteDisconnected", "BrokenPipeError")
    assert asking.ask() == "503"
    driver.stop()
    asking.process.communicate("", timeout=10)
    nothing_left_here(namespace)


def queues(namespace: Namespace) -> int:
    """Count the packet queues in a namespace."""
    listed = Path(f"/proc/{namespace.pid}/net/netfilter/nfnetlink_queue").read_text()
    return len(listed.splitlines())


def nothing_left_here(namespace: Namespace) -> None:
    """Fail if anything of a fault is left."""
    wait_until("no agent is left", lambda: not namespace.agents(), 15)
    assert namespace.run([tool("nft"), "list", "ruleset"]).stdout == ""
    assert queues(namespace) == 0
    assert namespace.listeners() == {SERVICE_PORT}
