import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import real_judge
from chaoslib.discovery.discover import discover_actions
from chaoslib.exceptions import ActivityFailed, InvalidActivity
from chaoslib.provider.python import run_python_activity, validate_python_activity
from fake_agent import SEED_DRAWN, FakeAgents, FakeChannel

from chaos_go import faults
from chaos_go.agent import binary, holder, judge
from chaos_go.agent.contract import Proxy, Spec, Way
from chaos_go.agent.place import LocalReach, Place
from chaos_go.errors import BadInputError, RenamedArgumentError
from chaos_go.faults import http
from chaos_go.faults.http import HTTP, HTTPAbort, HTTPDelay, HTTPModify, Match
from chaos_go.traffic import load

TARGET = "port/8081"


class Process:
    """The faults of a process of its own, on fake agents that judge like the real one."""

    def __init__(self) -> None:
        self.fakes = FakeAgents(self.prepare)
        self.holder = holder.LeaseHolder()
        self.reaches: list[LocalReach] = []

    def prepare(self, channel: FakeChannel) -> None:
        channel.refuses = real_judge.problem

    def asked(self) -> Spec:
        """Return what the newest fault was asked to be."""
        return self.holder.faults()[-1].spec

    def detail(self) -> Any:
        return self.asked().detail

    def is_untouched(self) -> bool:
        """Return whether nothing was armed and no agent is left."""
        armed = [
            channel for channel in self.fakes.channels if channel.armed or channel.code is None
        ]
        return self.holder.faults() == [] and armed == []


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    process = Process()

    def open_channel(reach: LocalReach, command: str) -> FakeChannel:
        process.reaches.append(reach)
        return process.fakes.open(command)

    monkeypatch.setattr(LocalReach, "open", open_channel)
    for name in ("hold", "faults", "find"):
        monkeypatch.setattr(holder, name, getattr(process.holder, name))
    yield process
    process.holder.stop_all(timeout_s=0.1)


def places(record: dict[str, Any], key: str) -> list[Any]:
    return [place[key] for place in record["places"]]


def test_abort_sends_its_arguments_to_the_agent(here: Process) -> None:
    record = http.abort(
        TARGET,
        status=502,
        percentage=30,
        match={"path": "/api/.*", "method": "GET", "headers": {"x-user": "a.*"}},
        answer={"headers": {"Retry-After": "1"}, "body": "injected"},
        duration_s=20,
        seed=7,
        name="users-502",
        connections={"existing": "reset", "limit": 50, "keep_client_address": True},
    )
    assert here.asked() == Spec(
        id="users-502",
        kind="http",
        duration_s=20.0,
        detail=HTTP(
            percentage=30.0,
            seed=7,
            existing="reset",
            max_connections=50,
            keep_client_address=True,
            match=Match(path="/api/.*", method="GET", headers={"x-user": "a.*"}),
            abort=HTTPAbort(status=502, headers={"Retry-After": "1"}, body="injected"),
        ),
    )
    (channel,) = here.fakes.channels
    assert (channel.command, here.reaches) == ("fault", [LocalReach()])
    assert channel.spec is not None
    assert channel.spec.way == Way(port=8081)
    assert (record["id"], record["state"]) == ("users-502", "armed")
    assert places(record, "armed")[0]["seed"] == 7
    json.dumps(record, allow_nan=False)


def test_delay_sends_its_arguments_to_the_agent(here: Process) -> None:
    http.delay("proxy/127.0.0.1:9083->127.0.0.1:8083", 800, jitter_ms=50, percentage=15)
    assert here.detail() == HTTP(
        percentage=15.0,
        delay=HTTPDelay(delay_ms=800.0, jitter_ms=50.0, distribution="uniform"),
    )
    spec = here.fakes.channels[0].spec
    assert spec is not None
    assert spec.way == Way(proxy=Proxy(listen="127.0.0.1:9083", upstream="127.0.0.1:8083"))
    assert here.asked().duration_s == 60.0
    http.delay(TARGET, 100, 400, "pareto")
    pareto = HTTPDelay(delay_ms=100.0, jitter_ms=400.0, distribution="pareto")
    assert here.detail().delay == pareto


def test_the_client_address_is_kept_when_asked(here: Process) -> None:
    kept = {"keep_client_address": True}
    http.abort(TARGET, connections=kept)
    http.delay(TARGET, 10, connections=kept)
    http.modify(TARGET, {"body": "x"}, connections=kept)
    details: list[Any] = [fault.spec.detail for fault in here.holder.faults()]
    assert [detail.keep_client_address for detail in details] == [True, True, True]


def test_modify_sends_its_arguments_to_the_agent(here: Process) -> None:
    answer = {"headers": {"X-A": "1"}, "body": "maintenance"}
    record = http.modify(TARGET, answer, percentage=5, match={"path": "/api/.*"})
    assert here.detail() == HTTP(
        percentage=5.0,
        match=Match(path="/api/.*"),
        modify=HTTPModify(set_headers={"X-A": "1"}, body="maintenance"),
    )
    assert record["id"] == "modify-port-8081"
    assert record["spec"]["http"]["modify"] == {
        "set_headers": {"X-A": "(redacted)"},
        "body": "(redacted, 11 characters)",
    }
    http.modify(TARGET, {"remove_body": True})
    assert here.detail().modify == HTTPModify(remove_body=True)


def test_defaults_are_503_for_everybody_and_a_seed_that_is_reported(here: Process) -> None:
    record = http.abort(TARGET)
    assert here.detail() == HTTP(percentage=100.0, abort=HTTPAbort(status=503))
    assert places(record, "armed")[0]["seed"] == SEED_DRAWN


def test_names_are_derived_and_unique_in_a_run(here: Process) -> None:
    names = [http.abort(TARGET)["id"], http.delay(TARGET, 10)["id"], http.abort(TARGET)["id"]]
    here.holder.stop_all()
    names.append(http.abort(TARGET)["id"])
    assert names == ["abort-port-8081", "delay-port-8081", "abort-port-8081-2", "abort-port-8081-3"]


def test_the_name_of_a_fault_at_many_ports_is_short_enough_for_the_agent() -> None:
    many = ",".join(str(port) for port in range(8001, 8031))
    names = [http.abort(f"port/{many}")["id"] for _ in range(2)]
    assert len(set(names)) == 2
    assert all(name.startswith("abort-port-8001-8002-") for name in names)


def test_given_name_is_refused_while_it_is_in_use() -> None:
    http.abort(TARGET, name="a")
    with pytest.raises(ActivityFailed, match=r"name='a': .*own name"):
        http.delay(TARGET, 10, name="a")


def test_a_name_is_in_use_while_another_thread_is_still_arming_it(here: Process) -> None:
    judged, go_on = threading.Event(), threading.Event()

    def slow(spec: Spec) -> None:
        judged.set()
        go_on.wait(20)

    here.fakes.prepare = lambda channel: setattr(channel, "refuses", slow)
    first = threading.Thread(target=lambda: http.abort(TARGET, name="a"))
    first.start()
    assert judged.wait(20)
    with pytest.raises(BadInputError, match=r"name='a': .*own name"):
        http.delay("port/8082", 10, name="a")
    assert len(here.fakes.channels) == 1
    go_on.set()
    first.join()
    assert [(fault.id, fault.state) for fault in here.holder.faults()] == [("a", "armed")]


def test_faults_of_one_target_share_an_agent(here: Process) -> None:
    http.abort(TARGET)
    http.delay(TARGET, 10)
    http.abort("port/8082")
    assert len(here.fakes.channels) == 2


def test_defaults_do_not_leak_from_call_to_call(here: Process) -> None:
    http.abort(TARGET, match={"headers": {"x": "1"}}, answer={"headers": {"y": "2"}})
    http.abort(TARGET)
    assert here.detail() == HTTP(percentage=100.0, abort=HTTPAbort(status=503))


def test_arguments_are_copied(here: Process) -> None:
    headers = {"x": "1"}
    http.abort(TARGET, match={"headers": headers})
    headers["y"] = "2"
    assert here.detail().match.headers == {"x": "1"}


# Several places


def test_several_ports_are_one_fault_with_a_place_per_port(here: Process) -> None:
    record = http.abort("port/8081,8082,8083")
    assert record["id"] == "abort-port-8081-8082-8083"
    assert places(record, "place") == ["port/8081", "port/8082", "port/8083"]
    assert len(here.fakes.channels) == 3
    assert "scope" not in record
    here.fakes.channels[0].touched[record["id"]] = 2
    (stopped,) = faults.stop()
    assert stopped["effect"] is True
    assert len(stopped["untouched"]) == 2


def test_the_scope_chooses_among_the_places_and_the_record_says_how(here: Process) -> None:
    record = http.abort("port/8081,8082,8083", seed=5, scope={"places": 2})
    assert record["scope"] == {"of": 3, "by": "draw", "seed": 5}
    again = http.delay("port/8081,8082,8083", 10, seed=5, scope={"places": 2})
    assert len(places(record, "place")) == 2
    assert places(again, "place") == places(record, "place")
    named = http.modify("port/8081,8082", {"body": "x"}, scope={"places": ["port/8082"]})
    assert (places(named, "place"), named["scope"]["by"]) == (["port/8082"], "name")


def test_the_seed_that_was_drawn_for_the_places_is_also_the_seed_of_the_fault(
    here: Process,
) -> None:
    record = http.abort("port/8081,8082", scope={"places": "50%"})
    assert here.detail().seed == record["scope"]["seed"] > 0
    assert places(record, "armed")[0]["seed"] == record["scope"]["seed"]


def test_a_seed_is_not_drawn_when_all_places_are_hit(here: Process) -> None:
    http.abort("port/8081,8082")
    assert here.detail().seed == 0


def test_a_scope_that_the_places_do_not_allow_starts_nothing(here: Process) -> None:
    with pytest.raises(ActivityFailed, match=r"scope.places=3: the target has 2 places"):
        http.abort("port/8081,8082", scope={"places": 3})
    with pytest.raises(ActivityFailed, match=r"scope.max_percentage=50.0: 2 of 2 places are 100 %"):
        http.abort("port/8081,8082", scope={"max_percentage": 50})
    assert here.fakes.channels == []


def test_one_port_that_the_agent_refuses_leaves_nothing_anywhere(here: Process) -> None:
    with pytest.raises(ActivityFailed, match=r"target='port/70000': not a port"):
        http.abort("port/8081,70000,8083")
    assert here.is_untouched()


# Arguments: Python checks their types, and the agent judges their values


def action_of(argument: str) -> tuple[Any, dict[str, Any]]:
    """Return an action that takes an argument, and good arguments for the others."""
    if argument.startswith(("delay_ms", "jitter_ms", "distribution")):
        return http.delay, {"target": TARGET, "delay_ms": 10}
    return http.abort, {"target": TARGET}


def given(argument: str, value: object, good: dict[str, Any]) -> dict[str, Any]:
    whole, _, key = argument.partition(".")
    return {**good, whole: {key: value} if key else value}


NUMBERS = [float("nan"), float("inf"), True, None, "30", "30%", [30], 10**400]
WRONG_TYPES: list[tuple[str, Any]] = [
    *(("percentage", value) for value in NUMBERS),
    *(("duration_s", value) for value in NUMBERS),
    *(("delay_ms", value) for value in NUMBERS),
    *(("jitter_ms", value) for value in NUMBERS),
    *(("status", value) for value in [503.0, "503", True, None]),
    *(("seed", value) for value in [1.5, "7", True, None]),
    *(("distribution", value) for value in ["", 7, None]),
    *(("name", value) for value in [7, None, "\udc80"]),
    *(("match", value) for value in [None, "/api", ["/"]]),
    *(("match.path", value) for value in [7, None, ["/"], "\udc80"]),
    *(("match.method", value) for value in [7, None]),
    *(("match.headers", value) for value in ["x-user: a", None, {1: "a"}, {"\udc80": "a"}]),
    *(("answer", value) for value in [None, "hidden", ["hidden"]]),
    *(("answer.headers", value) for value in [[], None, "hidden", {1: "hidden"}]),
    *(("answer.body", value) for value in [7, None, {"a": 1}, b"x", "hidden\udc80"]),
    *(("connections", value) for value in [None, "leave"]),
    *(("connections.existing", value) for value in ["", None, ["leave"]]),
    *(("connections.limit", value) for value in [0, -1, 1.5, "10", None, True]),
    *(("connections.keep_client_address", value) for value in ["yes", None, 1]),
    *(("scope", value) for value in [None, [], "50%", 0]),
    *(("target", value) for value in ["port/0", "pod/users", 8081, "8081", "to/", "port/\udc80"]),
]


@pytest.mark.parametrize(("argument", "value"), WRONG_TYPES, ids=repr)
def test_wrong_type_is_named_with_its_fix_and_asks_no_agent(
    argument: str, value: object, here: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(binary.OVERRIDE, "/nonexistent/agent")
    action, good = action_of(argument)
    with pytest.raises(ActivityFailed) as refusal:
        action(**given(argument, value, good))
    message = str(refusal.value)
    assert message.startswith(f"{argument}=")
    assert ": " in message
    assert "\n" not in message
    assert "hidden" not in message
    assert here.fakes.channels == []


BAD_VALUES: list[tuple[str, Any]] = [
    *(("percentage", value) for value in [0, -1, 101, 100.01]),
    *(("duration_s", value) for value in [0, -1, 3600.1, 7200]),
    *(("status", value) for value in [99, 199, 600, -503]),
    *(("seed", value) for value in [-1, 2**64]),
    *(("match.method", value) for value in ["G ET", "get", "GET,POST"]),
    ("match.path", "("),
    *(("match.headers", value) for value in [{"x user": "a"}, {"": "a"}]),
    *(("answer.headers", value) for value in [{"a:b": "x"}, {"Content-Length": "3"}]),
    *(("name", value) for value in ["a\nb", "x" * 101, "é" * 51]),
    ("connections.existing", "cut"),
    ("connections.limit", 10**9),
    *(("target", value) for value in ["port/70000", "to/users", "to/0.0.0.0:80"]),
    *(("target", f"proxy/{value}") for value in ["0.0.0.0:1->a:1", "127.0.0.1:1->a"]),
    *(("delay_ms", value) for value in [0, -1, 60_001]),
    *(("jitter_ms", value) for value in [11, -1]),
    ("distribution", "gauss"),
]


@pytest.mark.parametrize(("argument", "value"), BAD_VALUES, ids=repr)
def test_bad_value_is_named_with_its_fix_before_and_when_it_is_armed(
    argument: str, value: object, here: Process
) -> None:
    action, good = action_of(argument)
    arguments = given(argument, value, good)
    (ahead,) = judge.judge(action.request(**arguments).specs())
    assert ahead is not None
    with pytest.raises(BadInputError) as refusal:
        action(**arguments)
    message = str(refusal.value)
    place = value if argument == "target" else ahead.value  # names the whole place
    assert message == str(BadInputError(ahead.field, place, ahead.fix))
    assert message.startswith(f"{argument}=")
    assert ": " in message
    assert "\n" not in message
    assert here.is_untouched()


@pytest.mark.parametrize("argument", ["match.headers", "answer.headers"])
@pytest.mark.parametrize("value", [1, None, "hid\r\nden", "hidden\udc80"])
def test_bad_header_value_is_named_with_its_header_and_not_shown(
    argument: str, value: object, here: Process
) -> None:
    with pytest.raises(ActivityFailed, match=rf"^{argument}\.x-user=.*: ") as refusal:
        http.abort(**given(argument, {"x-user": value}, {"target": TARGET}))
    assert "hid" not in str(refusal.value)
    assert here.is_untouched()


@pytest.mark.parametrize(
    ("argument", "old"),
    [
        ("match", "paths"),
        ("answer", "status"),
        ("connections", "max"),
        ("scope", "pods"),
    ],
)
def test_an_unknown_key_is_refused(argument: str, old: str, here: Process) -> None:
    with pytest.raises(ActivityFailed, match=rf"^{argument}\.{old}='{old}': no such.*known are"):
        http.abort(**{"target": TARGET, argument: {old: "hidden"}})
    with pytest.raises(ActivityFailed, match=r"^answer.status=.*known are body, headers, remove_b"):
        http.modify(TARGET, {"status": 503})
    assert here.fakes.channels == []


def test_answer_with_a_status_without_a_body_gets_no_body(here: Process) -> None:
    with pytest.raises(ActivityFailed, match=r"answer.body='.4 bytes.': a 204 has no body"):
        http.abort(TARGET, status=204, answer={"body": "gone"})
    assert here.is_untouched()
    assert http.abort(TARGET, status=204)["state"] == "armed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"delay_ms": "800ms"}, "delay_ms='800ms'.*env_var_type"),
        ({"delay_ms": 10, "jitter_ms": 11}, r"jitter_ms=11: .*give 0 to 10 \(delay_ms\)"),
        ({"delay_ms": 10, "distribution": "gauss"}, "distribution='gauss'.*constant, uniform"),
        ({"delay_ms": 10, "distribution": "normal"}, "jitter_ms=0: .*more than 0 and at most 10"),
        ({"delay_ms": 10, "distribution": "pareto", "jitter_ms": 0}, "jitter_ms=0: .*more than 0"),
        ({"delay_ms": 10, "distribution": "constant", "jitter_ms": 1}, "jitter_ms=1: .*leave it"),
        (
            {"delay_ms": 10, "distribution": "pareto", "jitter_ms": 300, "duration_s": 5},
            "delay_ms=10: delays of up to 6010 ms are longer than the fault itself",
        ),
        (
            {"delay_ms": 3000, "distribution": "normal", "jitter_ms": 1000, "duration_s": 5},
            "up to 6000 ms",
        ),
        ({"delay_ms": 6000, "duration_s": 5}, r"delay_ms=6000: .*longer than the fault.*\(5\)"),
        ({"delay_ms": 4000, "jitter_ms": 2000, "duration_s": 5}, "longer than the fault itself"),
        ({"delay_ms": 10.5, "jitter_ms": 10.75}, r"jitter_ms=10.75: .*10.5 \(delay_ms\)"),
        ({"delay_ms": 10, "percentage": 0}, "percentage=0"),
        ({"delay_ms": 10, "match": {"method": "get"}}, "match.method='get'"),
        ({"delay_ms": 10, "duration_s": -1}, "duration_s=-1"),
        ({"delay_ms": 10, "target": "8081"}, "target='8081'"),
    ],
)
def test_invalid_delay(arguments: dict[str, Any], message: str, here: Process) -> None:
    with pytest.raises(ActivityFailed, match=message):
        http.delay(**{"target": TARGET} | arguments)
    assert here.is_untouched()


def test_delay_may_be_as_long_as_the_fault() -> None:
    assert http.delay(TARGET, 5000, duration_s=5)["state"] == "armed"


@pytest.mark.parametrize(
    ("answer", "arguments", "message"),
    [
        ({}, {}, "answer='': changes nothing; give headers to set, a body, or remove_body"),
        ({"headers": {"Connection": "close"}}, {}, "answer.headers='Connection'.*frames"),
        ({"headers": {"X-A": "a\nb"}}, {}, "answer.headers.X-A"),
        ({"headers": {"X A": "b"}}, {}, "answer.headers='X A'.*not the name of a header"),
        ({"headers": None}, {}, "answer.headers="),
        ({"body": 7}, {}, "answer.body='int'"),
        (
            {"body": "x", "remove_body": True},
            {},
            "answer.remove_body=True: a body is given as well",
        ),
        ({"remove_body": "yes"}, {}, "answer.remove_body='yes': give true or false"),
        ({"body": "x"}, {"percentage": 0}, "percentage=0"),
    ],
)
def test_invalid_modification(
    answer: dict[str, Any], arguments: dict[str, Any], message: str, here: Process
) -> None:
    with pytest.raises(ActivityFailed, match=f"^{message}"):
        http.modify(TARGET, answer, **arguments)
    assert here.is_untouched()


def test_the_client_address_needs_a_port(here: Process) -> None:
    with pytest.raises(ActivityFailed, match="connections.keep_client_address=True: only the por"):
        http.abort(
            "proxy/127.0.0.1:9081->127.0.0.1:8081", connections={"keep_client_address": True}
        )
    assert here.is_untouched()


def test_expression_is_judged_by_the_agent(here: Process) -> None:
    with pytest.raises(ActivityFailed, match=r"match.path='\('.*RE2"):
        http.abort(TARGET, match={"path": "("})
    assert here.is_untouched()


# Requests


def test_a_request_looks_nothing_up(here: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(binary.OVERRIDE, "/nonexistent/agent")
    asked = http.abort.request("pid/999999999:8081,8082", percentage=5, seed=3)
    assert [spec.way for spec in asked.specs()] == [Way(port=8081), Way(port=8082)]
    assert [spec.id for spec in asked.specs()] == ["abort", "abort"]
    assert asked.spec.detail == HTTP(percentage=5.0, seed=3, abort=HTTPAbort(status=503))
    assert (asked.action, asked.seed, asked.spec.id) == ("abort", 3, "")
    assert http.delay.request("to/users:80", 10).specs()[0].way == Way(to="users:80")
    named = http.modify.request(TARGET, {"body": "x"}, name="m", scope={"places": 1})
    assert (named.spec.id, named.specs()[0].id, named.scope.count) == ("m", "m", 1)
    assert here.fakes.channels == []
    assert here.reaches == []


def test_a_request_whose_port_has_to_be_looked_up_can_still_be_judged() -> None:
    good = http.abort.request("pid/999999999").specs()
    bad = http.abort.request("pid/999999999", status=99).specs()
    assert [str(error) for error in judge.judge(good + bad)] == [
        "None",
        "status=99: not a final HTTP status; give 200 to 599",
    ]


# Old names


RENAMED = {
    "path": "match.path",
    "method": "match.method",
    "headers": "match.headers",
    "keep_client_address": "connections.keep_client_address",
    "max_connections": "connections.limit",
    "existing_connections": "connections.existing",
}
OLD = [
    *(("abort", old, new) for old, new in RENAMED.items()),
    *(("delay", old, new) for old, new in RENAMED.items()),
    *(("modify", old, new) for old, new in RENAMED.items()),
    ("abort", "body", "answer.body"),
    ("abort", "response_headers", "answer.headers"),
    ("modify", "body", "answer.body"),
    ("modify", "set_headers", "answer.headers"),
    ("modify", "remove_body", "answer.remove_body"),
]


@pytest.mark.parametrize(("func", "old", "new"), OLD)
def test_an_old_name_is_refused_with_the_new_one(
    func: str, old: str, new: str, here: Process
) -> None:
    arguments: dict[str, Any] = {"target": TARGET, old: "hidden"}
    with pytest.raises(RenamedArgumentError) as refusal:
        getattr(http, func)(**arguments)
    assert str(refusal.value) == f"{old}: this argument is now {new}"
    provider = {"type": "python", "module": "chaos_go.faults.http", "func": func}
    activity = {"name": func, "type": "action", "provider": provider | {"arguments": arguments}}
    with pytest.raises(InvalidActivity, match=f"^{old}: this argument is now {new}$"):
        validate_python_activity(activity)
    assert here.fakes.channels == []


def test_chaos_toolkit_accepts_the_new_names_and_knows_what_is_missing() -> None:
    def validate(func: str, **arguments: Any) -> None:
        provider = {"type": "python", "module": "chaos_go.faults.http", "func": func}
        validate_python_activity(
            {"name": func, "type": "action", "provider": provider | {"arguments": arguments}}
        )

    validate("abort", target=TARGET, match={"path": "/"}, answer={"body": "x"}, scope={})
    with pytest.raises(InvalidActivity, match="'delay_ms'"):
        validate("delay", target=TARGET)
    with pytest.raises(InvalidActivity, match="'percent'"):
        validate("abort", target=TARGET, percent=5)


def test_missing_agent_fails_the_action(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the real way to start an agent
    monkeypatch.setenv(binary.OVERRIDE, "/nonexistent/agent")
    with pytest.raises(ActivityFailed, match="agent=/nonexistent/agent: no such file"):
        http.abort(TARGET)


def test_chaos_toolkit_finds_the_actions_with_plain_types() -> None:
    found = discover_actions("chaos_go.faults.http") + discover_actions("chaos_go.faults")
    assert sorted(action["name"] for action in found) == ["abort", "delay", "modify", "stop"]
    types = {argument["type"] for action in found for argument in action["arguments"]}
    assert types == {"string", "integer", "number", "mapping"}
    json.dumps(found)


def test_chaos_toolkit_runs_them_and_passes_the_message_on() -> None:
    def run(func: str, arguments: dict[str, Any], module: str = "chaos_go.faults.http") -> Any:
        provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
        return run_python_activity({"name": func, "provider": provider}, {}, {})

    assert run("abort", {"target": TARGET, "name": "a"})["id"] == "a"
    with pytest.raises(ActivityFailed, match=r"percentage=101: not a percentage of requests"):
        run("abort", {"target": TARGET, "percentage": 101})
    with pytest.raises(ActivityFailed, match="touched nothing"):
        run("stop", {}, "chaos_go.faults")


def test_stop_returns_the_record_of_each_fault(here: Process) -> None:
    http.abort(TARGET, name="a")
    http.abort("port/8082", name="b")
    here.fakes.touch()
    assert [places(record, "totals")[0]["aborted"] for record in faults.stop("b")] == [1]
    assert [(x["id"], places(x, "reason")) for x in faults.stop()] == [
        ("a", ["stop"]),
        ("b", ["stop"]),
    ]
    assert faults.stop("a") == faults.stop("a")


def test_stop_without_any_fault_does_nothing() -> None:
    assert faults.stop() == []
    assert faults.stop("never-armed") == []


def test_stop_of_an_unknown_name_names_the_known_and_stops_nothing(here: Process) -> None:
    http.abort(TARGET, name="users-503")
    with pytest.raises(ActivityFailed, match=r"name='user-503': .*known: users-503"):
        faults.stop("user-503")
    assert here.holder.find("users-503").state == "armed"


@pytest.mark.parametrize("name", [None, 7, ["a"]])
def test_stop_takes_a_text(name: Any) -> None:
    with pytest.raises(ActivityFailed, match=r"name=.*give a text"):
        faults.stop(name)


def test_stop_leaves_loads_alone(here: Process) -> None:
    checkout = load.record("checkout", load.read({"url": "http://127.0.0.1:8080/"}))
    assert here.fakes.channels[0].command == "load"
    assert here.holder.faults()[0].leases[0].place == Place("load/checkout", LocalReach())
    assert faults.stop() == []
    assert checkout.fault.state == "armed"


def test_fault_without_effect_fails_the_stop_after_all_were_stopped(here: Process) -> None:
    http.abort(TARGET, name="idle")
    http.abort("port/8082", name="busy")
    here.fakes.channels[1].touched["busy"] = 3
    for _ in range(2):  # a second stop raises the same error
        with pytest.raises(
            ActivityFailed,
            match=r"'idle' at port/8081 touched nothing \(0 of 0 requests matched\); see that traf",
        ):
            faults.stop()
        assert {x.state for x in here.holder.faults()} == {"ended"}
    assert faults.stop("busy")[0]["effect"] is True


def test_fault_whose_agent_died_fails_the_stop(here: Process) -> None:
    http.abort(TARGET, name="a")
    http.abort("port/8082", name="b")
    here.fakes.channels[0].die(-9)
    here.holder.find("a").leases[0].wait_while("armed", 20.0)
    with pytest.raises(ActivityFailed) as failure:
        faults.stop()
    assert "'a' was lost: agent of port/8081 ended unexpectedly: killed by SIGKILL" in str(
        failure.value
    )
    assert "'b' at port/8082 touched nothing" in str(failure.value)
