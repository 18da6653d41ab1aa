"""What a running agent may do, and who can reach it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import wire
from test_faults_inbound import ADDRESS, connect
from world import SERVICE_PORT, Driver, Namespace, nothing_left, only_place, tool

from chaos_go.agent.binary import find_agent

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("service"),
]

TARGET = f"port/{SERVICE_PORT}"
PROXY_PORT = 19082
PROXY = f"proxy/127.0.0.1:{PROXY_PORT}->127.0.0.1:{SERVICE_PORT}"
CAP_NET_ADMIN = 1 << 12


def threads(pid: int) -> list[dict[str, str]]:
    """Return the fields of /proc/PID/task/TID/status of every thread."""
    found = []
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        lines = status.read_text().splitlines()
        found.append({name: value.strip() for name, _, value in (x.partition(":") for x in lines)})
    return found


def confined_to(pid: int, capabilities: int) -> None:
    """Check every thread of a process."""
    assert threads(pid)
    for status in threads(pid):
        for kind in ("CapEff", "CapPrm", "CapBnd"):
            assert int(status[kind], 16) == capabilities, (kind, status[kind])
        for kind in ("CapInh", "CapAmb"):
            assert int(status[kind], 16) == 0, (kind, status[kind])
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"  # a filter


def confined(namespace: Namespace, capabilities: int) -> None:
    """Check the fault's agent in a namespace; its watchdog keeps nothing."""
    (watchdog,) = namespace.agents()
    confined_to(watchdog, 0)
    confined_to(namespace.worker(watchdog), capabilities)


def test_agent_keeps_net_admin_only(driver: Driver, namespace: Namespace) -> None:
    driver.abort(TARGET, match={"path": "/api/v1/users/1"})
    confined(namespace, CAP_NET_ADMIN)
    driver.delay(TARGET, delay_ms=20, match={"path": "/api/v1/users/2"}, name="second")
    for host in ("127.0.0.1", "::1"):
        assert driver.request(SERVICE_PORT, host, path="/api/v1/users/1")["status"] == 503
        assert driver.request(SERVICE_PORT, host, path="/api/v1/users/2")["status"] == 200
    confined(namespace, CAP_NET_ADMIN)
    assert only_place(driver.stop("second")[0])["totals"]["delayed"] == 2
    driver.stop()
    nothing_left(namespace, {SERVICE_PORT})


def test_agent_that_entered_a_namespace_is_confined(
    namespace: Namespace, service: subprocess.Popen[bytes]
) -> None:
    elsewhere = Namespace(namespace)
    try:
        driver = elsewhere.driver()
        driver.abort(f"pid/{service.pid}")
        confined(namespace, CAP_NET_ADMIN)
        assert namespace.driver().request(SERVICE_PORT)["status"] == 503
        driver.stop()
    finally:
        elsewhere.close()
    nothing_left(namespace, {SERVICE_PORT})


def test_explicit_proxy_keeps_nothing(driver: Driver, namespace: Namespace) -> None:
    driver.abort(PROXY)
    confined(namespace, 0)
    assert driver.request(PROXY_PORT)["status"] == 503
    driver.stop()
    nothing_left(namespace, {SERVICE_PORT})


def test_load_keeps_nothing(driver: Driver, namespace: Namespace) -> None:
    url = f"http://127.0.0.1:{SERVICE_PORT}/api/v1/users/1"
    spec = wire.spec("load", {"url": url, "rate_rps": 50}, duration_s=30)
    load = namespace.popen(
        [find_agent(), "load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert load.stdin is not None
    assert load.stdout is not None
    load.stdin.write(json.dumps(spec) + "\n")
    load.stdin.flush()
    assert json.loads(load.stdout.readline())["event"] == "armed"
    confined_to(load.pid, 0)
    assert json.loads(load.stdout.readline())["load"]["statuses"].get("200", 0) > 0
    load.communicate()


def test_listener_is_unreachable_from_another_namespace(
    driver: Driver, namespace: Namespace
) -> None:
    other = Namespace(namespace)
    try:
        connect(namespace, other)
        driver.abort(TARGET)
        ports = namespace.listeners() - {SERVICE_PORT}
        assert ports, "the agent listens nowhere"
        script = (
            "import socket, sys\n"
            "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).recv(1)\n"
            "except OSError as e: print(type(e).__name__)\n"
            "else: print('connected')"
        )
        for port in ports:
            outside = other.run([sys.executable, "-c", script, ADDRESS, str(port)])
            assert outside.stdout.strip() == "ConnectionRefusedError", outside
            local = namespace.run([sys.executable, "-c", script, "127.0.0.1", str(port)])
            assert local.stdout.strip() in ("ConnectionResetError", "ConnectionRefusedError"), local
        assert other.driver().request(SERVICE_PORT, ADDRESS)["status"] == 503
        driver.stop()
    finally:
        other.close()


def test_no_connection_is_cut_when_files_run_out(namespace: Namespace) -> None:
    """An agent with 150 open files relays 28 connections at a time; the others wait."""
    few = namespace.driver(tool("prlimit"), "--nofile=150:150")
    few.delay(PROXY, delay_ms=100)
    script = (
        "import http.client, sys, threading\n"
        "def ask():\n"
        "    c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=30)\n"
        "    c.request('GET', '/api/v1/users/1', headers={'Connection': 'close'})\n"
        "    statuses.append(c.getresponse().status)\n"
        "statuses = []\n"
        "clients = [threading.Thread(target=ask) for _ in range(120)]\n"
        "[c.start() for c in clients]; [c.join() for c in clients]\n"
        "print(*statuses)"
    )
    answers = namespace.run([sys.executable, "-c", script, str(PROXY_PORT)])
    assert answers.stdout.split() == ["200"] * 120, answers.stderr[-500:]
    few.stop()
