"""Converts dataclasses to lines of JSON and back, by their annotations, whatever their fields."""

import dataclasses
import json
import math
import sys
from functools import cache
from types import UnionType
from typing import Any, NoReturn, Self, get_args, get_origin, get_type_hints

from chaos_go.errors import BadInputError, shorten

SECRET = {"secret": True}
"""Metadata of a field that may hold a secret: ``field(metadata=SECRET)``. See `Line.redacted`."""


class Line:
    """One JSON object on the wire; subclasses are dataclasses."""

    def to_line(self) -> str:
        """Return the object as one line of JSON, without the newline.

        Raises:
            ValueError: A number is NaN or infinite, which JSON cannot express; or a text is not
                Unicode, so that it cannot be sent.
        """
        line = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)
        line.encode()  # raises here, and not only in the thread that sends the line
        return line

    def to_dict(self) -> dict[str, Any]:
        """Return the object as plain JSON values, without absent fields."""
        return {name: _plain(item) for name, item in _given(self)}

    def redacted(self) -> dict[str, Any]:
        """Return `to_dict` without what may be a secret: the fields marked as `SECRET`."""
        fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(self)  # type: ignore[arg-type]
        secret = {field.name for field in fields if field.metadata.get("secret")}
        return {
            name: _hide(item) if name in secret else _plain(item, redacted=True)
            for name, item in _given(self)
        }

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read one line.

        Raises:
            BadInputError: The line is not one JSON object, or a field is unknown, missing or of a
                wrong type. The message names the field.
        """
        try:
            value = json.loads(line, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise BadInputError("line", shorten(line), f"not JSON: {error}") from error
        return cls.from_dict(value)

    @classmethod
    def from_dict(cls, value: object, path: str = "") -> Self:
        """Read an object that was already parsed from JSON.

        Args:
            value: The object.
            path: Path of the object in the line, for messages; "" for the line itself.

        Raises:
            BadInputError: As `from_line`.
        """
        read: Self = _read_object(cls, value, path)
        return read


@cache
def _fields(of: type) -> dict[str, tuple[Any, bool]]:
    """Return the type of each field, and whether it is required, by its name."""
    types = get_type_hints(of)
    return {
        f.name: (
            types[f.name],
            f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING,
        )
        for f in dataclasses.fields(of)
    }


def _given(line: Line) -> list[tuple[str, Any]]:
    """Return name and value of the fields that are sent: required ones, and those with a value."""
    of: Any = type(line)
    fields = _fields(of).items()
    given = ((name, getattr(line, name), needed) for name, (_, needed) in fields)
    return [(name, item) for name, item, needed in given if needed or item]


def _plain(value: Any, redacted: bool = False) -> Any:
    if isinstance(value, Line):
        return value.redacted() if redacted else value.to_dict()
    if isinstance(value, dict):
        return {str(key): _plain(item, redacted) for key, item in value.items()}
    return [_plain(item, redacted) for item in value] if isinstance(value, list) else value


def _hide(value: Any) -> Any:
    if isinstance(value, dict):
        return dict.fromkeys(value, "(redacted)")
    return f"(redacted, {len(value)} characters)"


def _read(wanted: Any, value: Any, path: str) -> Any:
    """Convert a value parsed from JSON to the wanted type."""
    if isinstance(wanted, UnionType):  # X | None: absent is None, null is never sent
        wanted = get_args(wanted)[0]
    if isinstance(wanted, type) and issubclass(wanted, Line):
        return wanted.from_dict(value, path)
    if get_origin(wanted) is dict and value is None:
        return {}  # a Go map that was never filled
    if get_origin(wanted) is dict and isinstance(value, dict):
        key_type, item_type = get_args(wanted)
        return {
            _read_key(key_type, key, path): _read(item_type, item, f"{path}.{key}")
            for key, item in value.items()
        }
    if get_origin(wanted) is list and isinstance(value, list):
        return [_read(get_args(wanted)[0], item, path) for item in value]
    if wanted is float and type(value) is int and abs(value) <= sys.float_info.max:
        return float(value)
    if type(value) is not wanted:
        name = getattr(wanted, "__name__", str(wanted))
        raise BadInputError(path or "line", value, f"give a value of type {name}")
    if wanted is float and not math.isfinite(value):
        raise BadInputError(path or "line", value, "give a finite number")
    return value


def _read_object(wanted: type, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise BadInputError(path or "line", value, "give a JSON object")
    fields = _fields(wanted)
    prefix = f"{path}." if path else ""
    for name in value:
        if name not in fields:
            fix = f"unknown field; {wanted.__name__} has {', '.join(fields)}"
            raise BadInputError(prefix + name, value[name], fix)
    for name, (_, needed) in fields.items():
        if needed and name not in value:
            raise BadInputError(prefix + name, None, "the field is missing")
    return wanted(
        **{name: _read(fields[name][0], item, prefix + name) for name, item in value.items()}
    )


def _read_key(wanted: type, key: str, path: str) -> Any:
    try:
        return wanted(key)
    except ValueError as error:
        raise BadInputError(path, key, f"give keys of type {wanted.__name__}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")
