"""HTTP faults on a real service: exactly what was asked for happens."""

import json
import subprocess
from typing import Any

import pytest
import wire
from world import (
    SERVICE_PORT,
    SHOP_PORTS,
    Driver,
    Namespace,
    nothing_left,
    only_place,
    tool,
)

from chaos_go.agent.binary import find_agent

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("service"),
]

TARGET = f"port/{SERVICE_PORT}"
PORTS = {SERVICE_PORT}
USERS = "/api/v1/users/.*"
ADDRESS, NEIGHBOUR = "10.123.0.1", "10.123.0.2"


def connect(namespace: Namespace, other: Namespace) -> None:
    """Connect two namespaces by a cable (veth(4)), with an address at each end."""
    ip = tool("ip")
    peer = ["peer", "name", "cable1", "netns", str(other.pid)]
    for place, arguments in (
        (namespace, ["link", "add", "cable0", "type", "veth", *peer]),
        (namespace, ["address", "add", f"{ADDRESS}/24", "dev", "cable0"]),
        (namespace, ["link", "set", "cable0", "up"]),
        (other, ["address", "add", f"{NEIGHBOUR}/24", "dev", "cable1"]),
        (other, ["link", "set", "cable1", "up"]),
    ):
        done = place.run([ip, *arguments])
        assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"


def statuses(answers: list[dict[str, Any]]) -> list[int]:
    """Return the status of each answer."""
    return [answer["status"] for answer in answers]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_abort_on_loopback(driver: Driver, namespace: Namespace, host: str) -> None:
    driver.abort(
        TARGET,
        status=503,
        answer={"headers": {"Retry-After": "7"}, "body": "out of order"},
        duration_s=30,
    )
    answer = driver.request(SERVICE_PORT, host)
    assert (answer["status"], answer["body"]) == (503, "out of order")
    assert answer["headers"]["Retry-After"] == "7"
    driver.stop()
    assert driver.request(SERVICE_PORT, host)["status"] == 200
    nothing_left(namespace, PORTS)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_client_that_uses_a_port_again(driver: Driver, namespace: Namespace, host: str) -> None:
    """The agent closes first, so that its socket of each last connection is in TIME_WAIT."""
    driver.abort(TARGET, duration_s=30)
    arguments = {"host": host, "port": SERVICE_PORT, "from_port": 40082, "times": 5}
    assert driver.call("driver.statuses_from_one_port", **arguments) == [503] * 5
    driver.stop()
    nothing_left(namespace, PORTS)


def test_abort_for_a_client_on_the_network(driver: Driver, namespace: Namespace) -> None:
    other = Namespace(namespace)
    try:
        connect(namespace, other)
        client = other.driver()
        assert client.request(SERVICE_PORT, ADDRESS)["status"] == 200
        driver.abort(TARGET, duration_s=30)
        assert client.request(SERVICE_PORT, ADDRESS)["status"] == 503
        driver.stop()
        assert client.request(SERVICE_PORT, ADDRESS)["status"] == 200
        nothing_left(namespace, PORTS)
    finally:
        other.close()


def test_abort_in_the_namespace_of_a_process(namespace: Namespace) -> None:
    outer = namespace
    inner = Namespace(outer)
    try:
        inside = inner.start_service(SERVICE_PORT)
        chaos, near, far = outer.driver(), outer.driver(), inner.driver()
        chaos.abort(f"pid/{inside.pid}", duration_s=30)
        assert far.request(SERVICE_PORT)["status"] == 503
        assert near.request(SERVICE_PORT)["status"] == 200
        chaos.stop()
        assert far.request(SERVICE_PORT)["status"] == 200
        nothing_left(inner, PORTS)
        nothing_left(outer, PORTS)
    finally:
        inner.close()


def test_explicit_proxy(driver: Driver, namespace: Namespace) -> None:
    target = f"proxy/127.0.0.1:19082->127.0.0.1:{SERVICE_PORT}"
    driver.abort(target, match={"path": USERS}, duration_s=30)
    assert driver.request(19082)["status"] == 503
    assert driver.request(19082, path="/healthz")["status"] == 200
    assert driver.request(SERVICE_PORT)["status"] == 200
    assert namespace.tables() == ""
    driver.stop()
    nothing_left(namespace, PORTS)


def test_percentage_with_a_seed_repeats(driver: Driver, namespace: Namespace) -> None:
    seen = []
    for _ in range(2):
        driver.abort(TARGET, percentage=30, seed=7, duration_s=30)
        seen.append(statuses(driver.requests(150, SERVICE_PORT, "127.0.0.1")))
        driver.stop()
        nothing_left(namespace, PORTS)
    assert seen[0] == seen[1]
    # Binomial(150, 0.3): outside these bounds once in ten million.
    assert 15 <= seen[0].count(503) <= 78
    assert set(seen[0]) == {200, 503}


@pytest.mark.parametrize(
    ("rule", "hit", "missed"),
    [
        ({"path": USERS}, {"path": "/api/v1/users/7?x=1"}, {"path": "/healthz"}),
        ({"path": "/health"}, {"path": "/health"}, {"path": "/healthz"}),
        ({"method": "POST"}, {"method": "POST"}, {"method": "GET"}),
        (
            {"headers": {"x-tenant": "blue|green"}},
            {"headers": {"X-Tenant": "green"}},
            {"headers": {"X-Tenant": "greenish"}},
        ),
    ],
    ids=["path", "whole-path", "method", "header"],
)
def test_only_matching_requests_are_hit(
    driver: Driver,
    namespace: Namespace,
    rule: dict[str, Any],
    hit: dict[str, Any],
    missed: dict[str, Any],
) -> None:
    before = driver.request(SERVICE_PORT, **missed)
    driver.abort(TARGET, match=rule, duration_s=30)
    assert driver.request(SERVICE_PORT, **hit)["status"] == 503
    during = driver.request(SERVICE_PORT, **missed)
    assert (during["status"], during["body"]) == (before["status"], before["body"])
    driver.stop()
    nothing_left(namespace, PORTS)


def test_delay_is_at_least_what_was_asked(driver: Driver, namespace: Namespace) -> None:
    driver.delay(TARGET, delay_ms=300, match={"path": USERS}, duration_s=30)
    slow = driver.requests(3, SERVICE_PORT, "127.0.0.1")
    assert statuses(slow) == [200, 200, 200]
    assert all(answer["seconds"] >= 0.3 for answer in slow)
    (record,) = driver.stop()
    totals = only_place(record)["totals"]
    assert totals["delayed"] == 3
    assert totals["delay_asked_ms"] == 300
    assert 300 <= totals["delay_obtained_ms"] <= totals["delay_obtained_max_ms"]
    nothing_left(namespace, PORTS)
    assert driver.request(SERVICE_PORT)["seconds"] < min(answer["seconds"] for answer in slow)


def test_modify_changes_answers_and_nothing_else(driver: Driver, namespace: Namespace) -> None:
    before = driver.request(SERVICE_PORT)
    driver.modify(TARGET, answer={"headers": {"X-Fault": "1"}}, name="header", duration_s=30)
    page = {"body": "<html>maintenance"}
    driver.modify(TARGET, answer=page, match={"path": USERS}, name="body", duration_s=30)
    during = driver.request(SERVICE_PORT)
    assert (during["status"], during["body"]) == (200, "<html>maintenance")
    assert during["headers"]["X-Fault"] == "1"
    assert during["headers"]["Content-Length"] == "17"
    driver.stop("body")
    during = driver.request(SERVICE_PORT)
    assert (during["body"], during["headers"]["X-Fault"]) == (before["body"], "1")
    (record,) = driver.stop("header")
    assert only_place(record)["totals"]["modified"] == 2
    nothing_left(namespace, PORTS)


def test_modify_removes_the_body(driver: Driver, namespace: Namespace) -> None:
    driver.modify(TARGET, answer={"remove_body": True})
    answer = driver.request(SERVICE_PORT)
    assert (answer["status"], answer["body"]) == (200, "")
    driver.stop()
    nothing_left(namespace, PORTS)


def test_fault_that_touches_no_request(driver: Driver, namespace: Namespace) -> None:
    driver.abort(TARGET, match={"path": "/nobody/asks/for/this"}, duration_s=30)
    assert driver.request(SERVICE_PORT)["status"] == 200
    message = driver.refusal("chaos_go.faults.stop", name="")
    assert "touched nothing" in message
    nothing_left(namespace, PORTS)


def test_port_that_is_faulted_by_another_run(driver: Driver, namespace: Namespace) -> None:
    driver.abort(TARGET, name="first-come", duration_s=30)
    (agent,) = namespace.agents()
    message = namespace.driver().refusal("chaos_go.faults.http.abort", target=TARGET)
    for word in (str(SERVICE_PORT), "first-come", f"pid {agent}"):
        assert word in message
    assert driver.request(SERVICE_PORT)["status"] == 503
    driver.stop()
    nothing_left(namespace, PORTS)


def test_two_faults_on_one_port(driver: Driver, namespace: Namespace) -> None:
    driver.abort(TARGET, name="gone", status=410, match={"path": "/gone"}, duration_s=30)
    driver.abort(TARGET, name="busy", status=429, match={"path": "/busy"}, duration_s=30)
    assert len(namespace.agents()) == 1
    paths = ["/gone", "/busy", "/healthz"]
    seen = [driver.request(SERVICE_PORT, path=path)["status"] for path in paths]
    assert seen == [410, 429, 200]
    driver.stop("gone")
    assert driver.request(SERVICE_PORT, path="/gone")["status"] == 404
    assert driver.request(SERVICE_PORT, path="/busy")["status"] == 429
    driver.stop()
    nothing_left(namespace, PORTS)


def test_without_the_capability(namespace: Namespace) -> None:
    dropped = [tool("setpriv"), "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]
    message = namespace.driver(*dropped).refusal("chaos_go.faults.http.abort", target=TARGET)
    assert "CAP_NET_ADMIN" in message
    assert "proxy/" in message
    spec = wire.abort({"port": SERVICE_PORT}, duration_s=5)
    refused = namespace.run([*dropped, find_agent(), "fault"], input=json.dumps(spec) + "\n")
    assert refused.returncode == 3, refused.stdout
    assert "CAP_NET_ADMIN" in json.loads(refused.stdout)["error"]["message"]
    nothing_left(namespace, PORTS)


def test_explicit_proxy_needs_no_capability(namespace: Namespace) -> None:
    dropped = [tool("setpriv"), "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]
    driver = namespace.driver(*dropped)
    driver.abort(f"proxy/127.0.0.1:19082->127.0.0.1:{SERVICE_PORT}", duration_s=30)
    assert driver.request(19082)["status"] == 503
    driver.stop()
    nothing_left(namespace, PORTS)


def test_listener_takes_intercepted_connections_only(driver: Driver, namespace: Namespace) -> None:
    driver.abort(TARGET, duration_s=30)
    ours = sorted(namespace.listeners() - PORTS)
    assert ours
    for port in ours:
        # The listener is for IPv4 or for IPv6; the other family is refused by the kernel.
        for host in ("127.0.0.1", "::1"):
            message = driver.refusal("driver.request", host=host, port=port)
            assert "reset" in message.lower() or "refused" in message.lower(), message
    assert driver.request(SERVICE_PORT)["status"] == 503
    driver.stop()
    nothing_left(namespace, PORTS)


def test_other_ports_are_not_touched(
    driver: Driver, namespace: Namespace, shop: subprocess.Popen[str]
) -> None:
    driver.abort(TARGET, duration_s=30)
    assert driver.request(8082)["status"] == 200
    assert driver.request(SERVICE_PORT)["status"] == 503
    driver.stop()
    nothing_left(namespace, PORTS | SHOP_PORTS)
