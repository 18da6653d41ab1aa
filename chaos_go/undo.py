"""Restores what a journal or an undo file says is still changed in a cluster.

Only a change that the fault made is undone: an object that somebody else has changed meanwhile is
left alone. So it can be done again at any time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos_go.errors import BadInputError, ChaosGoError
from chaos_go.kubernetes import changes, undo_file
from chaos_go.kubernetes.changes import Change
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.cluster import identify, why_another
from chaos_go.kubernetes.connection import connect

_Object = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """What was done about one object.

    Attributes:
        is_over: Whether nothing of the fault is left there.
        said: What was done, as one line.
    """

    is_over: bool
    said: str


def undo(path: str, dry_run: bool = False, progress: Callable[[str], None] = print) -> bool:
    """Restore what a file says is still changed.

    An undo file is removed when everything in it is restored.

    Args:
        path: A journal or an undo file.
        dry_run: Whether to change nothing, and only say what would be done.
        progress: Called with one line per step.

    Returns:
        Whether nothing is left to restore.

    Raises:
        BadInputError: The file cannot be read, or has records of another form.
    """
    content = undo_file.read(path)
    faults = [(fault, _left(fault)) for fault in content["chaos_go"]["faults"]]
    if not any(left for _, left in faults):
        progress("nothing to do: no fault in this file has left anything changed in a cluster")
    is_over = True
    for fault, left in faults:
        if not left:
            continue
        progress(f"fault {fault.get('id')}")
        steps = []
        for step in _undo_one(fault, left, dry_run):
            progress(f"  {step.said}")
            steps.append(step)
        over = all(step.is_over for step in steps)
        is_over &= over
        if over and not dry_run:
            _remove_file(fault)
    if is_over and not dry_run and undo_file.is_undo_file(content):
        undo_file.remove(Path(path))
    return is_over


def _left(fault: _Object) -> list[Change]:
    """Return the changes that the record does not say are restored.

    Raises:
        BadInputError: The record has another form.
    """
    try:
        open_changes = [
            place["change"]
            for place in fault["places"]
            if "change" in place and place.get("state") != "ended"
        ]
    except (KeyError, TypeError) as error:
        fix = "it is no record of a fault; give the file as the run wrote it"
        raise BadInputError("file", f"faults: {fault}", fix) from error
    found = [changes.read(record) for record in open_changes]
    return [change for change in found if change.is_needed]


def _undo_one(fault: _Object, left: list[Change], dry_run: bool) -> Iterator[Step]:
    """Restore what one fault has left. A problem with one object does not stop the others."""
    try:
        client = connect()
        other = why_another(fault.get("cluster") or {}, identify(client))
    except ChaosGoError as error:
        other = f"cannot tell which cluster this is: {error}"
    else:
        if not other:
            yield from (_restore(client, change, dry_run) for change in left)
            return
    yield Step(False, f"nothing was restored: {other}")


def _restore(client: Client, change: Change, dry_run: bool) -> Step:
    try:
        restored = changes.restore(client, change, dry_run)
    except ChaosGoError as error:
        return Step(False, f"{change.object} is not restored: {error}; or run {change.command}")
    return Step(restored.is_over, restored.said)


def _remove_file(fault: _Object) -> None:
    """Remove the undo file of a fault, when this file is its journal."""
    path = fault.get("undo_file")
    if not path or not Path(path).is_file():
        return
    try:
        kept = undo_file.read(path)["chaos_go"]["faults"]
    except BadInputError:
        return
    if [x.get("id") for x in kept] == [fault.get("id")]:
        undo_file.remove(Path(path))
