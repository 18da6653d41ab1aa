"""The agent's judgement of specs, as errors that name the user's arguments."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chaos_go.agent import binary, judge, kinds
from chaos_go.agent.contract import LONGEST_SPEC, Problem, Spec, Way
from chaos_go.errors import AgentError, BadInputError, TargetError
from chaos_go.faults.http import HTTP, HTTPAbort, HTTPDelay, Match
from chaos_go.traffic import load
from chaos_go.traffic.contract import Load

GOOD = Spec(
    id="x",
    kind="http",
    duration_s=5.0,
    way=Way(port=8081),
    detail=HTTP(percentage=100.0, abort=HTTPAbort(status=503)),
)
LOAD = Spec(id="x", kind="load", duration_s=5.0, detail=Load(url="http://a/", rate_rps=1.0))
JUDGED = '{"event":"judged","id":"x","at_unix_s":1}'

Program = Callable[[str], Path]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Put a small program in the place of the agent."""

    def write(body: str) -> Path:
        path = tmp_path / "agent"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        monkeypatch.setenv(binary.OVERRIDE, str(path))
        return path

    return write


def failure(specs: list[Spec] | None = None) -> str:
    with pytest.raises(AgentError) as error:
        judge.judge(specs or [GOOD])
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_spec_is_judged_by_one_agent_and_in_order() -> None:
    bad = replace(GOOD, detail=HTTP(percentage=101.0, abort=HTTPAbort(status=503)))
    slow = replace(LOAD, detail=Load(url="ftp://a/", rate_rps=1.0))
    errors = judge.judge([GOOD, bad, LOAD, slow, GOOD])
    assert [error and error.field for error in errors] == [
        None,
        "percentage",
        None,
        "load.url",
        None,
    ]


def test_everything_that_is_wrong_with_a_spec_is_returned() -> None:
    twice = HTTP(percentage=101.0, abort=HTTPAbort(status=99))
    bad = replace(GOOD, way=Way(port=70000), detail=twice)
    good, several, none = judge.judge_all([GOOD, bad, LOAD])
    assert good == none == []
    assert {error.field for error in several} >= {"target", "percentage", "status"}
    (first,) = judge.judge([bad])
    assert str(first) == str(several[0])


def of_length(size: int) -> Spec:
    """Return a spec whose line has so many bytes, with the line break."""
    short = replace(GOOD, detail=HTTP(percentage=100.0, abort=HTTPAbort(status=503, body="x")))
    body = "x" * (size - len(short.to_line()))
    return replace(short, detail=HTTP(percentage=100.0, abort=HTTPAbort(status=503, body=body)))


def test_the_longest_spec_is_the_same_for_the_agent_and_for_python() -> None:
    longest, longer = of_length(LONGEST_SPEC), of_length(LONGEST_SPEC + 1)
    none, error = judge.judge([longest, longer])
    assert none is None
    assert str(error) == f"arguments='(more than {LONGEST_SPEC} bytes)': too long; shorten the body"
    judge.refuse_too_long(longest)
    with pytest.raises(BadInputError, match=r"^arguments='\(1047553 bytes\)': too long; shorten"):
        judge.refuse_too_long(longer)


def test_nothing_to_judge_needs_no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(binary.OVERRIDE, "/nonexistent/agent")
    assert judge.judge([]) == []


def test_any_text_survives_the_wire() -> None:
    body = "Zoë \u2028 \x85 \x0b 🙂\r\n"  # ends lines in Python, but not in JSON
    abort = HTTPAbort(status=503, body=body)
    fine = replace(GOOD, detail=HTTP(percentage=1.0, abort=abort, match=Match(path="ë")))
    wrong = replace(GOOD, detail=HTTP(percentage=1.0, abort=abort, match=Match(path="(\x85ë")))
    first, second = judge.judge([fine, wrong])
    assert first is None
    assert second is not None
    assert (second.field, second.value) == ("match.path", "(\x85ë")


def test_numbers_are_shown_as_they_were_given() -> None:
    def value(detail: HTTP) -> object:
        (error,) = judge.judge([replace(GOOD, detail=detail)])
        assert error is not None
        return error.value

    assert repr(value(HTTP(percentage=101.0, abort=HTTPAbort(status=503)))) == "101"
    assert repr(value(HTTP(percentage=100.5, abort=HTTPAbort(status=503)))) == "100.5"
    assert repr(value(HTTP(percentage=1.0, abort=HTTPAbort(status=99)))) == "99"
    normal = HTTPDelay(delay_ms=10.0, distribution="normal")
    assert repr(value(HTTP(percentage=1.0, delay=normal))) == "0"  # absent on the wire


def test_a_target_is_an_error_of_the_target() -> None:
    (error,) = judge.judge([replace(GOOD, way=Way(port=70000))])
    assert isinstance(error, TargetError)
    assert str(error) == "target=70000: not a port; give 1 to 65535"


def test_a_refusal_at_one_place_of_several_names_the_place() -> None:
    problem = Problem(field="way.port", value="70000", message="not a port", fix="give less")
    error = judge.refusal(problem, GOOD, "port/70000")
    assert isinstance(error, TargetError)
    assert str(error) == "target='port/70000': not a port; give less"
    status = Problem(field="http.abort.status", value="503", message="no good")
    assert str(judge.refusal(status, GOOD, "port/70000")) == "status=503: no good"
    other = Problem(field="http.existing", value="reset", message="faults at this place have leave")
    message = str(judge.refusal(other, GOOD, "port/81"))
    assert message == "connections.existing='reset': faults at port/81 have leave"


def test_an_argument_that_the_user_wrote_elsewhere_has_its_own_path() -> None:
    problem = Problem(field="http.abort.status", value="99", message="no good")
    asked = judge.Asked("fault.arguments", GOOD, {"fault.arguments.status": "levels.doses_ms"})
    assert asked.error(judge.refusal(problem, GOOD)).field == "levels.doses_ms"
    problem = Problem(field="duration_s", value="99", message="no good")
    assert asked.error(judge.refusal(problem, GOOD)).field == "fault.arguments.duration_s"


def test_a_problem_without_a_fix_is_still_reported() -> None:
    error = judge.refusal(Problem(field="id", value="x", message="no good"), GOOD)
    assert str(error) == "name='x': no good"


@pytest.mark.parametrize(
    ("spec", "field", "argument", "path"),
    [
        (GOOD, "http.abort.status", "fault.arguments", "fault.arguments.status"),
        (GOOD, "http.match.path", "fault.arguments", "fault.arguments.match.path"),
        (GOOD, "way.port", "fault.arguments", "fault.arguments.target"),
        (GOOD, "duration_s", "fault.arguments", "fault.arguments.duration_s"),
        (GOOD, "id", "fault.arguments", "name"),
        (LOAD, "line", "load", "arguments"),
        (LOAD, "load.rate_rps", "load", "load.rate_rps"),
        (LOAD, "load.headers.x-a", "p99_load", "p99_load.headers.x-a"),
        (LOAD, "id", "load", "name"),
        (GOOD, "http.abort.status", "", "status"),
        (GOOD, "way.port", "", "target"),
    ],
)
def test_an_error_inside_of_an_argument(spec: Spec, field: str, argument: str, path: str) -> None:
    problem = Problem(field=field, value="hm", message="no good", fix="do better")
    error = judge.Asked(argument, spec).error(judge.refusal(problem, spec))
    assert isinstance(error, BadInputError)
    assert error.field == path
    assert str(error).startswith(f"{path}=")
    assert str(error).endswith("no good; do better")


def test_a_load_is_refused_by_the_name_that_the_user_gave_its_mapping() -> None:
    load.refuse(LOAD)
    bad = replace(LOAD, detail=Load(url="ftp://a/", rate_rps=1.0))
    with pytest.raises(BadInputError, match=r"^load\.url='ftp://a/': "):
        load.refuse(bad)
    with pytest.raises(BadInputError, match=r"^p99_load\.url='ftp://a/': "):
        load.refuse(bad, "p99_load")


# Other programs in place of the agent


def test_missing_agent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(binary.OVERRIDE, "/nonexistent/agent")
    assert "agent=/nonexistent/agent: no such file; build it with `make agent`" in failure()


def test_file_that_is_not_a_program_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "agent"
    path.write_bytes(b"\x7fELF for another machine")
    path.chmod(0o755)
    monkeypatch.setenv(binary.OVERRIDE, str(path))
    assert failure() == f"agent={path}: cannot be started: Exec format error"


def test_agent_without_judge_is_reported_with_its_message(program: Program) -> None:
    path = program("printf 'usage: agent\\xff\\nfault | load\\n' >&2; exit 2")
    assert failure() == (
        f"agent={path}: `judge` ended with exit code 2 and said usage: agent\\xff fault | load; "
        "build the agent of this release with `make agent`"
    )
    program("exit 3")
    assert "ended with exit code 3 and said nothing" in failure()


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ("Hello, world", "`judge` said 'Hello, world', which is no event: line: not JSON"),
        ("\\377", r"`judge` said '\\xff', which is no event"),
        ('{"event":"judged"}', "which is no event: id: the field is missing"),
        (JUDGED.replace("judged", "armed"), "`judge` said 'armed' in place of a judgement"),
        (JUDGED.replace("1}", '1,"error":{"message":"no"}}'), "said 'judged' in place of a judgem"),
        ("x" * 5000, "which is no event"),
    ],
)
def test_another_program_in_place_of_the_agent(program: Program, says: str, message: str) -> None:
    path = program(f"printf '%b\\n' '{says}'")
    said = failure()
    assert said.startswith(f"agent={path}: `judge` ")
    assert message in said
    assert said.endswith("; build the agent of this release with `make agent`")
    assert len(said) < 500


@pytest.mark.parametrize(("says", "count"), [("", 0), (f"{JUDGED}\n", 1), (f"{JUDGED}\n" * 3, 3)])
def test_fewer_or_more_answers_than_specs(program: Program, says: str, count: int) -> None:
    path = program(f"printf '%s' '{says}'")
    assert failure([GOOD, GOOD]) == (
        f"agent={path}: it judged {count} of 2 specs; "
        "build the agent of this release with `make agent`"
    )


def test_agent_that_reads_nothing_is_reported(program: Program) -> None:
    program("exec 0<&-; exit 0")
    assert "it judged 0 of 20000 specs" in failure([GOOD] * 20_000)


def test_agent_that_does_not_end_is_killed(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = program("exec sleep 60")
    monkeypatch.setattr(judge, "_PATIENCE_S", 0.3)
    assert failure() == f"agent={path}: `judge` did not end in 0.3 s"


# The argument of a field


@pytest.mark.parametrize(
    ("kind", "field", "argument"),
    [
        ("http", "id", "name"),
        ("http", "way", "target"),
        ("http", "way.port", "target"),
        ("http", "way.proxy.listen", "target"),
        ("http", "duration_s", "duration_s"),
        ("http", "lease_s", "lease_s"),
        ("http", "http.percentage", "percentage"),
        ("http", "http.seed", "seed"),
        ("http", "http.match.path", "match.path"),
        ("http", "http.match.headers.x-user.id", "match.headers.x-user.id"),
        ("http", "http.existing", "connections.existing"),
        ("http", "http.max_connections", "connections.limit"),
        ("http", "http.keep_client_address", "connections.keep_client_address"),
        ("http", "http.abort.status", "status"),
        ("http", "http.abort.body", "answer.body"),
        ("http", "http.abort.headers.x-a", "answer.headers.x-a"),
        ("http", "http.delay.delay_ms", "delay_ms"),
        ("http", "http.delay.jitter_ms", "jitter_ms"),
        ("http", "http.delay.distribution", "distribution"),
        ("http", "http.modify", "answer"),
        ("http", "http.modify.set_headers.x-a", "answer.headers.x-a"),
        ("http", "http.modify.remove_body", "answer.remove_body"),
        ("http", "http.abortive", "http.abortive"),
        ("http", "idle", "idle"),
        ("http", "line", "arguments"),
        ("http", "netns-pid", "target"),
        ("http", "", ""),
        ("load", "load.rate_rps", "load.rate_rps"),
        ("load", "http.seed", "http.seed"),
        ("disk", "id", "name"),
        ("disk", "disk.size", "disk.size"),
    ],
)
def test_the_argument_of_a_field(kind: str, field: str, argument: str) -> None:
    assert kinds.argument(kind, field) == argument


def test_an_unknown_kind_is_named_with_the_known_ones() -> None:
    assert kinds.find("disk") is None
    with pytest.raises(BadInputError, match=r"kind='disk': unknown kind; known: .*http.*load"):
        kinds.named("disk")
