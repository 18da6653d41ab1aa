"""One fault at several places: armed everywhere or nowhere, and each place ends by itself."""

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from matrix import Target
from runs import EVIDENCE, Run
from world import (
    CHAOS,
    SERVICE_PORT,
    Driver,
    Namespace,
    nothing_left,
    wait_until,
    what_is_left,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ONE, OTHER, FREE = SERVICE_PORT, 9083, 9999
PORTS = {ONE, OTHER}
TARGET = f"port/{ONE},{OTHER}"
PLACES = [f"port/{ONE}", f"port/{OTHER}"]


@pytest.fixture(autouse=True)
def services(namespace: Namespace) -> None:
    """Start a service on each of the two ports."""
    for port in sorted(PORTS):
        namespace.start_service(port)


def statuses(driver: Driver) -> list[int]:
    """Send a request to each service."""
    return [driver.request(port)["status"] for port in (ONE, OTHER)]


def of_places(record: dict[str, Any], name: str) -> list[Any]:
    """Return one value of each place of a record."""
    return [place[name] for place in record["places"]]


def kill_agent(namespace: Namespace, port: int) -> None:
    """Kill the agent that holds a port, and wait until its process is gone."""
    before = len(namespace.agents())
    labels = (re.search(rf"/{port}#.* \(agent pid (\d+)\)", lock) for lock in namespace.locks())
    (pid,) = (int(label[1]) for label in labels if label)
    os.kill(pid, signal.SIGKILL)
    wait_until("watchdog and worker are gone", lambda: len(namespace.agents()) == before - 1)


def verdict(namespace: Namespace, folder: Path) -> subprocess.CompletedProcess[str]:
    """Judge a run."""
    command = [CHAOS, "--no-version-check", "go", "verdict", "journal.json"]
    judged = namespace.run(command, cwd=folder)
    print(judged.stdout, judged.stderr)
    return judged


def test_two_ports_are_one_fault(driver: Driver, namespace: Namespace) -> None:
    record = driver.abort(TARGET, name="both", duration_s=30)
    assert (record["id"], of_places(record, "place")) == ("both", PLACES)
    assert record["armed_unix_s"] == max(of_places(record, "armed_unix_s"))
    assert len(namespace.agents()) == 2
    assert [statuses(driver) for _ in range(3)] == [[503, 503]] * 3
    (record,) = driver.stop("both")
    assert (record["state"], record["effect"], record["problem"]) == ("ended", True, "")
    assert record["ended_unix_s"] == min(of_places(record, "ended_unix_s"))
    assert of_places(record, "reason") == ["stop", "stop"]
    assert of_places(record, "exit_code") == [0, 0]
    assert of_places(record, "effect") == [True, True]
    assert [totals["aborted"] for totals in of_places(record, "totals")] == [3, 3]
    assert statuses(driver) == [200, 200]
    nothing_left(namespace, PORTS)


def test_ports_of_a_process_in_another_namespace(namespace: Namespace) -> None:
    elsewhere = Namespace(namespace)
    try:
        chaos, near = elsewhere.driver(), namespace.driver()
        assert statuses(near) == [200, 200]
        process = f"pid/{near.process.pid}"
        record = chaos.abort(f"{process}:{ONE},{OTHER}", duration_s=30)
        assert of_places(record, "place") == [f"{process}:{ONE}", f"{process}:{OTHER}"]
        assert statuses(near) == [503, 503]
        chaos.stop()
        nothing_left(namespace, PORTS)
        assert what_is_left(elsewhere, set()) == []
    finally:
        elsewhere.close()


def test_faults_share_the_agent_of_a_place(driver: Driver, namespace: Namespace) -> None:
    driver.abort(TARGET, name="both", match={"path": "/api/.*"}, duration_s=30)
    driver.delay(PLACES[1], name="slow", delay_ms=300, duration_s=30)
    assert len(namespace.agents()) == 2
    assert statuses(driver) == [503, 503]
    driver.stop("both")
    wait_until("only the agent of the delay is left", lambda: len(namespace.agents()) == 1)
    assert statuses(driver) == [200, 200]
    assert driver.request(OTHER)["seconds"] >= 0.3
    driver.stop("slow")
    nothing_left(namespace, PORTS)


def test_place_that_is_lost_does_not_end_the_other(driver: Driver, namespace: Namespace) -> None:
    driver.abort(TARGET, name="both", duration_s=30)
    assert statuses(driver) == [503, 503]
    kill_agent(namespace, ONE)
    assert [statuses(driver) for _ in range(3)] == [[200, 503]] * 3
    message = driver.refusal("chaos_go.faults.stop", name="both")
    assert PLACES[0] in message
    assert PLACES[1] not in message
    assert statuses(driver) == [200, 200]
    nothing_left(namespace, PORTS)
    record = driver.call("driver.newest")
    assert record["state"] == "lost"
    assert of_places(record, "state") == ["lost", "ended"]
    assert of_places(record, "reason") == ["", "stop"]
    assert record["places"][1]["totals"]["aborted"] == 4
    assert "killed by SIGKILL" in record["places"][0]["problem"]
    assert record["places"][1]["problem"] == ""
    assert PLACES[0] in record["problem"]
    assert PLACES[1] not in record["problem"]
    lost, ended = of_places(record, "ended_unix_s")
    assert record["ended_unix_s"] == lost < ended


def test_run_in_which_a_place_is_lost_is_not_held(namespace: Namespace, tmp_path: Path) -> None:
    target = Target("many", TARGET, OTHER)
    run = Run(tmp_path, target, pause_s=3.0, controls=[EVIDENCE])
    process = run.start(namespace)
    run.wait_for_fault()
    kill_agent(namespace, ONE)
    process.wait(60)
    nothing_left(namespace, PORTS)
    judged = verdict(namespace, tmp_path)
    assert judged.returncode == 2, judged.stdout
    assert judged.stdout.startswith("inconclusive")
    assert PLACES[0] in judged.stdout
    assert "killed by SIGKILL" in judged.stdout


@pytest.mark.parametrize("ports", [f"{ONE},{FREE}", f"{FREE},{ONE}"])
def test_port_without_a_listener(driver: Driver, namespace: Namespace, ports: str) -> None:
    """It is armed nowhere, not even at the port where it could have been."""
    message = driver.refusal("chaos_go.faults.http.abort", target=f"port/{ports}", duration_s=30)
    assert f"port/{FREE}" in message
    assert "start the service" in message
    assert what_is_left(namespace, PORTS) == []
    assert statuses(driver) == [200, 200]
    assert driver.stop() == []
    nothing_left(namespace, PORTS)


def test_port_that_another_run_has(driver: Driver, namespace: Namespace) -> None:
    driver.abort(PLACES[1], name="first-come", duration_s=30)
    message = namespace.driver().refusal("chaos_go.faults.http.abort", target=TARGET)
    assert PLACES[1] in message
    assert "first-come" in message
    assert len(namespace.agents()) == 1
    assert statuses(driver) == [200, 503]
    driver.stop()
    nothing_left(namespace, PORTS)


def chosen(driver: Driver, namespace: Namespace, seed: int) -> str:
    """Arm a fault at one of the two places, with this seed; return the place that answers 503."""
    record = driver.abort(TARGET, scope={"places": 1}, seed=seed, duration_s=30)
    assert len(namespace.agents()) == 1
    assert record["scope"] == {"of": 2, "by": "draw", "seed": seed}
    (place,) = of_places(record, "place")
    assert statuses(driver) == [503 if place == known else 200 for known in PLACES]
    driver.stop(record["id"])
    nothing_left(namespace, PORTS)
    return str(place)


def test_scope_with_a_seed_chooses_the_same_place_again(
    driver: Driver, namespace: Namespace
) -> None:
    first = chosen(driver, namespace, seed=7)
    assert [chosen(driver, namespace, seed=7) for _ in range(2)] == [first, first]
    others = {chosen(driver, namespace, seed) for seed in range(1, 13)}
    assert others == set(PLACES), "every seed chooses the same place"


@pytest.mark.parametrize(
    ("scope", "hit"),
    [
        ({}, [503, 503]),
        ({"places": "all"}, [503, 503]),
        ({"places": 2}, [503, 503]),
        ({"places": "100%"}, [503, 503]),
        ({"places": [PLACES[1]]}, [200, 503]),
        ({"places": [PLACES[1]], "max_percentage": 50}, [200, 503]),
        ({"places": PLACES, "max_percentage": 10}, [503, 503]),  # places given by name are allowed
    ],
    ids=str,
)
def test_scope(driver: Driver, namespace: Namespace, scope: dict[str, Any], hit: list[int]) -> None:
    driver.abort(TARGET, scope=scope, duration_s=30)
    assert statuses(driver) == hit
    driver.stop()
    nothing_left(namespace, PORTS)


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ({"places": 3}, ["scope.places=3", "2"]),
        ({"places": "150%"}, ["scope.places='150%'", '"50%"']),
        ({"places": ["port/1"]}, ["scope.places", "port/1", *PLACES]),
        (
            {"places": "all", "max_percentage": 50},
            ["scope.max_percentage=50", "2 of 2 places", "100 %"],
        ),
        ({"max_percentage": 50}, ["scope.max_percentage=50", "2 of 2 places", "100 %"]),
        ({"max_percentage": 0}, ["scope.max_percentage=0"]),
        ({"ports": 1}, ["scope.ports", "places", "max_percentage"]),
    ],
    ids=str,
)
def test_scope_that_is_refused(
    driver: Driver, namespace: Namespace, scope: dict[str, Any], words: list[str]
) -> None:
    message = driver.refusal("chaos_go.faults.http.abort", target=TARGET, scope=scope)
    assert [word for word in words if word not in message] == [], message
    assert what_is_left(namespace, PORTS) == []


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "other handling": ({"connections": {"existing": "leave"}}, ["connections.existing", PLACES[0]]),
    "other bound": ({"connections": {"limit": 5}}, ["connections.limit=5", "10000", PLACES[0]]),
    "no number": ({"seed": -1}, ["seed=-1", "whole number"]),
    "1 MiB": ({"answer": {"body": "x" * 2**20}}, ["arguments=", "shorten the body"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusal_leaves_the_faults_of_the_same_places_alone(
    driver: Driver, namespace: Namespace, case: str
) -> None:
    arguments, words = REFUSED[case]
    driver.abort(PLACES[0], name="first", duration_s=30)
    message = driver.refusal("chaos_go.faults.http.abort", target=TARGET, name="other", **arguments)
    assert [word for word in words if word not in message] == [], message
    assert statuses(driver) == [503, 200]
    (record,) = driver.stop()
    assert (record["id"], record["problem"]) == ("first", "")
    nothing_left(namespace, PORTS)


@pytest.mark.parametrize("target", [PLACES[0], f"to/127.0.0.1:{ONE}"])
def test_a_name_of_100_bytes(driver: Driver, namespace: Namespace, target: str) -> None:
    driver.abort(target, name="\u00e9" * 50, duration_s=30)
    assert driver.request(ONE)["status"] == 503
    driver.stop()
    nothing_left(namespace, PORTS)


def test_place_that_no_request_reaches_is_named(driver: Driver, namespace: Namespace) -> None:
    driver.delay(TARGET, name="slow", delay_ms=50, duration_s=30)
    answers = driver.requests(3, ONE, "127.0.0.1")
    assert min(answer["seconds"] for answer in answers) >= 0.05
    (record,) = driver.stop("slow")  # without an error: it had an effect
    assert record["effect"] is True
    assert of_places(record, "effect") == [True, False]
    assert [totals["delayed"] for totals in of_places(record, "totals")] == [3, 0]
    assert f"{PLACES[0]}: 3 of 3 requests" in record["said"]
    assert f"{PLACES[1]}: 0 of 0 requests" in record["said"]
    nothing_left(namespace, PORTS)


def test_no_request_at_any_place_is_an_error(driver: Driver, namespace: Namespace) -> None:
    driver.abort(TARGET, match={"path": "/nobody/asks/for/this"}, duration_s=30)
    assert statuses(driver) == [200, 200]
    message = driver.refusal("chaos_go.faults.stop", name="")
    assert "touched nothing" in message
    assert [place for place in PLACES if place not in message] == []
    assert driver.call("driver.newest")["effect"] is False
    nothing_left(namespace, PORTS)


def test_verdict_names_the_place_that_no_request_reached(
    namespace: Namespace, tmp_path: Path
) -> None:
    """The run looks at one of the services only."""
    run = Run(tmp_path, Target("many", TARGET, ONE), controls=[EVIDENCE])
    run.start(namespace).wait(60)
    judged = verdict(namespace, tmp_path)
    assert judged.stdout.startswith("held"), run.log()
    assert PLACES[1] in judged.stdout
    nothing_left(namespace, PORTS)


def test_duration_ends_it_at_every_place(driver: Driver, namespace: Namespace) -> None:
    driver.abort(TARGET, duration_s=2)
    assert statuses(driver) == [503, 503]
    wait_until("both are free", lambda: statuses(driver) == [200, 200], 10)
    (record,) = driver.stop()
    assert of_places(record, "reason") == ["deadline", "deadline"]
    nothing_left(namespace, PORTS)


def test_killed_python_ends_it_at_every_place(driver: Driver, namespace: Namespace) -> None:
    driver.abort(TARGET, duration_s=30)
    assert statuses(driver) == [503, 503]
    driver.process.kill()
    nothing_left(namespace, PORTS)
