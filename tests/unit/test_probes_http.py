"""Probes that drive a load themselves."""

import math

import pytest
from chaoslib.exceptions import ActivityFailed, InvalidActivity
from chaoslib.provider.python import validate_python_activity
from fake_load import START, URL, World

from chaos_go.errors import AgentError
from chaos_go.traffic import load
from probes import http

LOAD = {"url": URL}


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


def test_p99_of_its_own_load(world):
    assert http.p99_ms({**LOAD, "rate_rps": 100}, 10) == pytest.approx(20, rel=0.004)
    (place,), spec = world.held[0]
    assert place.name == f"load/{spec.id}"
    assert place.way is None
    assert (spec.kind, spec.detail.url, spec.detail.rate_rps) == ("load", URL, 100)
    assert world.time.now() == pytest.approx(START + 10.5)


def test_the_load_lasts_longer_than_the_last_second_that_counts(world):
    http.p99_ms({**LOAD, "timeout_ms": 500}, 20.7)
    assert world.held[0][1].duration_s == 20 + 2 * 0.5 + 3


def test_error_rate_of_its_own_load(world):
    world.delivers = {"statuses": {"200": 90, "500": 7}, "timeouts": 2, "connection_errors": 1}
    assert http.error_rate({**LOAD, "rate_rps": 100}, duration_s=5) == 0.1


def test_the_load_is_stopped_and_invisible_to_other_probes(world):
    http.p99_ms(LOAD)
    assert world.leases[0].stops == 1
    assert load.running() == []


def test_the_load_is_stopped_when_measuring_fails(world):
    world.delivers = {"late": 50}
    with pytest.raises(ActivityFailed, match="more than 1%"):
        http.p99_ms(LOAD)
    assert world.leases[0].stops == 1


@pytest.mark.parametrize("probe", [http.p99_ms, http.error_rate])
@pytest.mark.parametrize(
    ("argument", "value", "shown"),
    [
        ("load.rate_rps", 0, "0"),
        ("load.rate_rps", -1, "-1"),
        ("load.rate_rps", 1e9, "1000000000"),
        ("load.rate_rps", 50_001, "50001"),
        ("load.rate_rps", math.nan, "nan"),
        ("load.rate_rps", "50", "'50'"),
        ("duration_s", 0, "0"),
        ("duration_s", 0.5, "0.5"),
        ("duration_s", -1, "-1"),
        ("duration_s", 7200, "7200"),
        ("load.timeout_ms", 0, "0"),
        ("load.timeout_ms", 60_001, "60001"),
        ("load.timeout_ms", 1e7, "10000000"),
        ("load.method", "", "''"),
        ("load.method", "GET /", "'GET /'"),
        ("load.method", "get", "'get'"),
        ("load.headers", "x: hidden", "'(9 characters)'"),
        ("load.headers", {"x y": "hidden"}, "'x y'"),
        ("load.headers", {"Content-Length": "hidden"}, "'Content-Length'"),
        ("load.body", {"user": "hidden"}, "'dict'"),
        ("load.url", "", "''"),
        ("load.url", "127.0.0.1:8080/checkout", "'127.0.0.1:8080/checkout'"),
        ("load.url", "ftp://127.0.0.1/", "'ftp://127.0.0.1/'"),
        ("load.url", "http://", "'http://'"),
        ("load.url", "http://127.0.0.1:99999/", "'http://127.0.0.1:99999/'"),
        ("load.url", "http://[::1/", "'http://[::1/'"),
        ("load.url", "http://a b/", "'http://a b/'"),
        ("load.url", 8080, "8080"),
        ("load", URL, f"'{URL}'"),
        ("load", None, "None"),
        ("load.rate", 50, "'rate'"),
        ("load.max_in_flight", 5000, "5000"),
        ("load.impact", [503], "[503]"),
    ],
)
def test_bad_input_starts_nothing(world, probe, argument, value, shown):
    whole, _, key = argument.partition(".")
    arguments = {"load": LOAD, whole: LOAD | {key: value} if key else value}
    with pytest.raises(ActivityFailed) as raised:
        probe(**arguments)
    assert str(raised.value).startswith(f"{argument}={shown}: ")
    assert "hidden" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert world.held == []


@pytest.mark.parametrize("probe", [http.p99_ms, http.error_rate])
def test_a_header_value_is_named_and_not_shown(world, probe):
    for value in (1, "hid\r\nden"):
        with pytest.raises(ActivityFailed, match=r"^load\.headers\.x=") as raised:
            probe({**LOAD, "headers": {"x": value}})
        assert "hid" not in str(raised.value)
    assert world.held == []


@pytest.mark.parametrize(("probe", "needed"), [(http.p99_ms, 368), (http.error_rate, 72)])
def test_too_few_requests_are_refused_before_they_are_sent(world, probe, needed):
    with pytest.raises(ActivityFailed, match=f"10 requests, {needed} are needed"):
        probe({**LOAD, "rate_rps": 5}, duration_s=2)
    assert world.held == []


def test_an_agent_that_cannot_start(world):
    world.refuses = AgentError("no such host: nowhere.invalid; check the URL")
    with pytest.raises(ActivityFailed, match=r"nowhere\.invalid"):
        http.p99_ms({"url": "http://nowhere.invalid/"})


@pytest.mark.parametrize("probe", ["p99_ms", "error_rate"])
@pytest.mark.parametrize("old", ["url", "rate_rps", "method", "headers", "body", "timeout_ms"])
def test_an_argument_that_moved_into_the_load_is_refused_with_its_new_name(world, probe, old):
    with pytest.raises(ActivityFailed, match=f"^{old}: this argument is now load.{old}$"):
        getattr(http, probe)(**{old: "x"})
    provider = {"type": "python", "module": "probes.http", "func": probe, "arguments": {old: "x"}}
    with pytest.raises(InvalidActivity, match=f"{old}: this argument is now load.{old}"):
        validate_python_activity({"name": "p", "type": "probe", "provider": provider})
    assert world.held == []
