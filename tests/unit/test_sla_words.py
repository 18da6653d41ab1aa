"""Numbers in the sentences about an answer."""

import pytest

from chaos_go.sla.words import exact, percent


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
def test_only_all_is_a_hundred_percent(fraction, text):
    assert percent(fraction) == text


@pytest.mark.parametrize("text", ["300", "0.25", "99.999999", "1234567.25", "1e+15"])
def test_a_number_that_was_given_keeps_its_digits(text):
    assert exact(float(text)) == text
