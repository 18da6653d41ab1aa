"""Which of a target's places are hit."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos_go.agent.place import LocalReach, Place
from chaos_go.errors import BadInputError
from chaos_go.targets import scope
from chaos_go.targets.scope import Choice, Scope

counts = st.integers(1, 300)
seeds = st.integers(1, 2**31)


def of(number: int) -> list[Place]:
    return [Place(f"port/{8000 + at}", LocalReach()) for at in range(number)]


def choose(given: object, number: int, seed: int = 0, most: float = 100.0) -> Choice:
    return scope.choose(scope.read(given), of(number), most, seed)


def names(choice: Choice) -> list[str]:
    return [place.name for place in choice.places]


def refusal(given: object, number: int = 4, most: float = 100.0) -> str:
    with pytest.raises(BadInputError) as error:
        choose(given, number, 1, most)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({}, Scope()),
        ({"places": "all"}, Scope()),
        ({"places": 3}, Scope(count=3)),
        ({"places": "50%"}, Scope(percentage=50.0)),
        ({"places": "0.5%"}, Scope(percentage=0.5)),
        ({"places": ["port/1", "port/2"]}, Scope(names=("port/1", "port/2"))),
        ({"max_percentage": 20}, Scope(max_percentage=20.0)),
        ({"places": 1, "max_percentage": 12.5}, Scope(count=1, max_percentage=12.5)),
    ],
)
def test_valid_scopes(given: object, read: Scope) -> None:
    assert scope.read(given) == read


@pytest.mark.parametrize("given", [None, [], ["port/1"], "50%", 3, True])
def test_a_scope_is_a_mapping(given: object) -> None:
    assert refusal(given).startswith("scope=")


def test_an_unknown_key_is_refused() -> None:
    assert refusal({"place": 1}) == (
        "scope.place='place': no such argument; known are max_percentage, places"
    )


@pytest.mark.parametrize(
    "places",
    [
        *(0, -1, 1.5, True, None, "", "50", "%", "0%", "-5%", "100.1%", "nan%", "inf%", "ALL"),
        *("port/1", [], [1], ["port/8000", None], {"port/8000": 1}),
    ],
)
def test_invalid_places(places: object) -> None:
    message = refusal({"places": places})
    assert message.startswith("scope.places=")
    assert message.endswith('give a number, a share like "50%", "all", or a list of names')


@pytest.mark.parametrize("most", [0, -1, 100.1, float("nan"), "50", "50%", True, None])
def test_invalid_bound(most: object) -> None:
    assert refusal({"max_percentage": most}).startswith("scope.max_percentage=")


@pytest.mark.parametrize("given", [{}, {"places": "all"}, {"places": 4}, {"places": "100%"}])
@pytest.mark.parametrize("seed", [0, 7])
def test_all_places_are_taken_in_their_order_and_nothing_is_drawn(given: object, seed: int) -> None:
    assert choose(given, 4, seed) == Choice(tuple(of(4)), {}, seed)


@given(counts, counts, seeds)
def test_a_number_of_places(number: int, wanted: int, seed: int) -> None:
    if wanted > number:
        message = f"scope.places={wanted}: the target has {number} places; give at most {number}"
        assert refusal({"places": wanted}, number) == message
        return
    choice = choose({"places": wanted}, number, seed)
    assert len(choice.places) == len(set(choice.places)) == wanted
    assert set(choice.places) <= set(of(number))
    assert sorted(names(choice)) == names(choice)  # in the order of the target
    drawn = {"of": number, "by": "draw", "seed": seed}
    assert choice.record == (drawn if wanted < number else {})
    assert choice.seed == seed


@given(counts, st.integers(1, 10_000), seeds)
@settings(max_examples=300)
def test_a_share_is_rounded_up_and_exactly_so(number: int, hundredths: int, seed: int) -> None:
    choice = choose({"places": f"{hundredths / 100}%"}, number, seed)
    assert len(choice.places) == math.ceil(Fraction(hundredths, 10_000) * number)


def test_7_percent_of_100_places_are_7() -> None:
    assert len(choose({"places": "7%"}, 100, 1).places) == 7  # 0.07 * 100 is more than 7


@given(counts, seeds)
def test_the_same_seed_chooses_the_same_places(number: int, seed: int) -> None:
    wanted = {"places": "50%"}
    assert choose(wanted, number, seed) == choose(wanted, number, seed)


def test_other_seeds_choose_other_places_and_no_place_is_left_out() -> None:
    chosen = [names(choose({"places": 1}, 4, seed))[0] for seed in range(1, 201)]
    assert set(chosen) == {place.name for place in of(4)}
    assert min(chosen.count(place.name) for place in of(4)) > 25  # of 50 in the mean


def test_without_a_seed_one_is_drawn_that_repeats_the_choice() -> None:
    drawn = [choose({"places": 15}, 30) for _ in range(5)]
    assert len({choice.seed for choice in drawn}) == 5
    for choice in drawn:
        assert 0 < choice.seed < 2**31
        assert choice.record == {"of": 30, "by": "draw", "seed": choice.seed}
        assert choose({"places": 15}, 30, choice.seed) == choice


def test_places_by_name_come_in_the_order_of_the_target() -> None:
    choice = choose({"places": ["port/8003", "port/8001", "port/8003"]}, 4, seed=7)
    assert names(choice) == ["port/8001", "port/8003"]
    assert (choice.record, choice.seed) == ({"of": 4, "by": "name"}, 7)


def test_a_name_that_no_place_has() -> None:
    assert refusal({"places": ["port/8000", "port/9"]}, 2) == (
        "scope.places='port/9': the target has no such place; it has port/8000, port/8001"
    )


@pytest.mark.parametrize(
    ("given", "number", "share"),
    [
        ({"max_percentage": 50}, 2, "2 of 2 places are 100 %"),
        ({"places": 2, "max_percentage": 50}, 3, "2 of 3 places are 67 %"),
        ({"places": "51%", "max_percentage": 50}, 100, "51 of 100 places are 51 %"),
        ({"max_percentage": 99}, 1, "1 of 1 places are 100 %"),
    ],
)
def test_a_share_that_is_larger_than_allowed_is_refused(
    given: object, number: int, share: str
) -> None:
    message = refusal(given, number)
    assert message.startswith("scope.max_percentage=")
    assert share in message
    assert "raise it, hit fewer places by scope.places, or name the places" in message


@pytest.mark.parametrize(
    ("given", "number", "count"),
    [
        ({"places": 2, "max_percentage": 50}, 4, 2),
        ({"places": 1, "max_percentage": 33.4}, 3, 1),
        ({"places": "50%", "max_percentage": 50}, 3, 2),  # exactly the bound
        ({"places": "50%", "max_percentage": 50}, 1, 1),
        ({"places": ["port/8000", "port/8001"], "max_percentage": 1}, 2, 2),  # by name
    ],
)
def test_a_share_that_is_allowed(given: object, number: int, count: int) -> None:
    assert len(choose(given, number, 1).places) == count


def test_the_bound_of_the_kind_of_target_holds_unless_the_scope_says_another() -> None:
    assert refusal({}, 4, most=50.0).startswith("scope.max_percentage=50.0: 4 of 4 places are 100")
    assert refusal({"places": 3}, 4, most=50.0).startswith("scope.max_percentage=50.0: ")
    assert len(choose({"places": 2}, 4, 1, most=50.0).places) == 2
    assert len(choose({"max_percentage": 100}, 4, 1, most=50.0).places) == 4
    assert len(choose({"places": ["port/8000"]}, 1, 1, most=50.0).places) == 1
