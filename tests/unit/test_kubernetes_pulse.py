"""Times in which the API server did not answer are noted, and what they may hide."""

import time

import pytest
from api_server import serving

from chaos_go.kubernetes import pulse
from chaos_go.kubernetes.pulse import Gap, Pulse


@pytest.mark.parametrize(
    ("gap", "at", "hidden"),
    [
        (Gap(10, 20), 9.9, False),
        (Gap(10, 20), 10, True),
        (Gap(10, 20), 21, True),  # watches connect again
        (Gap(10, 20), 22, False),
        (Gap(10, None), 99, True),
    ],
)
def test_what_a_gap_hides(gap, at, hidden):
    assert gap.hides(at) == hidden


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(pulse, "_EVERY_S", 0.05)
    monkeypatch.setattr(pulse, "_LONGEST_SILENCE_S", 0.3)


@pytest.mark.parametrize("silence", ["503", "no answer", "slow"])
def test_a_gap_begins_with_the_last_answer_and_ends_with_the_next(fast, silence):
    until_s = [0.0]

    def answer(asked, out):
        if time.monotonic() >= until_s[0]:
            out.json({}, 403)  # an answer, too
        elif silence == "503":
            out.json({}, 503)
        elif silence == "slow":
            time.sleep(until_s[0] - time.monotonic())
            out.json({})
        else:
            out.hang_up()

    with serving(answer) as server:
        found = Pulse(server.client())
        time.sleep(0.6)
        assert found.gaps() == ()
        began = time.time()
        until_s[0] = time.monotonic() + 1
        time.sleep(0.7)
        (open_gap,) = found.gaps()
        assert open_gap.to_unix_s is None
        time.sleep(0.8)
        (gap,) = found.gaps()
        found.stop()
    assert gap.from_unix_s == open_gap.from_unix_s == pytest.approx(began, abs=0.3)
    assert gap.to_unix_s == pytest.approx(began + 1, abs=0.4)


def test_what_is_stopped_finds_no_more_gaps(fast):
    with serving(lambda asked, out: out.json({})) as server:
        found = Pulse(server.client())
        time.sleep(0.2)
        found.stop()
    time.sleep(0.5)
    assert found.gaps() == ()
