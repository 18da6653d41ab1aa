"""What the table of `make bench` says of figures that reach their goal, miss it, or are missing."""

from pathlib import Path

from benchmarks.table import Reach, Report, Rounds, Row

OURS = Rounds("/s", [90.0, 100.0, 300.0])
THEIRS = Rounds("/s", [100.0, 200.0, 100.0])


def test_a_ratio_is_that_of_the_medians_with_the_ratios_of_the_rounds():
    row = Row("requests", OURS, "peer", THEIRS, Reach(least=1.0))
    assert row.cells() == ["requests", "100 /s", "peer: 100 /s", "1.00 (0.50-3.00)", ">= 1x", "ok"]


def test_a_goal_that_is_not_reached_is_missed():
    assert Row("requests", OURS, "peer", THEIRS, Reach(least=1.01)).missed
    assert not Row("requests", OURS, "peer", THEIRS, Reach(least=1.0)).missed
    assert Row("memory", Rounds("MB", [12.1]), reach=Reach(most=12, of="value")).missed
    assert not Row("memory", Rounds("MB", [12.0]), reach=Reach(most=12, of="value")).missed


def test_a_bound_counts_for_our_figure_even_beside_a_peer():
    row = Row("error", Rounds("ms", [5.0]), "peer", Rounds("ms", [10.0]), Reach(most=3, of="value"))
    assert row.missed


def test_a_goal_may_have_two_bounds():
    both = Reach(5787, 6214, "value")
    assert str(both) == ">= 5,787, <= 6,214"
    assert [both.met(n) for n in (5786, 5787, 6214, 6215)] == [False, True, True, False]


def test_without_a_peer_nothing_is_missed_and_the_reason_is_told():
    row = Row("requests", OURS, "HAProxy", None, Reach(least=0.9), "haproxy is missing; install it")
    report = Report([], rows=[row])
    assert not row.missed
    assert row.cells()[-1] == "not measured"
    assert report.plain().splitlines()[-1].endswith("not measured: haproxy is missing; install it")


def test_a_peer_of_nothing_gives_no_ratio():
    row = Row("added", OURS, "relay", Rounds("us", [0.0, 1.0, 1.0]), Reach(most=1.1))
    assert not row.measured
    assert row.cells()[3:] == ["", "<= 1.1x", "not measured"]


def test_a_missed_goal_is_red_on_the_page_with_its_reason(tmp_path: Path):
    missed = Row("requests", OURS, "peer", THEIRS, Reach(least=2.0), "the machine was busy")
    reached = Row("memory", Rounds("MB", [1.0]), reach=Reach(most=2, of="value"), note="unused")
    page = tmp_path / "page.md"
    Report(["2 cores"], ["bench drive"], [missed, reached]).write(page, "# Benchmarks\n")
    text = page.read_text()
    assert "| requests | 100 /s | peer: 100 /s | 1.00 (0.50-3.00) | >= 2x | 🔴 **MISSED** |" in text
    assert "- requests against peer: missed: the machine was busy" in text
    assert "unused" not in text
    assert text.endswith("```\nbench drive\n```\n")
