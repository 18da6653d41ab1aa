"""Probes of what a fault cost the traffic, on a load whose seconds the test gives."""

import logging

import pytest
from chaoslib.exceptions import ActivityFailed
from fake_load import START, World, arrives, second

from chaos_go.agent import holder
from chaos_go.agent.fault import Fault
from chaos_go.traffic.contract import Failure
from probes import recovery

FAULT = "users-killed"


@pytest.fixture
def world(monkeypatch):
    world = World(monkeypatch)
    yield world
    world.stop_all()


def failing(*failures):
    """Return the counters of a second with failures (at_ms, took_ms, cause) among 100 requests."""
    causes = [cause for _, _, cause in failures]
    return {
        "statuses": {"200": 100 - len(failures)},
        "connection_errors": len(failures),
        "failures": [Failure(at_ms=at, took_ms=took, cause=cause) for at, took, cause in failures],
        "failures_by_cause": {cause: causes.count(cause) for cause in causes},
    }


BAD_SECONDS = {
    18: failing((500.0, 1.0, "reset")),  # failed long before the fault
    19: failing((950.0, 300.0, "503")),  # cut by the kill at 20.2
    20: failing((100.0, 50.0, "refused"), (300.0, 1.0, "refused"), (400.0, 1.0, "reset")),
    22: failing((600.0, 1.0, "503")),
    25: failing((300.0, 1.0, "reset"), (700.0, 1.0, "reset")),  # the second after the end at 25.5
}


@pytest.fixture
def running(world, monkeypatch):
    """Return a world whose load fails in some seconds; it is 50.2 s old."""
    monkeypatch.setattr(
        world, "deliver", lambda to, n: arrives(to, second(n, **BAD_SECONDS.get(n, {})))
    )
    world.start()
    world.time.go_to(START + 50.2)
    return world


@pytest.fixture
def killed(running):
    """Return the same world; a fault was armed from 20.2 s to 25.5 s."""
    running.arm(FAULT, 20.2, 25.5)
    return running


def test_requests_that_were_under_way_during_the_fault_are_lost(killed):
    assert recovery.requests_lost(fault=FAULT) == 5
    detail = recovery.requests_lost_detail(fault=FAULT)
    assert detail["by_cause"] == {"503": 2, "refused": 1, "reset": 2}
    assert (detail["value"], detail["of"], detail["unlisted"]) == (5, 600, 0)
    window = detail["window"]
    assert (window["start_unix_s"], window["end_unix_s"]) == (START + 20, START + 26)
    assert "by_side" not in detail


def test_requests_lost_by_old_and_new_pod(killed, monkeypatch):
    kills = ((START + 20.2, START + 20.9),)
    monkeypatch.setattr(Fault, "replacements", kills)
    detail = recovery.requests_lost_detail(fault=FAULT)
    assert detail["by_side"] == {"before": 0, "old pod": 3, "new pod": 2}


def test_a_fault_that_is_still_armed_counts_until_now(killed):
    killed.arm("still", 22.1)
    detail = recovery.requests_lost_detail(fault="still")
    assert (detail["value"], detail["window"]["end_unix_s"]) == (3, START + 51)


def test_requests_lost_by_a_fault_that_has_just_begun(killed):
    killed.arm("new", 50.1)
    detail = recovery.requests_lost_detail(fault="new")
    assert (detail["value"], detail["of"], detail["window"]["seconds"]) == (0, 100, 1)


def test_requests_lost_before_any_fault_are_those_of_the_newest_seconds(running):
    detail = recovery.requests_lost_detail(fault=FAULT, window_s=31)
    assert (detail["value"], detail["window"]["start_unix_s"]) == (7, START + 19)


def test_time_to_recover_from_the_last_second_outside_the_limits(killed):
    assert recovery.time_to_recover_s(FAULT, error_limit=0.0) == pytest.approx(5.8)
    assert recovery.time_to_recover_s(FAULT, error_limit=0.005) == pytest.approx(2.8)
    assert recovery.time_to_recover_s(FAULT, error_limit=0.5) == 0.0
    assert recovery.time_to_recover_s(FAULT, p99_limit_ms=30.0) == 0.0
    detail = recovery.time_to_recover_detail(FAULT, error_limit=0.0, window_s=1)
    assert detail["last_bad_window"]["end_unix_s"] == START + 26
    assert detail["last_bad_window"]["error_rate"] == 0.02
    assert (detail["recovered"], detail["fault"]) == (True, FAULT)


def test_a_service_that_has_not_recovered_in_time_is_a_violation(killed, caplog):
    with caplog.at_level(logging.WARNING, "chaostoolkit"):
        detail = recovery.time_to_recover_detail(FAULT, p99_limit_ms=10.0, timeout_s=40)
    assert 40 <= detail["value"] <= 41.8  # from 20.2, whole seconds of load included
    assert not detail["recovered"]
    assert detail["last_bad_window"]["end_unix_s"] == START + 20.2 + detail["value"]
    (violation,) = holder.find(FAULT).record()["violations"]
    assert "has not recovered from 'users-killed'" in violation
    assert violation in caplog.text


def test_the_time_to_recover_is_awaited(running):
    running.arm(FAULT, 50.1)
    BAD_SECONDS[53] = failing((500.0, 1.0, "reset"))
    try:
        running.time.go_to(START + 53.9)
        assert recovery.time_to_recover_s(FAULT, error_limit=0.0) == pytest.approx(3.9)
    finally:
        del BAD_SECONDS[53]
    assert "violations" not in holder.find(FAULT).record()


def test_before_any_fault_the_time_to_recover_is_0(world):
    world.start()
    world.time.go_to(START + 50.2)
    assert recovery.time_to_recover_s(FAULT, error_limit=0.01) == 0.0
    world.leases[0].end("", START + 50, state="lost")
    world.time.go_to(START + 55)
    with pytest.raises(ActivityFailed, match=r"ended \(lost\)"):
        recovery.time_to_recover_s(FAULT, error_limit=0.01)


def test_a_fault_right_after_the_start_of_the_load(world):
    world.start()
    world.time.go_to(START + 1.2)
    world.arm(FAULT, 1.1)
    with pytest.raises(ActivityFailed, match="0 windows of 5 s since the fault began"):
        recovery.time_to_recover_s(FAULT, error_limit=0.01)
    world.arm("earlier", -1.5, 30)
    with pytest.raises(ActivityFailed, match="began 2 s after the window did"):
        recovery.requests_lost("earlier")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, r"p99_limit_ms=0.0: no limit is given; give p99_limit_ms \(milliseconds\)"),
        ({"p99_limit_ms": -1}, r"p99_limit_ms=-1: .*of at least 0 \(milliseconds\)"),
        ({"error_limit": 5}, r"error_limit=5: .*from 0 to 1"),
        ({"error_limit": 0.1, "timeout_s": 0}, r"timeout_s=0: .*more than 0"),
        ({"error_limit": 0.1, "window_s": 2.5}, r"window_s=2.5: give a whole number from 1 to"),
        ({"error_limit": 0.1, "fault": ""}, "fault='': empty"),
        ({"error_limit": 0.1, "fault": "user"}, f"name one that was armed: {FAULT}"),
        ({"error_limit": 0.1, "traffic": "x"}, "name one of checkout"),
    ],
)
def test_bad_arguments_of_the_time_to_recover(killed, arguments, problem):
    for probe in (recovery.time_to_recover_s, recovery.time_to_recover_detail):
        with pytest.raises(ActivityFailed, match=problem):
            probe(**{"fault": FAULT} | arguments)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"window_s": 0.5}, r"window_s=0.5: .*from 1 to 3600 \(seconds\)"),
        ({"fault": ""}, "fault='': empty"),
        ({"fault": "user"}, f"name one that was armed: {FAULT}"),
    ],
)
def test_bad_arguments_of_requests_lost(killed, arguments, problem):
    for probe in (recovery.requests_lost, recovery.requests_lost_detail):
        with pytest.raises(ActivityFailed, match=problem):
            probe(**{"fault": FAULT} | arguments)
