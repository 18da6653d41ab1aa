"""Observations from a CSV table, line by line."""

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


def read(lines: Iterable[str]) -> Observations:
    """Read a CSV table whose first row names the columns.

    The columns are ``dose_ms,n,k[,load_rps][,window][,p99_ms,p99_low_ms,p99_high_ms]`` in any
    order, separated by comma, semicolon or tab. Every row is one window. With a column ``window``
    the spread of the windows of a level tells the over-dispersion; what the column says is not
    looked at. Rows are in the order of measurement: the zero-dose rows before the first and after
    the last other dose are compared for drift.

    Args:
        lines: of text.

    Raises:
        BadInputError: the table cannot be meant; says the row (as an editor counts), column, value.
    """
    rest = iter(lines)
    first = next((line for line in rest if line.strip("\ufeff \t\r\n")), None)
    if first is None:
        raise BadInputError("file", "", f"empty; its first row names {', '.join(row.NEEDED)}")
    first = first.lstrip("\ufeff")
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(chain([first], rest), delimiter=delimiter)
    try:
        columns = [name.strip().lower() for name in next(reader)]
        row.check_columns("row 1", columns)
        return _Table(columns).read(reader)
    except csv.Error as error:
        raise BadInputError(f"row {reader.line_num}", "", f"no CSV ({error})") from error


class _Table:
    """The rows below the names of the columns."""

    def __init__(self, columns: list[str]) -> None:
        self._columns = columns
        self._tally = Tally()
        # Levels by the very text of their dose and load; without a column of loads, dose twice.
        self._known: dict[tuple[str, str], Sums] = {}

    def read(self, reader: "Reader") -> Observations:
        # Ten million rows pass here, so the usual row, of a known level, is read in place.
        columns, known, add = self._columns, self._known, self._tally.add
        width, n_at, k_at, dose_at = (
            len(columns),
            *(columns.index(x) for x in ("n", "k", "dose_ms")),
        )
        load_at = columns.index("load_rps") if "load_rps" in columns else dose_at
        p99 = "p99_ms" in columns or "p99_low_ms" in columns or "p99_high_ms" in columns
        for cells in reader:
            if not p99 and len(cells) == width:
                sums = known.get((cells[dose_at], cells[load_at]))
                n, k = cells[n_at], cells[k_at]
                if sums is not None and n.isdecimal() and k.isdecimal() and len(n) < 16 > len(k):
                    count, impacts = int(n), int(k)
                    if 0 < count >= impacts:
                        add(sums, count, impacts)
                        continue
            if cells:
                sums = self._add(cells, reader.line_num)
                known[cells[dose_at], cells[load_at]] = sums
        return self._tally.observations("window" in columns)

    def _add(self, cells: list[str], line: int) -> Sums:
        if len(cells) != len(self._columns):
            mend = f"{len(cells)} values for {len(self._columns)} columns"
            raise BadInputError(f"row {line}", ",".join(cells), mend)
        values = dict(zip(self._columns, cells, strict=True))
        one = row.parse(values, lambda column: f"row {line}, column {column}")
        return row.add(one, self._tally)
