"""When a service recovered: the first window from which on none is outside the limits."""

import math

import pytest
from fake_load import START, second

from chaos_go.errors import NotEnoughDataError
from chaos_go.traffic import over_time, recovery
from chaos_go.traffic.recording import Window
from chaos_go.traffic.recovery import BadWindow, Limits, Recovery

LIMITS = Limits(p99_ms=100.0, error_rate=0.01)


def series(*seconds, window_s=5):
    window = Window("checkout", START, START + len(seconds), 2000.0, seconds)
    return over_time.series(window, window_s)


def seconds_of(count, bad=(), **counters):
    """Return seconds of 100 requests of 20 ms; the bad ones have other counters."""
    return [second(n, **(counters if n in bad else {})) for n in range(count)]


FAILING = {"statuses": {"200": 90, "503": 10}}
SLOW = {"latency_ms": 300.0}


@pytest.mark.parametrize("counters", [FAILING, SLOW])
@pytest.mark.parametrize(
    ("bad", "value_s"),
    [
        ((), 0.0),
        ((4,), 0.6),  # the fault began within this second
        ((4, 5, 6), 2.6),
        ((5, 9), 5.6),  # the last bad second counts, although others between are good
    ],
)
def test_time_to_the_start_of_the_first_window_that_stays_good(bad, value_s, counters):
    found = recovery.find(series(*seconds_of(20, bad, **counters)), START + 4.4, LIMITS)
    assert found.recovered
    assert found.value_s == pytest.approx(value_s)
    assert (found.last_bad is None) == (bad == ())


def test_only_the_limits_that_are_given_count():
    slow = series(*seconds_of(20, (6,), **SLOW))
    assert recovery.find(slow, START + 4, Limits(error_rate=0.01)).value_s == 0
    assert recovery.find(slow, START + 4, Limits(p99_ms=100.0)).value_s == 3
    failing = series(*seconds_of(20, (6,), **FAILING))
    assert recovery.find(failing, START + 4, Limits(p99_ms=100.0)).value_s == 0


def test_an_error_limit_of_0_allows_no_error():
    one_error = seconds_of(20, (6,), statuses={"200": 99, "503": 1})
    assert recovery.find(series(*one_error), START + 4, Limits(error_rate=0.0)).value_s == 3


def test_a_service_that_has_not_recovered_has_a_lower_bound():
    found = recovery.find(series(*seconds_of(12, range(5, 12), **FAILING)), START + 4.5, LIMITS)
    last = BadWindow(START + 7, START + 12, found.last_bad.p99_ms, 0.1)
    assert found == Recovery(7.5, recovered=False, last_bad=last)


def test_a_window_without_an_answer_is_outside_any_p99_limit():
    refused = {"statuses": {}, "connection_errors": 100}
    found = recovery.find(
        series(*seconds_of(9, range(4, 9), **refused)), START + 4, Limits(p99_ms=1e6)
    )
    assert (found.recovered, found.last_bad.p99_ms, found.last_bad.error_rate) == (False, None, 1.0)


def test_what_was_outside_before_the_fault_takes_no_time():
    found = recovery.find(series(*seconds_of(12, (2,), **FAILING)), START + 4.5, LIMITS)
    assert found.value_s == 0


def test_a_window_without_requests_says_nothing():
    silent = {"statuses": {}, "sent": 0}
    with pytest.raises(NotEnoughDataError, match="each needs a request; raise rate_rps"):
        recovery.find(series(*seconds_of(9, range(3, 9), **silent)), START + 2, LIMITS)
    with pytest.raises(NotEnoughDataError, match="0 windows of 5 s"):
        recovery.find(series(*seconds_of(4)), START + 2, LIMITS)


def test_nan_is_outside():
    assert not Limits(p99_ms=5.0).hold(math.nan, 0.0)
