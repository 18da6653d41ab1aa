"""Types of arguments, and the errors for old names."""

import inspect
import math
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed, InvalidActivity
from chaoslib.provider.python import validate_python_activity
from hypothesis import given
from hypothesis import strategies as st

from chaos_go import arguments
from chaos_go.errors import BadInputError, RenamedArgumentError


@arguments.renames({"path": "match.path", "max_connections": "connections.limit"})
def action(target: str, match: dict[str, Any], limit: int = 1) -> str:
    """Break something."""
    return f"{target} {match} {limit}"


def refusal(judge: Any, *given: Any, **bounds: Any) -> str:
    with pytest.raises(BadInputError) as error:
        judge("x", *given, **bounds)
    message = str(error.value)
    assert isinstance(error.value, ActivityFailed)
    assert "\n" not in message
    assert "hidden" not in message
    return message


NO_NUMBERS = [math.nan, math.inf, -math.inf, True, False, None, "5", [5], {"a": 1}, 10**400, 1j]


TYPED = "variable needs its env_var_type"


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_values_that_are_not_numbers_are_refused(value: object) -> None:
    assert refusal(arguments.number, value).startswith("x=")
    assert refusal(arguments.positive, value).startswith("x=")
    assert refusal(arguments.whole, value).startswith("x=")


def test_a_number_that_nobody_can_write_down() -> None:
    for judge in (arguments.number, arguments.positive, arguments.whole, arguments.text):
        assert refusal(judge, 16**5000).startswith("x=(int): give a ")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_accepted(value: float) -> None:
    assert arguments.number("x", value) == value
    assert type(arguments.number("x", 3)) is float


@pytest.mark.parametrize(
    ("judge", "value", "bounds", "message"),
    [
        ("number", 11, {"most": 10}, "x=11: give a number of at most 10"),
        ("number", 0.9, {"least": 1}, "x=0.9: give a number of at least 1"),
        ("number", -1, {"least": 0, "most": 5, "unit": "seconds"},
         "x=-1: give a number from 0 to 5 (seconds)"),
        ("number", None, {}, "x=None: give a number"),
        ("number", "5s", {"unit": "seconds"},
         "x='5s': give a number (seconds), without quotes or unit; an environment " + TYPED),
        ("positive", 0, {}, "x=0: give a number of more than 0"),
        ("positive", -0.1, {"most": 5, "unit": "seconds"},
         "x=-0.1: give a number of more than 0 and at most 5 (seconds)"),
        ("positive", 5.1, {"most": 5}, "x=5.1: give a number of more than 0 and at most 5"),
        ("whole", 1.0, {}, "x=1.0: give a whole number"),
        ("whole", 0, {"least": 1}, "x=0: give a whole number of at least 1"),
        ("whole", 7, {"least": 1, "most": 6}, "x=7: give a whole number from 1 to 6"),
    ],
)  # fmt: skip
def test_a_number_out_of_bounds_is_refused_with_its_bounds(
    judge: str, value: object, bounds: Any, message: str
) -> None:
    assert refusal(getattr(arguments, judge), value, **bounds) == message


def test_bounds_are_inclusive() -> None:
    assert arguments.number("x", 1, 5, least=1) == 1
    assert arguments.number("x", 5, 5, least=1) == 5
    assert arguments.positive("x", 5, 5) == 5
    assert arguments.whole("x", 1, 1, 1) == 1
    assert arguments.whole("x", 2**64) == 2**64


@pytest.mark.parametrize("value", [7, None, b"x", ["x"], True])
def test_values_that_are_not_texts_are_refused(value: object) -> None:
    message = f'x={value!r}: give a text; in YAML, quote it: "..."'
    assert refusal(arguments.text, value) == message
    assert refusal(arguments.filled, value) == message
    shown = type(value).__name__
    assert refusal(arguments.secret_text, value).startswith(f"x={shown!r}: give a text")


def test_texts() -> None:
    for judge in (arguments.text, arguments.filled, arguments.secret_text):
        assert judge("x", "Zoë\n") == "Zoë\n"
    assert arguments.text("x", "") == arguments.secret_text("x", "") == ""
    assert refusal(arguments.filled, "").startswith("x='': empty; ")


def test_texts_that_are_not_unicode_are_refused() -> None:
    assert refusal(arguments.text, "\udc80").startswith("x='\\udc80': not Unicode")
    assert refusal(arguments.secret_text, "hidden\udc80").startswith("x='(7 characters)': not Uni")
    assert refusal(arguments.texts, {"\udc80": "a"}).startswith("x='\\udc80': ")
    assert refusal(arguments.texts, {"a": "hidden\udc80"}).startswith("x.a='(7 characters)': not U")


@pytest.mark.parametrize("value", ["yes", "true", 1, 0, None, []])
def test_values_that_are_not_true_or_false_are_refused(value: object) -> None:
    assert refusal(arguments.flag, value) == f"x={value!r}: give true or false, without quotes"
    assert arguments.flag("x", True) is True
    assert arguments.flag("x", False) is False


@pytest.mark.parametrize("value", [None, "path: /", ["path"], 3, True])
def test_values_that_are_not_mappings_are_refused(value: object) -> None:
    message = f"x={value!r}: give a mapping with any of path, method"
    assert refusal(arguments.mapping, value, ("path", "method")) == message
    assert refusal(arguments.texts, value).endswith(': give a mapping like {"x-user": "a"}')


def test_a_possible_secret_is_not_shown_when_a_mapping_is_expected() -> None:
    message = refusal(arguments.mapping, "hidden", ("body",), secret=True)
    assert message == "x='(6 characters)': give a mapping with any of body"
    assert refusal(arguments.texts, "a: hidden").startswith("x='(9 characters)': ")
    assert refusal(arguments.texts, ["a: hidden"]).startswith("x='list': ")
    assert refusal(arguments.texts, {"a": ["hidden"]}).startswith("x.a='list': give a text")


def test_a_mapping_is_copied() -> None:
    for copy in (arguments.texts, lambda x, given: arguments.mapping(x, given, ("a",))):
        original = {"a": "b"}
        copied = copy("x", original)
        assert copied == original
        assert copied is not original


def test_an_unknown_key_is_refused_with_the_known_ones() -> None:
    message = refusal(arguments.mapping, {"path": "/", "paths": "hidden"}, ("path", "method"))
    assert message == "x.paths='paths': no such argument; known are method, path"
    assert refusal(arguments.mapping, {1: "a"}, ("path",)).startswith("x.1=1: no such argument")


def test_a_key_that_is_not_a_text_is_refused() -> None:
    assert refusal(arguments.texts, {1: "hidden"}) == (
        "x=1: give names that are texts; in YAML, quote them"
    )


# Old names


def validate(**given: Any) -> None:
    """Have Chaos Toolkit check an activity, as it does before a run."""
    provider = {"type": "python", "module": __name__, "func": "action", "arguments": given}
    validate_python_activity({"name": "a", "type": "action", "provider": provider})


def test_a_function_with_renamed_arguments_is_called_as_before() -> None:
    assert action("port/1", {"a": 1}, limit=3) == "port/1 {'a': 1} 3"
    assert list(inspect.signature(action).parameters) == ["target", "match", "limit"]
    assert inspect.signature(action).return_annotation is str
    assert action.__doc__ == "Break something."


def test_an_old_name_is_refused_with_the_new_one_and_without_its_value() -> None:
    with pytest.raises(RenamedArgumentError) as error:
        action("port/1", path="hidden")  # type: ignore[call-arg]
    assert str(error.value) == "path: this argument is now match.path"
    assert (error.value.field, error.value.value) == ("path", None)


def test_chaos_toolkit_reports_the_new_name_before_the_run() -> None:
    with pytest.raises(InvalidActivity, match=r"^path: this argument is now match\.path$"):
        validate(target="port/1", path="hidden")
    with pytest.raises(InvalidActivity, match=r"^max_connections: .* now connections\.limit$"):
        validate(target="port/1", match={}, max_connections=3)


def test_chaos_toolkit_still_checks_the_other_names() -> None:
    validate(target="port/1", match={})
    with pytest.raises(InvalidActivity, match="'match' is missing"):
        validate(target="port/1")
    with pytest.raises(InvalidActivity, match="'pattern' is not part of"):
        validate(target="port/1", match={}, pattern="x")


def test_an_old_name_inside_of_an_argument_has_its_path() -> None:
    problem = arguments.renamed_argument({"a": "b.a"}, {"x": 1, "a": 2}, "fault.arguments.")
    assert str(problem) == "fault.arguments.a: this argument is now b.a"
    assert arguments.renamed_argument({"a": "b.a"}, {"x": 1}) is None
