"""Numbers in the sentences about an answer."""

import pytest

from chaos_go.sla.answer import P99Limit, Threshold
from chaos_go.sla.words import exact, percent, sentence


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.0, "0 %"),
        (0.0001, "0.01 %"),
        (0.0123456, "1.23 %"),
        (0.95, "95 %"),
        (0.9949, "99.5 %"),
        (0.9995, "99.95 %"),
        (0.9999, "99.99 %"),
        (0.99999, "99.999 %"),
        (1 - 1e-12, "99.9999999999 %"),
        (1.0, "100 %"),
    ],
)
def test_only_a_fraction_of_1_is_printed_as_100_percent(fraction, text):
    assert percent(fraction) == text


@pytest.mark.parametrize("text", ["300", "0.25", "99.999999", "1234567.25", "1e+15"])
def test_a_number_that_was_given_keeps_its_digits(text):
    assert exact(float(text)) == text


def told(estimate_ms, flags, p99=None):
    verdict = "bounded" if estimate_ms else "lower-bound-only"
    return sentence(Threshold(0.01, 0.95, estimate_ms, None, None, 200.0, verdict, flags, (), p99))


def test_the_reason_for_a_missing_estimate_is_given():
    assert "at or below 200 ms (the true limit may be higher: the delays did not reach it)" in told(
        None, ("no-trend", "extrapolation")
    )
    assert "(there is no best estimate: impact does not rise with the delay)" in told(
        None, ("no-trend",)
    )
    unknown = P99Limit(None, 253.0, None, 305.0)
    assert "P99 at or below 305 ms (there is no best estimate: the P99 was not measured" in told(
        271.0, (), unknown
    )
