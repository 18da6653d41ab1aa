"""Verdicts of journals that real runs of Chaos Toolkit wrote, with activities that do nothing."""

import json

import pytest
import tiny
from chaoslib.run import Runner
from chaoslib.types import Dry, Schedule, Strategy
from hypothesis import given
from hypothesis import strategies as st

from chaos_go import verdict
from chaos_go.controls import evidence
from chaos_go.errors import BadInputError
from chaos_go.faults import http

EVIDENCE = {"name": "e", "provider": {"type": "python", "module": "chaos_go.controls.evidence"}}
GOOD = {
    "id": "f",
    "place": "port/8081",
    "state": "ended",
    "armed_unix_s": 100.0,
    "ended_unix_s": 120.5,
    "reason": "stop",
    "exit_code": 0,
    "effect": True,
    "problem": "",
    "totals": {"seen": 90, "matched": 80, "aborted": 30, "delayed": 0},
}
OPEN = GOOD | {"state": "armed", "ended_unix_s": None, "reason": "", "exit_code": None}
MET = [1.0, 2.0]


def python(kind, name, func, module="tiny", /, **arguments):
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    return {"type": kind, "name": name, "provider": provider}


def fault(**arguments):
    return python("action", "break-it", "abort", "chaos_go.faults.http", **arguments)


def stop():
    return python("action", "fix-it", "stop", "chaos_go.faults", name="f")


@pytest.fixture(autouse=True)
def _tiny_faults(monkeypatch):
    monkeypatch.setattr(http, "abort", tiny.act)


@pytest.fixture
def run(monkeypatch):
    """Run an experiment and give its journal as the file would have it."""

    def _run(
        numbers=MET, *, method=None, records=(GOOD,), strategy=Strategy.DEFAULT, dry=None, **changes
    ):
        tiny.numbers[:] = numbers

        def write(context, state):  # what the control writes, without leases
            state["chaos_go"] = {"schema": 1, "faults": list(records), "traffic": {}}

        monkeypatch.setattr(evidence, "after_experiment_control", write)
        probe = python("probe", "p99", "number") | {"tolerance": {"type": "range", "range": [0, 5]}}
        experiment = {
            "title": "t",
            "description": "d",
            "controls": [EVIDENCE],
            "steady-state-hypothesis": {"title": "h", "probes": [probe]},
            "method": [fault()] if method is None else method,
            "rollbacks": [],
            **changes,
        }
        if dry:
            experiment["dry"] = dry
        runner = Runner(strategy, Schedule(continuous_hypothesis_frequency=0.001))
        journal = runner.run(
            experiment, settings={"runtime": {"rollbacks": {"strategy": "always"}}}
        )
        return json.loads(json.dumps(journal, default=str))

    return _run


def judged(journal, outcome, *words):
    """Assert the outcome, and that its first reason has these words."""
    result = verdict.judge(journal)
    assert (result.outcome, result.exit_code) == (outcome, verdict.EXIT_CODES[outcome]), result
    assert all(word in result.reasons[0] for word in words), result.reasons
    assert all("\n" not in reason for reason in result.reasons)
    return result.reasons


def test_held_says_what_was_seen(run):
    reasons = judged(run(), "held", "baseline", "p99 = 1")
    assert reasons[1].endswith("after the method: p99 = 2")
    assert reasons[2] == ("fault f at port/8081: 80 of 90 requests matched, 30 aborted in 20.5 s")


def test_a_number_outside_its_tolerance_afterwards_is_a_violation(run):
    judged(run([1.0, 812.44]), "violated", "p99 = 812.44", "0 to 5", "after the method")


def test_a_violation_during_the_method_counts_although_it_was_over_afterwards(run):
    method = [fault(), python("action", "wait", "act") | {"pauses": {"after": 0.05}}]
    journal = run([1.0, 9.0, *[1.0] * 1000], method=method, strategy=Strategy.CONTINUOUS)
    assert journal["deviated"] is False
    judged(journal, "violated", "during the method (check 1)", "p99 = 9")


def test_a_baseline_that_is_not_met_is_inconclusive(run):
    journal = run([9.0], records=[])
    assert journal["status"] == "completed"
    assert len(judged(journal, "inconclusive", "not met before the method", "p99 = 9")) == 1


def test_a_probe_that_fails_says_nothing_about_the_service(run):
    judged(run([-1], records=[]), "inconclusive", "not measured before", "too few requests")
    judged(run([1.0, -1]), "inconclusive", "not measured after", "too few requests")


def test_a_fault_that_could_not_be_armed_is_a_setup_error(run):
    journal = run(method=[fault(fails=True)], records=[])
    assert (journal["status"], journal["deviated"]) == ("completed", False)
    reasons = judged(journal, "setup-error", "break-it", "cannot be done")
    assert "ActivityFailed" not in reasons[0]


@pytest.mark.parametrize("kind", ["action", "probe"])
def test_any_other_failed_activity_of_the_method_is_inconclusive(run, kind):
    judged(run(method=[fault(), python(kind, "x", "act", fails=True)]), "inconclusive", f"{kind} x")


def test_a_failed_rollback_is_unsafe_unless_the_records_prove_the_end(run, monkeypatch):
    monkeypatch.setattr("chaos_go.faults.stop", tiny.act)
    failing = stop()
    failing["provider"]["arguments"] = {"fails": True}
    judged(run(rollbacks=[failing]), "inconclusive", "fix-it", "over nevertheless")
    judged(run(rollbacks=[failing], records=[OPEN]), "unsafe", "port/8081 may still be in place")
    judged(run(rollbacks=[failing], controls=[]), "unsafe", "fix-it failed: ")
    # What a rollback of others should undo is not in our records.
    judged(run(rollbacks=[python("action", "scale", "act", fails=True)]), "unsafe", "scale")


@pytest.mark.parametrize(
    ("change", "outcome", "word"),
    [
        ({"effect": False}, "inconclusive", "touched no request (80 of 90"),
        ({"effect": None}, "inconclusive", "touched no request"),
        ({"reason": "lease"}, "inconclusive", "unasked (reason lease"),
        ({"exit_code": 4}, "inconclusive", "exit code 4"),
        ({"problem": "odd"}, "inconclusive", "had a problem: odd"),
        ({"state": "lost", "exit_code": -9, "problem": "killed"}, "inconclusive", "lost: killed"),
        ({"state": "lost", "exit_code": None}, "unsafe", "may still be in place"),
        ({"state": "armed"}, "unsafe", "may still be in place"),
        ({"ended_unix_s": None}, "unsafe", "may still be in place"),
        ({"reason": "deadline", "exit_code": None}, "held", ""),
    ],
)
def test_what_the_record_of_a_fault_says(run, change, outcome, word):
    judged(run(records=[GOOD | change]), outcome, word)


def test_a_fault_without_effect_outweighs_a_violation(run):
    reasons = judged(run([1.0, 9.0], records=[GOOD | {"effect": False}]), "inconclusive", "fault f")
    assert any("outside its tolerance" in reason for reason in reasons)


def test_without_a_record_there_is_no_verdict(run):
    judged(run(controls=[]), "inconclusive", "break-it", "declare the control")
    judged(run(records=[]), "inconclusive", "break-it", "chaostoolkit.log")
    other = run(records=[GOOD | {"id": "g"}])
    judged(other, "inconclusive", "no record of what break-it did")


def test_an_interrupted_run_is_never_held(run):
    method = [fault(), python("action", "x", "act", interrupts=True), fault()]
    journal = run(method=method)
    assert (journal["status"], "status" in journal["run"][1]) == ("interrupted", False)
    reasons = judged(journal, "inconclusive", "status is interrupted")
    assert "action x of the method did not finish" in reasons
    assert "only 2 of 3 activities of the method ran" in reasons
    judged(run(method=method, records=[OPEN]), "unsafe", "may still be in place")
    judged(run(method=method, controls=[]), "unsafe", "no record of what break-it did")


def test_a_fault_that_was_interrupted_while_it_was_armed(run):
    method = [fault(interrupts=True)]
    judged(run(method=method, records=[]), "inconclusive", "status is interrupted")
    judged(run(method=method, controls=[], records=[]), "unsafe", "no record")


@pytest.mark.parametrize("status", ["aborted", "failed", None])
def test_a_run_that_did_not_complete_is_inconclusive(run, status):
    judged(run() | {"status": status}, "inconclusive", f"status is {status}")


def test_a_dry_run_is_inconclusive(run):
    reasons = judged(run(dry=Dry.ACTIONS), "inconclusive", "dry run")
    assert any("no record of what break-it did" in reason for reason in reasons)
    journal = run(method=[fault() | {"dry": "actions"}])
    judged(journal, "inconclusive", "dry run", "break-it")


def test_nothing_to_judge(run):
    judged(run(method=[], records=[]), "inconclusive", "nothing was broken")
    journal = run(**{"steady-state-hypothesis": {"title": "h", "probes": []}})
    judged(journal, "inconclusive", "no hypothesis with probes")


@pytest.mark.parametrize("strategy", [Strategy.BEFORE_METHOD, Strategy.AFTER_METHOD])
def test_the_hypothesis_must_be_checked_on_both_sides(run, strategy):
    judged(run(strategy=strategy), "inconclusive", "hypothesis not checked")


def test_a_section_of_another_schema(run):
    journal = run()
    journal["chaos_go"]["schema"] = 2
    judged(journal, "inconclusive", "chaos_go.schema=2")


HELD = {}


@pytest.fixture
def held(run):
    HELD.setdefault("journal", json.dumps(run()))


def paths(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(item, (*path, key))


@pytest.mark.usefixtures("held")
@given(st.data())
def test_no_damage_to_a_journal_makes_the_judge_stumble(data):
    journal = json.loads(HELD["journal"])
    places = [path for path in paths(journal) if path]
    *way, last = data.draw(st.sampled_from(places))
    value = data.draw(st.sampled_from([None, 0, "x", [], {}, [None], {"a": None}, True]))
    owner = journal
    for key in way:
        owner = owner[key]
    owner[last] = value
    assert verdict.judge(journal).outcome in verdict.EXIT_CODES


@pytest.mark.parametrize(
    ("text", "fix"),
    [("", "not JSON"), ('{"a":', "not JSON"), ("[]", "no JSON object"), ("\xff", "not JSON")],
)
def test_a_file_that_is_no_journal(tmp_path, text, fix):
    file = tmp_path / "journal.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInputError, match=fix):
        verdict.read(str(file))


def test_a_journal_that_is_not_there(tmp_path):
    with pytest.raises(BadInputError, match="No such file"):
        verdict.read(str(tmp_path / "journal.json"))


@pytest.mark.parametrize("journal", [{}, {"run": []}, dict.fromkeys(verdict._NEEDED, 1)])
def test_json_that_is_no_journal(journal):
    judged(journal, "setup-error", "no journal of Chaos Toolkit")
