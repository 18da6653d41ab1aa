"""The strict check: one small mistake in a good experiment is found where it is."""

import copy
import json
from pathlib import Path

import pytest
import yaml

from chaos_go import validate as validating

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
    ("method/0/pauses", {"after": "20"}, "method[0].pauses.after: '20' is no number of seconds"),
    ("method/0/name", ABSENT, "method[0].name: missing"),
    ("method/0/type", "acton", "method[0].type: 'acton' is unknown (did you mean action?)"),
    ("method/0/provider/argument", {}, "provider.argument: unknown key (did you mean arguments?)"),
    ("method/0/provider/type", "go", "method[0].provider: must be a mapping with type: python"),
    ("method/0/provider/module", "chaos_go.fault", "method[0].provider.module: cannot import"),
    ("method/0/provider/func", "abrt", "has no function 'abrt' (did you mean abort?)"),
    ("method/0/provider/func", ABSENT, "method[0].provider.func: missing"),
    ("method/0/provider/arguments", [], "method[0].provider.arguments: must be a mapping"),
    ("method/0/provider/arguments/percent", 3, "percent: unknown argument (did you mean percentag"),
    ("method/0/provider/arguments/target", ABSENT, "arguments.target: missing; abort needs it"),
    ("method/0/provider/arguments/name", "other", "no action has name: users-503"),
    ("method/0/provider/secrets", ["k8s"], "method[0].provider.secrets: no group 'k8s'"),
    ("method/0", {"ref": "nobody"}, "method[0].ref: no activity 'nobody'"),
    (f"{PROBE}/provider/arguments/fault", "user-503", "(did you mean users-503?)"),
    (f"{PROBE}/provider/arguments/traffic", "chekout", "(did you mean checkout?)"),
    (f"{PROBE}/background", True, "probes[0].background: Chaos Toolkit ignores it"),
    (f"{PROBE}/tolerance", ABSENT, "probes[0].tolerance: missing"),
    (f"{PROBE}/tolerance", 0.5, "0.5 is no form of a tolerance"),
    (f"{PROBE}/tolerance", None, "None is no form of a tolerance"),
    (f"{PROBE}/tolerance", [0, "500"], "is not two numbers"),
    (f"{PROBE}/tolerance/range", ["${low}", 5], "variables are not replaced in a range"),
    (f"{PROBE}/tolerance/range", [5, 0], "[5, 0] is empty"),
    (f"{PROBE}/tolerance/range", ABSENT, "tolerance.range: missing"),
    (f"{PROBE}/tolerance/type", "rnage", "must be a mapping with type: range"),
    (f"{PROBE}/tolerance", {"type": "regex", "pattern": "("}, "'(' is no regular expression"),
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


def ladder(tmp_path, **arguments):
    """Check an experiment with a ladder of these arguments."""
    good = {"target": "port/8083", "traffic": {"url": "http://x/"}, "budget": 0.02}
    provider = {"type": "python", "module": "chaos_go.ladder", "func": "measure"}
    provider["arguments"] = {**good, "impact": {"statuses": [503]}, **arguments}
    names = ("x", "u", "t")
    experiment = {
        "title": "t",
        "description": "d",
        "configuration": {name: {"type": "env", "key": name} for name in names},
        "method": [{"type": "action", "name": "a", "provider": provider}],
    }
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps(experiment))
    return validating.check(str(path))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"budget": 0}, "budget=0: give a fraction"),
        ({"budget": "2%"}, "budget='2%': give a fraction"),
        ({"levels_ms": [200, 100]}, "levels_ms=[200, 100]: not in rising order"),
        ({"windows": 0}, "windows=0: give windows per level"),
        ({"path": "("}, "path='(': no regular expression: missing )"),
        ({"traffic": {"url": "http://x/", "urll": 1}}, "traffic.urll='urll': no such argument"),
        ({"traffic": {"url": "${u}/a", "timeout_ms": 0}}, "timeout_ms=0: give more than 0"),
        ({"target": "pid/x"}, "the pid 'x' is not a number"),
        ({"max_dose_ms": 50, "levels_ms": [20, 40]}, "start_ms=100.0: give at most max_dose_ms"),
        ({"abort_extra_risk": 0.01}, "abort_extra_risk=0.01: give more than the budget"),
        ({"windows": 0, "budget": "${x}", "target": "${t}"}, "windows=0: give windows per level"),
        ({"guard": {"tolerance": 200, "provider": "http"}}, "give a probe with name, tolerance"),
        (
            {"p99_traffic": {"url": "http://127.0.0.1:1/", "rate_rps": 1}, "window_s": 5},
            "p99_traffic.rate_rps=1: 5 requests in a window of 5 s, and a P99 needs 368; give at",
        ),
        ({"settle_s": -1}, "settle_s=-1: give a number of seconds from 0 to 600"),
        ({"name": "x" * 101}, "give 1 to 60 printable characters"),
    ],
)
def test_values_that_a_ladder_would_refuse_are_found(tmp_path, arguments, problem):
    (found,) = ladder(tmp_path, **arguments)
    assert found.startswith("method[0].provider.arguments: ")
    assert problem in found


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"target": "pid/999999999"},
        {"target": "${t}", "traffic": "${x}", "impact": "${x}", "levels_ms": "${x}"},
        {"traffic": {"url": "${u}/a", "headers": {"x": "${x}"}, "timeout_ms": "${t}"}},
        {"budget": "${x}", "abort_extra_risk": 0.01},
        {"budget": 0.3, "abort_extra_risk": "${x}"},
        {"max_dose_ms": "${x}", "start_ms": 5000, "windows": 100, "window_s": 16},
        {"max_dose_ms": "${x}", "levels_ms": [100, 400_000]},
        {"max_dose_ms": 50, "start_ms": "${x}"},
        {"windows": 100, "window_s": "${x}", "settle_s": "${t}"},
        {"impact": {"statuses": ["${x}"], "json_field": "a", "json_value": "${t}"}},
        {"impact": {"timeout": "${x}"}},
        {"guard": {"tolerance": "${x}", "provider": {"type": "http", "url": "${u}"}}},
        {"p99_traffic": {"url": "${u}", "rate_rps": 1}, "window_s": "${x}"},
        {"rates_rps": [10, "${x}"], "p99_traffic": {"url": "${u}", "rate_rps": "${x}"}},
    ],
)
def test_what_a_variable_of_a_ladder_may_hold_is_not_judged(tmp_path, arguments):
    assert ladder(tmp_path, **arguments) == []


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("e.yaml", "title: a\ntitle: b\n", "'title' is there twice"),
        ("e.json", '{"title": "a", "title": "b"}', "'title' is there twice"),
        ("e.yaml", "title: [", "not valid yaml"),
        ("e.json", "{", "not valid json"),
        ("e.yaml", "- a\n", "an experiment is a mapping"),
        ("e.txt", "", "only .yaml, .yml and .json"),
    ],
)
def test_a_file_that_is_no_experiment(tmp_path, name, text, problem):
    path = tmp_path / name
    path.write_text(text)
    (found,) = validating.check(str(path))
    assert problem in found


def test_a_file_that_is_not_there(tmp_path):
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
