"""With keep_client_address the service sees its client, and no routing is left afterwards."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from world import Driver, Namespace, only_place, tool, wait_until, what_is_left

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

PORT, OTHER_PORT = 9090, 9091
PORTS = {PORT, OTHER_PORT}
KEEP = {"keep_client_address": True}
V4, V6 = ("10.124.0.1", "10.124.0.2"), ("fd00:c4a0::1", "fd00:c4a0::2")
SERVICE = Path(__file__).with_name("who_asks.py")


@pytest.fixture
def service(namespace: Namespace) -> None:
    """Start a service that answers with the address of its client, on two ports."""
    for port in PORTS:
        namespace.popen([sys.executable, SERVICE, str(port)])
    wait_until("the service listens", lambda: namespace.listeners() == PORTS)


@pytest.fixture
def neighbour(namespace: Namespace, service: None) -> Iterator[Driver]:
    """Return a client in a namespace of its own, connected by a cable."""
    ip = tool("ip")
    other = Namespace(namespace)
    peer = ["peer", "name", "cable1", "netns", str(other.pid)]
    commands = [(namespace, ["link", "add", "cable0", "type", "veth", *peer])]
    for place, device, side in ((namespace, "cable0", 0), (other, "cable1", 1)):
        commands += [
            (place, ["address", "add", f"{V4[side]}/24", "dev", device]),
            (place, ["address", "add", f"{V6[side]}/64", "dev", device, "nodad"]),
            (place, ["link", "set", device, "up"]),
        ]
    for place, arguments in commands:
        done = place.run([ip, *arguments])
        assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
    yield other.driver()
    other.close()


def routing(namespace: Namespace) -> list[str]:
    """Return the routing rules that are not the kernel's own."""
    ip = tool("ip")
    lines = [
        line
        for family in ("-4", "-6")
        for line in namespace.run([ip, family, "rule"]).stdout.splitlines()
    ]
    return [line for line in lines if line.split(":")[0] not in ("0", "32766", "32767")]


def who(driver: Driver, host: str, port: int = PORT) -> tuple[int, str]:
    """Ask the service; return the status, and the address that it has seen."""
    answer: dict[str, Any] = driver.request(port, host)
    return answer["status"], json.loads(answer["body"])["address"] if answer["body"] else ""


def nothing_left(namespace: Namespace) -> None:
    """Wait until neither a trace of a fault nor any routing of it is left."""
    wait_until(
        "no agent, table, lock, listener, routing rule",
        lambda: not what_is_left(namespace, PORTS) and not routing(namespace),
    )
    tables = namespace.run([tool("ip"), "route", "show", "table", "all"]).stdout
    assert "local default dev lo" not in tables


@pytest.mark.parametrize("here", [V4[0], V6[0]], ids=["IPv4", "IPv6"])
def test_no_connection_is_cut_when_the_ports_of_the_agent_are_used_up(
    driver: Driver, neighbour: Driver, namespace: Namespace, here: str
) -> None:
    """All clients of a network become one client of the service, with the ports of one client."""
    few = "echo 40000 40099 >/proc/sys/net/ipv4/ip_local_port_range"
    assert namespace.run(["sh", "-c", few]).returncode == 0
    driver.delay(f"port/{PORT}", delay_ms=1, duration_s=30)
    answers = neighbour.requests(150, PORT, here)
    assert [answer["status"] for answer in answers] == [200] * 150
    seen = {json.loads(answer["body"])["address"] for answer in answers}
    assert here in seen
    assert len(seen) == 2, seen  # and loopback
    driver.stop()
    nothing_left(namespace)


@pytest.mark.parametrize(("here", "there"), [V4, V6], ids=["IPv4", "IPv6"])
def test_the_service_sees_a_client_on_the_network(
    driver: Driver, neighbour: Driver, namespace: Namespace, here: str, there: str
) -> None:
    assert who(neighbour, here) == (200, there)
    driver.delay(f"port/{PORT}", delay_ms=50, duration_s=30, connections=KEEP)
    answer = neighbour.request(PORT, here)
    assert json.loads(answer["body"])["address"] == there
    assert answer["seconds"] >= 0.05
    assert who(neighbour, here, OTHER_PORT) == (200, there)
    driver.stop()
    assert who(neighbour, here) == (200, there)
    nothing_left(namespace)


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_service_sees_a_client_on_this_host(
    driver: Driver, namespace: Namespace, host: str
) -> None:
    driver.delay(f"port/{PORT}", delay_ms=1, duration_s=30, connections=KEEP)
    assert who(driver, host) == (200, host)
    driver.stop()
    nothing_left(namespace)


TAKE_PORTS = """
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (12000, 12000))
taken = [socket.socket() for port in range(int(sys.argv[1]), int(sys.argv[2]))]
for port, one in enumerate(taken, int(sys.argv[1])):
    one.bind(("127.0.0.1", port))
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.mark.usefixtures("service")
def test_no_client_is_cut_when_its_ports_are_used_up(driver: Driver, namespace: Namespace) -> None:
    for first, last in ((10240, 21504), (21504, 32768)):
        taking = namespace.popen(
            [sys.executable, "-c", TAKE_PORTS, str(first), str(last)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert taking.stdout is not None
        assert taking.stdout.readline() == "taken\n"
    driver.delay(f"port/{PORT}", delay_ms=1, duration_s=30, connections=KEEP)
    assert [who(driver, "127.0.0.1")[0] for _ in range(3)] == [200] * 3
    assert only_place(driver.stop()[0])["totals"]["delayed"] == 3
    nothing_left(namespace)


def test_without_it_the_service_sees_this_host(driver: Driver, neighbour: Driver) -> None:
    driver.abort(f"port/{PORT}", percentage=0.001, duration_s=30)
    assert who(neighbour, V4[0]) == (200, V4[0])


def test_the_next_fault_removes_what_a_killed_agent_left(
    driver: Driver, neighbour: Driver, namespace: Namespace
) -> None:
    target = f"port/{PORT}"
    driver.abort(target, percentage=0.001, duration_s=30, connections=KEEP)
    assert routing(namespace) != []
    for agent in namespace.agents():
        os.kill(agent, signal.SIGKILL)
    wait_until("the agent is gone", lambda: not what_is_left(namespace, PORTS))
    assert who(neighbour, V4[0]) == (200, V4[1])
    fresh = namespace.driver()
    fresh.abort(f"port/{OTHER_PORT}", duration_s=30)
    assert routing(namespace) == []
    assert neighbour.request(OTHER_PORT, V4[0])["status"] == 503
    fresh.stop()
    nothing_left(namespace)


def test_two_places_have_their_own_routing(
    driver: Driver, neighbour: Driver, namespace: Namespace
) -> None:
    for port in sorted(PORTS):
        driver.delay(f"port/{port}", delay_ms=1, name=str(port), duration_s=30, connections=KEEP)
    assert who(neighbour, V4[0], OTHER_PORT) == (200, V4[1])
    driver.stop(str(OTHER_PORT))
    assert who(neighbour, V4[0]) == (200, V4[1])
    assert who(neighbour, V6[0]) == (200, V6[1])
    driver.stop()
    nothing_left(namespace)


@pytest.mark.usefixtures("service")
def test_faults_of_one_place_must_agree(driver: Driver, namespace: Namespace) -> None:
    driver.abort(f"port/{PORT}", duration_s=30)
    message = driver.refusal(
        "chaos_go.faults.http.delay",
        target=f"port/{PORT}",
        delay_ms=1,
        duration_s=30,
        connections=KEEP,
    )
    assert "connections.keep_client_address" in message
    message = driver.refusal(
        "chaos_go.faults.http.abort",
        target=f"proxy/127.0.0.1:9099->127.0.0.1:{PORT}",
        connections=KEEP,
    )
    assert "connections.keep_client_address" in message
    assert driver.request(PORT)["status"] == 503
    driver.stop()
    nothing_left(namespace)
