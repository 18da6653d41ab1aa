"""Probes with a load of their own."""

import math

import pytest
from chaoslib.exceptions import ActivityFailed
from fake_load import START, URL, World

from chaos_go.errors import AgentError
from chaos_go.traffic import load
from probes import http


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


def test_p99_of_its_own_load(world):
    assert http.p99_ms(URL, rate_rps=100, duration_s=10) == pytest.approx(20, rel=0.004)
    argv, _, spec = world.held[0]
    assert argv == ["/opt/chaos-agent", "load"]
    assert (spec.kind, spec.load.url, spec.load.rate_rps) == ("load", URL, 100)
    assert world.time.now() == pytest.approx(START + 10.5)


def test_error_rate_of_its_own_load(world):
    world.delivers = {"statuses": {"200": 90, "500": 7}, "timeouts": 2, "connection_errors": 1}
    assert http.error_rate(URL, rate_rps=100, duration_s=5) == 0.1


def test_the_load_is_stopped_and_invisible_to_other_probes(world):
    http.p99_ms(URL)
    assert world.leases[0].stops == 1
    assert load.running() == []


def test_the_load_is_stopped_when_measuring_fails(world):
    world.delivers = {"late": 50}
    with pytest.raises(ActivityFailed, match="more than 1%"):
        http.p99_ms(URL)
    assert world.leases[0].stops == 1


@pytest.mark.parametrize("probe", [http.p99_ms, http.error_rate])
@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("rate_rps", 0),
        ("rate_rps", -1),
        ("rate_rps", 1e9),
        ("rate_rps", 50_001),
        ("rate_rps", math.nan),
        ("rate_rps", "50"),
        ("duration_s", 0),
        ("duration_s", 0.5),
        ("duration_s", -1),
        ("duration_s", 7200),
        ("timeout_ms", 0),
        ("timeout_ms", 60_001),
        ("method", ""),
        ("method", "GET /"),
        ("headers", "x: y"),
        ("headers", {"x": 1}),
        ("body", {"user": 1}),
        ("url", ""),
        ("url", "127.0.0.1:8080/checkout"),
        ("url", "ftp://127.0.0.1/"),
        ("url", "http://"),
        ("url", "http://127.0.0.1:99999/"),
        ("url", "http://[::1/"),
        ("url", "http://a b/"),
        ("url", 8080),
    ],
)
def test_bad_input_starts_nothing(world, probe, argument, value):
    arguments = {"url": URL, argument: value}
    with pytest.raises(ActivityFailed) as raised:
        probe(**arguments)
    assert argument in str(raised.value)
    assert str(value) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert world.held == []


@pytest.mark.parametrize(("probe", "needed"), [(http.p99_ms, 368), (http.error_rate, 72)])
def test_too_few_requests_are_refused_before_they_are_sent(world, probe, needed):
    with pytest.raises(ActivityFailed, match=f"10 requests, {needed} are needed"):
        probe(URL, rate_rps=5, duration_s=2)
    assert world.held == []


def test_an_agent_that_cannot_start(world):
    world.refuses = AgentError("no such host: nowhere.invalid; check the URL")
    with pytest.raises(ActivityFailed, match=r"nowhere\.invalid"):
        http.p99_ms("http://nowhere.invalid/")
