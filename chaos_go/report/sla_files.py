"""Reads observations from a file: CSV, JSON, or the journal of a run with a ladder."""

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO

import click

from chaos_go.errors import BadInputError
from chaos_go.sla import records, table
from chaos_go.sla.observations import Observations

_LONGEST_HEADER = 1 << 20
_BOM = b"\xef\xbb\xbf"


def read(file: str) -> tuple[Observations, str | None]:
    """Read observations, and the start of the run if the file is a journal that has it.

    The rows of a table are summed up as they are read. A JSON document is read as a whole, and so
    is a table whose lines end in CR alone.

    Args:
        file: Name of the file, or ``-`` for standard input.

    Raises:
        BadInputError: The file or its content is invalid.
    """
    if not file:
        raise BadInputError("file", file, "give the name of a file, or - for standard input")
    if file == "-":
        return _read(click.open_file("-", "rb"))
    try:
        with Path(file).open("rb") as stream:
            return _read(stream)
    except OSError as error:
        fix = f"{error.strerror}; give a CSV table, the same as JSON, or a journal with a ladder"
        raise BadInputError("file", file, fix) from error


def _read(stream: IO[bytes]) -> tuple[Observations, str | None]:
    blank = 0
    first = stream.readline(_LONGEST_HEADER).removeprefix(_BOM)
    while first and not first.strip():
        blank += 1
        first = stream.readline(_LONGEST_HEADER)
    if b"\0" in first:
        raise BadInputError("file", first[:20], "neither CSV nor JSON; save it as UTF-8 text")
    if first.lstrip()[:1] in (b"{", b"["):
        document = _parse(first + stream.read())
        started = document.get("start") if isinstance(document, dict) else None
        return records.read(document), started if isinstance(started, str) else None
    lines: Iterable[bytes] = chain([first] if first else [], stream)
    if b"\r" in first.strip(b"\r\n"):  # lines that end in CR alone, as in the files of old Macs
        lines = (first + stream.read()).splitlines(keepends=True)
    return table.read(_decoded(lines, blank), blank), None


def _decoded(lines: Iterable[bytes], before: int) -> Iterator[str]:
    for number, line in enumerate(lines, before + 1):
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            where = f"line {number}"
            raise BadInputError(where, line[:20], "not UTF-8; save the file as UTF-8") from error


def _parse(text: bytes) -> object:
    try:
        return json.loads(text, object_pairs_hook=records.mapping)
    except (ValueError, RecursionError) as error:
        start = text[:20].decode(errors="replace")
        raise BadInputError("file", start, f"not JSON: {_reason(text, error)}") from error


def _reason(text: bytes, error: Exception) -> str:
    """Return what is wrong with JSON, and how to fix it where that is certain."""
    if "Extra data" in str(error) and text.lstrip().startswith(b"{"):
        return f"{error}; one object per line? Put them into a list: [{{...}}, {{...}}]"
    if "digits" in str(error):
        return f"a number of more than {sys.get_int_max_str_digits()} digits; correct it"
    return str(error)
