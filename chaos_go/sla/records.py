"""Reads observations from JSON: a list of rows, or the journal of a run with a ladder."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaos_go.errors import BadInputError
from chaos_go.sla import row
from chaos_go.sla.observations import Observations
from chaos_go.sla.tally import Tally

KIND = "ladder"


class Doubled(dict[str, Any]):
    """A JSON object that has a key more than once; of its values Python keeps the last.

    Attributes:
        key: The first such key.
        given: All its values.
    """

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        """Keep the object, and find the key."""
        super().__init__(pairs)
        keys = [key for key, _ in pairs]
        self.key = next(key for key in keys if keys.count(key) > 1)
        self.given = [value for key, value in pairs if key == self.key]


def mapping(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object as a mapping; the ``object_pairs_hook`` of the JSON parser.

    An object with a key twice becomes `Doubled`. Only `read` refuses it, because a journal may have
    such objects outside of the observations.
    """
    found = dict(pairs)
    return found if len(found) == len(pairs) else Doubled(pairs)


def read(document: Any) -> Observations:
    """Read observations from a parsed JSON document.

    Args:
        document: One of: a list of rows, each an object with the CSV columns as keys; an object
            with such a list as ``observations``; a journal of Chaos Toolkit. In a journal the rows
            are those of the ladder: the output of its activity, or its entry in
            ``chaos_go.ladders``.

    Raises:
        BadInputError: The document is invalid. The message names the row (from 0), the key and the
            value.
    """
    if isinstance(document, list):
        return _rows("observations", document)
    if not isinstance(document, Mapping):
        raise BadInputError("file", document, "give a list of rows, an object or a journal")
    _refuse_doubled("file", document)
    if "observations" in document:
        strict = document.get("kind") != KIND
        return _rows("observations", document["observations"], strict)
    if "run" not in document and "chaos_go" not in document:
        fix = (
            "neither observations nor a journal of Chaos Toolkit; give a list of rows like "
            '[{"dose_ms": 0, "n": 1000, "k": 1}, ...], or {"observations": that list}'
        )
        raise BadInputError("file", dict(document), fix)
    found = list(ladders(document))
    if not found:
        fix = "no observations in this journal; its method needs a ladder that measured something"
        raise BadInputError("journal.status", document.get("status"), fix)
    if len(found) > 1:
        fix = "more than one ladder; put the rows of one into a file and give that"
        raise BadInputError("journal", [where for where, _ in found], fix)
    return _rows(*found[0], strict=False)  # the rows of a ladder have more keys


def ladders(journal: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each ladder in a journal: the path of its rows, and the rows.

    The ladders under ``chaos_go.ladders``, which the control writes, come first: they exist even if
    the activity was interrupted. The outputs of activities have the same rows, so they are read
    only when there is no such entry.

    Raises:
        BadInputError: A ladder has a key twice.
    """
    kept = journal.get("chaos_go")
    entries = kept.get("ladders") if isinstance(kept, Mapping) else None
    if isinstance(entries, Mapping):
        entries = list(entries.values())
    where = "chaos_go.ladders"
    if not entries:
        run = journal.get("run")
        entries = [
            entry.get("output") if isinstance(entry, Mapping) else None
            for entry in (run if isinstance(run, list) else [])
        ]
        where = "run"
    for at, entry in enumerate(entries):
        ours = isinstance(entry, Mapping) and (where != "run" or entry.get("kind") == KIND)
        if ours and entry.get("observations"):
            _refuse_doubled(f"{where}[{at}]", entry)
            yield f"{where}[{at}].observations", entry["observations"]


def _rows(where: str, rows: Any, strict: bool = True) -> Observations:
    if not isinstance(rows, list) or not rows:
        raise BadInputError(where, rows, "give a list of rows, at least one per level")
    tally = Tally()
    windowed = loaded = 0
    for at, values in enumerate(rows):
        if not isinstance(values, Mapping):
            raise BadInputError(f"{where}[{at}]", values, "give an object with dose_ms, n and k")
        _refuse_doubled(f"{where}[{at}]", values)
        row.check_columns(f"{where}[{at}]", list(values), strict)
        one = row.parse(values, lambda key, at=at: f"{where}[{at}].{key}")  # type: ignore[misc]
        row.add(one, tally)
        windowed += values.get("window") is not None
        loaded += one.load_rps is not None
        for key, count in (("window", windowed), ("load_rps", loaded)):
            if count not in (0, at + 1):
                raise BadInputError(
                    f"{where}[{at}].{key}", values.get(key), f"give {key} in every row, or in none"
                )
    return tally.observations(windowed > 0)


def _refuse_doubled(where: str, found: Mapping[str, Any]) -> None:
    if isinstance(found, Doubled):
        fix = "given twice; keep one of them"
        raise BadInputError(f"{where}.{found.key}", found.given, fix)
