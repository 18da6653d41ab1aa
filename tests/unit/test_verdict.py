"""Verdicts of journals of real runs of Chaos Toolkit, with activities that do nothing."""

import json

import dice
import pytest
import tiny
from chaoslib.run import Runner
from chaoslib.types import Dry, Schedule, Strategy
from hypothesis import given
from hypothesis import strategies as st
from journals import journal_of, second

from chaos_go import faults, verdict
from chaos_go.controls import evidence
from chaos_go.errors import BadInputError, NoEffectError
from chaos_go.faults import http
from chaos_go.report import timeline
from chaos_go.traffic import over_time

EVIDENCE = {"name": "e", "provider": {"type": "python", "module": "chaos_go.controls.evidence"}}
SAID = "80 of 90 requests matched, 30 aborted"
ADVICE = "see that traffic reaches the target and that path, method and headers match it"
PLACE = {
    "place": "port/8081",
    "state": "ended",
    "armed_unix_s": 100.0,
    "ended_unix_s": 120.5,
    "gone_by_unix_s": 120.5,
    "armed": {"pid": 12},
    "reason": "stop",
    "totals": {"seen": 90, "matched": 80, "aborted": 30, "delayed": 0},
    "said": SAID,
    "exit_code": 0,
    "effect": True,
    "problem": "",
}
LOST = {"state": "lost", "reason": "", "effect": True, "exit_code": -9, "problem": "killed"}
BROKEN = LOST | {"exit_code": None, "gone_by_unix_s": 130.5, "problem": "its stream broke"}
STILL_ARMED = {"state": "armed", "ended_unix_s": None, "gone_by_unix_s": None, "reason": ""}
STILL_ARMED |= {"exit_code": None, "effect": None}


def record_of(*places, **changes):
    """Return the record of a fault at these places, as `chaos_go.agent.fault.Fault` makes it."""
    states = {place["state"] for place in places}
    effects = [place["effect"] for place in places]
    ends = [place["ended_unix_s"] for place in places if place["ended_unix_s"] is not None]
    said = [place["said"] for place in places]
    named = [f"{place['place']}: {place['said']}" for place in places]
    problems = [place["problem"] for place in places if place["problem"]]
    return {
        "id": "f",
        "kind": "http",
        "spec": {"id": "f"},
        "state": next(state for state in ("armed", "lost", "ended") if state in states),
        "armed_unix_s": max(place["armed_unix_s"] for place in places),
        "ended_unix_s": min(ends, default=None),
        "effect": True if True in effects else (False if set(effects) == {False} else None),
        "untouched": [place["place"] for place in places if place["effect"] is False],
        "said": said[0] if len(said) == 1 else "; ".join(named),
        "advice": ADVICE,
        "problem": "; ".join(problems),
        "places": list(places),
    } | changes


GOOD = record_of(PLACE)
OPEN = record_of(PLACE | STILL_ARMED)
GOOD_OF_SCHEMA_1 = {
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
OPEN_OF_SCHEMA_1 = GOOD_OF_SCHEMA_1 | {"state": "armed", "ended_unix_s": None}
OPEN_OF_SCHEMA_1 |= {"reason": "", "exit_code": None}
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
def table(monkeypatch):
    yield from dice.known(monkeypatch)


@pytest.fixture
def run(monkeypatch):
    """Run an experiment and return its journal as it would be read from the file."""

    def _run(
        numbers=MET,
        *,
        method=None,
        records=(GOOD,),
        schema=2,
        strategy=Strategy.DEFAULT,
        dry=None,
        **changes,
    ):
        tiny.numbers[:] = numbers

        def write(context, state):  # what the control writes, without leases
            state["chaos_go"] = {"schema": schema, "faults": list(records), "traffic": {}}

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


@pytest.mark.parametrize(("schema", "record"), [(1, GOOD_OF_SCHEMA_1), (2, GOOD)])
def test_held_lists_what_was_measured(run, schema, record):
    reasons = judged(run(records=[record], schema=schema), "held", "baseline", "p99 = 1")
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
    one_of_two = [record_of(PLACE, PLACE | STILL_ARMED | {"place": "port/8082"})]
    reasons = judged(run(rollbacks=[failing], records=one_of_two), "unsafe", "port/8082 may still")
    assert not any("over nevertheless" in reason for reason in reasons)
    broken = [record_of(PLACE | BROKEN)]
    reasons = judged(run(rollbacks=[failing], records=broken), "inconclusive", "agent was lost")
    assert "every fault is over nevertheless" in reasons[1]
    old = {"schema": 1, "rollbacks": [failing]}
    judged(run(records=[GOOD_OF_SCHEMA_1], **old), "inconclusive", "fix-it", "over nevertheless")
    judged(run(records=[OPEN_OF_SCHEMA_1], **old), "unsafe", "port/8081 may still be in place")
    judged(run(rollbacks=[failing], controls=[]), "unsafe", "fix-it failed: ")
    # Our records do not have what the rollback of another package should undo.
    judged(run(rollbacks=[python("action", "scale", "act", fails=True)]), "unsafe", "scale")


OUTCOMES = [
    # what differs in the record of a fault at one place, in both schemas
    ({"effect": False}, "inconclusive", "touched nothing (80 of 90"),
    ({"effect": None}, "inconclusive", "touched nothing"),
    ({"reason": "lease"}, "inconclusive", "unasked (reason lease"),
    ({"exit_code": 4}, "inconclusive", "exit code 4"),
    ({"problem": "odd"}, "inconclusive", "had a problem: odd"),
    ({"state": "lost", "exit_code": -9, "problem": "killed"}, "inconclusive", "lost: killed"),
    ({"state": "lost", "exit_code": None}, "unsafe", "may still be in place"),
    ({"state": "armed"}, "unsafe", "may still be in place"),
    ({"ended_unix_s": None}, "unsafe", "may still be in place"),
    ({"reason": "deadline", "exit_code": None}, "held", ""),
]


@pytest.mark.parametrize(("change", "outcome", "word"), OUTCOMES)
def test_verdicts_of_records_of_faults(run, change, outcome, word):
    place = PLACE | {"gone_by_unix_s": None} | change
    reasons = judged(run(records=[record_of(place)]), outcome, word)
    assert outcome == "held" or "fault f at port/8081 " in reasons[0]


@pytest.mark.parametrize(("change", "outcome", "word"), OUTCOMES)
def test_a_record_of_schema_1_is_judged_as_it_was(run, change, outcome, word):
    reasons = judged(run(records=[GOOD_OF_SCHEMA_1 | change], schema=1), outcome, word)
    assert outcome == "held" or "fault f at port/8081 " in reasons[0]


def places(*changes):
    """Return a fault at as many places as there are changes."""
    return record_of(
        *(PLACE | {"place": f"port/{8081 + at}"} | change for at, change in enumerate(changes))
    )


def test_a_fault_at_several_places_is_held_with_what_each_says(run):
    reasons = judged(run(records=[places({}, {"said": "5 of 5 calls"}, {})]), "held")
    assert reasons[2] == (
        f"fault f at port/8081, port/8082, port/8083: port/8081: {SAID}; port/8082: 5 of 5 calls; "
        f"port/8083: {SAID} in 20.5 s"
    )


def test_the_window_of_several_places_is_that_in_which_all_were_armed(run):
    late = {"armed_unix_s": 103.0}
    early = {"ended_unix_s": 110.0, "gone_by_unix_s": 110.0}
    reasons = judged(run(records=[places(late, early)]), "held")
    assert reasons[2].endswith(" in 7.0 s")


def test_a_fault_that_was_never_everywhere_at_once_is_inconclusive(run):
    late = {"armed_unix_s": 113.5}
    early = {"ended_unix_s": 110.0, "gone_by_unix_s": 110.0}
    judged(
        run(records=[places(late, early)]), "inconclusive", "never at all of its", "3.5 s before"
    )


def test_a_record_without_a_place_proves_nothing(run):
    record = GOOD | {"places": []}
    judged(run(records=[record]), "unsafe", "fault f", "names no place")
    failing = stop()
    failing["provider"]["arguments"] = {"fails": True}
    judged(run(records=[record], rollbacks=[failing]), "unsafe")


@pytest.mark.parametrize("end", [float("nan"), float("inf")])
def test_a_time_that_is_no_number_is_no_end(run, end):
    record = record_of(PLACE | {"ended_unix_s": end})
    judged(run(records=[record]), "unsafe", "port/8081 may still be in place")


def test_a_number_that_nobody_can_calculate_with_is_damage(run):
    record = record_of(PLACE | {"ended_unix_s": 10**400})
    judged(run(records=[record]), "setup-error", "it is damaged")


def test_a_lost_place_is_named_and_the_others_are_not_blamed(run):
    reasons = judged(run(records=[places({}, LOST, {})]), "inconclusive")
    assert reasons[0] == "fault f at port/8082 is over, but its agent was lost: killed"
    assert sum("fault f" in reason for reason in reasons) == 1


def test_every_place_with_a_problem_is_named_the_worst_first(run):
    record = places({"reason": "lease"}, STILL_ARMED, LOST)
    reasons = judged(run(records=[record]), "unsafe", "fault f at port/8082 may still be in place")
    assert "fault f at port/8081 ended unasked (reason lease, exit code 0)" in reasons
    assert "fault f at port/8083 is over, but its agent was lost: killed" in reasons


def test_a_stream_that_broke_is_over_when_its_lease_is(run):
    reasons = judged(run(records=[places({}, BROKEN)]), "inconclusive")
    assert reasons[0] == (
        "fault f at port/8082 is gone 10 s after it was last heard of, since nobody renews its "
        "lease, but its agent was lost: its stream broke"
    )
    never_gone = BROKEN | {"gone_by_unix_s": None}
    judged(run(records=[places({}, never_gone)]), "unsafe", "port/8082 may still be in place")


def test_one_touched_place_is_an_effect_and_the_untouched_ones_are_named(run):
    nothing = {"effect": False, "said": "0 of 9 requests matched"}
    reasons = judged(run(records=[places(nothing, {}, nothing)]), "held")
    assert reasons[2].endswith("nothing was touched at port/8081, port/8083")


def test_a_fault_that_touched_nothing_anywhere_says_what_was_seen_and_what_to_check(run):
    nothing = {"effect": False, "said": "0 of 9 requests matched"}
    reasons = judged(run(records=[places(nothing, nothing)]), "inconclusive")
    assert reasons[0] == (
        "fault f at port/8081, port/8082 touched nothing (port/8081: 0 of 9 requests matched; "
        f"port/8082: 0 of 9 requests matched); {ADVICE}"
    )


def test_a_problem_of_the_fault_as_a_whole_counts_too(run):
    record = record_of(PLACE, problem="fault 'f' could not be stopped: oh dear")
    judged(run(records=[record]), "inconclusive", "fault f at port/8081 had a problem", "oh dear")


def test_totals_of_a_record_are_not_read(run):
    place = PLACE | {"totals": {"dice": "rolled"}, "said": "7 of 9 dice fell"}
    record = record_of(place, kind="dice", spec={"id": "f", "dice": {}}, advice="roll them")
    assert judged(run(records=[record]), "held")[2].endswith(": 7 of 9 dice fell in 20.5 s")
    record |= {"effect": False}
    reasons = judged(run(records=[record]), "inconclusive")
    assert reasons[0] == "fault f at port/8081 touched nothing (7 of 9 dice fell); roll them"


def test_a_fault_of_an_unknown_kind_is_recorded_stopped_judged_and_drawn(table, tmp_path):
    """Evidence, stop, verdict and picture read what every record has, and no totals of a kind."""
    table.places, table.falls = ["table", "floor"], {"floor": 0}
    tiny.numbers[:] = MET
    probe = python("probe", "p99", "number") | {"tolerance": {"type": "range", "range": [0, 5]}}
    experiment = {
        "title": "t",
        "description": "d",
        "controls": [EVIDENCE],
        "steady-state-hypothesis": {"title": "h", "probes": [probe]},
        "method": [python("action", "roll", "roll", "dice", wait_ms=5)],
        "rollbacks": [python("action", "stop", "stop", "chaos_go.faults")],
    }
    journal = json.loads(json.dumps(Runner(Strategy.DEFAULT).run(experiment, settings={})))
    (record,) = journal["chaos_go"]["faults"]
    assert record["spec"]["dice"] == {"wait_ms": 5, "sides": 6}
    assert (record["effect"], record["untouched"]) == (True, ["floor"])
    assert record["said"] == "table: 4 of 9 dice fell; floor: 0 of 9 dice fell"
    reasons = judged(journal, "held")
    assert reasons[2].startswith("fault dice at table, floor: table: 4 of 9 dice fell; floor: 0 of")
    assert reasons[2].endswith("; nothing was touched at floor")
    start = record["armed_unix_s"]
    seconds = [second(number) | {"start_unix_s": start + number} for number in range(9)]
    journal["chaos_go"]["traffic"] = journal_of(seconds)["chaos_go"]["traffic"]
    timeline.draw(journal, over_time.read(journal), str(tmp_path / "run.svg"))
    assert "fault dice" in (tmp_path / "run.svg").read_text()


def test_a_fault_of_an_unknown_kind_that_touched_nothing(table):
    table.places, table.falls = ["table", "floor"], {"table": 0, "floor": 0}
    dice.roll(wait_ms=5, name="idle")
    with pytest.raises(NoEffectError) as error:
        faults.stop("idle")
    assert str(error.value) == (
        "fault 'idle' at table, floor touched nothing (table: 0 of 9 dice fell; floor: 0 of 9 dice "
        "fell); roll them"
    )


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


def test_an_experiment_without_a_hypothesis_or_an_action(run):
    judged(run(method=[], records=[]), "inconclusive", "nothing was broken")
    journal = run(**{"steady-state-hypothesis": {"title": "h", "probes": []}})
    judged(journal, "inconclusive", "no hypothesis with probes")


@pytest.mark.parametrize("strategy", [Strategy.BEFORE_METHOD, Strategy.AFTER_METHOD])
def test_the_hypothesis_must_be_checked_on_both_sides(run, strategy):
    judged(run(strategy=strategy), "inconclusive", "hypothesis not checked")


def test_a_section_of_another_schema(run):
    journal = run()
    journal["chaos_go"]["schema"] = 3
    judged(journal, "inconclusive", "chaos_go.schema=3")


HELD = []


@pytest.fixture
def held(run):
    if not HELD:
        lost = places({}, BROKEN, {"effect": False})
        journals = [run(), run(records=[GOOD_OF_SCHEMA_1], schema=1), run(records=[lost])]
        HELD.extend(json.dumps(journal) for journal in journals)


def paths(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(item, (*path, key))


@pytest.mark.usefixtures("held")
@given(st.data())
def test_no_damage_to_a_journal_raises_an_error(data):
    journal = json.loads(data.draw(st.sampled_from(HELD)))
    *way, last = data.draw(st.sampled_from([path for path in paths(journal) if path]))
    value = data.draw(st.sampled_from([None, 0, "x", [], {}, [None], {"a": None}, True]))
    owner = journal
    for key in way:
        owner = owner[key]
    owner[last] = value
    assert verdict.judge(journal).outcome in verdict.EXIT_CODES


@pytest.mark.parametrize(
    ("text", "fix"),
    [("", "not JSON"), ('{"a":', "not JSON"), ("[]", "not a JSON object"), ("\xff", "not JSON")],
)
def test_a_file_that_is_not_a_journal(tmp_path, text, fix):
    file = tmp_path / "journal.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInputError, match=fix):
        verdict.read(str(file))


def test_a_journal_that_does_not_exist(tmp_path):
    with pytest.raises(BadInputError, match="No such file"):
        verdict.read(str(tmp_path / "journal.json"))


@pytest.mark.parametrize("journal", [{}, {"run": []}, dict.fromkeys(verdict._NEEDED, 1)])
def test_json_that_is_not_a_journal(journal):
    judged(journal, "setup-error", "not a journal of Chaos Toolkit")
