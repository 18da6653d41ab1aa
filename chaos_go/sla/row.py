"""One row of observations: its columns, their valid values, and the errors for invalid ones.

A value is text (from CSV) or a JSON value. Empty text and null mean that it is not known.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from chaos_go.errors import BadInputError
from chaos_go.sla import number
from chaos_go.sla.tally import FIX_OF_N, LARGEST_N, Sums, Tally
from chaos_go.sla.words import exact

NEEDED = ("dose_ms", "n", "k")
OPTIONAL = ("load_rps", "window", "p99_ms", "p99_low_ms", "p99_high_ms")
COLUMNS = NEEDED + OPTIONAL
HOW_TO_GET_N = (
    "n is the number of transactions observed, k how many of them had impact; a percentage alone "
    "has no interval. Count the requests, for instance rate x seconds, or the increase of _count"
)
_LONGEST_MS = 1e9  # eleven days, far more than any real delay
_MEANS = {
    "dose_ms": "dose_ms is the injected delay in milliseconds, 0 for the baseline",
    "n": HOW_TO_GET_N,
    "k": HOW_TO_GET_N,
}

Place = Callable[[str], str]
"""Returns where a column of a certain row is, for an error message."""


class Row(NamedTuple):
    """A row with valid values.

    Attributes:
        dose_ms: Injected delay in milliseconds.
        n: Number of transactions.
        k: How many of them had impact.
        load_rps: Load in requests per second; None when not given.
        p99: P99 in milliseconds, its lower and its upper limit; None when there is no P99.
    """

    dose_ms: float
    n: int
    k: int
    load_rps: float | None
    p99: tuple[float, float | None, float | None] | None


def check_columns(where: str, columns: Sequence[str], strict: bool = True) -> None:
    """Check the names of the columns.

    Args:
        where: Where the columns are, for the error message.
        columns: The names.
        strict: Whether unknown columns are refused.

    Raises:
        BadInputError: A column is missing, given twice or, if ``strict``, unknown.
    """
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        first = missing[0]
        fix = f"no column {first}: {_MEANS[first]}. Needed are {', '.join(NEEDED)}"
        raise BadInputError(where, ",".join(columns), fix)
    for name in columns:
        if name and columns.count(name) > 1:
            raise BadInputError(where, name, "given twice; keep one of them")
        if strict and name not in COLUMNS:
            what = "unknown column" if name else "a column without a name; remove it or name it"
            raise BadInputError(where, name, f"{what}; known are {', '.join(COLUMNS)}")


def parse(values: Mapping[str, Any], place: Place) -> Row:
    """Read a row.

    Args:
        values: The value of each column.
        place: Returns where a column is, for the error message.

    Raises:
        BadInputError: A value is invalid.
    """
    for name in NEEDED:
        if _unknown(values.get(name)):
            raise BadInputError(place(name), values.get(name), f"not given. {_MEANS[name]}")
    dose_ms = _at_least(0.0, "dose_ms", values["dose_ms"], place)
    n = _count("n", values["n"], place)
    if n == 0:
        raise BadInputError(place("n"), values["n"], f"nothing was observed. {HOW_TO_GET_N}")
    k = _count("k", values["k"], place)
    if k > n:
        raise BadInputError(place("k"), values["k"], f"more than n={n}; k is a part of n")
    load = values.get("load_rps")
    if isinstance(load, str) and _unknown(load):
        raise BadInputError(place("load_rps"), load, "give the load in every row, or in none")
    load_rps = None if _unknown(load) else _at_least(0.0, "load_rps", load, place)
    return Row(dose_ms, n, k, load_rps, _p99(values, place))


def add(row: Row, tally: Tally) -> Sums:
    """Add a row to a tally, and return the sums of its level."""
    sums = tally.at(row.dose_ms, row.load_rps)
    tally.add(sums, row.n, row.k)
    if row.p99:
        sums.add_p99(row.n, *row.p99)
    return sums


def _p99(
    values: Mapping[str, Any], place: Place
) -> tuple[float, float | None, float | None] | None:
    names = ("p99_ms", "p99_low_ms", "p99_high_ms")
    value, low, high = (
        None if _unknown(values.get(name)) else _at_least(0.0, name, values[name], place)
        for name in names
    )
    if value is None:
        for name, limit in zip(names[1:], (low, high), strict=True):
            if limit is not None:
                raise BadInputError(
                    place(name), values[name], "a limit without a P99; give p99_ms too"
                )
        return None
    if low is not None and low > value:
        raise BadInputError(
            place("p99_low_ms"),
            values["p99_low_ms"],
            f"above p99_ms={exact(value)}; give a lower limit that is at most the P99",
        )
    if high is not None and high < value:
        raise BadInputError(
            place("p99_high_ms"),
            values["p99_high_ms"],
            f"below p99_ms={exact(value)}; give an upper limit that is at least the P99",
        )
    return value, low, high


def _unknown(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _count(name: str, value: Any, place: Place) -> int:
    count = _at_least(0.0, name, value, place)
    if count > LARGEST_N:
        raise BadInputError(place(name), value, FIX_OF_N)
    if count != int(count):
        raise BadInputError(place(name), value, f"give a whole number. {HOW_TO_GET_N}")
    return int(count)


def _at_least(least: float, name: str, value: Any, place: Place) -> float:
    given = _number(name, value, place)
    if given < least:
        raise BadInputError(place(name), value, f"give a number of at least {least:g}")
    if name.endswith("_ms") and given > _LONGEST_MS:
        raise BadInputError(place(name), value, f"give milliseconds, at most {_LONGEST_MS:g}")
    return given


def _number(name: str, value: Any, place: Place) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadInputError(place(name), value, "give a number")
    try:
        given = number.read(value) if isinstance(value, str) else float(value)
    except ValueError:
        raise BadInputError(place(name), value, _fix(name, str(value))) from None
    except OverflowError:
        given = math.inf
    if not math.isfinite(given):
        raise BadInputError(place(name), value, "give a finite number")
    return given


def _fix(name: str, text: str) -> str:
    if name in ("n", "k") and "%" in text:
        return f"a percentage. {HOW_TO_GET_N}"
    return number.fix(text) or "give a number, without a unit"
