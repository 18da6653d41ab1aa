"""Shows a report as a table of at most 80 columns."""

import textwrap
from collections.abc import Iterator
from itertools import groupby

from chaos_go.doctor.check import Check, Report

_WIDTH = 80
_INDENT = 2
_STATUS = 9
_NAME = 15
_COLUMN = _INDENT + _STATUS + _NAME


def lines(report: Report) -> Iterator[str]:
    """Yield the lines of the table, the counts last."""
    for where, checks in groupby(report.checks, key=lambda check: check.where):
        title = report.titles.get(where, "")
        heading = f"{where} {title}" if title else where
        yield from textwrap.wrap(heading, _WIDTH, subsequent_indent=" " * 4)
        for check in checks:
            yield from _row(check)
        yield ""
    counts = [f"{number} {status}" for status, number in report.counts.items() if number]
    yield ", ".join(counts) or "nothing to check"


def _row(check: Check) -> Iterator[str]:
    """Yield the lines of one check: long texts go on in their own column."""
    begin = " " * _INDENT + check.status.ljust(_STATUS) + check.name.ljust(_NAME)
    yield from _wrapped(check.said, begin)
    if check.fix:
        yield from _wrapped(f"-> {check.fix}", " " * _COLUMN)


def _wrapped(text: str, begin: str) -> list[str]:
    # Paths and addresses may be longer than the column; a part of one could not be copied.
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=begin,
        subsequent_indent=" " * _COLUMN,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [begin.rstrip()]
