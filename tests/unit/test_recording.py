"""Windows of a recording are complete, fresh and on time, or an error has the numbers."""

import logging

import pytest
from fake_load import START, FakeLease, Timeline, arrives, fault_of, load_spec, second

from chaos_go.agent.contract import Spec
from chaos_go.errors import NotEnoughDataError
from chaos_go.faults.http import HTTP
from chaos_go.traffic.recording import Recording


class Rig:
    """A recording whose seconds arrive half a second after they ended, until told otherwise."""

    def __init__(self):
        self.time = Timeline()
        self.lease = FakeLease(load_spec())
        self.recording = Recording("checkout", fault_of(self.lease), self.time)

    def deliver(self, numbers, delay_s=0.5, **counters):
        for number in numbers:
            record = second(number, **counters)
            self.time.at(START + number + 1 + delay_s, lambda r=record: arrives(self.lease, r))
        return self


@pytest.fixture
def rig():
    return Rig()


def test_last_takes_the_newest_whole_seconds_and_waits_for_the_newest(rig):
    rig.deliver(range(20))
    rig.time.go_to(START + 10.2)
    window = rig.recording.last(5)
    assert (window.start_unix_s, window.end_unix_s) == (START + 5, START + 10)
    assert [s.start_unix_s for s in window.seconds] == [START + n for n in range(5, 10)]
    assert rig.time.now() == START + 10.5


def test_just_started_it_waits_until_the_window_is_full_and_says_so(rig, caplog):
    rig.deliver(range(40))
    with caplog.at_level(logging.INFO, logger="chaostoolkit"):
        window = rig.recording.last(30)
    assert (window.start_unix_s, len(window.seconds)) == (START, 30)
    assert rig.time.now() == pytest.approx(START + 30.5)
    assert "waiting until it has 30 s of data" in caplog.text


def test_a_wait_of_two_seconds_is_not_logged(rig, caplog):
    rig.deliver(range(20))
    rig.time.go_to(START + 8.2)
    with caplog.at_level(logging.INFO, logger="chaostoolkit"):
        rig.recording.last(10)
    assert caplog.text == ""


def test_a_fraction_of_a_second_is_cut_off(rig):
    rig.deliver(range(20)).time.go_to(START + 10.9)
    assert len(rig.recording.last(3.9).seconds) == 3


@pytest.mark.parametrize(
    ("start", "end", "first", "count"),
    [(3.0, 6.0, 3, 3), (3.1, 6.0, 4, 2), (3.0, 5.9, 3, 2), (2.5, 6.5, 3, 3)],
)
def test_between_takes_only_seconds_that_lie_inside(rig, start, end, first, count):
    rig.deliver(range(20)).time.go_to(START + 15)
    window = rig.recording.between(START + start, START + end)
    assert [s.start_unix_s - START for s in window.seconds] == list(range(first, first + count))


def test_a_window_without_a_whole_second_is_refused(rig):
    rig.deliver(range(20)).time.go_to(START + 15)
    with pytest.raises(NotEnoughDataError, match=r"window of 1\.5 s holds no whole second"):
        rig.recording.between(START + 3.2, START + 4.7)


def test_a_window_from_before_the_load_is_refused(rig):
    rig.deliver(range(20)).time.go_to(START + 15)
    with pytest.raises(NotEnoughDataError, match="began 4 s after the window did"):
        rig.recording.between(START - 4, START + 8)


def test_nothing_arrives_at_all(rig):
    with pytest.raises(NotEnoughDataError, match=r"has not delivered a second .* 8\.0 s ago"):
        rig.recording.last(5)
    assert rig.time.now() == pytest.approx(START + 1 + 2 * 2 + 3)


def test_stale_data_is_refused_after_two_timeouts_and_slack(rig):
    rig.deliver(range(8)).time.go_to(START + 12)
    with pytest.raises(NotEnoughDataError, match=r"newest second is of 11\.0 s ago.*= 7 s"):
        rig.recording.last(5)
    assert rig.time.now() == pytest.approx(START + 12 + 2 * 2 + 3)


def test_data_that_is_long_stale_is_refused_at_once(rig):
    rig.deliver(range(8)).time.go_to(START + 60)
    with pytest.raises(NotEnoughDataError, match="stale"):
        rig.recording.between(START + 5, START + 20)
    assert rig.time.now() == START + 60


def test_the_last_second_may_come_as_late_as_its_timeouts_allow(rig):
    rig.deliver(range(20), delay_s=6.9).time.go_to(START + 12)
    assert len(rig.recording.last(5).seconds) == 5


def test_a_load_that_died_is_refused_without_waiting(rig):
    rig.deliver(range(8)).time.go_to(START + 9)
    rig.lease.end("", START + 9, state="lost")
    with pytest.raises(NotEnoughDataError, match=r"ended \(lost\) after 8 s of data; 9 s are"):
        rig.recording.last(5)
    assert rig.time.now() == START + 9


def test_a_load_that_dies_while_somebody_waits(rig):
    rig.deliver(range(8)).time.go_to(START + 9)
    rig.time.at(START + 9.7, lambda: rig.lease.end("lease", START + 9.7))
    with pytest.raises(NotEnoughDataError, match=r"ended \(lease\)"):
        rig.recording.last(5)
    assert rig.time.now() == pytest.approx(START + 9.7)


def test_seconds_that_arrived_before_the_load_died_can_be_read(rig):
    rig.deliver(range(8)).time.go_to(START + 9)
    rig.lease.end("stop", START + 9)
    assert len(rig.recording.between(START + 2, START + 8).seconds) == 6


def test_missing_seconds_are_refused(rig):
    rig.deliver([0, 1, 2, 5, 6, 7]).time.go_to(START + 9)
    with pytest.raises(NotEnoughDataError, match="2 of 6 seconds of the window are missing"):
        rig.recording.between(START + 1, START + 7)
    assert "2 seconds are missing" in rig.recording.problem()


@pytest.mark.parametrize(("late", "dropped"), [(2, 0), (0, 2), (1, 1)])
def test_more_than_one_percent_late_or_dropped_is_refused(rig, late, dropped):
    rig.deliver(range(10), sent=100 - dropped, late=late, dropped=dropped).time.go_to(START + 10.9)
    words = f"{late * 5} late and {dropped * 5} dropped of 500 requests are more than 1%"
    with pytest.raises(NotEnoughDataError, match=words):
        rig.recording.last(5)
    assert "more than 1%" in rig.recording.problem()
    assert ("too busy" if late else "max_in_flight") in rig.recording.problem()


def test_one_percent_late_is_accepted(rig):
    rig.deliver(range(10), late=1).time.go_to(START + 10.9)
    assert rig.recording.last(5).total("late") == 5
    assert rig.recording.problem() == ""


def test_a_window_in_which_nothing_was_due_is_refused(rig):
    rig.deliver(range(10), sent=0).time.go_to(START + 10.9)
    with pytest.raises(NotEnoughDataError, match="no request was due in 5 s"):
        rig.recording.last(5)


def test_the_record_says_that_the_load_ended_early(rig):
    rig.deliver(range(3)).time.go_to(START + 5)
    rig.lease.end("deadline", START + 5)
    assert "ended (deadline) after 3 s" in rig.recording.problem()


def test_a_fault_that_is_not_a_load_has_no_recording(rig):
    http = Spec(id="x", kind="http", duration_s=1.0, detail=HTTP(percentage=1.0))
    with pytest.raises(TypeError, match="name=x: the spec is not one of a load"):
        Recording("x", fault_of(FakeLease(http)), rig.time)


def test_every_error_is_one_line(rig):
    with pytest.raises(NotEnoughDataError) as raised:
        rig.recording.last(5)
    assert "\n" not in str(raised.value)
