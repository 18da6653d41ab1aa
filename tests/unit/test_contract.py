"""Lines of the wire, of any kind: round trips, refusals, and redaction of possible secrets."""

import json
from dataclasses import dataclass, field, fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from line_types import line_types

from chaos_go.agent import kinds
from chaos_go.agent.contract import Command, Event, Proxy, Spec, Way
from chaos_go.agent.kinds import Kind, Totals
from chaos_go.agent.line import SECRET, Line
from chaos_go.errors import BadInputError
from chaos_go.faults.http import HTTP, HTTPAbort, HTTPModify, HTTPTotals, Match
from chaos_go.traffic.contract import Histogram, Impact, Load, LoadSecond

LINE = '{"version":2,"id":"x","kind":"http","duration_s":60}'
EVENT = '{"event":"stats","id":"x","at_unix_s":1}'


@dataclass(frozen=True, kw_only=True)
class Cut(Line):
    """The detail of a made-up kind."""

    after_ms: float
    token: str = field(default="", metadata=SECRET)


@dataclass(frozen=True, kw_only=True)
class CutTotals(Totals):
    """The totals of a made-up kind."""

    cut: int

    @property
    def touched(self) -> int | None:
        return self.cut

    def said(self) -> str:
        return f"{self.cut} cut"

    def advice(self) -> str:
        return "see that somebody connects"


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Kind:
    """A made-up kind."""
    monkeypatch.setattr(kinds, "_kinds", dict(kinds._kinds))
    return kinds.register(
        Kind(name="cut", detail=Cut, totals=CutTotals, arguments={"cut": "cutting"})
    )


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
    seed=st.integers(0, 2**64 - 1),
    match=st.none() | st.builds(Match, path=st.text(min_size=1), headers=texts),
    abort=st.none() | st.builds(HTTPAbort, status=st.integers(), headers=texts, body=st.text()),
)
ways = st.none() | st.builds(
    Way,
    port=st.integers(0, 65535),
    proxy=st.none() | st.builds(Proxy, listen=st.text(), upstream=st.text()),
    to=st.text(),
    caller_pid=st.integers(0, 2**31),
)


def specs_of(kind: st.SearchStrategy[str], detail: st.SearchStrategy[Any]) -> Any:
    return st.builds(
        Spec,
        id=st.text(),
        kind=kind,
        duration_s=finite,
        lease_s=finite,
        way=ways,
        detail=detail,
    )


specs = (
    specs_of(st.just("http"), st.none() | https)
    | specs_of(st.just("load"), st.none() | loads)
    | specs_of(st.text(), st.none())
)


@settings(deadline=None)  # a busy machine may be slow
@given(specs)
def test_any_spec_survives_the_wire(spec: Spec) -> None:
    line = spec.to_line()
    assert "\n" not in line
    assert Spec.from_line(line) == spec


@settings(deadline=None)  # a busy machine may be slow
@given(st.dictionaries(st.integers(0, 10_000), st.integers(0, 2**63)))
def test_histogram_has_numbers_as_keys(counts: dict[int, int]) -> None:
    histogram = Histogram(counts=counts)
    assert Histogram.from_line(histogram.to_line()) == histogram


@settings(deadline=None)  # a busy machine may be slow
@given(st.recursive(st.none() | st.booleans() | finite | st.text(), st.lists, max_leaves=5))
def test_any_other_value_is_refused_as_an_event(value: object) -> None:
    with pytest.raises(BadInputError):
        Event.from_line(json.dumps(value))


def test_absent_fields_are_not_sent() -> None:
    spec = Spec(id="x", kind="http", duration_s=60.0)
    assert json.loads(spec.to_line()) == json.loads(LINE)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "line='': not JSON"),
        ("{", "line='{': not JSON"),
        (LINE + LINE, "not JSON: Extra data"),
        ("[]", "give a JSON object"),
        (LINE.replace("60", "NaN"), "NaN is not a number in JSON"),
        (LINE.replace("60", "[" * 100_000), "not JSON: maximum recursion depth exceeded"),
        (LINE.replace("60", "9" * 400), "999...: give a value of type float"),
        (LINE.replace("60", "9" * 5000), "not JSON: Exceeds the limit"),
        (LINE.replace("60", '"60"'), "duration_s='60': give a value of type float"),
        (LINE.replace("60", "true"), "duration_s=True: give a value of type float"),
        (LINE.replace("60", "null"), "duration_s=None: give a value of type float"),
        (LINE.replace('"version":2', '"version":1.5'), "version=1.5: give a value of type int"),
        (LINE.replace('"id":"x",', ""), "id=None: the field is missing"),
        (LINE.replace('"id"', '"ID":"x","id"'), "ID='x': unknown field; Spec has id, kind"),
        (LINE.replace("60", '60,"load":{}'), "load={}: unknown field; Spec has id, kind"),
        (LINE.replace("60", '60,"disk":{}'), "disk={}: unknown field; Spec has id, kind"),
        (LINE.replace("60", '60,"detail":{}'), "detail={}: unknown field; the key of this object"),
        (LINE.replace("60", '60,"way":8081'), "way=8081: give a JSON object"),
        (LINE.replace("60", '60,"way":{"port":"1"}'), "way.port='1': give a value of type int"),
        (LINE.replace("60", '60,"way":{"pod":"a"}'), "way.pod='a': unknown field; Way has port"),
        (LINE.replace("60", '60,"way":{"proxy":{}}'), "way.proxy.listen=None: the field is miss"),
        (LINE.replace("60", '60,"http":null'), "http=None: give a JSON object"),
        (LINE.replace("60", '60,"http":3'), "http=3: give a JSON object"),
        (LINE.replace("60", '60,"http":{}'), "http.percentage=None: the field is missing"),
        (LINE.replace("60", '60,"http":{"x":1}'), "http.x=1: unknown field; HTTP has"),
    ],
)
def test_an_invalid_line_is_refused_with_a_message_of_one_line(line: str, message: str) -> None:
    with pytest.raises(BadInputError) as refusal:
        Spec.from_line(line)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_bucket_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(BadInputError, match="counts='a': give keys of type int"):
        Histogram.from_line('{"counts":{"a":1}}')


def test_map_that_go_never_filled_is_empty() -> None:
    assert Histogram.from_line('{"counts":null}') == Histogram(counts={})


def test_values_that_cannot_be_sent_are_refused_before_they_are_sent() -> None:
    with pytest.raises(ValueError, match="JSON"):
        Spec(id="x", kind="http", duration_s=float("nan")).to_line()
    with pytest.raises(ValueError, match="surrogates not allowed"):
        Spec(id="\udc80", kind="http", duration_s=1.0).to_line()


# Kinds


def test_the_detail_of_a_kind_has_the_name_of_the_kind_on_the_wire(cut: Kind) -> None:
    spec = Spec(id="x", kind="cut", duration_s=1.0, way=Way(port=1), detail=Cut(after_ms=2.0))
    assert list(spec.to_dict()) == ["id", "kind", "duration_s", "version", "way", "cut"]
    assert spec.to_dict()["cut"] == {"after_ms": 2.0}
    assert Spec.from_line(spec.to_line()) == spec
    add = Command(command="add", spec=spec)
    assert json.loads(add.to_line())["spec"]["cut"] == {"after_ms": 2.0}
    assert Command.from_line(add.to_line()) == add


def test_an_error_in_the_detail_of_a_kind_has_its_path(cut: Kind) -> None:
    spec = Spec(id="x", kind="cut", duration_s=1.0, detail=Cut(after_ms=2.0)).to_dict()
    with pytest.raises(BadInputError, match=r"^cut.after=1: unknown field; Cut has after_ms"):
        Spec.from_dict(spec | {"cut": {"after": 1}})
    with pytest.raises(BadInputError, match=r"^spec.cut.after_ms='1': give a value of type float"):
        Command.from_dict({"command": "add", "spec": spec | {"cut": {"after_ms": "1"}}})
    with pytest.raises(BadInputError, match=r"^spec.detail="):
        Command.from_dict({"command": "add", "spec": spec | {"detail": {}}})


def test_a_spec_of_an_unknown_kind_can_be_read_but_not_its_object() -> None:
    spec = Spec.from_line(LINE.replace("http", "disk"))
    assert (spec.kind, spec.detail) == ("disk", None)
    assert Spec.from_line(spec.to_line()) == spec
    with pytest.raises(BadInputError, match=r"^disk=\{'size': 1\}: unknown field"):
        Spec.from_line(LINE.replace("http", "disk").replace("60", '60,"disk":{"size":1}'))
    for kind in (7, None, ["http"], {"http": 1}):
        with pytest.raises(BadInputError, match="^kind="):
            Spec.from_dict({**json.loads(LINE), "kind": kind})


def test_the_totals_of_a_kind_have_the_name_of_the_kind_on_the_wire(cut: Kind) -> None:
    event = Event(event="stats", id="x", at_unix_s=1.0, totals=CutTotals(cut=3))
    assert event.to_dict() == {**json.loads(EVENT), "at_unix_s": 1.0, "cut": {"cut": 3}}
    assert Event.from_line(event.to_line()) == event
    assert kinds.of_totals(CutTotals(cut=3)) is cut
    assert cut in kinds.known()
    assert kinds.argument("cut", "cut.after_ms") == "cutting.after_ms"


def test_an_event_without_totals_has_none() -> None:
    event = Event.from_line(EVENT)
    assert event.totals is None
    assert event.to_dict() == json.loads(EVENT)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('"disk":{"n":1}', "disk={'n': 1}: unknown field"),
        ('"totals":{}', "totals={}: unknown field; the key of this object is the name of its kind"),
        ('"http":3', "http=3: give a JSON object"),
        ('"http":{}', "http.seen=None: the field is missing"),
        ('"load":{"start_unix_s":"a"}', "load."),
        ('"http":{},"load":{}', "totals of two kinds"),
    ],
)
def test_invalid_totals_are_refused(more: str, message: str) -> None:
    with pytest.raises(BadInputError) as refusal:
        Event.from_line(f"{EVENT[:-1]},{more}}}")
    assert message in str(refusal.value)


def test_a_fault_and_a_load_have_their_own_commands_of_the_agent(cut: Kind) -> None:
    assert (cut.is_fault, cut.reports, cut.command) == (True, True, "fault")
    load = kinds.named("load")
    assert (load.is_fault, load.reports, load.command) == (False, False, "load")


# Totals


def http_totals(**counts: int) -> HTTPTotals:
    zeros = {name: 0 for name in HTTPTotals.__dataclass_fields__ if name != "passthrough"}
    return HTTPTotals(**{**zeros, **counts})


@pytest.mark.parametrize(
    ("counts", "touched", "said"),
    [
        ({}, 0, "0 of 0 requests matched"),
        ({"seen": 9, "matched": 8}, 0, "8 of 9 requests matched"),
        ({"seen": 9, "matched": 8, "aborted": 3}, 3, "8 of 9 requests matched, 3 aborted"),
        ({"seen": 9, "matched": 8, "delayed": 1}, 1, "8 of 9 requests matched, 1 delayed"),
        (
            {"seen": 9, "matched": 8, "aborted": 1, "delayed": 2, "modified": 3},
            6,
            "8 of 9 requests matched, 1 aborted, 2 delayed, 3 modified",
        ),
    ],
)
def test_totals_of_a_fault_on_requests(counts: Any, touched: int, said: str) -> None:
    totals = http_totals(**counts)
    assert (totals.touched, totals.said()) == (touched, said)
    assert totals.advice().startswith("see that traffic reaches the target")


def test_totals_of_a_load() -> None:
    counts = dict.fromkeys(LoadSecond.__dataclass_fields__, 0)
    empty: dict[str, Any] = {"statuses": {}, "latency": Histogram(counts={})}
    empty |= {"service_time": empty["latency"], "failures": [], "failures_by_cause": {}}
    second = LoadSecond(**{**counts, **empty, "intended": 40, "sent": 39})
    assert second.touched is None
    assert second.said() == "39 of 40 requests sent"
    assert second.advice().startswith("see whether")


# Secrets


def test_possible_secrets_are_redacted_at_every_depth(cut: Kind) -> None:
    spec = Spec(id="x", kind="cut", duration_s=1.0, detail=Cut(after_ms=2.0, token="hidden"))
    assert spec.redacted()["cut"] == {"after_ms": 2.0, "token": "(redacted, 6 characters)"}
    assert spec.to_dict()["cut"]["token"] == "hidden"
    assert "hidden" not in str(Command(command="add", spec=spec).redacted())
    without = Spec(id="x", kind="cut", duration_s=1.0, detail=Cut(after_ms=2.0))
    assert without.redacted() == without.to_dict()


def test_headers_keep_their_names_and_lose_their_values() -> None:
    headers = {"X-A": "hidden", "X-B": ""}
    detail = HTTP(
        percentage=5.0,
        match=Match(path="/a", method="GET", headers=headers),
        abort=HTTPAbort(status=503, headers=headers, body="hidden"),
        modify=HTTPModify(set_headers=headers, body="hidden", remove_body=True),
    )
    spec = Spec(id="x", kind="http", duration_s=1.0, way=Way(to="a:1"), detail=detail)
    redacted = spec.redacted()
    hidden = {"X-A": "(redacted)", "X-B": "(redacted)"}
    body = "(redacted, 6 characters)"
    assert redacted["http"] == {
        "percentage": 5.0,
        "match": {"path": "/a", "method": "GET", "headers": hidden},
        "abort": {"status": 503, "headers": hidden, "body": body},
        "modify": {"set_headers": hidden, "body": body, "remove_body": True},
    }
    assert redacted["way"] == {"to": "a:1"}
    load = Load(url="http://a/", rate_rps=1.0, headers=headers, body="hidden")
    assert "hidden" not in str(Spec(id="x", kind="load", duration_s=1.0, detail=load).redacted())


def test_every_header_and_body_of_the_wire_is_marked_as_a_secret() -> None:
    names = {"headers", "set_headers", "body"}
    found = [
        (of.__name__, x.name, x.metadata.get("secret", False))
        for of in line_types().values()
        for x in fields(of)  # type: ignore[arg-type]
        if x.name in names
    ]
    assert len(found) >= 7
    assert [x for x in found if not x[2]] == []


@settings(deadline=None)  # a busy machine may be slow
@given(specs)
def test_redacting_changes_nothing_but_secrets(spec: Spec) -> None:
    def shape(value: Any) -> Any:
        is_map = isinstance(value, dict)
        return {key: shape(item) for key, item in value.items()} if is_map else type(value)

    assert shape(spec.redacted()) == shape(spec.to_dict())
