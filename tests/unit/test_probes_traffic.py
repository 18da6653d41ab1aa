"""Probes of the running load: their window, and a number or a clear failure."""

import math

import pytest
from chaoslib.exceptions import ActivityFailed
from chaoslib.hypothesis import within_tolerance
from fake_load import START, World

from probes import traffic

PROBES = [
    traffic.p99_ms,
    traffic.error_rate,
    traffic.impact_rate,
    traffic.p99_detail,
    traffic.error_rate_detail,
]


@pytest.fixture
def world(monkeypatch):
    world = World(monkeypatch)
    world.delivers = {"impact": 3, "impact_n": 100, "statuses": {"200": 98, "503": 2}}
    yield world
    world.stop_all()


@pytest.fixture
def running(world):
    world.start()
    world.time.go_to(START + 50.2)
    return world


def test_numbers_that_a_range_tolerance_takes(running):
    assert traffic.p99_ms() == pytest.approx(20, rel=0.004)
    assert traffic.error_rate() == 0.02
    assert traffic.impact_rate() == 0.03
    for probe in (traffic.p99_ms, traffic.error_rate, traffic.impact_rate):
        value = probe()
        assert type(value) is float
        assert math.isfinite(value)
        assert within_tolerance({"type": "range", "range": [0, 100]}, value)


def test_detail_has_the_interval_and_the_window(running):
    detail = traffic.p99_detail(window_s=10)
    assert detail["value"] == traffic.p99_ms(window_s=10)
    assert detail["low"] <= detail["value"] <= detail["high"]
    assert (detail["n"], detail["confidence"], detail["censored"]) == (1000, 0.95, False)
    assert detail["window"]["start_unix_s"] == START + 40
    assert detail["window"]["end_unix_s"] == START + 50
    rate = traffic.error_rate_detail(window_s=10)
    assert rate["low"] < 0.02 < rate["high"]


def test_baseline_before_any_fault_is_the_newest_window(running):
    detail = traffic.p99_detail(window_s=20, fault="users-503")
    assert detail["window"]["start_unix_s"] == START + 30
    assert detail["fault"] == "users-503"


def test_while_a_fault_was_armed(running):
    running.arm("users-503", 20.4, 35.7)
    window = traffic.p99_detail(fault="users-503")["window"]
    assert (window["start_unix_s"], window["end_unix_s"]) == (START + 21, START + 35)


def test_while_a_fault_is_still_armed_the_window_ends_now(running):
    running.arm("users-503", 20.4)
    window = traffic.p99_detail(fault="users-503")["window"]
    assert (window["start_unix_s"], window["end_unix_s"]) == (START + 21, START + 50)


def test_a_fault_of_several_places_was_armed_while_it_was_everywhere(running):
    running.arm_at("users-503", (20.4, 40), (22.4, 35.7), (19, None))
    window = traffic.p99_detail(fault="users-503")["window"]
    assert (window["start_unix_s"], window["end_unix_s"]) == (START + 23, START + 35)


def test_a_load_is_no_fault(running):
    assert traffic.p99_detail(window_s=20, fault="checkout")["window"]["seconds"] == 20
    running.arm("users-503", 20, 30)
    with pytest.raises(ActivityFailed, match="fault='checkout': name one that was armed: users-5"):
        traffic.p99_ms(fault="checkout")


def test_of_two_faults_of_one_name_the_later_counts(running):
    running.arm("users-503", 5, 15)
    running.arm("users-503", 20, 30)
    assert traffic.p99_detail(fault="users-503")["window"]["start_unix_s"] == START + 20


def test_a_fault_of_an_earlier_run_does_not_count(running):
    running.arm("old", -100, -40)
    assert traffic.p99_detail(window_s=20, fault="users-503")["window"]["seconds"] == 20


def test_a_name_that_no_armed_fault_has(running):
    running.arm("users-503", 20, 30)
    running.arm("risk-slow", 31, 33)
    with pytest.raises(ActivityFailed, match=r"user-503.*users-503, risk-slow"):
        traffic.p99_ms(fault="user-503")


def test_a_fault_that_was_armed_too_short(running):
    running.arm("users-503", 20, 23)
    with pytest.raises(ActivityFailed, match=r"n=300 .*needs 368.*window longer or raise rate_rps"):
        traffic.p99_ms(fault="users-503")


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("window_s", [0, 0.5, -3, 3601, math.nan, math.inf, "30", True, None])
def test_an_invalid_window(running, probe, window_s):
    with pytest.raises(ActivityFailed, match=r"window_s=.*from 1 to 3600 \(seconds\)"):
        probe(window_s=window_s)


@pytest.mark.parametrize("probe", PROBES)
def test_without_a_load_nothing_can_be_measured(world, probe):
    with pytest.raises(ActivityFailed, match=r"declare the control chaos_go\.controls\.traffic"):
        probe()


def test_of_several_loads_one_must_be_named(running):
    running.start("browse")
    with pytest.raises(ActivityFailed, match="name one of checkout, browse"):
        traffic.p99_ms()
    with pytest.raises(ActivityFailed, match="chekout.*name one of checkout, browse"):
        traffic.p99_ms(traffic="chekout")
    assert traffic.p99_detail(traffic="checkout")["window"]["traffic"] == "checkout"


def test_too_few_requests(running):
    with pytest.raises(ActivityFailed, match=r"n=300 .*P99, which needs 368"):
        traffic.p99_ms(window_s=3)


def test_a_load_that_no_longer_reports(world):
    world.delivers = None
    world.start()
    with pytest.raises(ActivityFailed, match="stale"):
        traffic.error_rate()


def test_a_load_whose_agent_died(running):
    running.leases[0].end("", START + 50, state="lost")
    running.time.go_to(START + 52)
    with pytest.raises(ActivityFailed, match=r"ended \(lost\)"):
        traffic.error_rate()


def test_a_failure_is_one_line(world):
    with pytest.raises(ActivityFailed) as raised:
        traffic.p99_ms()
    assert "\n" not in str(raised.value)
