"""HTTP faults on the calls to a dependency: these calls are faulted, and no others."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import wire
from callers import Caller, Load
from test_faults_inbound import ADDRESS, connect, statuses
from world import (
    SERVICE_PORT,
    SHOP,
    SHOP_PORTS,
    Driver,
    Namespace,
    is_answered,
    nothing_left,
    only_place,
    tool,
    wait_until,
    what_is_left,
)

from chaos_go.agent.binary import find_agent

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

TARGET = f"to/127.0.0.1:{SERVICE_PORT}"
PORTS = {SERVICE_PORT}
GATEWAY_PORT = 9080
CYCLES = 20
LEAVE = {"existing": "leave"}


def process_of(namespace: Namespace, role: str) -> int:
    """Find the process of a service of the shop."""
    here = os.readlink(f"/proc/{namespace.pid}/ns/net")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().split("\0")
            if words[:2] == [str(SHOP), role] and os.readlink(process / "ns" / "net") == here:
                return int(process.name)
        except OSError:
            continue  # it has just ended, or it belongs to somebody else
    raise AssertionError(f"no process runs the service {role}")


def ruleset(namespace: Namespace) -> str:
    """Return all rules of a namespace."""
    return namespace.run([tool("nft"), "list", "ruleset"]).stdout


def checkout(driver: Driver) -> int:
    """Send one checkout and return the status of its answer."""
    body = {"user_id": "42", "amount": 19.9}
    answer = driver.call("driver.post", port=8081, path="/checkout", body=body)
    return int(answer["status"])


@pytest.fixture
def renewing_gateway(namespace: Namespace, shop: subprocess.Popen[str]) -> int:
    """Start a gateway that renews its connections to checkout often; return its port.

    It sends each POST once: a call that is lost shows as 502 or 504.
    """
    listen = ["--listen", f"127.0.0.1:{GATEWAY_PORT}", "--max-connection-age", "60ms"]
    namespace.popen([SHOP, "gateway", *listen], stderr=subprocess.DEVNULL)
    wait_until("the gateway listens", lambda: GATEWAY_PORT in namespace.listeners())
    return GATEWAY_PORT


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_abort_and_delay(driver: Driver, namespace: Namespace, host: str) -> None:
    target = f"to/[{host}]:{SERVICE_PORT}" if ":" in host else f"to/{host}:{SERVICE_PORT}"
    address = "127.0.0.1" if host == "localhost" else host
    record = driver.abort(target, answer={"body": "out of order"}, duration_s=30)
    armed = only_place(record)["armed"]
    assert armed["steering"] == "redirect"
    assert any(address in found for found in armed["resolved"])
    answer = driver.request(SERVICE_PORT, address)
    assert (answer["status"], answer["body"]) == (503, "out of order")
    driver.stop()
    assert driver.request(SERVICE_PORT, address)["status"] == 200
    driver.delay(target, delay_ms=300, duration_s=30)
    slow = driver.requests(3, SERVICE_PORT, address)
    assert statuses(slow) == [200, 200, 200]
    assert all(answer["seconds"] >= 0.3 for answer in slow)
    assert only_place(driver.stop()[-1])["totals"]["delayed"] == 3
    nothing_left(namespace, PORTS)


def test_one_process(namespace: Namespace, driver: Driver, shop: subprocess.Popen[str]) -> None:
    """Checkout cannot reach users; every other process in its namespace can."""
    assert checkout(driver) == 200
    pid = process_of(namespace, "checkout")
    armed = only_place(driver.abort(f"pid/{pid}->127.0.0.1:8082", duration_s=30))["armed"]
    # Its connections to users last at most 2 s; until then some of its calls are not faulted.
    wait_until("checkout fails", lambda: checkout(driver) != 200)
    assert driver.request(8082)["status"] == 200
    assert driver.request(8083, path="/healthz")["status"] == 200
    (record,) = driver.stop()
    totals = only_place(record)["totals"]
    assert totals["aborted"] >= 1
    assert totals["passthrough"] == {"other_process": 1}
    assert armed["resolved"] == ["127.0.0.1:8082"]
    wait_until("checkout recovers", lambda: checkout(driver) == 200)
    nothing_left(namespace, SHOP_PORTS)


@pytest.mark.usefixtures("service")
def test_calls_from_another_namespace(namespace: Namespace) -> None:
    """The dependency is on another host: only the calls from here are faulted."""
    caller = Namespace(namespace)
    try:
        connect(namespace, caller)
        chaos, neighbour = caller.driver(), namespace.driver()
        assert chaos.request(SERVICE_PORT, ADDRESS)["status"] == 200
        chaos.abort(f"to/{ADDRESS}:{SERVICE_PORT}", match={"path": "/api/.*"}, duration_s=30)
        assert chaos.request(SERVICE_PORT, ADDRESS)["status"] == 503
        assert chaos.request(SERVICE_PORT, ADDRESS, path="/healthz")["status"] == 200
        assert neighbour.request(SERVICE_PORT, ADDRESS)["status"] == 200
        chaos.stop()
        assert chaos.request(SERVICE_PORT, ADDRESS)["status"] == 200
        wait_until("nothing is left", lambda: what_is_left(caller, set()) == [])
    finally:
        caller.close()


@pytest.mark.usefixtures("service")
def test_name_with_several_addresses(namespace: Namespace, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    addresses = ["127.0.0.1", "127.0.0.2", "::1"]
    hosts.write_text("".join(f"{address} users.test\n" for address in addresses))
    script = f'mount --bind {hosts} /etc/hosts && exec "$@"'
    driver = namespace.driver("unshare", "--mount", "sh", "-c", script, "sh")
    armed = only_place(driver.abort(f"to/users.test:{SERVICE_PORT}", duration_s=30))["armed"]
    port = SERVICE_PORT
    assert armed["resolved"] == [f"127.0.0.1:{port}", f"127.0.0.2:{port}", f"[::1]:{port}"]
    seen = [driver.request(port, host)["status"] for host in [*addresses, "127.0.0.3"]]
    assert seen == [503, 503, 503, 200]
    # Another name of one of these addresses is the same place.
    other = namespace.driver()
    message = other.refusal("chaos_go.faults.http.abort", target=f"to/127.0.0.2:{port}")
    assert "already faulted by" in message
    driver.stop()
    nothing_left(namespace, PORTS)


@pytest.mark.usefixtures("service")
def test_invalid_targets_are_refused(driver: Driver, namespace: Namespace) -> None:
    message = driver.refusal("chaos_go.faults.http.abort", target="to/nobody.invalid:80")
    assert "nobody.invalid has no address here" in message
    for pid, reason in ((2**30, "no such process"), (os.getpid(), "another network namespace")):
        way = {"to": f"127.0.0.1:{SERVICE_PORT}", "caller_pid": pid}
        line = json.dumps(wire.abort(way, duration_s=5)) + "\n"
        refused = namespace.run([find_agent(), "fault"], input=line)
        assert refused.returncode == 2, refused.stdout
        problem = json.loads(refused.stdout)["error"]
        assert problem["field"] == "way.caller_pid"
        assert reason in problem["message"]
    nothing_left(namespace, PORTS)


@pytest.mark.usefixtures("service")
def test_listener_takes_redirected_connections_only(driver: Driver, namespace: Namespace) -> None:
    driver.abort(TARGET, duration_s=30)
    ours = sorted(namespace.listeners() - PORTS)
    assert ours
    for port in ours:
        for host in ("127.0.0.1", "::1"):
            message = driver.refusal("driver.request", host=host, port=port)
            assert "reset" in message.lower() or "refused" in message.lower(), message
    driver.request(SERVICE_PORT)
    driver.stop()
    nothing_left(namespace, PORTS)


@pytest.mark.usefixtures("service")
def test_both_ends_of_a_call(driver: Driver, namespace: Namespace) -> None:
    """A call passes the fault of the caller and then that of the service, without a loop."""
    driver.delay(f"port/{SERVICE_PORT}", delay_ms=5, name="service", duration_s=30)
    driver.delay(TARGET, delay_ms=5, name="caller", duration_s=30)
    assert driver.request(SERVICE_PORT)["status"] == 200
    totals = {record["id"]: only_place(record)["totals"] for record in driver.stop()}
    assert [totals[name]["delayed"] for name in ("service", "caller")] == [1, 1]
    nothing_left(namespace, PORTS)


def test_no_call_is_lost_by_starts_and_stops(
    driver: Driver, namespace: Namespace, renewing_gateway: int
) -> None:
    load = Load(namespace, f"http://127.0.0.1:{renewing_gateway}/checkout")
    seen = 0
    for _ in range(CYCLES):
        driver.delay("to/127.0.0.1:8081", delay_ms=1, name="slow", duration_s=30)
        time.sleep(0.3)
        seen += only_place(driver.stop("slow")[0])["totals"]["delayed"]
    totals = load.end()
    assert seen >= CYCLES
    assert set(totals["statuses"]) == {"200"}, totals["statuses"]
    assert totals["timeouts"] == totals["connection_errors"] == 0
    nothing_left(namespace, SHOP_PORTS | {GATEWAY_PORT})


def test_killed_agent_leaves_nothing_and_callers_recover(
    driver: Driver, namespace: Namespace, renewing_gateway: int
) -> None:
    load = Load(namespace, f"http://127.0.0.1:{renewing_gateway}/checkout")
    driver.delay("to/127.0.0.1:8081", delay_ms=20, duration_s=30)
    time.sleep(1.0)
    for pid in namespace.agents():
        if pid != load.process.pid and b"fault" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    gone_s = wait_until("the table is gone", lambda: namespace.tables() == "")
    print(f"table gone {gone_s:.3f} s after the kill")
    assert is_answered(namespace, 8082)
    time.sleep(2.0)
    totals = load.end()
    failed = sum(n for status, n in totals["statuses"].items() if status != "200")
    # At most one per open connection: 100 requests per second of ~40 ms keep these open.
    assert failed <= 30, totals["statuses"]
    assert totals["timeouts"] == 0
    nothing_left(namespace, SHOP_PORTS | {GATEWAY_PORT})


@pytest.mark.usefixtures("service")
def test_open_call_goes_on(driver: Driver, namespace: Namespace) -> None:
    """The kernel has not seen the beginning of this connection; it must not redirect its rest."""
    caller = Caller(namespace)
    assert caller.ask() == "200"
    armed = only_place(driver.abort(TARGET, connections=LEAVE, duration_s=30))["armed"]
    assert (armed["existing_handling"], armed["untouched_connections"]) == ("leave", 1)
    assert [caller.ask() for _ in range(3)] == ["200"] * 3
    assert driver.request(SERVICE_PORT)["status"] == 503
    driver.stop()
    assert caller.ask() == "200"
    nothing_left(namespace, PORTS)


@pytest.mark.usefixtures("service")
def test_open_call_from_a_port_that_was_redirected_before(
    driver: Driver, namespace: Namespace
) -> None:
    """The kernel still knows the last connection from this port; it must not redirect this one."""
    port = 40082
    driver.abort(TARGET, duration_s=30)
    arguments = {"host": "127.0.0.1", "port": SERVICE_PORT, "from_port": port, "times": 1}
    assert driver.call("driver.statuses_from_one_port", **arguments) == [503]
    driver.stop()
    nothing_left(namespace, PORTS)
    caller = Caller(namespace, port)
    assert caller.ask() == "200"
    driver.abort(TARGET, connections=LEAVE, match={"path": "/nobody"}, duration_s=30)
    assert caller.ask() == "200"
    driver.process.kill()
    nothing_left(namespace, PORTS)


@pytest.mark.usefixtures("service")
def test_open_call_is_reset_when_asked_for(driver: Driver, namespace: Namespace) -> None:
    caller = Caller(namespace)
    assert caller.ask() == "200"
    target = f"pid/{caller.process.pid}->127.0.0.1:{SERVICE_PORT}"
    record = driver.abort(target, connections={"existing": "reset"}, duration_s=30)
    armed = only_place(record)["armed"]
    assert (armed["existing_connections"], armed.get("untouched_connections", 0)) == (1, 0)
    assert caller.ask() != "200"
    assert driver.request(SERVICE_PORT)["status"] == 200
    assert "touched nothing" in driver.refusal("chaos_go.faults.stop", name="")
    nothing_left(namespace, PORTS)


@pytest.mark.usefixtures("service")
def test_redirected_call_ends_in_order(driver: Driver, namespace: Namespace) -> None:
    """A connection that came through the agent is answered after the end, and then closed."""
    driver.delay(TARGET, delay_ms=1, duration_s=30)
    caller = Caller(namespace)
    assert caller.ask() == "200"
    driver.process.stdin.write(  # without waiting for the end of the agent
        b'{"call": "chaos_go.faults.stop", "arguments": {"name": ""}}\n'
    )
    driver.process.stdin.flush()
    wait_until("the rules are gone", lambda: "redirect" not in ruleset(namespace))
    assert caller.ask() == "200"
    nothing_left(namespace, PORTS)
