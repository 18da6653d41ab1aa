"""Budgets and confidences as people write them."""

import pytest

from chaos_go.errors import BadInputError
from chaos_go.sla import budget
from chaos_go.sla.observations import Level, Observations


@pytest.mark.parametrize(
    ("text", "extra"),
    [("1%", 0.01), ("0.01", 0.01), ("1 %", 0.01), (".5%", 0.005), ("+2%", 0.02), ("99.9%", 0.999)],
)
def test_percentages_and_fractions_are_budgets(text, extra):
    assert budget.parse(text).extra == pytest.approx(extra)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1", "a percentage or a fraction? write 1%"),
        ("5", "write 5%"),
        ("0", "more than 0"),
        ("0%", "more than 0"),
        ("100%", "less than 100 %"),
        ("-1%", "more than 0"),
        ("0,5%", "no decimal comma: write 0.5%"),
        ("much", "give a number"),
        ("nan%", "more than 0"),
        ("inf", "less than 100 %"),
        ("", "give a number"),
        ("1%%", "give a number"),
    ],
)
def test_invalid_budgets_are_refused(text, says):
    with pytest.raises(BadInputError) as caught:
        budget.parse(text)
    assert says in str(caught.value)
    assert f"budget={text!r}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"), [("95", 0.95), ("95%", 0.95), ("0.9", 0.9), ("99.5", 0.995), ("50.1", 0.501)]
)
def test_confidences_are_percentages_or_fractions(text, value):
    assert budget.parse_confidence(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["1", "100", "50", "0", "0.3", "-95", "nan", "high", ""])
def test_invalid_confidences_are_refused(text):
    with pytest.raises(BadInputError, match="confidence=.*give more than 50 and less"):
        budget.parse_confidence(text)


def seen(n, k):
    return Observations((Level(0, n, k), Level(300, n, n)), True)


def test_a_budget_below_the_background_is_refused_unless_it_is_extra():
    with pytest.raises(BadInputError) as caught:
        budget.check([budget.parse("1%")], seen(1000, 50))
    assert "50 of 1000 already have impact" in str(caught.value)
    assert "write +1%" in str(caught.value)
    budget.check([budget.parse("+1%")], seen(1000, 50))
    budget.check([budget.parse("6%")], seen(1000, 50))


def test_a_background_that_may_be_below_the_budget_is_not_above_it():
    budget.check([budget.parse("10%")], seen(20, 3))


def test_if_every_transaction_has_impact_no_budget_can_be_kept():
    everywhere = Observations((Level(0, 9, 9, load_rps=5), Level(300, 9, 9, load_rps=5)), True)
    with pytest.raises(BadInputError, match="every transaction at 5 requests/s had impact"):
        budget.check([budget.parse("+1%")], everywhere)
    budget.check([budget.parse("+1%")], seen(9, 9 - 1))
