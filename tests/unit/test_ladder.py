"""Ladders: refusals before anything starts, the risk of windows, the choice of the next dose.

Whole ladders run with a clock that passes only while a thread waits, and with a service in which
each dose costs a share of the transactions.
"""

import math

import dice
import pytest
import tiny
from fake_load import START, URL, World, second

from chaos_go import stats
from chaos_go.controls import evidence
from chaos_go.errors import AgentLostError, BadInputError, NoEffectError, RenamedArgumentError
from chaos_go.ladder import choice, dose, guard, measure, plan, windows
from chaos_go.ladder.record import Record, records
from chaos_go.traffic.recording import Window
from chaos_go.verdict import judge

LOAD = {
    "url": URL,
    "method": "POST",
    "body": "{}",
    "impact": {"statuses": [503], "json_field": "decision", "json_value": "reject"},
}


def slow(**arguments):
    given = {"target": "port/8083", **arguments}
    return {"module": "chaos_go.faults.http", "func": "delay", "arguments": given}


GOOD = {"fault": slow(), "load": LOAD, "budget": 0.02}


@pytest.fixture
def world(monkeypatch):
    world = World(monkeypatch)
    yield world
    world.stop_all()


def fault_with(**arguments):
    return {"fault": slow(**arguments)}


def load_with(**changes):
    return {"load": LOAD | changes}


def p99_load(**changes):
    return {"p99_load": {"url": URL, "rate_rps": 40} | changes}


def probe(**changes):
    return {"limits": {"guard": {"tolerance": 200, "provider": {"type": "http"}} | changes}}


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (fault_with(target="8083"), "fault.arguments.target"),
        (fault_with(target="port/99999"), "fault.arguments.target"),
        (fault_with(target="to/nowhere"), "fault.arguments.target"),
        (fault_with(match={"method": "p ost"}), "fault.arguments.match.method"),
        (fault_with(match={"method": "post"}), "fault.arguments.match.method"),
        (fault_with(match={"path": "("}), "fault.arguments.match.path"),
        (fault_with(match={"path": "/a/(?=b)"}), "fault.arguments.match.path"),
        (fault_with(match={"path": 5}), "fault.arguments.match.path"),
        (fault_with(match={"paths": "/"}), "fault.arguments.match.paths"),
        (fault_with(match={"headers": {"x": "("}}), "fault.arguments.match.headers.x"),
        (fault_with(match="/users"), "fault.arguments.match"),
        (fault_with(percentage=101), "fault.arguments.percentage"),
        (fault_with(connections={"existing": "drop"}), "fault.arguments.connections.existing"),
        (fault_with(scope={"places": 0}), "fault.arguments.scope.places"),
        (fault_with(seed=-1), "fault.arguments.seed"),
        (fault_with(jitter_ms=150), "fault.arguments.jitter_ms"),
        (fault_with(sed=1), "fault.arguments.sed"),
        (fault_with(delay_ms=5), "fault.arguments.delay_ms"),
        (fault_with(duration_s=5), "fault.arguments.duration_s"),
        (fault_with(name="x"), "fault.arguments.name"),
        (fault_with(path="/"), "fault.arguments.path"),
        ({"fault": {}}, "fault"),
        ({"fault": "chaos_go.faults.http"}, "fault"),
        ({"fault": {**slow(), "function": "delay"}}, "fault.function"),
        ({"fault": {**slow(), "arguments": []}}, "fault.arguments"),
        ({"fault": {**slow(), "arguments": {}}}, "fault.arguments.target"),
        ({"fault": {**slow(), "func": "dely"}}, "fault.func"),
        ({"fault": {**slow(), "func": "HTTP"}}, "fault.func"),
        ({"fault": {**slow(), "module": "chaos_go.faults.nope"}}, "fault.module"),
        ({"dose": "percentage"}, "dose"),
        ({"dose": "latency_ms"}, "dose"),
        ({"dose": 5}, "dose"),
        ({"dose": "jitter_ms", **fault_with(delay_ms=50)}, "levels.start_ms"),
        (
            {"dose": "jitter_ms", **fault_with(delay_ms=50), "levels": {"doses_ms": [20, 60]}},
            "levels.doses_ms[1]",
        ),
        ({"load": {}}, "load.url"),
        ({"load": "http://x"}, "load"),
        (load_with(url="nowhere"), "load.url"),
        (load_with(timeout_ms=0), "load.timeout_ms"),
        (load_with(timeout_ms=60_001), "load.timeout_ms"),
        (load_with(rate=5), "load.rate"),
        (load_with(headers={"x y": "1"}), "load.headers"),
        (load_with(headers={"x": "1\n2"}), "load.headers.x"),
        (load_with(impact={}), "load.impact"),
        (load_with(impact={"status": [503]}), "load.impact.status"),
        (load_with(impact={"statuses": [503], "timeout": False}), "load.impact.timeout"),
        (load_with(impact={"statuses": []}), "load.impact.statuses"),
        (load_with(impact={"statuses": [999]}), "load.impact.statuses"),
        (load_with(rate_rps=[]), "load.rate_rps"),
        (load_with(rate_rps="50"), "load.rate_rps"),
        (load_with(rate_rps=[100, 50]), "load.rate_rps"),
        (load_with(rate_rps=[50, 50]), "load.rate_rps"),
        (load_with(rate_rps=[-5]), "load.rate_rps"),
        (load_with(rate_rps=[50, 60_000]), "load.rate_rps"),
        (load_with(rate_rps=[10**400]), "load.rate_rps"),
        ({"budget": 0}, "budget"),
        ({"budget": 0.6}, "budget"),
        ({"budget": "2%"}, "budget"),
        ({"budget": 10**400}, "budget"),
        ({"budget": float("nan")}, "budget"),
        ({"levels": []}, "levels"),
        ({"levels": {"most": 3}}, "levels.most"),
        ({"levels": {"doses_ms": [200, 100]}}, "levels.doses_ms"),
        ({"levels": {"doses_ms": [100, 100]}}, "levels.doses_ms"),
        ({"levels": {"doses_ms": [-1]}}, "levels.doses_ms[0]"),
        ({"levels": {"doses_ms": [0, 100]}}, "levels.doses_ms[0]"),
        ({"levels": {"doses_ms": [100, "200"]}}, "levels.doses_ms[1]"),
        ({"levels": {"doses_ms": [100, 5000]}}, "levels.doses_ms"),
        ({"levels": {"doses_ms": "100"}}, "levels.doses_ms"),
        ({"levels": {"max_count": 0}}, "levels.max_count"),
        ({"levels": {"target_width": 0}}, "levels.target_width"),
        ({"levels": {"start_ms": 0}}, "levels.start_ms"),
        ({"levels": {"start_ms": 3000}}, "levels.start_ms"),
        ({"levels": {"max_ms": -1}}, "levels.max_ms"),
        ({"windows": 3}, "windows"),
        ({"windows": {"length": 3}}, "windows.length"),
        ({"windows": {"count": 0}}, "windows.count"),
        ({"windows": {"count": 2.5}}, "windows.count"),
        ({"windows": {"length_s": 0}}, "windows.length_s"),
        ({"windows": {"length_s": 600}}, "windows.length_s"),
        ({"windows": {"settle_s": -1}}, "windows.settle_s"),
        ({"windows": {"settle_s": True}}, "windows.settle_s"),
        ({"windows": {"settle_s": "3"}}, "windows.settle_s"),
        ({"limits": {"max_impacted": 5}}, "limits.max_impacted"),
        ({"limits": {"impacted": 0}}, "limits.impacted"),
        ({"limits": {"extra_risk": 0.02}}, "limits.extra_risk"),
        ({"limits": {"extra_risk": 1.5}}, "limits.extra_risk"),
        ({"limits": {"guard": []}}, "limits.guard"),
        ({"limits": {"guard": {"tolerance": 200}}}, "limits.guard"),
        (probe(), "limits.guard"),
        (probe(type="action", tolerance=1), "limits.guard"),
        (probe(provider="http"), "limits.guard"),
        (probe(provider={"type": "python"}), "limits.guard"),
        (probe(tolerance={"type": "range"}), "limits.guard"),
        (p99_load(rate_rps=36), "p99_load.rate_rps"),
        (p99_load(rate_rps=60_000), "p99_load.rate_rps"),
        (p99_load(rate=5), "p99_load.rate"),
        (p99_load(headers={"x": "1\n2"}), "p99_load.headers.x"),
        (p99_load(url="nowhere"), "p99_load.url"),
        ({"p99_load": {"rate_rps": 5}}, "p99_load.url"),
        ({"name": ""}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"name": 5}, "name"),
    ],
)
def test_what_is_invalid_is_refused_before_anything_starts(world, arguments, field):
    with pytest.raises(BadInputError) as caught:
        measure(**{**GOOD, **arguments})
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}")
    assert world.held == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("target", "fault.arguments.target"),
        ("path", "fault.arguments.match.path"),
        ("method", "fault.arguments.match.method"),
        ("seed", "fault.arguments.seed"),
        ("traffic", "load"),
        ("impact", "load.impact"),
        ("rates_rps", "load.rate_rps"),
        ("p99_traffic", "p99_load"),
        ("levels_ms", "levels.doses_ms"),
        ("start_ms", "levels.start_ms"),
        ("max_dose_ms", "levels.max_ms"),
        ("max_levels", "levels.max_count"),
        ("target_width", "levels.target_width"),
        ("window_s", "windows.length_s"),
        ("settle_s", "windows.settle_s"),
        ("max_impacted", "limits.impacted"),
        ("abort_extra_risk", "limits.extra_risk"),
        ("guard", "limits.guard"),
    ],
)
def test_an_old_spelling_is_refused_with_the_new_one(world, old, new):
    with pytest.raises(RenamedArgumentError) as caught:
        measure(**GOOD, **{old: 1})
    assert str(caught.value) == f"{old}: this argument is now {new}"
    assert world.held == []


def test_timeouts_count_although_the_rule_does_not_say_so():
    (load,) = plan.read_loads(LOAD | {"impact": {"statuses": [503]}})
    assert load.impact is not None
    assert load.impact.timeout
    assert load.rate_rps == 50


def test_settings_keep_no_secret():
    headers = {"Authorization": "Bearer s3cret"}
    load = {"url": URL, "headers": headers, "body": "s3cret", "impact": {"timeout": True}}
    match = {"headers": {"Authorization": "Bearer s3cret"}}
    settings = whole_plan(load=load, p99_load=load, fault=slow(match=match)).settings()
    assert "s3cret" not in str(settings)
    assert settings["rates_rps"] == [50]
    assert settings["fault"] == {
        "module": "chaos_go.faults.http",
        "func": "delay",
        "dose": "delay_ms",
    }


def whole_plan(**changes):
    values = {"dose": "delay_ms", "levels": {}, "windows": {}, "limits": {}, "p99_load": {}}
    return plan.read(**{**values, "name": "l", **GOOD, **changes})


def rows(dose_ms, k, n=1000, times=2):
    return [{"dose_ms": dose_ms, "n": n, "k": k, "load_rps": 50.0, "window": 1}] * times


def test_extra_risk_is_relative_to_otherwise_successful_transactions():
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


def test_too_few_requests_have_no_p99_and_the_row_says_why():
    whole = window(sent=100)
    row = windows.row(whole, 100.0, 1, 50.0)
    windows.add_p99(row, whole)
    assert row["p99_ms"] is None
    assert "too few" in row["p99_missing"]


def test_given_levels_come_in_order():
    chooser = choice.Chooser(whole_plan(levels={"doses_ms": [100, 200]}))
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


def test_transactions_lost_while_settling_count_for_the_design():
    """The windows have 306 rejected transactions; with the seconds between, it is 500 of 500."""
    chooser = choice.Chooser(whole_plan())
    known = rows(0, 1) + rows(100, 3) + rows(200, 150)
    assert chooser.next(known, 500).dose_ms is None


def test_no_more_levels_are_chosen_than_allowed():
    chooser = choice.Chooser(whole_plan(levels={"max_count": 1}))
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
        journal["chaos_go"] = {"schema": 2, "faults": [], "ladders": [ladder]}
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
def test_an_incomplete_curve_is_inconclusive(stopped):
    judged = judge(journal_of(ladder_of(stopped)))
    assert judged.outcome == "inconclusive"
    assert "because" in judged.reasons[0]


@pytest.mark.parametrize("ladders", [{"ladders": []}, {}])
def test_a_ladder_without_a_record_measured_nothing(ladders):
    journal = journal_of(ladder_of())
    journal["chaos_go"] = {"schema": 2, "faults": []} | ladders
    judged = judge(journal)
    assert judged.outcome == "inconclusive"
    assert "no record of what the ladder measured" in judged.reasons[0]


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
def test_a_ladder_without_the_evidence_control_is_not_held(status, outcome):
    judged = judge(journal_of({}, status, with_evidence=False))
    assert judged.outcome == outcome
    assert "chaos_go.controls.evidence" in judged.reasons[0]


# Whole ladders


class Shop(World):
    """A world in which each dose costs a share of the transactions.

    Attributes:
        risk: The share of the transactions that each dose costs.
        log: What started and what ended, in order.
        lives: A function that gets every fault when it is armed, and may change it.
    """

    def __init__(self, monkeypatch):
        super().__init__(monkeypatch)
        self.risk = lambda dose_ms: dose_ms / 1000
        self.log = []
        self.lives = lambda lease: None

    def hold(self, places, spec, *scope, **more):
        held = super().hold(places, spec, *scope, **more)
        for lease in held.leases:
            self.log.append(("begins", spec.kind, spec.id))
            lease.stop = self.logged(lease, lease.stop)
            if spec.kind == "http":
                self.lives(lease)
        return held

    def logged(self, lease, stop):
        def stop_and_log(timeout_s=5.0):
            self.log.append(("ends", lease.spec.kind, lease.id))
            return stop(timeout_s)

        return stop_and_log

    def dose_ms(self):
        details = [fault.spec.detail for fault in self.doses() if fault.state == "armed"]
        doses = [x.wait_ms if hasattr(x, "wait_ms") else x.delay.delay_ms for x in details]
        return max(doses, default=0)

    def doses(self):
        return [fault for fault in self.faults() if fault.spec.kind != "load"]

    def deliver(self, to, number):
        n = round(to.spec.detail.rate_rps)
        k = round(n * self.risk(self.dose_ms()))
        self.delivers = {"sent": n, "impact_n": n, "impact": k}
        super().deliver(to, number)


@pytest.fixture
def shop(monkeypatch):
    shop = Shop(monkeypatch)
    yield shop
    shop.stop_all()


def climb(doses_ms=(100, 200), count=2, length_s=1, settle_s=0, rate_rps=100, **arguments):
    """Measure a short ladder that reaches no limit, unless the arguments say otherwise."""
    given = {
        "fault": slow(),
        "load": LOAD | {"rate_rps": rate_rps},
        "levels": {"doses_ms": list(doses_ms)},
        "windows": {"count": count, "length_s": length_s, "settle_s": settle_s},
        "limits": {},
        **arguments,
    }
    given["limits"] = {"impacted": 100_000, "extra_risk": 1.0} | given["limits"]
    return measure(budget=0.02, **given)


def seen(ladder):
    return [(row["dose_ms"], row["k"]) for row in ladder["observations"]]


def test_a_ladder_goes_from_baseline_to_baseline(shop):
    shop.risk = lambda dose_ms: 0.01 + dose_ms / 1000
    ladder = climb()
    assert (ladder["stopped"], ladder["target"]) == ("levels-done", "port/8083")
    assert seen(ladder) == [
        (0, 1),
        (0, 1),
        (100, 11),
        (100, 11),
        (200, 21),
        (200, 21),
        (0, 1),
        (0, 1),
    ]
    phases = [(level["phase"], level["dose_ms"], level["k"]) for level in ladder["levels"]]
    assert phases == [
        ("baseline-before", 0, 2),
        ("dosed", 100, 22),
        ("dosed", 200, 42),
        ("baseline-after", 0, 2),
    ]
    assert ladder["impacted"] == 5 * (11 + 21)  # two windows, and three seconds before and between
    assert [level.get("fault") for level in ladder["levels"]] == [
        None,
        "ladder-2-100-ms",
        "ladder-3-200-ms",
        None,
    ]
    assert {fault.state for fault in shop.faults()} == {"ended"}


def test_the_fault_of_a_level_is_there_before_its_load_and_ends_after_it(shop):
    climb(doses_ms=[100], p99_load={"url": URL, "rate_rps": 400})
    level = [entry for entry in shop.log if entry[2] == "ladder-2-100-ms"]
    begins, ends = (shop.log.index(entry) for entry in level)
    assert shop.log[begins : ends + 1] == [
        ("begins", "http", "ladder-2-100-ms"),
        ("begins", "load", "ladder"),
        ("begins", "load", "ladder-p99"),
        ("ends", "load", "ladder-p99"),
        ("ends", "load", "ladder"),
        ("ends", "http", "ladder-2-100-ms"),
    ]


def test_the_abort_level_is_judged_by_an_interval_of_its_own_confidence(shop):
    """30 % of 300 are above 24.5 % with a confidence of 95 %, and not with one of 99 %."""
    shop.risk = lambda dose_ms: 0.3 if dose_ms else 0.0
    assert stats.proportion_interval(90, 300, 0.95).low > 0.245
    assert stats.proportion_interval(90, 300, 0.99).low < 0.245
    ladder = climb(doses_ms=[100, 200], count=3, limits={"extra_risk": 0.245})
    assert ladder["stopped"] == "levels-done"
    assert len(seen(ladder)) == 12


def test_a_level_that_is_clearly_above_the_abort_level_ends_at_once(shop):
    shop.risk = lambda dose_ms: 0.5 if dose_ms else 0.0
    ladder = climb(doses_ms=[100, 200], count=2, length_s=9, limits={"extra_risk": 0.245})
    assert ladder["stopped"] == "abort"
    assert "is above 24.50%" in ladder["why"]
    dosed = [row for row in ladder["observations"] if row["dose_ms"]]
    assert [(row["dose_ms"], row["seconds"], row["k"]) for row in dosed] == [(100, 1, 50)]
    assert ladder["levels"][-1]["phase"] == "baseline-after"


def test_earlier_windows_of_a_level_count_for_its_abort_too(shop):
    """At 30 % of 200 no single second is clearly above; all seconds of the level together are."""
    shop.risk = lambda dose_ms: 0.3 if dose_ms else 0.0
    assert stats.proportion_interval(60, 200, 0.99).low < 0.245
    ladder = climb(doses_ms=[100], count=9, rate_rps=200, limits={"extra_risk": 0.245})
    assert ladder["stopped"] == "abort"
    assert 2 < len([row for row in ladder["observations"] if row["dose_ms"]]) < 9


def test_no_more_transactions_are_lost_than_allowed(shop):
    """At the first dose 90 are lost in nine seconds, so that three seconds of the next are left."""
    shop.risk = lambda dose_ms: 0.1 if dose_ms else 0.05
    ladder = climb(doses_ms=[100, 200, 300], count=4, limits={"impacted": 120})
    assert ladder["stopped"] == "max-impacted"
    assert ladder["why"] == "120 of 120 impacted transactions"
    assert ladder["impacted"] == 120
    assert [dose_ms for dose_ms, _ in seen(ladder)] == [0] * 4 + [100] * 4 + [200] + [0] * 4


def test_what_is_lost_while_the_dose_settles_counts_too(shop):
    shop.risk = lambda dose_ms: 0.1 if dose_ms else 0.05
    ladder = climb(doses_ms=[100], settle_s=30, limits={"impacted": 60})
    assert ladder["stopped"] == "max-impacted"
    assert ladder["impacted"] == 60
    assert [dose_ms for dose_ms, _ in seen(ladder)] == [0] * 4
    assert [level["n"] for level in ladder["levels"]] == [200, 0, 200]


def test_no_further_load_starts_after_too_many_were_lost(shop):
    shop.risk = lambda dose_ms: 0.1 if dose_ms else 0.0
    ladder = climb(rate_rps=[100, 200], limits={"impacted": 15})
    assert ladder["stopped"] == "max-impacted"
    assert {row["load_rps"] for row in ladder["observations"]} == {100}


GUARD = {"name": "well", "provider": {"type": "python", "module": "tiny", "func": "number"}}
WITHIN = {"type": "range", "range": [0, 5]}


def guarded(numbers, **changes):
    tiny.numbers[:] = numbers
    return {"limits": {"guard": GUARD | {"tolerance": WITHIN} | changes}}


def test_a_guard_that_holds_stops_nothing_and_is_run_around_every_window(shop):
    ladder = climb(doses_ms=[100], **guarded([1.0] * 9))
    assert ladder["stopped"] == "levels-done"
    assert tiny.numbers == []  # before the first window and after each of two, at three levels


def test_a_guard_outside_its_tolerance_stops_the_ladder(shop):
    ladder = climb(doses_ms=[100], **guarded([1.0] * 4 + [9.0]))
    assert ladder["stopped"] == "guard"
    assert ladder["why"].startswith("guard 'well' = 9.0, outside its tolerance")
    assert [dose_ms for dose_ms, _ in seen(ladder)] == [0, 0, 100]
    assert {fault.state for fault in shop.faults()} == {"ended"}


def test_a_guard_that_cannot_be_measured_stops_the_ladder_before_any_dose(shop):
    ladder = climb(doses_ms=[100], **guarded([-1.0]))
    assert ladder["stopped"] == "guard"
    assert ladder["why"].startswith("guard 'well' could not be measured: ")
    assert "too few requests" in ladder["why"]
    assert seen(ladder) == []
    assert shop.doses() == []


def test_a_guard_that_can_no_longer_be_measured_under_a_dose_ends_that_dose(shop):
    ladder = climb(doses_ms=[100, 200], **guarded([1.0] * 4 + [-1.0]))
    assert ladder["stopped"] == "guard"
    assert [fault.id for fault in shop.doses()] == ["ladder-2-100-ms"]
    assert {fault.state for fault in shop.faults()} == {"ended"}


@pytest.mark.parametrize("tolerance", [WITHIN, {"type": "regex", "pattern": "x"}, [0, 5]])
def test_a_guard_whose_value_cannot_be_judged_is_breached(tolerance):
    given = {"provider": {**GUARD["provider"], "func": "act"}, "tolerance": tolerance}
    assert guard.breach(guard.check(GUARD | given)).startswith(
        "guard 'well' = {'id': 'f'} could not be judged: "
    )


def test_a_guard_whose_value_is_not_a_number_is_breached():
    tiny.numbers[:] = [math.nan]
    assert "could not be judged" in guard.breach(guard.check(GUARD | {"tolerance": WITHIN}))


def test_windows_of_a_fault_without_effect_are_no_observations(shop):
    def touches_nothing(lease):
        lease.effect = lease.id != "ladder-3-200-ms"

    shop.lives = touches_nothing
    with pytest.raises(NoEffectError, match="'ladder-3-200-ms' at port/8083 touched nothing"):
        climb()
    kept = records()[-1].as_json()
    assert kept["stopped"] == "error"
    assert [dose_ms for dose_ms, _ in seen(kept)] == [0, 0, 100, 100]
    assert [(x["dose_ms"], x["k"]) for x in kept["inconclusive"]] == [(200, 20), (200, 20)]
    assert all("touched nothing" in x["reason"] for x in kept["inconclusive"])
    assert (kept["levels"][-1]["n"], kept["levels"][-1]["k"]) == (0, 0)


@pytest.mark.parametrize(
    ("state", "reason", "problem", "why"),
    [
        ("ended", "deadline", "", "deadline"),
        ("ended", "lease", "", "lease"),
        ("lost", "", "killed by SIGKILL", "killed by SIGKILL"),
    ],
)
def test_windows_of_a_fault_that_ended_by_itself_are_no_observations(
    shop, state, reason, problem, why
):
    def ends_early(lease):
        def end():
            lease.end(reason, shop.time.now(), state)
            lease.problem = problem

        shop.time.at(shop.time.now() + 1.2, end)

    shop.lives = ends_early
    with pytest.raises(AgentLostError, match=f"did not last until its level was over: {why}"):
        climb(doses_ms=[100])
    kept = records()[-1].as_json()
    assert [dose_ms for dose_ms, _ in seen(kept)] == [0, 0]
    assert {x["dose_ms"] for x in kept["inconclusive"]} == {100}


def test_an_interruption_undoes_the_fault_and_keeps_what_was_measured(shop):
    def interrupt(lease):
        def stop():
            raise KeyboardInterrupt

        shop.time.at(shop.time.now() + 2.2, stop)

    shop.lives = interrupt
    with pytest.raises(KeyboardInterrupt):
        climb(doses_ms=[100])
    assert records()[-1].stopped == "interrupted"
    assert {fault.state for fault in shop.faults()} == {"ended"}


def test_every_rate_has_a_ladder_of_its_own(shop):
    ladder = climb(doses_ms=[100], rate_rps=[100, 200])
    order = [(row["load_rps"], row["dose_ms"]) for row in ladder["observations"]]
    one = [(100, dose_ms) for dose_ms in (0, 0, 100, 100, 0, 0)]
    assert order == one + [(200, dose_ms) for _, dose_ms in one]


def test_the_dose_may_be_any_argument_in_milliseconds(shop):
    climb(doses_ms=[20, 40], fault=slow(delay_ms=50, seed=7), dose="jitter_ms")
    delays = [fault.spec.detail.delay for fault in shop.doses()]
    assert [(delay.delay_ms, delay.jitter_ms) for delay in delays] == [(50, 20), (50, 40)]
    assert {fault.spec.detail.seed for fault in shop.doses()} == {7}


@pytest.fixture
def table(monkeypatch, shop):
    """Use faults of another kind on real leases, and the loads of the shop."""
    for table in dice.known(monkeypatch):
        shop.doses = table.holder.faults
        yield table


def test_a_fault_of_another_module_with_a_dose_of_another_name(table, shop):
    fault = {"module": "dice", "func": "roll", "arguments": {"sides": 20}}
    ladder = climb(fault=fault, dose="wait_ms")
    assert seen(ladder) == [
        (0, 0),
        (0, 0),
        (100, 10),
        (100, 10),
        (200, 20),
        (200, 20),
        (0, 0),
        (0, 0),
    ]
    rolled = [fault.spec.detail for fault in table.holder.faults()]
    assert [(x.wait_ms, x.sides) for x in rolled] == [(100, 20), (200, 20)]
    assert {fault.state for fault in table.holder.faults()} == {"ended"}
    assert [level.get("said") for level in ladder["levels"]] == [
        None,
        "4 of 9 dice fell",
        "4 of 9 dice fell",
        None,
    ]
    assert ladder["fault"] == {"module": "dice", "func": "roll", "dose": "wait_ms"}


def test_a_fault_of_another_module_that_touches_nothing(table):
    table.places, table.falls = ["table", "floor"], {"table": 0, "floor": 0}
    fault = {"module": "dice", "func": "roll"}
    with pytest.raises(NoEffectError, match="dice fell.*; roll them"):
        climb(fault=fault, dose="wait_ms")
    assert {dose_ms for dose_ms, _ in seen(records()[-1].as_json())} == {0}


@pytest.mark.parametrize(
    ("fault", "dose", "field", "word"),
    [
        ({"arguments": {"side": 6}}, "wait_ms", "fault.arguments.side", "known are duration_s"),
        ({}, "delay_ms", "dose", "in milliseconds: wait_ms"),
        ({"func": "known"}, "wait_ms", "dose", "in milliseconds: none"),
        ({"func": "KIND"}, "wait_ms", "fault.func", "no such action"),
    ],
)
def test_arguments_of_another_module_are_looked_up_there(table, shop, fault, dose, field, word):
    with pytest.raises(BadInputError, match=word) as caught:
        climb(fault={"module": "dice", "func": "roll", **fault}, dose=dose)
    assert caught.value.field == field
    assert shop.held == []


def test_every_dose_hits_the_same_places_although_no_seed_is_given():
    fault = slow(target="port/8081,8082,8083", scope={"places": 1})
    dosed = dose.read(fault, "delay_ms")
    assert dosed.arguments["seed"] > 0
    assert dosed.with_dose(5, 1, "a")["seed"] == dosed.with_dose(9, 1, "b")["seed"]
    seeds = {dose.read(fault, "delay_ms").arguments["seed"] for _ in range(9)}
    assert len(seeds) > 1  # another one for each ladder
    given = slow(target="port/8081,8082", scope={"places": 1}, seed=7)
    assert dose.read(given, "delay_ms").arguments["seed"] == 7
    assert "seed" not in dose.read(slow(), "delay_ms").arguments
