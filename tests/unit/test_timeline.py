"""The picture of a run."""

import struct

import pytest
from journals import START, journal_of
from matplotlib.figure import Figure

from chaos_go.errors import BadInputError
from chaos_go.report import pods, timeline
from chaos_go.traffic.series import Series

FAULT = {"id": "users-503", "armed_unix_s": START + 8.5, "ended_unix_s": START + 14.5}
LOAD = Series("checkout", 7, tuple(START + 7 + n for n in range(14)), (10.0,) * 14, (0.0,) * 14)
KILL = {
    "id": "users-killed",
    "armed_unix_s": START + 8.5,
    "ended_unix_s": START + 18.5,
    "ready": [
        [START + 8.5, 2, 3],
        [START + 11.0, 3, 3],
        [START + 13.5, 1, 3],
        [START + 15.0, 3, 3],
    ],
    "kills": [{"killed_unix_s": START + 8.5}, {"killed_unix_s": START + 13.5}],
}


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


def test_kills_and_ready_pods_have_a_panel(tmp_path):
    with_kills, without = tmp_path / "kills.svg", tmp_path / "none.svg"
    draw(with_kills, KILL)
    draw(without, FAULT)
    for text in ("Ready", "wanted", "pod killed", "pods"):
        assert f"<!-- {text} -->" in with_kills.read_text(), text
        assert f"<!-- {text} -->" not in without.read_text(), text


def test_the_steps_of_ready_pods_last_until_the_fault_ended():
    _, axes = drawn_pods(KILL)
    ready = next(line for line in axes.lines if line.get_label() == "Ready")
    assert list(ready.get_xdata()) == [8.5, 11.0, 13.5, 15.0, 18.5]
    assert list(ready.get_ydata()) == [2, 3, 1, 3, 3]
    assert ready.get_drawstyle() == "steps-post"
    assert pods.kill_times([KILL], START) == [8.5, 13.5]


def test_a_fault_that_never_ended_has_ready_pods_to_the_end():
    _, axes = drawn_pods(KILL | {"ended_unix_s": None})
    ready = next(line for line in axes.lines if line.get_label() == "Ready")
    assert ready.get_xdata()[-1] == 20.0


def test_the_pods_of_several_faults_are_told_apart():
    _, axes = drawn_pods(KILL, KILL | {"id": "risk-killed"})
    labels = [line.get_label() for line in axes.lines]
    assert "Ready, users-killed" in labels
    assert "Ready, risk-killed" in labels


def drawn_pods(*faults):
    figure = Figure()
    axes = figure.subplots()
    pods.draw(axes, pods.watched(journal_of([], faults)), START, START + 20.0)
    return figure, axes
