"""Checks the types of the arguments of activities; the agent checks their values.

Each function returns the value that it was given, or raises `BadInputError` with the name of the
argument, the value and how to fix it. The decorator `renames` turns an old name of an argument into
an error that tells the new name.
"""

import functools
import inspect
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeGuard

from chaoslib.exceptions import InvalidActivity

from chaos_go.errors import BadInputError, RenamedArgumentError


def number(
    name: str, value: object, most: float = math.inf, unit: str = "", least: float = -math.inf
) -> float:
    """Return a value as a float, if it is a finite number from ``least`` to ``most``.

    A text, a bool and NaN are not numbers here.

    Args:
        name: Name of the argument.
        value: The value that was given.
        most: Upper bound; infinity by default.
        unit: Unit of the number, for the message.
        least: Lower bound; minus infinity by default.

    Raises:
        BadInputError: The value is no such number.
    """
    if not is_number(value) or not least <= value <= most:
        raise BadInputError(name, value, _fix("number", _bounds(least, most), unit, value))
    return float(value)


def positive(name: str, value: object, most: float = math.inf, unit: str = "") -> float:
    """Return a value as a float, if it is a finite number above 0 and at most ``most``.

    Raises:
        BadInputError: The value is no such number.
    """
    if not is_number(value) or not 0 < value <= most:
        bounds = "of more than 0" + (f" and at most {most:g}" if most < math.inf else "")
        raise BadInputError(name, value, _fix("number", bounds, unit, value))
    return float(value)


def whole(name: str, value: object, least: float = -math.inf, most: float = math.inf) -> int:
    """Return a value, if it is a whole number from ``least`` to ``most``.

    A text, a bool and a fraction are not whole numbers here.

    Raises:
        BadInputError: The value is no such number.
    """
    if not is_number(value) or not isinstance(value, int) or not least <= value <= most:
        raise BadInputError(name, value, _fix("whole number", _bounds(least, most), "", value))
    return value


def text(name: str, value: object) -> str:
    """Return a value, if it is a text that can be sent.

    Raises:
        BadInputError: The value is not a text, or is not Unicode, see `is_unicode`.
    """
    if not isinstance(value, str):
        raise BadInputError(name, value, 'give a text; in YAML, quote it: "..."')
    if not is_unicode(value):
        raise BadInputError(name, value, NOT_UNICODE)
    return value


def filled(name: str, value: object) -> str:
    """Return a value, if it is a text that is not empty.

    On the wire an empty text means that the user gave none.

    Raises:
        BadInputError: As `text`, or the text is empty.
    """
    if text(name, value) == "":
        raise BadInputError(name, value, "empty; give one of the values that the reference lists")
    return str(value)


def secret_text(name: str, value: object) -> str:
    """Return a value, if it is a text. It may be a secret, such as a body: messages do not show it.

    Raises:
        BadInputError: As `text`.
    """
    if not isinstance(value, str):
        raise BadInputError(name, hidden(value), 'give a text; in YAML, quote it: "..."')
    if not is_unicode(value):
        raise BadInputError(name, hidden(value), NOT_UNICODE)
    return value


NOT_UNICODE = "not Unicode, so it cannot be sent; an environment variable must be UTF-8"


def is_unicode(value: str) -> bool:
    """Return whether a text is valid Unicode, so that it can be sent as UTF-8.

    A text with half of a surrogate pair is not. Python makes such texts from environment variables
    that are not UTF-8, and from escapes in JSON.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def flag(name: str, value: object) -> bool:
    """Return a value, if it is true or false.

    Raises:
        BadInputError: The value is something else.
    """
    if not isinstance(value, bool):
        raise BadInputError(name, value, "give true or false, without quotes")
    return value


def mapping(
    name: str, value: object, known: Collection[str], secret: bool = False
) -> dict[str, Any]:
    """Return a copy of a mapping, if every key in it is known.

    Args:
        name: Name of the argument.
        value: The value that was given.
        known: The keys that are allowed.
        secret: Whether the message hides a value that is not a mapping.

    Raises:
        BadInputError: The value is not a mapping, or has an unknown key.
    """
    if not isinstance(value, Mapping):
        shown = hidden(value) if secret else value
        raise BadInputError(name, shown, f"give a mapping with any of {', '.join(known)}")
    refuse_unknown(f"{name}.", value, known)
    return dict(value)


def texts(name: str, value: object) -> dict[str, str]:
    """Return a copy of a mapping of texts to texts, such as headers.

    Its values may be secrets: messages do not show them.

    Raises:
        BadInputError: The value is something else.
    """
    if not isinstance(value, Mapping):
        raise BadInputError(name, hidden(value), 'give a mapping like {"x-user": "a"}')
    for key, item in value.items():
        if not isinstance(key, str) or not is_unicode(key):
            raise BadInputError(name, key, "give names that are texts; in YAML, quote them")
        secret_text(f"{name}.{key}", item)
    return dict(value)


def hidden(value: object) -> str:
    """Return a description of a value that may be a secret: the length of a text, or its type."""
    return f"({len(value)} characters)" if isinstance(value, str) else type(value).__name__


def refuse_unknown(prefix: str, given: Collection[str], known: Collection[str]) -> None:
    """Check that all names are known.

    Args:
        prefix: Path of the mapping that has the names, for the message; "" for arguments.
        given: The names that were given.
        known: The names that are allowed.

    Raises:
        BadInputError: A name is unknown. The message lists the known ones.
    """
    for name in given:
        if name not in known:
            fix = f"no such argument; known are {', '.join(sorted(known))}"
            raise BadInputError(f"{prefix}{name}", name, fix)


def has_variable(value: object) -> bool:
    """Return whether a value refers to the configuration or a secret: ``${name}``."""
    return "${" in str(value)


class RenamedSignature(inspect.Signature):
    """A signature that refuses an old name of an argument and tells the new one.

    Chaos Toolkit binds the arguments of an experiment before it runs anything. So the error is
    raised before anything is changed.
    """

    renamed: Mapping[str, str] = {}

    def bind(self, *args: Any, **kwargs: Any) -> inspect.BoundArguments:
        """Bind arguments, as `inspect.Signature.bind` does.

        Raises:
            InvalidActivity: An argument has an old name.
        """
        if problem := renamed_argument(self.renamed, kwargs):
            raise InvalidActivity(str(problem))
        return super().bind(*args, **kwargs)


def renamed_argument(
    renamed: Mapping[str, str], given: Collection[str], prefix: str = ""
) -> RenamedArgumentError | None:
    """Return the error for the first old name of an argument, if one is given."""
    for name in given:
        if name in renamed:
            return RenamedArgumentError(name, renamed[name], prefix)
    return None


def renames[**P, R](old: Mapping[str, str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that makes a function refuse old names of its arguments.

    Args:
        old: Maps each old name to the new one, for instance ``{"path": "match.path"}``.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            if problem := renamed_argument(old, kwargs):
                raise problem
            return function(*args, **kwargs)

        signature = inspect.signature(function)
        known = RenamedSignature(
            list(signature.parameters.values()), return_annotation=signature.return_annotation
        )
        known.renamed = old
        checked.__signature__ = known  # type: ignore[attr-defined]
        return checked

    return decorate


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell a finite number that a float can hold from everything else."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int that is too large for a float
        return False


def _bounds(least: float, most: float) -> str:
    if math.isfinite(least) and math.isfinite(most):
        return f"from {least:g} to {most:g}"
    if math.isfinite(least):
        return f"of at least {least:g}"
    return f"of at most {most:g}" if math.isfinite(most) else ""


def _fix(what: str, bounds: str, unit: str, value: object) -> str:
    """Return how to fix a number. A text here often comes from a variable without a type."""
    fix = " ".join(word for word in ("give a", what, bounds, unit and f"({unit})") if word)
    quoted = ", without quotes or unit; an environment variable needs its env_var_type"
    return fix + (quoted if isinstance(value, str) else "")
