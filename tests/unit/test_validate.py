"""The strict check: it finds one small mistake in a valid experiment, with its place."""

import copy
import json
import math
from pathlib import Path

import pytest
import yaml

from chaos_go import validate as validating
from chaos_go.agent import binary

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))
GOOD = yaml.safe_load((ROOT / "experiments" / "users-answer-503.yaml").read_text())
ABSENT = object()
PROBE = "steady-state-hypothesis/probes/0"
MISTAKES = [
    # where, what instead, the problem
    ("rollback", [], "rollback: unknown key (did you mean rollbacks?)"),
    ("method", ABSENT, "method: missing"),
    ("method", {}, "method: must be a list"),
    ("method/0", "x", "method[0]: must be a mapping"),
    ("steady-state-hypothesis/probe", [], "steady-state-hypothesis.probe: unknown key"),
    ("runtime", {"rollbacks": {"strategy": "alwys"}}, "strategy: 'alwys' is unknown (did you mean"),
    ("runtime", {"hypothesis": {"strategy": "often"}}, "runtime.hypothesis.strategy: 'often'"),
    ("runtime", {"rollback": {}}, "runtime.rollback: unknown key (did you mean rollbacks?)"),
    ("dry", "actions", "dry: it is overwritten"),
    ("configuration/base_url/defualt", 1, "configuration.base_url.defualt: unknown key (did you"),
    ("configuration/base_url/type", "file", "configuration.base_url: must be a mapping with type"),
    ("configuration/base_url/env_var_type", "integer", "env_var_type: 'integer' is unknown"),
    ("configuration/base_url", ABSENT, "${base_url} is not in configuration or secrets"),
    ("controls/0/provider/module", "chaos_go.control.traffic", "cannot import"),
    ("controls/0/provider/arguments/rate", 4, "rate"),
    ("controls/0/scope", "during", "controls[0].scope: 'during' is unknown"),
    ("controls/0/automatic", 1, "controls[0].automatic: 1 is unknown"),
    ("controls/1/provider/arguments", {"file": "x"}, "controls[1].provider: "),
    ("controls/1", ABSENT, "chaos_go.controls.evidence is missing"),
    ("controls/0", ABSENT, "no control chaos_go.controls.traffic drives one"),
    ("method/0/timeout", 5, "method[0].timeout: Chaos Toolkit never enforces it"),
    ("method/0/tolerance", 5, "method[0].tolerance: Chaos Toolkit ignores"),
    ("method/0/background", "yes", "method[0].background: 'yes' is unknown"),
    ("method/0/pauses", {"afer": 1}, "method[0].pauses.afer: unknown key (did you mean after?)"),
    ("method/0/pauses", {"after": "20"}, "method[0].pauses.after: '20' is not a number of seconds"),
    ("method/0/pauses", {"after": math.inf}, "method[0].pauses.after: inf is not a number"),
    ("method/0/pauses", {"after": -1}, "method[0].pauses.after: -1 is not a number of seconds"),
    ("method/0/name", ABSENT, "method[0].name: missing"),
    ("method/0/type", "acton", "method[0].type: 'acton' is unknown (did you mean action?)"),
    ("method/0/provider/argument", {}, "provider.argument: unknown key (did you mean arguments?)"),
    ("method/0/provider/type", "go", "method[0].provider: must be a mapping with type: python"),
    ("method/0/provider/module", "chaos_go.fault", "method[0].provider.module: cannot import"),
    ("method/0/provider/func", "abrt", "has no function 'abrt' (did you mean abort?)"),
    ("method/0/provider/func", {}, "method[0].provider.func: must be a text, is {}"),
    ("method/0/provider/module", 5, "method[0].provider.module: must be a text, is 5"),
    ("controls/0/provider/module", None, "controls[0].provider.module: must be a text, is None"),
    ("configuration/base_url/key", 5, "configuration.base_url.key: must be a text, is 5"),
    ("method/0/name", 5, ""),
    ("method/0", {"ref": 5}, "method[0].ref: no activity 5"),
    ("method/0/provider/arguments/name", 5, "(known: 5)"),
    ("method/0/provider/func", ABSENT, "method[0].provider.func: missing"),
    ("method/0/provider/arguments", [], "method[0].provider.arguments: must be a mapping"),
    ("method/0/provider/arguments/percent", 3, "percent: unknown argument (did you mean percentag"),
    ("method/0/provider/arguments/target", ABSENT, "arguments.target: missing; abort needs it"),
    ("method/0/provider/arguments/name", "other", "no action has name: users-503"),
    ("method/0/provider/secrets", ["k8s"], "method[0].provider.secrets: no group 'k8s'"),
    ("method/0", {"ref": "nobody"}, "method[0].ref: no activity 'nobody'"),
    (f"{PROBE}/provider/arguments/fault", "user-503", "(did you mean users-503?)"),
    (f"{PROBE}/provider/arguments/traffic", "chekout", "(did you mean checkout?)"),
    (
        f"{PROBE}/provider",
        {"type": "python", "module": "probes.recovery", "func": "requests_lost",
         "arguments": {"fault": "users-503", "traffic": "chekout"}},
        "(did you mean checkout?)",
    ),
    (f"{PROBE}/background", True, "probes[0].background: Chaos Toolkit ignores it"),
    (f"{PROBE}/tolerance", ABSENT, "probes[0].tolerance: missing"),
    (f"{PROBE}/tolerance", 0.5, "0.5 is not a valid tolerance"),
    (f"{PROBE}/tolerance", None, "None is not a valid tolerance"),
    (f"{PROBE}/tolerance", [0, "500"], "is not two numbers"),
    (f"{PROBE}/tolerance/range", ["${low}", 5], "variables are not replaced in a range"),
    (f"{PROBE}/tolerance/range", [5, 0], "[5, 0] is empty"),
    (f"{PROBE}/tolerance/range", ABSENT, "tolerance.range: missing"),
    (f"{PROBE}/tolerance/type", "rnage", "must be a mapping with type: range"),
    (f"{PROBE}/tolerance", {"type": "regex", "pattern": "("}, "'(' is not a regular expression"),
    (
        f"{PROBE}/tolerance",
        {"type": "probe", "name": "x", "provider": {"type": "python", "module": "tiny",
         "func": "is_even"}},
        "tolerance.provider.arguments: missing",
    ),
    (
        f"{PROBE}/tolerance",
        {"type": "probe", "name": "x", "provider": {"type": "python", "module": "tiny",
         "func": "is_even", "arguments": {"strict": True}}},
        "strict: unknown argument (did you mean strictly?)",
    ),
    (
        "rollbacks/0/provider",
        {"type": "python", "module": "tiny", "func": "never_awaited"},
        "'never_awaited' is async",
    ),
    ("rollbacks/0/provider/arguments/name", "users-500", "no action has name: users-500"),
    ("x-note", "anything", ""),
    ("rollbacks/0/provider", {"type": "http", "url": "http://x", "verify_tls": False}, ""),
    ("rollbacks/0/provider", {"type": "process", "path": "true", "arguments": "-x"}, ""),
    (f"{PROBE}/tolerance", {"type": "range", "range": [0, 1.5], "target": "value"}, ""),
    (f"{PROBE}/tolerance", True, ""),
    ("method/0/pauses/after", "${target}", ""),
]  # fmt: skip


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_our_experiments_have_no_problem(path):
    assert validating.check(str(path)) == []


@pytest.mark.parametrize(("where", "value", "problem"), MISTAKES)
def test_a_mistake_is_found_where_it_is(where, value, problem, tmp_path):
    experiment = copy.deepcopy(GOOD)
    *way, last = [int(key) if key.isdecimal() else key for key in where.split("/")]
    owner = experiment
    for key in way:
        owner = owner[key]
    if value is ABSENT:
        del owner[last]
    else:
        owner[last] = value
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps(experiment))
    problems = validating.check(str(path))
    if problem:
        assert any(problem in found for found in problems), problems
    else:
        assert problems == []


def test_a_variable_of_the_environment_needs_its_name(tmp_path):
    experiment = copy.deepcopy(GOOD)
    experiment["configuration"]["target"] = {"type": "env"}
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps(experiment))
    assert validating.check(str(path)) == ["configuration.target.key: missing"]


# Values, which the agent judges

CONFIGURATION = {
    "target": {"type": "env", "key": "CHAOS_GO_TEST_TARGET", "default": "port/8082"},
    "status": {
        "type": "env",
        "key": "CHAOS_GO_TEST_STATUS",
        "default": "503",
        "env_var_type": "int",
    },
    "path": "/users/.*",
    "unknown": {"type": "env", "key": "CHAOS_GO_TEST_UNKNOWN"},
    "measured": {"type": "probe", "name": "p", "provider": {"type": "process", "path": "true"}},
}


@pytest.fixture
def judged(monkeypatch, tmp_path):
    """Count how often the agent is started, and with which command."""
    started = tmp_path / "started"
    wrapper = tmp_path / "agent"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {started}\nexec {binary.find_agent()} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv(binary.OVERRIDE, str(wrapper))
    for name in ("TARGET", "STATUS", "UNKNOWN"):
        monkeypatch.delenv(f"CHAOS_GO_TEST_{name}", raising=False)
    return lambda: started.read_text().splitlines() if started.exists() else []


def python(module, func, **arguments):
    return {"type": "python", "module": module, "func": func, "arguments": arguments}


def abort(**arguments):
    return python("chaos_go.faults.http", "abort", **{"target": "port/8082", **arguments})


def action(provider):
    return {"type": "action", "name": "a", "provider": provider}


def problems_of(tmp_path, *providers, load=None, **changes):
    """Check an experiment that does these things in its method, with one load."""
    driven = {"name": "checkout", "load": {"url": "http://127.0.0.1:8080/checkout"} | (load or {})}
    traffic = {"type": "python", "module": "chaos_go.controls.traffic", "arguments": driven}
    evidence = {"type": "python", "module": "chaos_go.controls.evidence"}
    experiment = {
        "title": "t",
        "description": "d",
        "configuration": CONFIGURATION,
        "controls": [
            {"name": "traffic", "provider": traffic},
            {"name": "evidence", "provider": evidence},
        ],
        "method": [action(provider) for provider in providers],
        **changes,
    }
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps(experiment))
    return validating.check(str(path))


BAD_VALUES = [
    # arguments of abort, and the problem that follows its place
    ({"status": 9999}, "status=9999: not a final HTTP status; give 200 to 599"),
    ({"percentage": 300}, "percentage=300: not a percentage of requests; give more than 0 and at"),
    ({"match": {"path": "("}}, "match.path='(': not a regular expression: missing closing )"),
    ({"match": {"path": "/a(?=b)"}}, "match.path='/a(?=b)': not a regular expression"),
    ({"match": {"headers": {"x": "("}}}, "match.headers.x='(1 bytes)': not a regular expression"),
    ({"match": {"method": "get it"}}, "match.method='get it': not an HTTP method"),
    ({"answer": {"headers": {"a b": "c"}}}, "answer.headers='a b': not the name of a header"),
    ({"connections": {"existing": "drop"}}, "connections.existing='drop': not a way to handle"),
    ({"duration_s": 3601}, "duration_s=3601: not a duration that is allowed"),
    ({"name": "x" * 101}, "name='" + "x" * 80),
    ({"target": "port/99999"}, "target=99999: not a port; give 1 to 65535"),
    ({"target": "port/8081,99999"}, "target=99999: not a port; give 1 to 65535"),
    ({"target": "to/nowhere"}, "target='nowhere': not host:port; give one like users:8082"),
    ({"target": "port/0"}, "target='port/0': the port '0' is not a number from 1 to 65535"),
    ({"target": "to/"}, "target='to/': HOST:PORT is missing; give one like to/users:8082"),
    ({"target": "pid/abc"}, "target='pid/abc': the pid 'abc' is not a number"),
    ({"target": "pid/7->nowhere"}, "target='nowhere': not host:port"),
    ({"target": "proxy/127.0.0.1:9081"}, "target='proxy/127.0.0.1:9081': the -> is missing"),
    ({"target": "proxy/nowhere->127.0.0.1:81"}, "target='nowhere': not host:port"),
    ({"target": "pods/x"}, "target='pods/x': this release has no faults on the traffic of pods"),
    ({"target": "potd/x"}, "target='potd/x': unknown kind of target"),
    ({"status": "503"}, "status='503': give a whole number"),
    ({"match": {"pathh": "/"}}, "match.pathh='pathh': no such argument; known are headers, method"),
    ({"scope": {"places": "3"}}, "scope.places='3': give a number, a share like"),
]


@pytest.mark.parametrize(("arguments", "problem"), BAD_VALUES)
def test_a_bad_value_of_a_fault_is_found_where_it_is(judged, tmp_path, arguments, problem):
    (found,) = problems_of(tmp_path, abort(), abort(**arguments))
    assert found.startswith(f"method[1].provider.arguments: {problem}")
    assert judged() == ["judge"]


BAD_LOADS = [
    ({"url": "nowhere"}, "load.url='nowhere': not a URL of a service"),
    ({"url": ""}, "load.url=''"),
    ({"rate_rps": -5}, "load.rate_rps=-5: not a rate that one machine can drive"),
    ({"rate_rps": 50_001}, "load.rate_rps=50001: not a rate that one machine can drive"),
    ({"timeout_ms": 60_001}, "load.timeout_ms=60001: not a timeout that is allowed"),
    ({"max_in_flight": -1}, "load.max_in_flight=-1: not a bound that is allowed"),
    ({"method": "a b"}, "load.method='a b': not an HTTP method"),
    ({"headers": {"x y": "1"}}, "load.headers='x y': not the name of a header; give one like"),
    ({"headers": {"x": "1\n2"}}, "load.headers.x='(3 bytes)': not one line of text"),
    ({"impact": {"statuses": [999]}}, "load.impact.statuses='999': not an HTTP status"),
    ({"rate": 5}, "load.rate='rate': no such argument"),
]


@pytest.mark.parametrize(("load", "problem"), BAD_LOADS)
def test_a_bad_value_of_the_load_of_a_control_is_found(judged, tmp_path, load, problem):
    (found,) = problems_of(tmp_path, abort(), load=load)
    assert found.startswith(f"controls[0].provider.arguments: {problem}")
    assert judged() == ["judge"]


@pytest.mark.parametrize(("load", "problem"), BAD_LOADS)
@pytest.mark.parametrize("func", ["p99_ms", "error_rate"])
def test_a_bad_value_of_the_load_of_a_probe_is_found(judged, tmp_path, func, load, problem):
    given = {"url": "http://127.0.0.1:8080/"} | load
    probe = {"type": "probe", "name": "p", "provider": python("probes.http", func, load=given)}
    hypothesis = {
        "title": "h",
        "probes": [probe | {"tolerance": {"type": "range", "range": [0, 1]}}],
    }
    (found,) = problems_of(tmp_path, **{"steady-state-hypothesis": hypothesis})
    place = "steady-state-hypothesis.probes[0].provider.arguments"
    assert found.startswith(f"{place}: {problem}")
    assert judged() == ["judge"]


def test_everything_is_judged_by_one_process_and_reported_at_once(judged, tmp_path):
    provider = python("probes.http", "p99_ms", load={"url": "nowhere"})
    found = problems_of(
        tmp_path,
        abort(status=9999),
        abort(target="port/8081,8082", percentage=300),
        measure(fault(match={"path": "("})),
        provider,
        load={"rate_rps": 0},
        rollbacks=[action(abort(target="port/99999"))],
    )
    assert [problem.partition(": ")[2].partition("=")[0] for problem in found] == [
        "status",
        "percentage",  # once, although it is asked for two places
        "fault.arguments.match.path",
        "load.url",
        "target",
        "load.rate_rps",
    ]
    places = [*(f"method[{number}].provider.arguments" for number in range(4))]
    places += ["rollbacks[0].provider.arguments", "controls[0].provider.arguments"]
    assert [problem.partition(": ")[0] for problem in found] == places
    assert judged() == ["judge"]


def test_an_experiment_without_values_starts_no_agent(judged, tmp_path):
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps({"title": "t", "description": "d", "method": []}))
    assert validating.check(str(path)) == []
    assert judged() == []


def configured(**defaults):
    """Return a configuration in which variables have other defaults."""
    changed = {name: {**CONFIGURATION[name], "default": value} for name, value in defaults.items()}
    return {"configuration": {**CONFIGURATION, **changed}}


def test_variables_with_a_value_are_judged(judged, tmp_path, monkeypatch):
    with_variables = abort(target="${target}", status="${status}", match={"path": "${path}"})
    assert problems_of(tmp_path, with_variables) == []
    place = "method[0].provider.arguments: "
    (found,) = problems_of(tmp_path, with_variables, **configured(status="99"))
    assert found.startswith(f"{place}status=99: not a final HTTP status")
    (found,) = problems_of(tmp_path, with_variables, **configured(target="port/99999"))
    assert found.startswith(f"{place}target=99999: not a port")
    inline = {"configuration": {**CONFIGURATION, "path": "("}}
    (found,) = problems_of(tmp_path, with_variables, **inline)
    assert found.startswith(f"{place}match.path='(': not a regular expression")
    monkeypatch.setenv("CHAOS_GO_TEST_STATUS", "7")  # the run would use this value too
    (found,) = problems_of(tmp_path, with_variables)
    assert found.startswith(f"{place}status=7: not a final HTTP status")
    (found,) = problems_of(tmp_path, abort(), load={"rate_rps": "${status}", "method": "a b"})
    assert found.startswith("controls[0].provider.arguments: load.method='a b'")


@pytest.mark.parametrize("name", ["unknown", "measured"])
def test_variables_without_a_value_are_not_judged(judged, tmp_path, name):
    variable = f"${{{name}}}"
    given = [
        abort(target=variable),
        abort(status=variable),
        abort(percentage=variable),
        abort(match=variable, answer={"headers": {"x": variable}}),
        abort(scope={"places": variable}, connections=variable),
        python("probes.http", "p99_ms", load={"url": variable}),
        python("probes.http", "p99_ms", load=variable),
    ]
    assert problems_of(tmp_path, *given, load={"url": variable, "headers": {"x": variable}}) == []
    # The other values beside an unknown target are judged.
    (found,) = problems_of(tmp_path, abort(target=variable, status=9999))
    assert found.startswith("method[0].provider.arguments: status=9999")


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (None, "no such file"),
        ("exit 3", "ended with exit code 3"),
        ("cat >/dev/null", "it judged 0 of 2 specs"),
        ("cat >/dev/null; echo hello; echo world", "hello"),
    ],
)
def test_without_an_agent_a_warning_says_that_values_were_not_judged(
    tmp_path, monkeypatch, caplog, program, why
):
    agent = tmp_path / "agent"
    if program is not None:
        agent.write_text(f"#!/bin/sh\n{program}\n")
        agent.chmod(0o755)
    monkeypatch.setenv(binary.OVERRIDE, str(agent))
    assert problems_of(tmp_path, abort(status=9999)) == []
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said.startswith("the values of faults and loads were not judged: ")
    assert why in said
    # Types, names and keys need no agent.
    (found,) = problems_of(tmp_path, abort(status="x"))
    assert "status='x': give a whole number" in found


OLD_SPELLINGS = [
    (abort(path="/"), "path: this argument is now match.path"),
    (abort(headers={}), "headers: this argument is now match.headers"),
    (abort(body=""), "body: this argument is now answer.body"),
    (abort(response_headers={}), "response_headers: this argument is now answer.headers"),
    (abort(max_connections=5), "max_connections: this argument is now connections.limit"),
    (
        python("chaos_go.faults.http", "modify", target="port/1", answer={}, set_headers={}),
        "set_headers: this argument is now answer.headers",
    ),
    (
        python("probes.http", "p99_ms", load={"url": "http://x"}, url="http://x"),
        "url: this argument is now load.url",
    ),
]


@pytest.mark.parametrize(("provider", "problem"), OLD_SPELLINGS)
def test_an_old_spelling_of_an_argument_is_refused_with_the_new_one(tmp_path, provider, problem):
    (found,) = problems_of(tmp_path, provider)
    assert found == f"method[0].provider.arguments.{problem}"


def test_an_old_spelling_of_the_load_of_a_control_is_refused_with_the_new_one(tmp_path):
    old = {"name": "checkout", "url": "http://x", "rate_rps": 5}
    traffic = {"type": "python", "module": "chaos_go.controls.traffic", "arguments": old}
    controls = [{"name": "traffic", "provider": traffic}]
    assert problems_of(tmp_path, controls=controls) == [
        "controls[0].provider.arguments: url: this argument is now load.url",
        "controls[0].provider.arguments: rate_rps: this argument is now load.rate_rps",
        "controls[0].provider.arguments: load='': give one",
    ]


def test_every_mistake_of_an_action_is_reported_at_once(tmp_path):
    arguments = {"target": "prt/1", "status": 999, "percentage": 0, "seed": "x"}
    arguments |= {"match": {"method": "get", "path": "(?!x)", "pth": "y"}, "duration_s": -1}
    provider = {"type": "python", "module": "chaos_go.faults.http", "func": "abort"}
    found = problems_of(tmp_path, {**provider, "arguments": arguments})
    told = [problem.partition(": ")[2].partition("=")[0] for problem in found]
    assert sorted(told) == sorted([*set(arguments) - {"match"}, *MATCH_FIELDS])


MATCH_FIELDS = ["match.method", "match.path", "match.pth"]


# Ladders


def fault(**arguments):
    given = {"target": "port/8083", **arguments}
    return {"module": "chaos_go.faults.http", "func": "delay", "arguments": given}


def measure(its_fault=None, **arguments):
    load = {"url": "http://x/", "impact": {"statuses": [503]}} | arguments.pop("load", {})
    good = {"fault": its_fault or fault(), "load": load, "budget": 0.02}
    return python("chaos_go.ladder", "measure", **{**good, **arguments})


def ladder(tmp_path, **arguments):
    """Check an experiment with a ladder of these arguments."""
    good = {"fault": fault(), "load": {"url": "http://x/", "impact": {"statuses": [503]}}}
    provider = python("chaos_go.ladder", "measure", **{"budget": 0.02, **good, **arguments})
    evidence = {"name": "e", "provider": {"type": "python", "module": "chaos_go.controls.evidence"}}
    names = ("x", "u", "t")
    variables = {name: {"type": "env", "key": f"CHAOS_GO_TEST_{name}"} for name in names}
    return problems_of(tmp_path, provider, controls=[evidence], configuration=variables)


def load(**changes):
    return {"load": {"url": "http://x/", "impact": {"statuses": [503]}} | changes}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"budget": 0}, "budget=0: give a fraction"),
        ({"budget": "2%"}, "budget='2%': give a fraction"),
        ({"levels": {"doses_ms": [200, 100]}}, "levels.doses_ms=[200, 100]: not in rising order"),
        ({"levels": {"doses_ms": [100, -1]}}, "levels.doses_ms[1]=-1: give a number of more"),
        ({"windows": {"count": 0}}, "windows.count=0: give a whole number from 1 to 100"),
        ({"windows": 3}, "windows=3: give a mapping with any of count, length_s, settle_s"),
        (
            {"fault": fault(match={"path": "("})},
            "fault.arguments.match.path='(': not a regular expression: missing closing )",
        ),
        ({"fault": fault(percentage=300)}, "fault.arguments.percentage=300: not a percentage"),
        ({"fault": fault(percentage="3")}, "fault.arguments.percentage='3': give a number"),
        ({"fault": fault(target="port/99999")}, "fault.arguments.target=99999: not a port"),
        ({"fault": fault(target="pid/x")}, "fault.arguments.target='pid/x': the pid 'x' is not a"),
        ({"fault": fault(match={"x": 1})}, "fault.arguments.match.x='x': no such argument"),
        ({"fault": fault(path="/")}, "fault.arguments.path: this argument is now match.path"),
        ({"fault": fault(delay_ms=5)}, "fault.arguments.delay_ms=5: the ladder gives this"),
        ({"fault": fault(duration_s=5)}, "fault.arguments.duration_s=5: the ladder gives this"),
        ({"fault": {**fault(), "func": "dely"}}, "fault.func='dely': chaos_go.faults.http has no"),
        ({"fault": {**fault(), "module": "x.y"}}, "fault.module='x.y': cannot be imported"),
        ({"fault": {"module": "x"}}, "fault={'module': 'x'}: give a mapping like {module:"),
        (
            {"dose": "percentage"},
            "dose='percentage': name an argument of delay in milliseconds: de",
        ),
        (  # its first dose is the smallest one, and the agent wants the jitter within the delay
            {"fault": fault(jitter_ms=150)},
            "fault.arguments.jitter_ms=150: not a jitter for this delay; give 0 to 100 (delay_ms)",
        ),
        (
            {"fault": fault(jitter_ms=60), "levels": {"doses_ms": [50, 100]}},
            "fault.arguments.jitter_ms=60: not a jitter for this delay; give 0 to 50 (delay_ms)",
        ),
        (  # the value is the dose, so the error has the place of the dose
            {"fault": fault(delay_ms=80), "dose": "jitter_ms", "levels": {"doses_ms": [50, 100]}},
            "levels.doses_ms[1]=100: not a jitter for this delay; give 0 to 80 (delay_ms)",
        ),
        (
            {"fault": fault(delay_ms=150), "dose": "jitter_ms"},
            "levels.max_ms=2000: not a jitter for this delay; give 0 to 150 (delay_ms)",
        ),
        (load(urll=1), "load.urll='urll': no such argument"),
        (load(url="nowhere"), "load.url='nowhere': not a URL of a service"),
        (load(headers={"x y": "1"}), "load.headers='x y': not the name of a header"),
        (load(rate_rps=[10, 60_000]), "load.rate_rps=60000: not a rate that one machine can"),
        (load(rate_rps=[50, 10]), "load.rate_rps=[50, 10]: give requests per second in rising"),
        (load(url="${u}/a", timeout_ms=0), "load.timeout_ms=0: give a number of more than 0"),
        (load(impact={}), "load.impact={}: say which transactions hurt the business"),
        (
            {"levels": {"max_ms": 50, "doses_ms": [20, 40]}},
            "levels.start_ms=100.0: give at most levels.max_ms",
        ),
        ({"limits": {"extra_risk": 0.01}}, "limits.extra_risk=0.01: give more than the budget"),
        (
            {"windows": {"count": 0}, "budget": "${x}", "fault": fault(target="${t}")},
            "windows.count=0: give a whole number",
        ),
        (
            {"fault": fault(target="${t}", percentage=300)},
            "fault.arguments.percentage=300: not a percentage",
        ),
        (
            {"limits": {"guard": {"tolerance": 200, "provider": "http"}}},
            "limits.guard={'tolerance': 200, 'provider': 'http'}: ",
        ),
        (
            {"limits": {"guard": {"tolerance": 200}}},
            "limits.guard={'tolerance': 200}: give a probe",
        ),
        (
            {"p99_load": {"url": "http://127.0.0.1:1/", "rate_rps": 1}, "windows": {"length_s": 5}},
            "p99_load.rate_rps=1.0: 5 requests in a window of 5 s, and a P99 needs 368; give at",
        ),
        ({"p99_load": {"url": "nowhere"}}, "p99_load.url='nowhere': not a URL of a service"),
        ({"windows": {"settle_s": -1}}, "windows.settle_s=-1: give a number from 0 to 600 (seco"),
        ({"name": "x" * 101}, "name='" + "x" * 80),
    ],
)
def test_values_that_a_ladder_would_refuse_are_found(judged, tmp_path, arguments, problem):
    (found,) = ladder(tmp_path, **arguments)
    assert found.startswith(f"method[0].provider.arguments: {problem}")
    assert len(judged()) <= 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("target", "fault.arguments.target"),
        ("path", "fault.arguments.match.path"),
        ("traffic", "load"),
        ("rates_rps", "load.rate_rps"),
        ("levels_ms", "levels.doses_ms"),
        ("max_levels", "levels.max_count"),
        ("window_s", "windows.length_s"),
        ("abort_extra_risk", "limits.extra_risk"),
        ("guard", "limits.guard"),
        ("p99_traffic", "p99_load"),
    ],
)
def test_an_old_spelling_of_a_ladder_is_refused_with_the_new_one(tmp_path, old, new):
    (found,) = ladder(tmp_path, **{old: "x"})
    assert found == f"method[0].provider.arguments.{old}: this argument is now {new}"


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"fault": fault(target="pid/999999999")},
        {"fault": fault(target="${t}"), "load": "${x}", "levels": {"doses_ms": "${x}"}},
        {"fault": "${x}"},
        {"fault": {**fault(), "module": "${x}"}},
        {"fault": {**fault(), "func": "${x}"}},
        {"fault": {**fault(), "arguments": "${x}"}},
        {"fault": fault(delay_ms=5), "dose": "${x}"},
        {"fault": fault(match="${x}", percentage="${t}", seed="${x}", scope={"places": "${x}"})},
        {"fault": fault(match={"path": "${x}"}, jitter_ms=80, distribution="${x}")},
        {"fault": fault(jitter_ms=150), "levels": {"start_ms": "${x}"}},
        {"fault": fault(jitter_ms=150), "levels": {"doses_ms": [200, "${x}"]}},
        {"fault": fault(jitter_ms=150), "levels": "${x}"},
        {"fault": fault(delay_ms=80), "dose": "jitter_ms", "levels": {"doses_ms": ["${x}"]}},
        {"fault": fault(delay_ms=120), "dose": "jitter_ms", "levels": {"max_ms": "${x}"}},
        {"fault": fault(delay_ms=80), "dose": "jitter_ms", "levels": {"doses_ms": [80]}},
        {
            "fault": {
                "module": "tiny",
                "func": "slow_down",
                "arguments": {"host": "${x}", "port": "${t}"},
            },
            "dose": "wait_ms",
        },
        load(url="${u}/a", headers={"x": "${x}"}, timeout_ms="${t}"),
        {"budget": "${x}", "limits": {"extra_risk": 0.01}},
        {"budget": 0.3, "limits": {"extra_risk": "${x}"}},
        {
            "levels": {"max_ms": "${x}", "start_ms": 5000},
            "windows": {"count": 100, "length_s": 16},
        },
        {"levels": {"max_ms": "${x}", "doses_ms": [100, 400_000]}},
        {"levels": {"max_ms": 50, "start_ms": "${x}"}},
        {"windows": {"count": 100, "length_s": "${x}", "settle_s": "${t}"}},
        {"windows": "${x}", "limits": "${t}"},
        load(impact={"statuses": ["${x}"], "json_field": "a", "json_value": "${t}"}),
        load(impact={"timeout": "${x}"}),
        load(impact="${x}"),
        {"limits": {"guard": "${x}"}},
        {"limits": {"guard": {"tolerance": "${x}", "provider": {"type": "http", "url": "${u}"}}}},
        {"p99_load": {"url": "${u}", "rate_rps": 1}, "windows": {"length_s": "${x}"}},
        {"p99_load": "${x}"},
        {**load(rate_rps=[10, "${x}"]), "p99_load": {"url": "${u}", "rate_rps": "${x}"}},
        {"name": "${x}"},
    ],
)
def test_variables_of_a_ladder_are_not_judged(judged, tmp_path, arguments):
    assert ladder(tmp_path, **arguments) == []


def test_a_guard_with_a_variable_in_it_is_not_refused_for_its_type(tmp_path):
    provider = {"type": "http", "url": "${u}", "timeout": "${x}"}
    assert ladder(tmp_path, limits={"guard": {"tolerance": 200, "provider": provider}}) == []


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("e.yaml", "title: a\ntitle: b\n", "'title' is in one mapping twice"),
        ("e.json", '{"title": "a", "title": "b"}', "'title' is in one mapping twice"),
        ("e.yaml", "title: [", "not valid yaml"),
        ("e.yaml", "title: &a [*a]\n", "found unconstructable recursive node"),
        ("e.yaml", "? [a, b]\n: c\n", "not valid yaml: unhashable type: 'list'"),
        ("e.yaml", f"title: 0x1{'0' * 5000}\n", "not valid yaml: Exceeds the limit"),
        ("e.yaml", f"title: {'[' * 3000}\n", "not valid yaml: maximum recursion depth"),
        ("e.json", f'{{"title": {"[" * 100_000}', "not valid json: maximum recursion depth"),
        ("e.json", "{", "not valid json"),
        ("e.yaml", "- a\n", "an experiment is a mapping"),
        ("e.txt", "", "only .yaml, .yml and .json"),
    ],
)
def test_a_file_that_is_not_an_experiment(tmp_path, name, text, problem):
    path = tmp_path / name
    path.write_text(text)
    (found,) = validating.check(str(path))
    assert problem in found


def test_a_file_that_does_not_exist(tmp_path):
    (problem,) = validating.check(str(tmp_path / "e.yaml"))
    assert "No such file" in problem


def test_merge_keys_of_yaml_may_be_overridden(tmp_path):
    path = tmp_path / "e.yaml"
    path.write_text(
        "title: t\ndescription: d\nmethod: []\n"
        "x-base: &base {rollbacks: {strategy: always}, python: {version: '3.13'}}\n"
        "runtime: {<<: *base, rollbacks: {strategy: never}}\n"
    )
    assert validating.check(str(path)) == []
