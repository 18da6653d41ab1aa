"""What the arguments of actions may be, judged before anything is started."""

import string
from collections.abc import Mapping
from typing import Any

from chaos_go.agent.contract import LONGEST_DURATION_S
from chaos_go.errors import BadInputError

_TOKEN = frozenset(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~")
_LONGEST_NAME = 100  # bytes
_LARGEST_SEED = 2**64 - 1


def number(name: str, value: Any, most: float, unit: str) -> float:
    """Return a number over 0 and at most ``most``.

    Raises:
        BadInputError: it is none of these, or no number: a text, a bool, NaN.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value <= most:
        fix = f"give a number of {unit}, more than 0 and at most {most:g}" + _text_fix(value)
        raise BadInputError(name, value, fix)
    return float(value)


def whole(name: str, value: object, least: int, most: int, what: str) -> int:
    """Return a whole number from ``least`` to ``most``.

    Raises:
        BadInputError: it is none of these, or a text, a bool or a fraction.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        fix = f"give {what}, a whole number from {least} to {most}" + _text_fix(value)
        raise BadInputError(name, value, fix)
    return value


def duration(value: object) -> float:
    """Return how long a fault lasts, in seconds, at most an hour."""
    return number("duration_s", value, LONGEST_DURATION_S, "seconds")


def seed(value: object) -> int:
    """Return a seed; 0 lets the agent draw one."""
    return whole("seed", value, 0, _LARGEST_SEED, "0 (drawn and reported by the agent) or a seed")


def text(name: str, value: object) -> str:
    """Return a text.

    Raises:
        BadInputError: it is something else.
    """
    if not isinstance(value, str):
        raise BadInputError(name, value, 'give a text; in YAML, quote it: "..."')
    return value


def flag(name: str, value: object) -> bool:
    """Return true or false.

    Raises:
        BadInputError: it is something else.
    """
    if not isinstance(value, bool):
        raise BadInputError(name, value, "give true or false" + _text_fix(value))
    return value


def hidden(value: object) -> str:
    """Return what may be said of a body or of the value of a header, which may be a secret."""
    return f"({len(value)} characters)" if isinstance(value, str) else type(value).__name__


def fault_name(value: object) -> str:
    """Return the name of a fault; "" lets one be derived."""
    name = text("name", value)
    if len(name.encode()) > _LONGEST_NAME or not all(x.isprintable() for x in name):
        raise BadInputError("name", name, f"give at most {_LONGEST_NAME} printable characters")
    return name


def method(value: object) -> str:
    """Return an HTTP method; "" is every method. Methods tell upper from lower case (RFC 9110 9.1).

    Raises:
        BadInputError: no request could have it.
    """
    name = text("method", value)
    if name and (not _is_token(name) or name != name.upper()):
        raise BadInputError("method", name, 'give one like GET, in upper case, or "" for all')
    return name


def headers(name: str, value: object) -> dict[str, str]:
    """Return a copy of a mapping of header names to texts.

    Raises:
        BadInputError: it is something else, or a name cannot be that of a header.
    """
    if not isinstance(value, Mapping):
        raise BadInputError(name, value, 'give a mapping like {"x-user": "a.*"}')
    for key, item in value.items():
        if not isinstance(key, str) or not _is_token(key):
            raise BadInputError(name, key, "not a header name; give one like x-user")
        if not isinstance(item, str) or any(x in item for x in "\r\n\0"):
            raise BadInputError(
                f"{name}.{key}", hidden(item), "give one line of text; in YAML, quote it"
            )
    return dict(value)


def _is_token(value: str) -> bool:
    """Tell a token of RFC 9110 section 5.6.2, as methods and header names are."""
    return bool(value) and _TOKEN.issuperset(value)


def _text_fix(value: object) -> str:
    if not isinstance(value, str):
        return ""
    return ", without quotes or unit; an environment variable needs its env_var_type"
