"""P99 and error rate over time, as `sli` defines them."""

import math

import pytest
from fake_load import START, second
from journals import journal_of
from journals import second as written

from chaos_go.errors import BadInputError
from chaos_go.traffic import histogram, over_time, sli
from chaos_go.traffic.recording import Window


def series(*seconds):
    return over_time.series(Window("checkout", START, START + 60, 2000.0, seconds))


def twelve(quick, slow):
    """Return 12 seconds of 40 requests of 10 ms, of which the seventh has some of 700 ms."""
    counts = {histogram.index(10_000): quick, histogram.index(700_000): slow}
    return [second(n, 40, 10.0, **({"latency": counts} if n == 6 else {})) for n in range(12)]


def test_p99_is_of_the_last_five_seconds():
    # 2 of 200 requests are slow: rank 198 of 200 is the last of the quick ones, with 3 it is not.
    load = series(*twelve(38, 2))
    assert load.unix_s == tuple(START + 5 + n for n in range(8))
    assert load.p99_ms == pytest.approx([10] * 8, rel=0.004)
    load = series(*twelve(37, 3))
    assert [round(value, -1) for value in load.p99_ms] == [10, 10, 700, 700, 700, 700, 700, 10]


def test_dropped_requests_count_as_timed_out_ones():
    load = series(*[second(n, 40, dropped=4) for n in range(5)])
    assert load.p99_ms == pytest.approx([2000], rel=0.004)


@pytest.mark.parametrize(
    ("bad", "errors"),
    [
        ({"statuses": {"200": 39, "500": 1}}, 1),  # the smallest status of an error
        ({"statuses": {"200": 39, "499": 1}}, 0),
        ({"statuses": {"200": 20, "404": 10, "503": 5}, "timeouts": 3, "connection_errors": 2}, 10),
    ],
)
def test_errors_are_those_of_the_error_rate(bad, errors):
    seconds = [second(0, 40, **bad), *(second(n, 40) for n in range(1, 5))]
    assert series(*seconds).error_rate == (errors / 200,)


def test_a_window_of_enough_requests_has_the_values_of_the_probes():
    seconds = [
        second(n, 700, 10.0 + 90 * n, statuses={"200": 690, "500": 7}, timeouts=3, dropped=n)
        for n in range(5)
    ]
    window = Window("checkout", START, START + 5, 2000.0, seconds)
    load = over_time.series(window)
    assert load.p99_ms == (sli.latency_ms(window).value,)
    assert load.error_rate == (sli.error_rate(window).value,)


def test_seconds_without_requests_are_gaps():
    load = series(*[second(n, 0, statuses={}) for n in range(5)])
    assert math.isnan(load.p99_ms[0])
    assert math.isnan(load.error_rate[0])


def test_the_loads_of_a_journal_are_read_and_those_that_are_too_short_left_out():
    journal = journal_of([written(n) for n in range(6)])
    traffic = journal["chaos_go"]["traffic"]
    traffic["short"] = traffic["checkout"] | {"seconds": [written(n) for n in range(4)]}
    (load,) = over_time.read(journal)
    assert (load.name, load.window_s, len(load.unix_s)) == ("checkout", over_time.WINDOW_S, 2)
    assert load.p99_ms == pytest.approx([10, 10], rel=0.004)


@pytest.mark.parametrize(
    ("journal", "fix"),
    [
        ({}, "drive one by chaos_go.controls.traffic"),
        ({"chaos_go": None}, "drive one by chaos_go.controls.traffic"),
        (journal_of([written(n) for n in range(4)]), "no load of 5 s or more"),
        (journal_of([{"start_unix_s": 1}] * 9), "field is missing"),
        (journal_of([written(math.nan)] * 9), "start_unix_s=nan: give a finite number"),
        (journal_of([written(n, statuses={"ok": 1}) for n in range(9)]), "invalid literal"),
        ({"chaos_go": {"traffic": {"checkout": {}}}}, "not what chaos_go.controls.traffic"),
    ],
)
def test_a_journal_without_a_load_is_refused(journal, fix):
    with pytest.raises(BadInputError, match=fix):
        over_time.read(journal)
