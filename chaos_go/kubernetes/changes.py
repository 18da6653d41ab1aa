"""Changes single fields of objects, and restores them.

Other programs may change the same object at the same time. So every write names the version that
was read (``resourceVersion``). When the object has changed since, the API server refuses the write
with 409, and the object is read again. A value that is neither the one before the change nor the
one that the change made is somebody else's and is left alone.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from chaos_go.errors import BadInputError, ClusterError, TargetError
from chaos_go.kubernetes.client import Client

Value = int | bool
FIELDS: dict[str, type[int]] = {"spec.replicas": int, "spec.unschedulable": bool}
"""The fields that are changed. The API server omits one whose value is 0 or false."""

_TRIES = 20  # the status of a busy object may change a few times per second


@dataclass(frozen=True)
class Change:
    """One field of one object.

    Attributes:
        object: The object as users name it, for instance ``deployment/shop/users``.
        path: Path of the object or subresource in the API.
        uid: Identity of the object.
        field: The field, one of `FIELDS`.
        before: Its value before the change.
        after: Its value after the change.
    """

    object: str
    path: str
    uid: str
    field: str
    before: Value
    after: Value

    @property
    def is_needed(self) -> bool:
        """Whether the object does not have the new value anyway."""
        return self.before != self.after

    @property
    def command(self) -> str:
        """The command of kubectl that restores the value before."""
        kind, *rest = self.object.split("/")
        if kind == "node":
            return f"kubectl {'cordon' if self.before else 'uncordon'} {rest[0]}"
        return f"kubectl -n {rest[0]} scale {kind}/{rest[1]} --replicas={self.before}"

    def record(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Restored:
    """What a restoration came to.

    Attributes:
        outcome: ``restored``, ``as-before`` (it was already), ``gone`` (there is no such object any
            more), or ``changed`` (somebody else changed it: it was left alone).
        said: The same as one line, with the values.
    """

    outcome: Literal["restored", "as-before", "gone", "changed"]
    said: str

    @property
    def is_over(self) -> bool:
        """Whether nothing of the change is left."""
        return self.outcome != "changed"


def read(record: Mapping[str, Any]) -> Change:
    """Make a `Change` from its record.

    Raises:
        BadInputError: The record has other keys or values than `Change.record` writes.
    """
    try:
        change = Change(**record)
        kind = FIELDS[change.field]
        is_valid = type(change.before) is type(change.after) is kind and change.path[0] == "/"
        if is_valid and change.object.count("/") == (1 if kind is bool else 2):
            return change
    except (AttributeError, IndexError, KeyError, TypeError):
        pass
    fix = "no change that chaos_go records; give the file as the run wrote it"
    raise BadInputError("change", record, fix)


def make(client: Client, change: Change) -> None:
    """Make a change, if the object still has the value before.

    Raises:
        TargetError: The object is gone, or was changed since it was looked up.
        ClusterError: The API server refused, or did not answer. The change may have been made.
    """
    has_tried = False
    for _ in range(_TRIES):
        found = _look_up(client, change)
        if found is None:
            raise TargetError(change.object, "it was deleted meanwhile; choose another")
        value, version = found
        if value == change.after and (has_tried or not change.is_needed):
            return  # also when the answer to an earlier try was lost
        if value != change.before:
            fix = (
                f"{change.field} was changed meanwhile from {_say(change.before)} to {_say(value)}"
            )
            raise TargetError(change.object, f"{fix}; try again when nobody else changes it")
        has_tried = True
        if _write(client, change, change.after, version):
            return
    raise _too_busy(change)


def restore(client: Client, change: Change, dry_run: bool = False) -> Restored:
    """Restore the value before, if the object still has the value that the change made.

    Args:
        client: The cluster.
        change: What was changed.
        dry_run: Whether to change nothing, and only say what would be done.

    Raises:
        ClusterError: The API server refused, or did not answer.
    """
    what, has_tried = f"{change.object}: {change.field}", False
    before, after = _say(change.before), _say(change.after)
    for _ in range(_TRIES):
        found = _look_up(client, change)
        if found is None:
            return Restored("gone", f"{change.object}: it does not exist any more; nothing to do")
        value, version = found
        if value == change.before:
            if has_tried:  # the answer to an earlier try was lost
                return Restored("restored", f"{what} restored from {after} to {before}")
            return Restored("as-before", f"{what} is {before} as before; nothing to do")
        if value != change.after:
            why = f"is {_say(value)}, but this fault had changed it from {before} to {after}"
            fix = f"somebody else changed it, so it is left alone; to restore it: {change.command}"
            return Restored("changed", f"{what} {why}; {fix}")
        if dry_run:
            return Restored("restored", f"{what} would be restored from {after} to {before}")
        has_tried = True
        if _write(client, change, change.before, version):
            return Restored("restored", f"{what} restored from {after} to {before}")
    raise _too_busy(change)


def value_of(field: str, item: Mapping[str, Any]) -> Value:
    """Return the value of one of `FIELDS` of an object."""
    *parents, last = field.split(".")
    for parent in parents:
        item = item.get(parent) or {}
    kind = FIELDS[field]
    return kind(item.get(last) or 0)


def _look_up(client: Client, change: Change) -> tuple[Value, str] | None:
    """Return the value of now and the version; None when this object does not exist any more."""
    try:
        item = client.get(change.path)
    except ClusterError as error:
        if error.status == 404:
            return None
        raise
    if item["metadata"].get("uid") != change.uid:
        return None  # another object has its name now
    return value_of(change.field, item), str(item["metadata"]["resourceVersion"])


def _write(client: Client, change: Change, value: Value, version: str) -> bool:
    """Write a value; return False when the object is not of this version any more."""
    body: dict[str, Any] = {"metadata": {"resourceVersion": version}}
    inside = body
    *parents, last = change.field.split(".")
    for parent in parents:
        inside = inside.setdefault(parent, {})
    inside[last] = value
    try:
        client.patch(change.path, body)
    except ClusterError as error:
        if error.status == 409:
            return False
        raise
    return True


def _too_busy(change: Change) -> ClusterError:
    return ClusterError(
        f"{change.object} was changed by others at each of {_TRIES} tries; find what changes it"
    )


def _say(value: Value) -> str:
    return str(value).lower()
