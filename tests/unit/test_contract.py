import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos_go.agent.contract import HTTP, Event, Histogram, HTTPAbort, Impact, Load, Match, Spec
from chaos_go.errors import BadInputError

LINE = '{"version":1,"id":"x","kind":"http","duration_s":60}'

finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.dictionaries(st.text(), st.text(), max_size=3)
loads = st.builds(
    Load,
    url=st.text(),
    rate_rps=finite,
    method=st.just("POST"),
    headers=texts,
    body=st.text(),
    timeout_ms=st.floats(1, 1e6),
    max_in_flight=st.integers(0, 4096),
    impact=st.none() | st.builds(Impact, statuses=st.lists(st.integers(1, 999), min_size=1)),
)
https = st.builds(
    HTTP,
    percentage=finite,
    port=st.integers(0, 65535),
    seed=st.integers(0, 2**64 - 1),
    match=st.none() | st.builds(Match, path=st.text(min_size=1), headers=texts),
    abort=st.none() | st.builds(HTTPAbort, status=st.integers(), headers=texts, body=st.text()),
)
specs = st.builds(
    Spec,
    id=st.text(),
    kind=st.text(),
    duration_s=finite,
    lease_s=finite,
    http=st.none() | https,
    load=st.none() | loads,
)


@settings(deadline=None)  # a busy machine is no bug
@given(specs)
def test_any_spec_survives_the_wire(spec: Spec) -> None:
    line = spec.to_line()
    assert "\n" not in line
    assert Spec.from_line(line) == spec


@settings(deadline=None)  # a busy machine is no bug
@given(st.dictionaries(st.integers(0, 10_000), st.integers(0, 2**63)))
def test_histogram_has_numbers_as_keys(counts: dict[int, int]) -> None:
    histogram = Histogram(counts=counts)
    assert Histogram.from_line(histogram.to_line()) == histogram


@settings(deadline=None)  # a busy machine is no bug
@given(st.recursive(st.none() | st.booleans() | finite | st.text(), st.lists, max_leaves=5))
def test_nothing_else_is_an_event(value: object) -> None:
    with pytest.raises(BadInputError):
        Event.from_line(json.dumps(value))


def test_absent_is_not_sent() -> None:
    spec = Spec(id="x", kind="http", duration_s=60.0)
    assert json.loads(spec.to_line()) == json.loads(LINE)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "line='': not JSON"),
        ("{", "line='{': not JSON"),
        (LINE + LINE, "not JSON: Extra data"),
        ("[]", "give a JSON object"),
        (LINE.replace("60", "NaN"), "NaN is no number of JSON"),
        (LINE.replace("60", '"60"'), "duration_s='60': give a value of type float"),
        (LINE.replace("60", "true"), "duration_s=True: give a value of type float"),
        (LINE.replace("60", "null"), "duration_s=None: give a value of type float"),
        (LINE.replace('"version":1', '"version":1.5'), "version=1.5: give a value of type int"),
        (LINE.replace('"id":"x",', ""), "id=None: the field is missing"),
        (LINE.replace('"id"', '"ID":"x","id"'), "ID='x': unknown field; Spec has id, kind"),
        (LINE.replace("60", '60,"http":3'), "http=3: give a JSON object"),
        (LINE.replace("60", '60,"http":{}'), "http.percentage=None: the field is missing"),
        (LINE.replace("60", '60,"http":{"x":1}'), "http.x=1: unknown field; HTTP has"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_in_one(line: str, message: str) -> None:
    with pytest.raises(BadInputError) as refusal:
        Spec.from_line(line)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_bucket_that_is_no_number_is_refused() -> None:
    with pytest.raises(BadInputError, match="counts='a': give keys of type int"):
        Histogram.from_line('{"counts":{"a":1}}')


def test_map_that_go_never_filled_is_empty() -> None:
    assert Histogram.from_line('{"counts":null}') == Histogram(counts={})


def test_nan_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="JSON"):
        Spec(id="x", kind="http", duration_s=float("nan")).to_line()
