import json
from collections.abc import Iterator
from typing import Any

import pytest
from chaoslib.discovery.discover import discover_actions
from chaoslib.exceptions import ActivityFailed
from chaoslib.provider.python import run_python_activity
from fake_agent import SEED_DRAWN, FakeAgents

from chaos_go import faults
from chaos_go.agent import binary, holder
from chaos_go.agent.contract import HTTP, HTTPAbort, HTTPDelay, HTTPModify, Match, Proxy, Spec
from chaos_go.faults import http

TARGET = "port/8081"


class Process:
    """The leases of a process of its own, on fake agents."""

    def __init__(self) -> None:
        self.fakes = FakeAgents()
        self.holder = holder.LeaseHolder(self.fakes.open)

    def asked(self) -> Spec:
        """Return what the newest fault was asked to be."""
        return self.holder.leases()[-1].spec


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    process = Process()
    monkeypatch.setenv(binary.OVERRIDE, "/bin/sh")  # executable; the fakes do not start it
    monkeypatch.setattr(holder, "hold", process.holder.hold)
    monkeypatch.setattr(holder, "leases", process.holder.leases)
    yield process
    process.holder.stop_all(timeout_s=0.1)


def test_abort_asks_for_what_it_was_told(here: Process) -> None:
    record = http.abort(
        TARGET,
        status=502,
        percentage=30,
        path="/api/.*",
        method="GET",
        headers={"x-user": "a.*"},
        body="injected",
        duration_s=20,
        seed=7,
        name="users-502",
        response_headers={"Retry-After": "1"},
        existing_connections="reset",
    )
    assert here.asked() == Spec(
        id="users-502",
        kind="http",
        duration_s=20.0,
        http=HTTP(
            port=8081,
            percentage=30.0,
            seed=7,
            existing="reset",
            match=Match(path="/api/.*", method="GET", headers={"x-user": "a.*"}),
            abort=HTTPAbort(status=502, headers={"Retry-After": "1"}, body="injected"),
        ),
    )
    assert here.fakes.channels[0].argv == ["/bin/sh", "fault"]
    assert (record["id"], record["state"], record["armed"]["seed"]) == ("users-502", "armed", 7)
    json.dumps(record, allow_nan=False)


def test_delay_asks_for_what_it_was_told(here: Process) -> None:
    http.delay("proxy/127.0.0.1:9083->127.0.0.1:8083", 800, jitter_ms=50, percentage=15)
    assert here.asked().http == HTTP(
        proxy=Proxy(listen="127.0.0.1:9083", upstream="127.0.0.1:8083"),
        percentage=15.0,
        delay=HTTPDelay(delay_ms=800.0, jitter_ms=50.0, distribution="uniform"),
    )
    assert here.asked().duration_s == 60.0
    http.delay(TARGET, 100, 400, "pareto")
    asked = here.asked().http
    assert asked is not None
    assert asked.delay == HTTPDelay(delay_ms=100.0, jitter_ms=400.0, distribution="pareto")


def test_the_client_address_is_kept_when_asked(here: Process) -> None:
    http.abort(TARGET, keep_client_address=True)
    http.delay(TARGET, 10, keep_client_address=True)
    http.modify(TARGET, body="x", keep_client_address=True)
    asked = [held.spec.http for held in here.holder.leases()]
    assert [fault.keep_client_address for fault in asked if fault] == [True, True, True]
    with pytest.raises(ActivityFailed, match="keep_client_address='yes': give true or false"):
        http.abort(TARGET, keep_client_address="yes")


def test_modify_asks_for_what_it_was_told(here: Process) -> None:
    record = http.modify(TARGET, {"X-A": "1"}, "maintenance", percentage=5, path="/api/.*")
    assert here.asked().http == HTTP(
        port=8081,
        percentage=5.0,
        match=Match(path="/api/.*"),
        modify=HTTPModify(set_headers={"X-A": "1"}, body="maintenance"),
    )
    assert record["id"] == "modify-port-8081"
    assert record["spec"]["http"]["modify"] == {
        "set_headers": {"X-A": "(redacted)"},
        "body": "(redacted, 11 characters)",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "set_headers={}: the fault would change nothing"),
        ({"set_headers": {"Connection": "close"}}, "set_headers='Connection'.*frames the answer"),
        ({"set_headers": {"X-A": "a\nb"}}, "set_headers.X-A"),
        ({"set_headers": None}, "set_headers=None"),
        ({"body": 7}, "body=7"),
        ({"body": "x", "percentage": 0}, "percentage=0"),
    ],
)
def test_modification_that_cannot_be_meant(
    arguments: dict[str, Any], message: str, here: Process
) -> None:
    with pytest.raises(ActivityFailed, match=message):
        http.modify(TARGET, **arguments)
    assert here.fakes.channels == []


def test_defaults_are_503_for_everybody_and_a_seed_that_is_reported(here: Process) -> None:
    record = http.abort(TARGET)
    assert here.asked().http == HTTP(port=8081, percentage=100.0, abort=HTTPAbort(status=503))
    assert record["armed"]["seed"] == SEED_DRAWN


def test_names_are_derived_and_unique_in_a_run(here: Process) -> None:
    names = [http.abort(TARGET)["id"], http.delay(TARGET, 10)["id"], http.abort(TARGET)["id"]]
    here.holder.stop_all()
    names.append(http.abort(TARGET)["id"])
    assert names == ["abort-port-8081", "delay-port-8081", "abort-port-8081-2", "abort-port-8081-3"]


def test_given_name_is_refused_while_it_is_in_use() -> None:
    http.abort(TARGET, name="a")
    with pytest.raises(ActivityFailed, match=r"name='a': .*own name"):
        http.delay(TARGET, 10, name="a")


def test_faults_of_one_target_share_an_agent(here: Process) -> None:
    http.abort(TARGET)
    http.delay(TARGET, 10)
    http.abort("port/8082")
    assert len(here.fakes.channels) == 2


def test_defaults_do_not_leak_from_call_to_call(here: Process) -> None:
    http.abort(TARGET, headers={"x": "1"}, response_headers={"y": "2"})
    http.abort(TARGET)
    assert here.asked().http == HTTP(port=8081, percentage=100.0, abort=HTTPAbort(status=503))


NUMBERS = [0, -1, float("nan"), float("inf"), True, None, "30", "30%", [30]]
BAD: list[tuple[str, Any]] = [
    *(("percentage", value) for value in [*NUMBERS, 101, 100.01]),
    *(("duration_s", value) for value in [*NUMBERS, 3600.1, 7200]),
    *(("status", value) for value in [99, 199, 600, 503.0, "503", True, None]),
    *(("seed", value) for value in [-1, 2**64, 1.5, "7", True]),
    *(("method", value) for value in ["G ET", "get", "GET,POST", 7, None]),
    *(("path", value) for value in [7, None, ["/"]]),
    *(("body", value) for value in [7, None, {"a": 1}, b"x"]),
    *(("name", value) for value in ["a\nb", "x" * 101, "é" * 51, 7, None]),
    *(("headers", value) for value in ["x-user: a", None, {"x user": "a"}, {"": "a"}, {1: "a"}]),
    *(("response_headers", value) for value in [[], {"a:b": "x"}, {"Content-Length": "3"}]),
    *(("existing_connections", value) for value in ["", "cut", None, ["leave"]]),
    *(("target", value) for value in ["port/0", "port/70000", "pod/users", 8081]),
]


@pytest.mark.parametrize(("argument", "value"), BAD, ids=repr)
def test_bad_input_is_named_with_its_fix_and_starts_nothing(
    argument: str, value: object, here: Process
) -> None:
    with pytest.raises(ActivityFailed) as refusal:
        http.abort(**{"target": TARGET, argument: value})
    message = str(refusal.value)
    assert message.startswith(f"{argument}=")
    assert ": " in message
    assert "\n" not in message
    assert here.fakes.channels == []


@pytest.mark.parametrize("argument", ["headers", "response_headers"])
@pytest.mark.parametrize("value", [1, None, "a\r\nb"])
def test_bad_header_value_is_named_with_its_header(argument: str, value: object) -> None:
    with pytest.raises(ActivityFailed, match=f"{argument}.x-user=.*one line of text"):
        http.abort(**{"target": TARGET, argument: {"x-user": value}})


def test_answer_that_has_no_body_gets_none() -> None:
    with pytest.raises(ActivityFailed, match="body='.4 characters.': an answer 204 has no body"):
        http.abort(TARGET, status=204, body="gone")
    assert http.abort(TARGET, status=204)["state"] == "armed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"delay_ms": 0}, "delay_ms=0"),
        ({"delay_ms": "800ms"}, "delay_ms='800ms'.*env_var_type"),
        ({"delay_ms": float("nan")}, "delay_ms=nan"),
        ({"delay_ms": float("inf")}, "delay_ms=inf"),
        ({"delay_ms": 10**400}, "delay_ms=1000"),
        ({"delay_ms": 10, "jitter_ms": 11}, "jitter_ms=11.*at most 10"),
        ({"delay_ms": 10, "jitter_ms": -1}, "jitter_ms=-1"),
        ({"delay_ms": 10, "distribution": "gauss"}, "distribution='gauss'.*constant, uniform"),
        ({"delay_ms": 10, "distribution": ""}, "distribution=''"),
        ({"delay_ms": 10, "distribution": "normal"}, "jitter_ms=0.*more than 0 and at most 10"),
        ({"delay_ms": 10, "distribution": "pareto", "jitter_ms": 0}, "jitter_ms=0"),
        ({"delay_ms": 10, "distribution": "constant", "jitter_ms": 1}, "jitter_ms=1: .*has none"),
        (
            {"delay_ms": 10, "distribution": "pareto", "jitter_ms": 300, "duration_s": 5},
            "up to 6010 ms are longer than the fault itself",
        ),
        (
            {"delay_ms": 3000, "distribution": "normal", "jitter_ms": 1000, "duration_s": 5},
            "up to 6000 ms",
        ),
        ({"delay_ms": 10, "jitter_ms": False}, "jitter_ms=False"),
        ({"delay_ms": 10, "jitter_ms": float("nan")}, "jitter_ms=nan"),
        ({"delay_ms": 6000, "duration_s": 5}, r"delay_ms=6000.*longer than the fault.*\(5\)"),
        ({"delay_ms": 4000, "jitter_ms": 2000, "duration_s": 5}, "longer than the fault itself"),
        ({"delay_ms": 10, "percentage": 0}, "percentage=0"),
        ({"delay_ms": 10, "method": "get"}, "method='get'"),
        ({"delay_ms": 10, "duration_s": -1}, "duration_s=-1"),
        ({"delay_ms": 10, "target": "8081"}, "target='8081'"),
    ],
)
def test_delay_that_cannot_be_meant(arguments: dict[str, Any], message: str, here: Process) -> None:
    with pytest.raises(ActivityFailed, match=message):
        http.delay(**{"target": TARGET} | arguments)
    assert here.fakes.channels == []


def test_delay_may_be_as_long_as_the_fault() -> None:
    assert http.delay(TARGET, 5000, duration_s=5)["state"] == "armed"


def test_expression_is_judged_by_the_agent(here: Process) -> None:
    with pytest.raises(ActivityFailed, match=r"http.match.path='\('.*RE2"):
        http.abort(TARGET, path="(")
    assert here.holder.leases() == []


def test_missing_agent_fails_the_action(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(binary.OVERRIDE, "/nonexistent/agent")
    with pytest.raises(ActivityFailed, match="agent=/nonexistent/agent: no such file"):
        http.abort(TARGET)


def test_chaos_toolkit_finds_the_actions_with_plain_types() -> None:
    found = discover_actions("chaos_go.faults.http") + discover_actions("chaos_go.faults")
    assert sorted(action["name"] for action in found) == ["abort", "delay", "modify", "stop"]
    types = {argument["type"] for action in found for argument in action["arguments"]}
    assert types == {"string", "integer", "number", "mapping", "boolean"}
    json.dumps(found)


def test_chaos_toolkit_runs_them_and_passes_the_message_on() -> None:
    def run(func: str, arguments: dict[str, Any], module: str = "chaos_go.faults.http") -> Any:
        provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
        return run_python_activity({"name": func, "provider": provider}, {}, {})

    assert run("abort", {"target": TARGET, "name": "a"})["id"] == "a"
    with pytest.raises(ActivityFailed, match=r"percentage=101: give a number of percent"):
        run("abort", {"target": TARGET, "percentage": 101})
    with pytest.raises(ActivityFailed, match="touched no request"):
        run("stop", {}, "chaos_go.faults")


def test_stop_gives_what_each_fault_did(here: Process) -> None:
    http.abort(TARGET, name="a")
    http.abort("port/8082", name="b")
    here.fakes.touch()
    assert [record["totals"]["aborted"] for record in faults.stop("b")] == [1]
    assert [(x["id"], x["reason"]) for x in faults.stop()] == [("a", "stop"), ("b", "stop")]
    assert faults.stop("a") == faults.stop("a")


def test_stop_without_any_fault_is_harmless() -> None:
    assert faults.stop() == []
    assert faults.stop("never-armed") == []


def test_stop_of_an_unknown_name_names_the_known_and_stops_nothing(here: Process) -> None:
    http.abort(TARGET, name="users-503")
    with pytest.raises(ActivityFailed, match=r"name='user-503': .*known: users-503"):
        faults.stop("user-503")
    assert here.holder.find("users-503").state == "armed"


@pytest.mark.parametrize("name", [None, 7, ["a"]])
def test_stop_takes_a_text(name: Any) -> None:
    with pytest.raises(ActivityFailed, match=r"name=.*give the name"):
        faults.stop(name)


def test_stop_leaves_loads_alone(here: Process) -> None:
    spec = Spec(id="checkout", kind="load", duration_s=60.0)
    load = here.holder.hold(["agent", "load"], "load/checkout", spec)
    assert faults.stop() == []
    assert load.state == "armed"


def test_fault_without_effect_fails_the_stop_after_all_were_stopped(here: Process) -> None:
    http.abort(TARGET, name="idle")
    http.abort("port/8082", name="busy")
    here.fakes.channels[1].touched["busy"] = 3
    for _ in range(2):  # a second stop says it again
        with pytest.raises(
            ActivityFailed, match=r"'idle' at port/8081 touched no request \(0 seen"
        ):
            faults.stop()
        assert {x.state for x in here.holder.leases()} == {"ended"}
    assert faults.stop("busy")[0]["effect"] is True


def test_fault_whose_agent_died_fails_the_stop(here: Process) -> None:
    http.abort(TARGET, name="a")
    http.abort("port/8082", name="b")
    here.fakes.channels[0].die(-9)
    here.holder.find("a").wait_while("armed", 20.0)
    with pytest.raises(ActivityFailed) as failure:
        faults.stop()
    assert "'a' was lost: agent of port/8081 ended unexpectedly: killed by SIGKILL" in str(
        failure.value
    )
    assert "'b' at port/8082 touched no request" in str(failure.value)
