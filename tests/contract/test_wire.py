"""The examples in contract/, which the tests of the agent read as well, against the Python side."""

import json
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed
from jsonschema import Draft202012Validator, ValidationError

from chaos_go.agent import binary, contract
from chaos_go.agent.contract import Command, Event, Load, Spec
from chaos_go.agent.line import Line
from chaos_go.errors import BadInputError
from chaos_go.faults import http
from chaos_go.traffic import load

CONTRACT = Path(__file__).resolve().parents[2] / "contract"
EXAMPLES = sorted((CONTRACT / "examples").glob("*.json"))
REFUSED = sorted((CONTRACT / "refused").glob("*.json"))
LINES: dict[str, type[Line]] = {"spec": Spec, "command": Command, "event": Event}

# What no argument of an action can say, and the one thing that Python cannot judge: RE2.
ONLY_THE_AGENT = {
    "bad-regex",
    "caller-of-nothing",
    "kind-unknown",
    "lease-61",
    "no-id",
    "two-places",
    "two-places-to",
    "two-things",
    "wrong-version",
}
# How the user calls a field that is not the argument of the same name.
ARGUMENTS = {
    "http.abort.headers": "response_headers",
    "http.existing": "existing_connections",
    "http.modify": "set_headers",
    "http.port": "target",
    "http.proxy.listen": "target",
    "http.to": "target",
    "line": "http.percent",
}
NOT_IN_THE_SCHEMA = {
    "bad-regex",
    "caller-of-nothing",
    "client-address-of-a-proxy",
    "constant-with-jitter",
    "delay-longer-than-fault",
    "header-framing",
    "modify-body-twice",
    "modify-framing",
    "modify-header-name",
    "modify-nothing",
    "normal-jitter-over-delay",
    "normal-without-jitter",
    "open-relay",
    "pareto-longer-than-fault",
    "to-everybody",
    "to-without-port",
    "two-places",
    "two-places-to",
    "two-things",
}


def kind(path: Path) -> type[Line]:
    return LINES[path.name.partition("-")[0]]


def schema(of: type[Line]) -> Draft202012Validator:
    whole = json.loads((CONTRACT / "schema.json").read_text())
    return Draft202012Validator({"$defs": whole["$defs"], "$ref": f"#/$defs/{of.__name__}"})


def refused(path: Path) -> tuple[str, dict[str, Any]]:
    content = json.loads(path.read_text())
    return content["field"], content["line"]


def test_examples_are_there() -> None:
    assert {kind(path) for path in EXAMPLES} == set(LINES.values())
    assert len(REFUSED) > 10


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_round_trips(path: Path) -> None:
    line = kind(path).from_line(path.read_text()).to_line()
    assert "\n" not in line
    assert json.loads(line) == json.loads(path.read_text())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_fits_the_schema(path: Path) -> None:
    schema(kind(path)).validate(json.loads(path.read_text()))


def objects(value: Any) -> list[dict[str, Any]]:
    """Return every JSON object inside a value but those whose names are data."""
    if not isinstance(value, dict):
        return []
    data = {"headers", "set_headers", "statuses", "counts", "passthrough"}
    inner = (x for key, item in value.items() if key not in data for x in objects(item))
    return [value, *inner]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_unknown_field_is_refused_at_every_depth(path: Path) -> None:
    for number in range(len(objects(json.loads(path.read_text())))):
        changed = json.loads(path.read_text())
        objects(changed)[number]["percent"] = 3
        with pytest.raises(BadInputError, match="percent=3: unknown field"):
            kind(path).from_line(json.dumps(changed))
        with pytest.raises(ValidationError, match="percent"):
            schema(kind(path)).validate(changed)


def test_python_knows_every_field_of_the_schema_and_no_other() -> None:
    definitions = json.loads((CONTRACT / "schema.json").read_text())["$defs"]
    assert {"Spec", "Command", "Event", "LoadSecond"} <= set(definitions)
    for name, definition in definitions.items():
        fields = set(getattr(contract, name).__dataclass_fields__)
        assert fields == set(definition["properties"]), name


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_refused_line_does_not_fit_the_schema(path: Path) -> None:
    _, line = refused(path)
    fits = schema(Spec).is_valid(line)
    assert fits == (path.stem in NOT_IN_THE_SCHEMA)


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_python_refuses_it_before_any_agent_is_started(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(binary.OVERRIDE, "/nonexistent/agent")
    field, line = refused(path)
    if path.stem in ONLY_THE_AGENT:
        Spec.from_line(json.dumps(line))  # the shape is right; Python cannot say it, or not judge
        return
    with pytest.raises((ActivityFailed, BadInputError)) as refusal:
        ask(line)
    argument = ARGUMENTS.get(field, field.rpartition(".")[2])
    assert str(refusal.value).startswith(f"{argument}=")
    assert "/nonexistent" not in str(refusal.value)


def ask(line: dict[str, Any]) -> None:
    """Ask for what a line says, by the arguments of the action or load."""
    if line["kind"] == "load":
        load.check(Load(**line["load"]))
        return
    fault, options = line["http"], {"duration_s": line["duration_s"]}
    if "percent" in fault:
        Spec.from_line(json.dumps(line))
    options["percentage"] = fault["percentage"]
    options["max_connections"] = fault.get("max_connections", 1)
    options["keep_client_address"] = fault.get("keep_client_address", False)
    options["existing_connections"] = fault.get("existing", "takeover")
    if "proxy" in fault:
        options["target"] = f"proxy/{fault['proxy']['listen']}->{fault['proxy']['upstream']}"
    elif "to" in fault:
        options["target"] = f"to/{fault['to']}"
    else:
        options["target"] = f"port/{fault['port']}"
    if "delay" in fault:
        http.delay(**options, **fault["delay"])
    if "modify" in fault:
        http.modify(**options, **fault["modify"])
    answer = fault["abort"]
    http.abort(**options, status=answer["status"], response_headers=answer.get("headers", {}))
