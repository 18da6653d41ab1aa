"""Ladders: what is refused before anything starts, what windows say, which dose comes next."""

import pytest
from fake_load import START, URL, World, second

from chaos_go.controls import evidence
from chaos_go.errors import BadInputError
from chaos_go.ladder import choice, measure, plan, windows
from chaos_go.ladder.record import Record
from chaos_go.traffic.recording import Window
from chaos_go.verdict import judge

GOOD = {
    "target": "port/8083",
    "traffic": {"url": URL, "method": "POST", "body": "{}"},
    "impact": {"statuses": [503], "json_field": "decision", "json_value": "reject"},
    "budget": 0.02,
}


@pytest.fixture
def world(monkeypatch):
    world = World(monkeypatch)
    yield world
    world.stop_all()


@pytest.mark.parametrize(
    ("argument", "value", "field"),
    [
        ("target", "8083", "target"),
        ("traffic", {}, "traffic"),
        ("traffic", "http://x", "traffic"),
        ("traffic", {"url": URL, "rate_rps": 5}, "traffic.rate_rps"),
        ("traffic", {"url": "nowhere"}, "url"),
        ("traffic", {"url": URL, "timeout_ms": 0}, "timeout_ms"),
        ("impact", {}, "impact"),
        ("impact", {"status": [503]}, "impact.status"),
        ("impact", {"statuses": [503], "timeout": False}, "impact.timeout"),
        ("budget", 0, "budget"),
        ("budget", 0.6, "budget"),
        ("budget", "2%", "budget"),
        ("budget", 10**400, "budget"),
        ("budget", float("nan"), "budget"),
        ("abort_extra_risk", 0.02, "abort_extra_risk"),
        ("abort_extra_risk", 1.5, "abort_extra_risk"),
        ("levels_ms", [200, 100], "levels_ms"),
        ("levels_ms", [100, 100], "levels_ms"),
        ("levels_ms", [-1], "levels_ms[0]"),
        ("levels_ms", [0, 100], "levels_ms[0]"),
        ("levels_ms", [100, 5000], "levels_ms"),
        ("levels_ms", "100", "levels_ms"),
        ("windows", 0, "windows"),
        ("windows", 2.5, "windows"),
        ("window_s", 0, "window_s"),
        ("window_s", 600, "window_s"),
        ("settle_s", -1, "settle_s"),
        ("settle_s", True, "settle_s"),
        ("impact", {"statuses": []}, "impact.statuses"),
        ("impact", {"statuses": [999]}, "impact.statuses"),
        ("p99_traffic", {"url": URL, "rate_rps": 36}, "p99_traffic.rate_rps"),
        ("settle_s", "3", "settle_s"),
        ("rates_rps", [], "rates_rps"),
        ("rates_rps", 50, "rates_rps"),
        ("rates_rps", [100, 50], "rates_rps"),
        ("rates_rps", [-5], "rate_rps"),
        ("rates_rps", [10**400], "rate_rps"),
        ("p99_traffic", {"rate_rps": 5}, "p99_traffic"),
        ("p99_traffic", {"url": URL, "rate": 5}, "p99_traffic.rate"),
        ("max_impacted", 0, "max_impacted"),
        ("max_levels", 0, "max_levels"),
        ("target_width", 0, "target_width"),
        ("start_ms", 0, "start_ms"),
        ("start_ms", 3000, "start_ms"),
        ("max_dose_ms", -1, "max_dose_ms"),
        ("guard", [], "guard"),
        ("guard", {"tolerance": 200}, "guard"),
        ("guard", {"tolerance": 200, "provider": {"type": "http"}}, "guard"),
        ("guard", {"type": "action", "tolerance": 1, "provider": {"type": "http"}}, "guard"),
        ("method", "post", "method"),
        ("path", "(", "path"),
        ("path", "/a/(?=b)", "path"),
        ("path", 5, "path"),
        ("traffic", {"url": URL, "headers": {"x y": "1"}}, "traffic.headers"),
        ("p99_traffic", {"url": URL, "headers": {"x": "1\n2"}}, "p99_traffic.headers.x"),
        ("guard", {"tolerance": 200, "provider": "http"}, "guard"),
        ("guard", {"tolerance": 200, "provider": {"type": "python"}}, "guard"),
        ("guard", {"tolerance": {"type": "range"}, "provider": {"type": "http"}}, "guard"),
        ("seed", -1, "seed"),
        ("name", "", "name"),
        ("name", "x" * 61, "name"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_starts(world, argument, value, field):
    with pytest.raises(BadInputError) as caught:
        measure(**{**GOOD, argument: value})
    assert caught.value.field == field
    assert world.held == []


def test_timeouts_count_although_the_rule_does_not_say_so():
    (load,) = plan.read_loads(GOOD["traffic"], [50], {"statuses": [503]})
    assert load.impact is not None
    assert load.impact.timeout


def test_settings_keep_no_secret():
    headers = {"Authorization": "Bearer s3cret"}
    (load,) = plan.read_loads(
        {"url": URL, "headers": headers, "body": "s3cret"}, [50], {"timeout": True}
    )
    settings = whole_plan(loads=(load,)).settings()
    assert "s3cret" not in str(settings)
    assert settings["rates_rps"] == [50]


def whole_plan(**changes):
    loads = plan.read_loads(GOOD["traffic"], [50], GOOD["impact"])
    values = {
        "name": "l",
        "target": "port/8083",
        "path": "",
        "method": "",
        "seed": 0,
        "levels_ms": (),
        "budget": 0.02,
        "start_ms": 100.0,
        "max_dose_ms": 2000.0,
        "target_width": 0.25,
        "max_levels": 10,
        "windows": 2,
        "window_s": 10,
        "settle_s": 3.0,
        "loads": loads,
        "p99_load": None,
        "max_impacted": 500,
        "abort_extra_risk": 0.2,
        "guard": {},
    }
    return plan.check_plan(plan.Plan(**{**values, **changes}))


def rows(dose_ms, k, n=1000, times=2):
    return [{"dose_ms": dose_ms, "n": n, "k": k, "load_rps": 50.0, "window": 1}] * times


def test_extra_risk_is_that_of_those_who_were_fine():
    risk = windows.extra_risk(rows(100, 190), rows(0, 100))
    assert risk.value == pytest.approx(0.1)
    assert risk.low < 0.1 < risk.high
    assert risk.high - risk.low < 0.06


def test_extra_risk_without_a_single_hit_has_limits():
    risk = windows.extra_risk(rows(100, 0), rows(0, 0))
    assert risk.low < 0 == risk.value < risk.high < 0.01


def test_the_limits_of_newcombe_s_example():
    """56/70 against 48/80, his example (a): Wilson's limits give 0.0524 to 0.3339.

    Ours join exact limits, which are a little wider.
    """
    one, other = [{"n": 70, "k": 56}], [{"n": 80, "k": 48}]
    risk = windows.extra_risk(one, other)
    low, high = risk.low * (1 - 48 / 80), risk.high * (1 - 48 / 80)
    assert 0.03 < low < 0.0524
    assert 0.3339 < high < 0.36


def window(latency_ms=20.0, timeouts=0, sent=500):
    counters = {"impact": timeouts, "impact_n": sent, "timeouts": timeouts}
    statuses = {"200": sent - timeouts}
    made = second(0, sent=sent, latency_ms=latency_ms, statuses=statuses, **counters)
    if timeouts:
        from chaos_go.traffic import histogram

        counts = {**made.latency.counts, histogram.index(2_000_000): timeouts}
        counters |= {"latency": counts}
        made = second(0, sent=sent, latency_ms=latency_ms, statuses=statuses, **counters)
    return Window("l", START, START + 1, 2000.0, [made])


def test_a_row_counts_timeouts_and_its_p99_is_open_above():
    whole = window(timeouts=50)
    row = windows.row(whole, 100.0, 3, 50.0)
    windows.add_p99(row, whole)
    assert (row["n"], row["k"], row["timeouts"], row["window"]) == (500, 50, 50, 3)
    assert row["p99_ms"] == pytest.approx(2000, rel=0.01)
    assert row["p99_censored"]
    assert row["p99_high_ms"] is None
    assert ">= " in windows.say_p99(row)


def test_too_few_requests_have_no_p99_and_it_is_said_why():
    whole = window(sent=100)
    row = windows.row(whole, 100.0, 1, 50.0)
    windows.add_p99(row, whole)
    assert row["p99_ms"] is None
    assert "too few" in row["p99_missing"]


def test_given_levels_come_in_order():
    chooser = choice.Chooser(whole_plan(levels_ms=(100.0, 200.0)))
    assert [chooser.next([], 0).dose_ms for _ in range(3)] == [100, 200, None]
    assert chooser.done_code == "levels-done"


def test_the_design_climbs_and_then_goes_to_the_threshold():
    chooser = choice.Chooser(whole_plan())
    known = rows(0, 1)
    assert chooser.next(known, 0).dose_ms == 100
    known += rows(100, 3)
    assert chooser.next(known, 6).dose_ms == 200
    known += rows(200, 150)
    dose_ms = chooser.next(known, 306).dose_ms
    assert dose_ms is not None
    assert 100 < dose_ms < 200


def test_what_settling_cost_is_spent_too():
    """The windows know of 306 rejected ones; with the seconds between it were 500 of 500."""
    chooser = choice.Chooser(whole_plan())
    known = rows(0, 1) + rows(100, 3) + rows(200, 150)
    assert chooser.next(known, 500).dose_ms is None


def test_no_more_levels_are_chosen_than_may_be():
    chooser = choice.Chooser(whole_plan(max_levels=1))
    assert chooser.next(rows(0, 1), 0).dose_ms == 100
    assert chooser.next(rows(0, 1) + rows(100, 3), 6).dose_ms is None


def test_evidence_writes_ladders_of_this_run_only(world, monkeypatch):
    monkeypatch.setattr(evidence, "_earlier", set())
    before = Record("before", "port/1", {})
    before.end("levels-done", "")
    evidence.before_experiment_control({})
    cut_off = Record("now", "port/1", {})
    cut_off.observations.append({"dose_ms": 0, "n": 10, "k": 1})
    cut_off.add_traffic("now", {"seconds": [1], "problem": "", "totals": {"sent": 1}})
    cut_off.add_traffic("now", {"seconds": [2], "problem": "late", "totals": {"sent": 1}})
    journal = {}
    evidence.after_experiment_control({}, journal)
    (ladder,) = journal["chaos_go"]["ladders"]
    assert (ladder["name"], ladder["kind"], ladder["stopped"]) == ("now", "ladder", "running")
    assert ladder["observations"] == [{"dose_ms": 0, "n": 10, "k": 1}]
    traffic = journal["chaos_go"]["traffic"]["now"]
    assert (traffic["seconds"], traffic["problem"]) == ([1, 2], "late")


def journal_of(ladder, status="completed", with_evidence=True):
    run = {
        "activity": {
            "type": "action",
            "name": "curve",
            "provider": {"type": "python", "module": "chaos_go.ladder", "func": "measure"},
        },
        "status": "succeeded" if status == "completed" else None,
    }
    controls = [{"name": "e", "provider": {"module": "chaos_go.controls.evidence"}}]
    journal = {
        "experiment": {"method": [{}], "controls": controls if with_evidence else []},
        "status": status,
        "steady_states": {"before": None, "after": None, "during": []},
        "run": [run],
        "rollbacks": [],
    }
    if with_evidence:
        journal["chaos_go"] = {"schema": 1, "faults": [], "ladders": [ladder]}
    return journal


def ladder_of(stopped="levels-done", phases=("baseline-before", "dosed", "baseline-after")):
    return {
        "name": "l",
        "stopped": stopped,
        "why": "because",
        "observations": rows(0, 1) + rows(100, 3),
        "levels": [{"phase": phase, "n": 10} for phase in phases],
    }


@pytest.mark.parametrize("stopped", ["levels-done", "design-done", "abort", "max-impacted"])
def test_a_curve_from_baseline_to_baseline_holds(stopped):
    judged = judge(journal_of(ladder_of(stopped)))
    assert judged.outcome == "held", judged.reasons


@pytest.mark.parametrize("stopped", ["guard", "inconclusive", "interrupted", "error", "running"])
def test_a_curve_that_was_cut_off_is_inconclusive(stopped):
    judged = judge(journal_of(ladder_of(stopped)))
    assert judged.outcome == "inconclusive"
    assert "because" in judged.reasons[0]


def test_only_a_ladder_with_a_dose_is_worth_a_fit():
    ladder = ladder_of("inconclusive")
    assert "chaos go sla fit" in judge(journal_of(ladder)).reasons[0]
    ladder["observations"] = rows(0, 1)
    assert "chaos go sla fit" not in judge(journal_of(ladder)).reasons[0]


def test_a_curve_without_its_second_baseline_is_inconclusive():
    judged = judge(journal_of(ladder_of(phases=("baseline-before", "dosed"))))
    assert judged.outcome == "inconclusive"


@pytest.mark.parametrize(
    ("status", "outcome"), [("completed", "inconclusive"), ("interrupted", "unsafe")]
)
def test_without_the_evidence_control_nobody_knows_of_the_faults(status, outcome):
    judged = judge(journal_of({}, status, with_evidence=False))
    assert judged.outcome == outcome
    assert "chaos_go.controls.evidence" in judged.reasons[0]
