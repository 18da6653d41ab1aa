"""The Python side against the files in contract/, which the tests of the agent read as well.

Files of every kind are read, so a new kind needs no change here.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import real_judge
from jsonschema import Draft202012Validator, ValidationError
from line_types import LINES, line_types, wire_fields

from chaos_go.agent import judge, kinds
from chaos_go.agent.contract import Event, Spec
from chaos_go.agent.line import Line
from chaos_go.errors import BadInputError

CONTRACT = Path(__file__).resolve().parents[2] / "contract"
EXAMPLES = sorted((CONTRACT / "examples").glob("*.json"))
REFUSED = sorted((CONTRACT / "refused").glob("*.json"))
SCHEMA = json.loads((CONTRACT / "schema.json").read_text())
DEFINITIONS: dict[str, dict[str, Any]] = SCHEMA["$defs"]


def of(path: Path) -> type[Line]:
    return LINES[path.name.partition("-")[0]]


def schema(line: type[Line]) -> Draft202012Validator:
    return Draft202012Validator({"$defs": DEFINITIONS, "$ref": f"#/$defs/{line.__name__}"})


def content(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def readable(path: Path) -> Spec | None:
    """Return the spec of a refused line; None when Python cannot express it."""
    try:
        return Spec.from_dict(content(path)["line"])
    except BadInputError:
        return None


READABLE = [path for path in REFUSED if readable(path)]


def test_examples_are_there() -> None:
    assert {of(path) for path in EXAMPLES} == set(LINES.values())
    assert len(REFUSED) > 10
    lines = [of(path).from_dict(content(path)) for path in EXAMPLES]
    specs = {line.kind for line in lines if isinstance(line, Spec)}
    counted = {kinds.of_totals(x.totals).name for x in lines if isinstance(x, Event) and x.totals}
    assert specs == counted == {kind.name for kind in kinds.known()}
    assert {content(path)["line"]["kind"] for path in REFUSED} >= specs


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_round_trips(path: Path) -> None:
    line = of(path).from_line(path.read_text()).to_line()
    assert "\n" not in line
    assert json.loads(line) == content(path)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_fits_the_schema(path: Path) -> None:
    schema(of(path)).validate(content(path))


def objects(value: Any, definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every JSON object inside a value, but not maps, whose names are data."""
    definition = DEFINITIONS.get(definition.get("$ref", "").rpartition("/")[2], definition)
    if isinstance(value, list):
        for item in value:
            yield from objects(item, definition.get("items", {}))
    if not isinstance(value, dict):
        return
    if "properties" in definition:
        yield value
    for key, item in value.items():
        yield from objects(item, definition.get("properties", {}).get(key, {}))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_unknown_field_is_refused_at_every_depth(path: Path) -> None:
    whole = DEFINITIONS[of(path).__name__]
    depths = len(list(objects(content(path), whole)))
    nested = sum(isinstance(item, dict) for item in content(path).values())
    assert depths >= 1 + nested
    for number in range(depths):
        changed = content(path)
        list(objects(changed, whole))[number]["no_such_field"] = 3
        with pytest.raises(BadInputError, match="no_such_field=3: unknown field"):
            of(path).from_line(json.dumps(changed))
        with pytest.raises(ValidationError, match="no_such_field"):
            schema(of(path)).validate(changed)


def test_python_knows_every_object_of_the_schema_and_no_other() -> None:
    assert set(line_types()) == set(DEFINITIONS)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_python_knows_every_field_of_the_schema_and_no_other(name: str) -> None:
    fields, definition = wire_fields(line_types()[name]), DEFINITIONS[name]
    assert set(fields) == set(definition["properties"])
    needed = {field for field, is_needed in fields.items() if is_needed}
    sent = needed | ({"version"} if name == "Spec" else set())  # which has a default in Python
    assert sent == set(definition.get("required", ()))


def test_python_knows_every_kind_of_the_schema_and_no_other() -> None:
    allowed = DEFINITIONS["Spec"]["properties"]["kind"]["enum"]
    assert [kind.name for kind in kinds.known()] == sorted(allowed)


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_refused_line_does_not_fit_the_schema_unless_its_file_says_so(path: Path) -> None:
    """The schema knows types and ranges, and nothing that depends on two fields."""
    refused = content(path)
    assert set(refused) <= {"field", "line", "fits_schema"}
    assert schema(Spec).is_valid(refused["line"]) is refused.get("fits_schema", False)


@pytest.fixture(scope="module")
def answers() -> dict[str, Event]:
    """Return the agent's answer to every refused line, by the name of its file."""
    said = real_judge.answers([json.dumps(content(path)["line"]) for path in REFUSED])
    return {path.stem: answer for path, answer in zip(REFUSED, said, strict=True)}


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_agent_names_the_field_and_its_fix(path: Path, answers: dict[str, Event]) -> None:
    answer = answers[path.stem]
    assert answer.event == "judged"
    assert answer.error is None
    assert answer.problems[0].field == content(path)["field"]
    assert all(problem.message and problem.fix for problem in answer.problems)


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_python_refuses_the_line_or_passes_on_the_agents_message(
    path: Path, answers: dict[str, Event]
) -> None:
    line, problem = content(path)["line"], answers[path.stem].problems[0]
    spec = readable(path)
    if spec is None:
        with pytest.raises(BadInputError) as error:
            Spec.from_line(json.dumps(line))
        assert error.value.field.partition(".")[0] in {*line, problem.field}
    else:
        (refusal,) = judge.judge([spec])
        assert refusal is not None
        assert refusal.field == kinds.argument(spec.kind, problem.field)
        assert str(refusal).startswith(f"{refusal.field}=")
        assert str(refusal).endswith(f"{problem.message}; {problem.fix}")
        assert "\n" not in str(refusal)


def test_one_agent_judges_all_refused_lines_in_order() -> None:
    specs = [spec for path in READABLE if (spec := readable(path))]
    good = [x for path in EXAMPLES if isinstance(x := of(path).from_dict(content(path)), Spec)]
    assert len(specs) > 10
    errors = judge.judge([*good, *specs, *good])
    assert errors[: len(good)] == errors[-len(good) :] == [None] * len(good)
    fields = [content(path)["field"] for path in READABLE]
    wanted = [kinds.argument(x.kind, field) for x, field in zip(specs, fields, strict=True)]
    assert [error and error.field for error in errors[len(good) : -len(good)]] == wanted


@pytest.mark.parametrize("path", READABLE, ids=lambda path: path.stem)
def test_no_message_shows_a_possible_secret(path: Path) -> None:
    spec = readable(path)
    assert spec is not None
    (error,) = judge.judge([spec])
    secret = set(_texts(spec.to_dict())) - set(_texts(spec.redacted()))
    assert [text for text in secret if len(text) > 3 and text in str(error)] == []


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else ():
        yield from _texts(item)
