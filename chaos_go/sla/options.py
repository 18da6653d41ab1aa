"""Reads the options of `chaos go sla` from text; `chaos_go.sla.budget` reads the budgets."""

from chaos_go.errors import BadInputError
from chaos_go.sla import number

_LONGEST_MARGIN_MS = 1e6
_LONGEST_IMPACT = 60


def p99(text: str) -> float:
    """Read a P99 in milliseconds.

    Raises:
        BadInputError: The text is no finite number above 0.
    """
    fix = "give milliseconds, more than 0, for instance 300"
    value = _read("p99", text, fix)
    if not 0 < value < float("inf"):
        raise BadInputError("p99", text, fix)
    return value


def hop_margin(text: str) -> float:
    """Read the time that a hop needs for itself, in milliseconds.

    Raises:
        BadInputError: The text is no number, negative, or above 1e6 ms.
    """
    fix = f"give milliseconds, 0 to {_LONGEST_MARGIN_MS:.0f}, for instance 50"
    value = _read("hop-margin", text, fix)
    if not 0 <= value <= _LONGEST_MARGIN_MS:
        raise BadInputError("hop-margin", text, fix)
    return value


def buckets(text: str) -> tuple[float, ...]:
    """Read the upper bounds of a histogram's buckets in seconds, separated by commas.

    A bound may be +Inf.

    Raises:
        BadInputError: A bound is no number above 0.
    """
    fix = "give upper bounds in seconds, more than 0, separated by commas: 0.1,0.25,0.5"
    bounds = tuple(_read("buckets", part, fix) for part in text.split(","))
    for bound, part in zip(bounds, text.split(","), strict=True):
        if not bound > 0:
            raise BadInputError("buckets", part, fix)
    return bounds


def impact(text: str) -> str:
    """Return the name of the impact, as it is written into sentences and along an axis.

    Raises:
        BadInputError: The text is no name in one line, or longer than 60 characters.
    """
    if len(text) > _LONGEST_IMPACT:
        fix = f"give at most {_LONGEST_IMPACT} characters, for instance rejections"
        raise BadInputError("impact", text, fix)
    return name("impact", text, "rejections")


def name(option: str, text: str, example: str) -> str:
    """Return a name that is written into one line.

    Args:
        option: Name of the option, for the error message.
        text: The name.
        example: A valid name, for the error message.

    Raises:
        BadInputError: The text is empty, or has a line break or another non-printable character.
    """
    if not text.strip() or not text.isprintable():
        fix = f"give a name in one line, of printable characters, for instance {example}"
        raise BadInputError(option, text, fix)
    return text


def _read(option: str, text: str, fix: str) -> float:
    try:
        return number.read(text)
    except ValueError:
        raise BadInputError(option, text, number.fix(text) or fix) from None
