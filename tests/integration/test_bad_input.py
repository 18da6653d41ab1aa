"""Bad input with the real agent: one line names the value and how to fix it, nothing changes."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from runs import EVIDENCE, call
from world import (
    CHAOS,
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

# The arguments, and what the error must have: first the value, then a word of how to fix it.
ABORTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown target": ({"target": "host/web1"}, ["host/web1", "port/"]),
    "target without a port": ({"target": "port/"}, ["port/", "65535"]),
    "port out of range": ({"target": "port/70000"}, ["70000", "65535"]),
    "nobody listens": ({"target": "port/9999"}, ["9999", "start the service"]),
    "no such process": ({"target": "pid/999999999"}, ["999999999", "give the pid"]),
    "open relay": ({"target": "proxy/0.0.0.0:9081->127.0.0.1:80"}, ["0.0.0.0:9081", "loopback"]),
    "percentage 0": ({"percentage": 0}, ["percentage=0", "100"]),
    "percentage 101": ({"percentage": 101}, ["percentage=101", "100"]),
    "percentage text": ({"percentage": "30%"}, ["30%", "without quotes"]),
    "status 99": ({"status": 99}, ["99", "599"]),
    "status 600": ({"status": 600}, ["600", "599"]),
    "negative duration": ({"duration_s": -1}, ["-1", "3600"]),
    "two hours": ({"duration_s": 7200}, ["7200", "3600"]),
    "bad regex": ({"match": {"path": "/users/("}}, ["match.path='/users/('", "RE2"]),
    "look-ahead": ({"match": {"path": "/users/(?=4)"}}, ["match.path='/users/(?=4)'", "RE2"]),
    "unknown argument": ({"percentge": 30}, ["percentge"]),
    "unknown key of match": ({"match": {"pth": "/users"}}, ["match.pth", "known", "path"]),
    "match is a text": ({"match": "/users"}, ["match='/users'", "path"]),
    "framing header": (
        {"answer": {"headers": {"Content-Length": "1"}}},
        ["Content-Length", "leave"],
    ),
    "unknown handling": (
        {"connections": {"existing": "keep"}},
        ["connections.existing", "takeover"],
    ),
    "no connection": ({"connections": {"limit": 0}}, ["connections.limit=0", "at least 1"]),
    "no place": ({"scope": {"places": 0}}, ["scope.places=0"]),
    "place of another target": (
        {"scope": {"places": ["port/1"]}},
        ["scope.places", "port/1", TARGET],
    ),
}
DELAYS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "longer than the fault": ({"delay_ms": 9000, "duration_s": 5}, ["9000", "duration_s"]),
    "no delay": ({"delay_ms": 0}, ["delay_ms=0", "more than 0"]),
    "jitter over delay": (
        {"delay_ms": 10, "jitter_ms": 20},
        ["jitter_ms=20", "0 to 10 (delay_ms)"],
    ),
}
LOADS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "0 rps": ({"rate_rps": 0}, ["load.rate_rps=0", "more than 0"]),
    "1e9 rps": ({"rate_rps": 1e9}, ["load.rate_rps=1000000000", "50000"]),
    "unknown key": ({"rate": 50}, ["load.rate", "rate_rps"]),
    "unresolvable": ({"url": "http://no-such-host.invalid/"}, ["no-such-host.invalid", "name"]),
    "not a URL": ({"url": "localhost:8080"}, ["localhost:8080", "http://"]),
    "too few requests": ({"rate_rps": 1}, ["10", "368"]),
}


def assert_says(message: str, words: list[str]) -> None:
    """Check that a message has all words."""
    missing = [word for word in words if word not in message]
    assert not missing, f"{missing} not in: {message}"


def assert_unchanged(namespace: Namespace) -> None:
    """Check that a refused call left nothing, not even for a moment."""
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
    load, words = LOADS[case]
    message = driver.refusal("probes.http.p99_ms", load={"url": URL, **load}, duration_s=10)
    assert_says(message, words)
    assert_unchanged(namespace)


# Names of arguments before version 2 of the wire, a value of each, and the new name.
OF_EVERY_FAULT: dict[str, tuple[Any, str]] = {
    "path": ("/users", "match.path"),
    "method": ("GET", "match.method"),
    "headers": ({"x-user": "a"}, "match.headers"),
    "keep_client_address": (True, "connections.keep_client_address"),
    "max_connections": (50, "connections.limit"),
    "existing_connections": ("leave", "connections.existing"),
}
ANSWER = {"X-Fault": "1"}
LOAD = {"url": URL, "impact": {"statuses": [503]}}
LADDER = {
    "fault": {"module": "chaos_go.faults.http", "func": "delay", "arguments": {"target": TARGET}},
    "load": LOAD,
    "budget": 0.02,
}
OLD: dict[str, tuple[dict[str, Any], dict[str, tuple[Any, str]]]] = {
    "chaos_go.faults.http.abort": (
        {"target": TARGET},
        OF_EVERY_FAULT
        | {"body": ("x", "answer.body"), "response_headers": (ANSWER, "answer.headers")},
    ),
    "chaos_go.faults.http.delay": ({"target": TARGET, "delay_ms": 1}, OF_EVERY_FAULT),
    "chaos_go.faults.http.modify": (
        {"target": TARGET, "answer": {"body": "x"}},
        OF_EVERY_FAULT
        | {
            "body": ("x", "answer.body"),
            "set_headers": (ANSWER, "answer.headers"),
            "remove_body": (True, "answer.remove_body"),
        },
    ),
    "chaos_go.ladder.measure": (
        LADDER,
        {
            "target": (TARGET, "fault.arguments.target"),
            "path": ("/users", "fault.arguments.match.path"),
            "method": ("GET", "fault.arguments.match.method"),
            "seed": (7, "fault.arguments.seed"),
            "traffic": ({"url": URL}, "load"),
            "impact": ({"statuses": [503]}, "load.impact"),
            "rates_rps": ([50], "load.rate_rps"),
            "p99_traffic": ({"url": URL}, "p99_load"),
            "levels_ms": ([50], "levels.doses_ms"),
            "start_ms": (60, "levels.start_ms"),
            "max_dose_ms": (240, "levels.max_ms"),
            "max_levels": (6, "levels.max_count"),
            "target_width": (0.1, "levels.target_width"),
            "windows": (3, "count"),
            "window_s": (8, "windows.length_s"),
            "settle_s": (3, "windows.settle_s"),
            "max_impacted": (900, "limits.impacted"),
            "abort_extra_risk": (0.5, "limits.extra_risk"),
            "guard": ({"name": "is-well"}, "limits.guard"),
        },
    ),
    "probes.http.p99_ms": (
        {"load": LOAD},
        {
            "url": (URL, "load.url"),
            "method": ("GET", "load.method"),
            "headers": (ANSWER, "load.headers"),
            "body": ("x", "load.body"),
            "rate_rps": (50, "load.rate_rps"),
            "timeout_ms": (100, "load.timeout_ms"),
        },
    ),
}
OLD["probes.http.error_rate"] = OLD["probes.http.p99_ms"]


@pytest.mark.parametrize("function", OLD)
def test_old_name_of_an_argument(driver: Driver, namespace: Namespace, function: str) -> None:
    arguments, renamed = OLD[function]
    for old, (value, new) in renamed.items():
        message = driver.refusal(function, **{**arguments, old: value})
        assert_says(message, [old, new])
    assert_unchanged(namespace)


# Whole calls in the old spelling, and what the error of each must have.
HTTP = "chaos_go.faults.http"
OLD_CALLS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "abort": (call("x", HTTP, "abort", target=TARGET, path="/users"), ["path", "match.path"]),
    "delay": (
        call("x", HTTP, "delay", target=TARGET, delay_ms=1, existing_connections="leave"),
        ["existing_connections", "connections.existing"],
    ),
    "modify": (
        call("x", HTTP, "modify", target=TARGET, set_headers=ANSWER),
        ["set_headers", "answer.headers"],
    ),
    "ladder": (
        call(
            "x",
            "chaos_go.ladder",
            "measure",
            target=TARGET,
            traffic={"url": URL},
            impact={"statuses": [503]},
            budget=0.02,
        ),
        ["target", "fault.arguments.target"],
    ),
    "probe": (call("x", "probes.http", "p99_ms", url=URL, rate_rps=50), ["url", "load.url"]),
}
OLD_CONTROL = {"name": "users", "url": URL, "rate_rps": 50}


def run_and_validate(
    namespace: Namespace, folder: Path, controls: list[Any], method: list[Any], words: list[str]
) -> None:
    """Check what `chaos run` and `chaos go validate` say about an experiment."""
    experiment = {
        "title": "does it tell the new name?",
        "description": "hypothesis: it does",
        "controls": [EVIDENCE, *controls],
        "method": method,
        "rollbacks": [],
    }
    file = folder / "experiment.json"
    file.write_text(json.dumps(experiment))
    chaos = [CHAOS, "--no-version-check"]
    ran = namespace.run([*chaos, "run", file], cwd=folder)
    assert_says(ran.stdout + ran.stderr, words)
    found = namespace.run([*chaos, "go", "validate", file], cwd=folder)
    assert found.returncode != 0, found.stdout
    assert_says(found.stdout + found.stderr, words)
    assert_unchanged(namespace)


@pytest.mark.parametrize("case", OLD_CALLS)
def test_call_in_the_old_spelling(namespace: Namespace, tmp_path: Path, case: str) -> None:
    activity, words = OLD_CALLS[case]
    run_and_validate(namespace, tmp_path, [], [activity], words)


def test_control_in_the_old_spelling(namespace: Namespace, tmp_path: Path) -> None:
    module = "chaos_go.controls.traffic"
    provider = {"type": "python", "module": module, "arguments": OLD_CONTROL}
    control = {"name": "traffic", "provider": provider}
    run_and_validate(namespace, tmp_path, [control], [], ["url", "load.url"])


# Scripts in place of the agent, and what the error of each must have.
ARMED = '{"event":"armed","id":"x","at_unix_s":1,"armed":{"agent_version":"9.9.9",%s}}'
STRANGERS = {
    "wrong version": (
        "read -r line; echo '" + ARMED % '"protocol":99,"pid":1' + "'; exec cat >/dev/null",
        ["9.9.9", "make agent"],
    ),
    "unparsable": ("read -r line; echo 'Segmentation fault'; exec cat", ["Segmentation fault"]),
    "killed during start": ("kill -9 $$", ["9"]),
    "ended during start": ("echo 'disk is full' >&2; exit 7", ["7", "disk is full"]),
    "silent": ("exec sleep 600", ["10"]),
}


@pytest.mark.parametrize("case", STRANGERS)
def test_another_program_than_the_agent(namespace: Namespace, tmp_path: Path, case: str) -> None:
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
    """Start a driver that uses another program as the agent."""
    return namespace.driver(env={**os.environ, "CHAOS_GO_AGENT": str(agent)})
