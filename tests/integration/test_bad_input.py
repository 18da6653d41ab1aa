"""Bad input with the real agent: one line names the value and how to fix it, nothing changes."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from world import (
    SERVICE_PORT,
    Driver,
    Namespace,
    marked_processes,
    nothing_left,
    what_is_left,
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("service"),
]

TARGET = f"port/{SERVICE_PORT}"
PORTS = {SERVICE_PORT}
URL = f"http://127.0.0.1:{SERVICE_PORT}/api/v1/users/42"

# What is asked for, and what the one line must say: first the value, then a word of how to fix it.
ABORTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown target": ({"target": "host/web1"}, ["host/web1", "port/"]),
    "target without a port": ({"target": "port/"}, ["port/", "65535"]),
    "port out of range": ({"target": "port/70000"}, ["70000", "65535"]),
    "nobody listens": ({"target": "port/9999"}, ["9999", "start the service"]),
    "no such process": ({"target": "pid/999999999"}, ["999999999", "give the pid"]),
    "open relay": ({"target": "proxy/0.0.0.0:9081->127.0.0.1:80"}, ["0.0.0.0:9081", "loopback"]),
    "percentage 0": ({"percentage": 0}, ["percentage=0", "100"]),
    "percentage 101": ({"percentage": 101}, ["percentage=101", "100"]),
    "percentage text": ({"percentage": "30%"}, ["30%", "100"]),
    "status 99": ({"status": 99}, ["99", "599"]),
    "status 600": ({"status": 600}, ["600", "599"]),
    "negative duration": ({"duration_s": -1}, ["-1", "3600"]),
    "two hours": ({"duration_s": 7200}, ["7200", "3600"]),
    "bad regex": ({"path": "/users/("}, ["/users/(", "RE2"]),
    "look-ahead": ({"path": "/users/(?=4)"}, ["/users/(?=4)", "RE2"]),
    "unknown argument": ({"percentge": 30}, ["percentge"]),
}
DELAYS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "longer than the fault": ({"delay_ms": 9000, "duration_s": 5}, ["9000", "duration_s"]),
    "no delay": ({"delay_ms": 0}, ["delay_ms=0", "more than 0"]),
    "jitter over delay": ({"delay_ms": 10, "jitter_ms": 20}, ["jitter_ms=20", "at most 10"]),
}
LOADS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "0 rps": ({"rate_rps": 0}, ["rate_rps=0", "more than 0"]),
    "1e9 rps": ({"rate_rps": 1e9}, ["rate_rps=1000000000", "50000"]),
    "unresolvable": ({"url": "http://no-such-host.invalid/"}, ["no-such-host.invalid", "name"]),
    "not a URL": ({"url": "localhost:8080"}, ["localhost:8080", "http://"]),
    "too few requests": ({"rate_rps": 1, "duration_s": 10}, ["10", "368"]),
}


def assert_says(message: str, words: list[str]) -> None:
    """Check that a message has all words."""
    missing = [word for word in words if word not in message]
    assert not missing, f"{missing} not in: {message}"


def assert_unchanged(namespace: Namespace) -> None:
    """Check that a refusal left nothing, not even for a moment."""
    assert what_is_left(namespace, PORTS) == []
    nothing_left(namespace, PORTS)


@pytest.mark.parametrize("case", ABORTS)
def test_abort(driver: Driver, namespace: Namespace, case: str) -> None:
    arguments, words = ABORTS[case]
    message = driver.refusal("chaos_go.faults.http.abort", **{"target": TARGET, **arguments})
    assert_says(message, words)
    assert_unchanged(namespace)


@pytest.mark.parametrize("case", DELAYS)
def test_delay(driver: Driver, namespace: Namespace, case: str) -> None:
    arguments, words = DELAYS[case]
    message = driver.refusal("chaos_go.faults.http.delay", **{"target": TARGET, **arguments})
    assert_says(message, words)
    assert_unchanged(namespace)


@pytest.mark.parametrize("case", LOADS)
def test_load(driver: Driver, namespace: Namespace, case: str) -> None:
    arguments, words = LOADS[case]
    message = driver.refusal("probes.http.p99_ms", **{"url": URL, **arguments})
    assert_says(message, words)
    assert_unchanged(namespace)


# Scripts in the place of the agent, and what must be said about each.
ARMED = '{"event":"armed","id":"x","at_unix_s":1,"armed":{"agent_version":"9.9.9",%s}}'
STRANGERS = {
    "wrong version": (
        "read -r line; echo '"
        + ARMED % '"protocol":99,"pid":1,"untouched_connections":0'
        + "'; exec cat >/dev/null",
        ["9.9.9", "make agent"],
    ),
    "unparsable": ("read -r line; echo 'Segmentation fault'; exec cat", ["Segmentation fault"]),
    "killed during start": ("kill -9 $$", ["9"]),
    "ended during start": ("echo 'disk is full' >&2; exit 7", ["7", "disk is full"]),
    "silent": ("exec sleep 600", ["10"]),
}


@pytest.mark.parametrize("case", STRANGERS)
def test_something_else_than_the_agent(namespace: Namespace, tmp_path: Path, case: str) -> None:
    script, words = STRANGERS[case]
    agent = tmp_path / "stranger"
    agent.write_text(f"#!/bin/sh\n{script}\n")
    agent.chmod(agent.stat().st_mode | stat.S_IXUSR)
    driver = driver_with_agent(namespace, agent)
    message = driver.refusal("chaos_go.faults.http.abort", target=TARGET, name="x")
    assert_says(message, words)
    assert set(marked_processes(str(agent))) == {driver.process.pid}
    assert_unchanged(namespace)


def test_missing_agent(namespace: Namespace, tmp_path: Path) -> None:
    driver = driver_with_agent(namespace, tmp_path / "nowhere")
    message = driver.refusal("chaos_go.faults.http.abort", target=TARGET)
    assert_says(message, [str(tmp_path / "nowhere"), "make agent"])
    assert_unchanged(namespace)


def test_agent_that_is_not_executable(namespace: Namespace, tmp_path: Path) -> None:
    agent = tmp_path / "agent"
    agent.write_text("")
    driver = driver_with_agent(namespace, agent)
    message = driver.refusal("chaos_go.faults.http.abort", target=TARGET)
    assert_says(message, [str(agent), "chmod +x"])
    assert_unchanged(namespace)


def driver_with_agent(namespace: Namespace, agent: Path) -> Driver:
    """Start a driver that takes another program for the agent."""
    return namespace.driver(env={**os.environ, "CHAOS_GO_AGENT": str(agent)})
