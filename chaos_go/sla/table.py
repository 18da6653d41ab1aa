"""Reads observations from a CSV table, line by line."""

import csv
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING

from chaos_go.errors import BadInputError
from chaos_go.sla import row
from chaos_go.sla.observations import Observations
from chaos_go.sla.tally import Sums, Tally

if TYPE_CHECKING:
    from _csv import Reader

_DELIMITERS = ",;\t"
_OPEN_QUOTE = "this row opens a quote and does not close it; close it, or write no quotes"
_LONE_CR = "a line ends in CR alone; save the file with LF or CRLF at the end of every line"


def read(lines: Iterable[str], before: int = 0) -> Observations:
    """Read a CSV table whose first row names the columns.

    The columns are ``dose_ms,n,k[,load_rps][,window][,p99_ms,p99_low_ms,p99_high_ms]`` in any
    order, separated by comma, semicolon or tab. Every row is one window. If there is a column
    ``window``, the over-dispersion is calculated from the spread of the windows of a level; the
    values of this column are not read. Rows are in the order of measurement: the rows of dose 0
    before the first and after the last other dose are compared, to find a drift. Rows without any
    value are skipped.

    Args:
        lines: Lines of text.
        before: Number of lines of the file before these lines, for error messages.

    Raises:
        BadInputError: The table is invalid. The message names the row (as an editor counts), the
            column and the value.
    """
    rest = iter(lines)
    first = ""
    for line in rest:
        if line.strip("\ufeff \t\r\n"):
            first = line.lstrip("\ufeff")
            break
        before += 1
    if not first:
        raise BadInputError("file", "", f"empty; its first row names {', '.join(row.NEEDED)}")
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(chain([first], rest), delimiter=delimiter, skipinitialspace=True)
    try:
        names = next(reader)
    except csv.Error as error:
        raise _no_csv(before + 1, error) from error
    if reader.line_num > 1:
        raise _open_quote(before + 1, names)
    columns = [name.strip().lower() for name in names]
    row.check_columns(f"row {before + 1}", columns)
    return _Table(columns, delimiter, before).read(reader)


class _Table:
    """The rows below the names of the columns."""

    def __init__(self, columns: list[str], delimiter: str, before: int) -> None:
        self._columns = columns
        self._delimiter = delimiter
        self._before = before
        self._tally = Tally()
        # Sums by the text of dose and load; without a column of loads, by that of the dose twice.
        self._known: dict[tuple[str, str], Sums] = {}

    def read(self, reader: "Reader") -> Observations:
        # A file may have ten million rows, so the usual row, of a known level, is read inline.
        columns, known, add = self._columns, self._known, self._tally.add
        width, n_at, k_at, dose_at = (
            len(columns),
            *(columns.index(x) for x in ("n", "k", "dose_ms")),
        )
        load_at = columns.index("load_rps") if "load_rps" in columns else dose_at
        p99 = "p99_ms" in columns or "p99_low_ms" in columns or "p99_high_ms" in columns
        number = 1
        try:
            for number, cells in enumerate(reader, 2):
                if not p99 and len(cells) == width and reader.line_num == number:
                    sums = known.get((cells[dose_at], cells[load_at]))
                    n, k = cells[n_at], cells[k_at]
                    if sums and n.isdecimal() and k.isdecimal() and len(n) < 16 > len(k):
                        count, impacts = int(n), int(k)
                        if 0 < count >= impacts:
                            add(sums, count, impacts)
                            continue
                if reader.line_num != number:
                    raise _open_quote(self._before + number, cells)
                if any(map(str.strip, cells)):
                    sums = self._add(cells, self._before + number)
                    known[cells[dose_at], cells[load_at]] = sums
        except csv.Error as error:
            raise _no_csv(self._before + number + 1, error) from error
        return self._tally.observations("window" in columns)

    def _add(self, cells: list[str], line: int) -> Sums:
        if len(cells) != len(self._columns):
            if any(self._delimiter in cell or "\n" in cell for cell in cells):
                raise _open_quote(line, cells)
            fix = f"{len(cells)} values for {len(self._columns)} columns"
            raise BadInputError(f"row {line}", ",".join(cells), f"{fix}; give one for each")
        values = dict(zip(self._columns, cells, strict=True))
        one = row.parse(values, lambda column: f"row {line}, column {column}")
        return row.add(one, self._tally)


def _open_quote(line: int, cells: list[str]) -> BadInputError:
    """Return the error for a row with an open quote, which continues in the next lines."""
    return BadInputError(f"row {line}", ",".join(cells).partition("\n")[0], _OPEN_QUOTE)


def _no_csv(line: int, error: csv.Error) -> BadInputError:
    """Return the error for what the CSV reader refuses; an open quote can make a cell too long."""
    fix = _LONE_CR if "new-line" in str(error) else _OPEN_QUOTE
    return BadInputError(f"row {line}", "", f"no CSV ({error}): {fix}")
