"""P99, error rate and impact rate of a window."""

import pytest
from fake_load import START, second
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos_go.errors import NotEnoughDataError
from chaos_go.traffic import histogram, sli
from chaos_go.traffic.recording import Window

TIMEOUT_MS = 2000.0


def window_of(*seconds):
    return Window("checkout", START, START + len(seconds), TIMEOUT_MS, seconds)


def bucket(latency_ms):
    return histogram.index(round(latency_ms * 1000))


def test_p99_of_known_latencies():
    # 10 of 1000 requests take 500 ms: rank 990 is the slowest of the fast, 991 the first slow.
    slow = window_of(*[second(n, latency={bucket(20): 99, bucket(500): 1}) for n in range(10)])
    estimate = sli.latency_ms(slow)
    assert estimate.value == pytest.approx(20, rel=0.004)
    assert estimate.low == pytest.approx(20, rel=0.008)
    assert estimate.high == pytest.approx(500, rel=0.008)
    assert (estimate.n, estimate.confidence) == (1000, 0.95)
    assert not estimate.censored
    assert not estimate.high_censored


@given(st.lists(st.integers(1, 1_900_000), min_size=368, max_size=900))
@settings(max_examples=50, deadline=None)
def test_p99_is_that_of_the_sorted_values_within_a_bucket(values_us):
    counts = histogram.merge({histogram.index(v): 1} for v in values_us)
    estimate = sli.latency_ms(window_of(second(0, sent=len(values_us), latency=counts)))
    exact_ms = sorted(values_us)[-(-99 * len(values_us) // 100) - 1] / 1000
    assert estimate.value == pytest.approx(exact_ms, rel=0.004)
    assert estimate.low <= exact_ms <= estimate.high


def test_p99_that_falls_on_timeouts_is_a_lower_bound():
    timed_out = {bucket(20): 90, bucket(2001): 10}
    estimate = sli.latency_ms(
        window_of(*[second(n, timeouts=10, latency=timed_out) for n in range(10)])
    )
    assert estimate.censored
    assert estimate.value == pytest.approx(2001, rel=0.004)


def test_only_the_upper_limit_falls_on_timeouts():
    one = {bucket(20): 99, bucket(2001): 1}
    estimate = sli.latency_ms(window_of(*[second(n, timeouts=1, latency=one) for n in range(10)]))
    assert (estimate.censored, estimate.high_censored) == (False, True)


def test_dropped_requests_count_for_the_p99():
    # 995 answers in 20 ms and 9 dropped of 1004: rank 994 is an answer, rank 1000 is not.
    seconds = [second(0, sent=995, dropped=9)]
    estimate = sli.latency_ms(window_of(*seconds))
    assert estimate.n == 1004
    assert estimate.high >= TIMEOUT_MS * 0.99
    assert estimate.high_censored


def test_p99_needs_368_requests_with_a_latency():
    enough = window_of(second(0, sent=368))
    assert sli.latency_ms(enough).n == 368
    with pytest.raises(NotEnoughDataError, match=r"n=367 requests.* needs 368: make the window"):
        sli.latency_ms(window_of(second(0, sent=367)))


def test_p99_without_any_answer_reports_the_connection_errors():
    refused = second(0, sent=500, statuses={}, latency={}, connection_errors=500)
    with pytest.raises(NotEnoughDataError, match=r"n=0 .*500 connection errors"):
        sli.latency_ms(window_of(refused))


def test_error_rate_counts_5xx_timeouts_and_connection_errors():
    mixed = second(
        0,
        sent=1000,
        statuses={"200": 900, "404": 50, "499": 1, "500": 9, "503": 20},
        timeouts=15,
        connection_errors=5,
    )
    estimate = sli.error_rate(window_of(mixed))
    assert estimate.value == (9 + 20 + 15 + 5) / 1000
    assert estimate.low < estimate.value < estimate.high
    assert estimate.n == 1000


def test_no_error_is_zero_with_an_upper_limit():
    estimate = sli.error_rate(window_of(second(0, sent=300)))
    assert (estimate.value, estimate.low) == (0, 0)
    assert 0.01 < estimate.high < 0.013


def test_rates_need_72_requests():
    assert sli.error_rate(window_of(second(0, sent=72))).high < 0.05
    with pytest.raises(NotEnoughDataError, match="n=71 requests sent.* needs 72"):
        sli.error_rate(window_of(second(0, sent=71)))


def test_impact_rate_is_of_the_requests_that_could_be_judged():
    estimate = sli.impact_rate(window_of(second(0, impact=30, impact_n=90)))
    assert (estimate.value, estimate.n) == (30 / 90, 90)


def test_impact_rate_without_a_rule_is_refused():
    with pytest.raises(NotEnoughDataError, match="n=0 requests that could be judged"):
        sli.impact_rate(window_of(second(0)))


def test_detail_is_plain_json():
    window = window_of(*[second(n) for n in range(5)])
    detail = sli.as_detail(sli.latency_ms(window), window)
    assert detail["n"] == 500
    assert detail["window"] == {
        "traffic": "checkout",
        "start_unix_s": START,
        "end_unix_s": START + 5,
        "seconds": 5,
        "intended": 500,
        "sent": 500,
        "late": 0,
        "dropped": 0,
        "timeouts": 0,
        "connection_errors": 0,
    }
