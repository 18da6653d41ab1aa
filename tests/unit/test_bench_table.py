"""The table of `make bench`, for figures that reach their goal, miss it, or are missing."""

from pathlib import Path

import pytest

from benchmarks.table import Reach, Report, Rounds, Row, Spread, read

OURS = Rounds("/s", [90.0, 100.0, 300.0])
THEIRS = Rounds("/s", [100.0, 200.0, 100.0])


def test_a_ratio_is_that_of_the_medians_with_the_ratios_of_the_rounds():
    row = Row("requests", OURS, "peer", THEIRS, Reach(least=1.0))
    assert row.cells() == [
        "requests",
        "100 /s (90 to 300)",
        "peer: 100 /s (100 to 200)",
        "1.00 (0.50-3.00)",
        ">= 1x",
        "ok",
    ]


def test_a_goal_that_is_not_reached_is_missed():
    assert Row("requests", OURS, "peer", THEIRS, Reach(least=1.01)).missed
    assert not Row("requests", OURS, "peer", THEIRS, Reach(least=1.0)).missed
    assert Row("memory", Rounds("MB", [12.1]), reach=Reach(most=12, of="value")).missed
    assert not Row("memory", Rounds("MB", [12.0]), reach=Reach(most=12, of="value")).missed


def test_a_bound_counts_for_our_figure_even_beside_a_peer():
    row = Row("error", Rounds("ms", [5.0]), "peer", Rounds("ms", [10.0]), Reach(most=3, of="value"))
    assert row.missed


def test_a_goal_may_count_for_every_round():
    figure = Rounds("s", [0.1, 0.3, 0.1])
    missed = Row("recovery", figure, reach=Reach(most=0.2, of="every round"))
    assert missed.cells()[-1] == "MISSED"
    assert not Row("recovery", figure, reach=Reach(most=0.2, of="value")).missed
    assert not Row("recovery", figure, reach=Reach(most=0.3, of="every round")).missed
    assert Row("share", figure, reach=Reach(least=0.2, of="every round")).missed
    exact = Row("difference", Rounds("", [0.0, 0.0]), reach=Reach(most=0, of="every round"))
    assert exact.cells() == ["difference", "0", "", "", "<= 0", "ok"]


def test_a_goal_may_have_two_bounds():
    both = Reach(5787, 6214, "value")
    assert str(both) == ">= 5,787, <= 6,214"
    assert [both.met(n) for n in (5786, 5787, 6214, 6215)] == [False, True, True, False]


def test_without_a_peer_no_goal_is_missed_and_the_reason_is_given():
    row = Row("requests", OURS, "HAProxy", None, Reach(least=0.9), "haproxy is missing; install it")
    report = Report([], rows=[row])
    assert not row.missed
    assert row.cells()[-1] == "not measured"
    assert report.plain().splitlines()[-1].endswith("not measured: haproxy is missing; install it")


def test_a_peer_with_a_figure_of_zero_gives_no_ratio():
    row = Row("added", OURS, "relay", Rounds("us", [0.0, 1.0, 1.0]), Reach(most=1.1))
    assert not row.measured
    assert row.cells()[3:] == ["", "<= 1.1x", "not measured"]


def test_a_missed_goal_is_red_on_the_page_with_its_reason(tmp_path: Path):
    missed = Row("requests", OURS, "peer", THEIRS, Reach(least=4.0), "the machine was busy")
    reached = Row("memory", Rounds("MB", [1.0]), reach=Reach(most=2, of="value"), note="unused")
    page = tmp_path / "page.md"
    Report(["2 cores"], ["bench drive"], [missed, reached]).write(page, "# Benchmarks\n")
    text = page.read_text()
    cells = "| requests | 100 /s (90 to 300) | peer: 100 /s (100 to 200) | 1.00 (0.50-3.00) | >= 4x"
    assert f"{cells} | 🔴 **MISSED** |" in text
    assert "- requests against peer: missed: the machine was busy" in text
    assert "unused" not in text
    assert text.endswith("```\nbench drive\n```\n")


def test_a_goal_that_some_rounds_reached_is_missed_within_the_noise(tmp_path: Path):
    row = Row("requests", OURS, "peer", THEIRS, Reach(least=2.0), "the machine was busy")
    assert (row.missed, row.within_noise) == (True, True)
    report = Report([], rows=[row])
    assert "missed, within the noise" in report.plain()
    report.write(tmp_path / "page.md", "")
    assert "🔴" not in (tmp_path / "page.md").read_text()
    bound = Row("added", Rounds("us", [70.0, 90.0, 95.0]), reach=Reach(most=80, of="value"))
    assert bound.within_noise
    assert not Row("memory", Rounds("MB", [12.1]), reach=Reach(most=12, of="value")).within_noise


@pytest.mark.parametrize(
    ("before", "reach", "worse"),
    [
        (Spread(1.5, 1.2, 1.6), Reach(least=0.9), True),
        (Spread(1.5, 0.9, 1.6), Reach(least=0.9), False),  # one round before was as bad as now
        (Spread(1.05, 1.03, 1.6), Reach(least=0.9), False),  # one round now is as good as before
        (Spread(0.5, 0.4, 0.6), Reach(least=0.9), False),  # it is better
        (Spread(0.5, 0.4, 0.6), Reach(most=1.1), True),
        (Spread(1.5, 1.2, 1.6), Reach(most=1.1), False),
        (Spread(1.5, 1.2, 1.6), None, False),
    ],
)
def test_a_ratio_that_is_worse_than_on_the_page_before_is_reported(before, reach, worse, tmp_path):
    ours, theirs = Rounds("/s", [98.0, 100.0, 106.0]), Rounds("/s", [100.0] * 3)
    row = Row("requests", ours, "peer", theirs, reach)
    report = Report([], rows=[row], earlier={("requests", "peer"): before})
    assert ("WORSE than" in report.plain()) == worse
    report.write(tmp_path / "page.md", "")
    assert ("🔴" in (tmp_path / "page.md").read_text()) == worse
    assert "WORSE" not in Report([], rows=[row]).plain()


def test_the_ratios_of_a_page_are_read_again(tmp_path: Path):
    row = Row("requests", OURS, "peer", THEIRS, Reach(least=1.0))
    alone = Row("memory", Rounds("MB", [1.0]), reach=Reach(most=2, of="value"))
    Report([], rows=[row, alone]).write(tmp_path / "page.md", "")
    assert read((tmp_path / "page.md").read_text()) == {("requests", "peer"): row.ratio}
    page = Path(__file__).parents[2] / "docs" / "reference" / "benchmarks.md"
    assert ("body of 1 GiB", "relay") in read(page.read_text())
