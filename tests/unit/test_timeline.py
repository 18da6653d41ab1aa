"""The picture of a run."""

import struct

import pytest
from journals import START, journal_of

from chaos_go.errors import BadInputError
from chaos_go.report import timeline
from chaos_go.traffic.series import Series

FAULT = {"id": "users-503", "armed_unix_s": START + 8.5, "ended_unix_s": START + 14.5}
LOAD = Series("checkout", 7, tuple(START + 7 + n for n in range(14)), (10.0,) * 14, (0.0,) * 14)


def draw(path, *faults, loads=(LOAD,)):
    timeline.draw(journal_of([], faults), loads, str(path))


def test_a_png_is_800_pixels_wide(tmp_path):
    path = tmp_path / "run.png"
    draw(path, FAULT)
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">I", head[16:20]) == (800,)


def test_a_picture_names_fault_load_limit_and_window(tmp_path):
    path = tmp_path / "run.svg"
    draw(path, FAULT)
    picture = path.read_text()
    for text in ("fault users-503", "checkout", "limit 500", "last 7 s (ms)", "Does it hold?"):
        assert f"<!-- {text}" in picture or f"{text} -->" in picture, text


def test_the_same_run_gives_the_same_picture(tmp_path):
    for name in ("a.svg", "b.svg"):
        draw(tmp_path / name, FAULT)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_fault_that_never_ended_is_shaded_to_the_end(tmp_path):
    path = tmp_path / "run.svg"
    draw(path, FAULT | {"ended_unix_s": None})
    assert "fault users-503" in path.read_text()


def test_other_kinds_of_pictures_are_refused(tmp_path):
    with pytest.raises(BadInputError, match=r"run\.gif.*\.png or \.svg"):
        draw(tmp_path / "run.gif")
