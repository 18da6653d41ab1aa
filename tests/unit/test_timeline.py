"""What is drawn of a run, and that it is a picture."""

import math
import struct

import pytest
from journals import START, journal_of, second

from chaos_go.errors import BadInputError
from chaos_go.report import timeline

FAULT = {"id": "users-503", "armed_unix_s": START + 8.5, "ended_unix_s": START + 14.5}


def only(journal):
    (load,) = timeline.series(journal)
    return load


def test_p99_is_of_the_last_five_seconds():
    slow = (10.0,) * 38 + (700.0,) * 2
    load = only(journal_of([second(n, slow if n == 6 else (10.0,) * 40) for n in range(12)]))
    assert load.unix_s == [START + 5 + n for n in range(8)]
    # 2 of 200 requests are slow: rank 198 of 200 is the last of the quick ones, with 3 it is not.
    assert all(abs(value - 10) < 0.05 for value in load.p99_ms)
    slow = (10.0,) * 37 + (700.0,) * 3
    load = only(journal_of([second(n, slow if n == 6 else (10.0,) * 40) for n in range(12)]))
    assert [round(value, -1) for value in load.p99_ms] == [10, 10, 700, 700, 700, 700, 700, 10]


def test_dropped_requests_count_as_timed_out_ones():
    load = only(journal_of([second(n, dropped=4) for n in range(5)]))
    assert load.p99_ms == [pytest.approx(2000, rel=0.004)]


def test_errors_are_5xx_timeouts_and_connection_errors():
    bad = second(0, statuses={"200": 20, "404": 10, "503": 5}, timeouts=3, connection_errors=2)
    load = only(journal_of([bad, *(second(n) for n in range(1, 5))]))
    assert load.error_rate == [10 / 200]


def test_seconds_without_requests_are_gaps():
    load = only(journal_of([second(n, ()) for n in range(5)]))
    assert math.isnan(load.p99_ms[0])
    assert math.isnan(load.error_rate[0])


def test_a_png_is_800_pixels_wide(tmp_path):
    path = tmp_path / "run.png"
    timeline.draw(journal_of([second(n) for n in range(20)], (FAULT,)), str(path))
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">I", head[16:20]) == (800,)


def test_a_picture_names_fault_load_limit_and_window(tmp_path):
    path = tmp_path / "run.svg"
    timeline.draw(journal_of([second(n) for n in range(20)], (FAULT,)), str(path))
    picture = path.read_text()
    for text in ("fault users-503", "checkout", "limit 500", "last 5 s (ms)", "Does it hold?"):
        assert f"<!-- {text}" in picture or f"{text} -->" in picture, text


def test_the_same_run_gives_the_same_picture(tmp_path):
    journal = journal_of([second(n) for n in range(20)], (FAULT,))
    for name in ("a.svg", "b.svg"):
        timeline.draw(journal, str(tmp_path / name))
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_fault_that_never_ended_is_shaded_to_the_end(tmp_path):
    path = tmp_path / "run.svg"
    fault = FAULT | {"ended_unix_s": None}
    timeline.draw(journal_of([second(n) for n in range(20)], (fault,)), str(path))
    assert "fault users-503" in path.read_text()


@pytest.mark.parametrize(
    ("journal", "fix"),
    [
        ({}, "drive one by chaos_go.controls.traffic"),
        (journal_of([second(n) for n in range(4)]), "no load of 5 s or more"),
        (journal_of([{"start_unix_s": 1}] * 9), "field is missing"),
        ({"chaos_go": {"traffic": {"checkout": {}}}}, "not what chaos_go.controls.traffic"),
    ],
)
def test_nothing_to_draw(journal, fix, tmp_path):
    with pytest.raises(BadInputError, match=fix):
        timeline.draw(journal, str(tmp_path / "run.png"))


def test_other_kinds_of_pictures_are_refused(tmp_path):
    with pytest.raises(BadInputError, match=r"run\.gif.*\.png or \.svg"):
        timeline.draw(journal_of([second(n) for n in range(9)]), str(tmp_path / "run.gif"))
