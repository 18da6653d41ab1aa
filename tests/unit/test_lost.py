"""Requests that were lost to a fault: which belong to it, why, and to which pod."""

import pytest
from fake_load import START, second

from chaos_go.traffic import lost
from chaos_go.traffic.contract import Failure
from chaos_go.traffic.lost import Failed
from chaos_go.traffic.recording import Window


def failing(number, *failures, **by_cause):
    """Return a second with listed failures (at_ms, took_ms, cause), and counts that exceed them."""
    listed = [Failure(at_ms=at, took_ms=took, cause=cause) for at, took, cause in failures]
    counts = dict(by_cause)
    for failure in listed:
        counts.setdefault(failure.cause, sum(x.cause == failure.cause for x in listed))
    return second(number, failures=listed, failures_by_cause=counts)


def window_of(*seconds):
    return Window("checkout", START, START + len(seconds), 2000.0, seconds)


def test_times_and_causes_of_listed_failures():
    window = window_of(second(0), failing(1, (250.0, 12.5, "reset"), (975.0, 100.0, "503")))
    assert lost.failures(window) == [
        Failed(START + 1.25, START + 1.2625, "reset"),
        Failed(START + 1.975, START + 2.075, "503"),
    ]


def test_failures_beyond_the_list_have_the_times_of_the_last_listed_one():
    window = window_of(failing(0, (10.0, 1.0, "reset"), (20.0, 5.0, "refused"), refused=41))
    failed = lost.failures(window)
    assert failed[2:] == [Failed(START + 0.02, START + 0.025, "refused", 40, is_listed=False)]
    assert lost.count(failed) == 42
    assert lost.by_cause(failed) == {"refused": 41, "reset": 1}


def test_failures_of_a_second_that_lists_none_have_its_start():
    failed = lost.failures(window_of(failing(0, timeout=7)))
    assert failed == [Failed(START, START, "timeout", 7, is_listed=False)]


@pytest.mark.parametrize(
    ("due", "failed", "counts"),
    [
        (9.0, 9.999, False),  # failed before the fault
        (9.0, 10.0, True),  # the beginning of the fault cut it
        (10.0, 10.1, True),
        (11.999, 14.0, True),  # due before the end, failed after it
        (12.0, 12.1, False),  # due at the end
    ],
)
def test_a_request_belongs_to_a_fault_during_which_it_was_under_way(due, failed, counts):
    one = Failed(due, failed, "reset")
    assert lost.during([one], 10.0, 12.0) == ([one] if counts else [])


TWO_KILLS = ((10.0, 10.6), (20.0, None))


@pytest.mark.parametrize(
    ("due", "failed", "side"),
    [
        (9.0, 9.9, "before"),
        (9.9, 10.0, "old pod"),  # the kill cut it
        (10.0, 10.0, "old pod"),
        (10.5, 12.5, "old pod"),  # sent before the replacement was Ready, timed out later
        (10.6, 10.7, "new pod"),
        (19.0, 19.9, "new pod"),
        (19.9, 20.1, "old pod"),
        (50.0, 50.1, "old pod"),  # the second replacement is not Ready yet
    ],
)
def test_the_side_of_a_request(due, failed, side):
    counts = lost.by_side([Failed(due, failed, "reset", 3)], TWO_KILLS)
    assert counts == {"before": 0, "old pod": 0, "new pod": 0, side: 3}
