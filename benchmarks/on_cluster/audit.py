"""The audit log of the API server: what it did, and when by its own clock, in microseconds."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

WITHIN_S = 10.0


@dataclass(frozen=True)
class Entry:
    """One request that the API server has answered.

    Attributes:
        verb: The verb of the API, for instance ``delete``.
        resource: The resource with its subresource, for instance ``pods/status``.
        namespace: The namespace.
        name: Name of the object.
        ok: Whether it was done; not so after a conflict, for instance.
        received_unix_s: When the server had read the request, in seconds since 1970.
        answered_unix_s: When the answer was complete, in seconds since 1970.
        answer: The object in the answer; empty if the policy does not ask for it.
    """

    verb: str
    resource: str
    namespace: str
    name: str
    ok: bool
    received_unix_s: float
    answered_unix_s: float
    answer: dict[str, Any]


class Log:
    """The audit log of a cluster, which grows while it is read."""

    def __init__(self, path: Path) -> None:
        """Remember where it is."""
        self._path = path

    def entries(self) -> list[Entry]:
        """Return all entries so far, in the order in which they were answered."""
        text = self._path.read_text()
        whole = text[: text.rfind("\n") + 1]  # the last line may not be complete yet
        return sorted(map(_read, whole.splitlines()), key=lambda entry: entry.answered_unix_s)

    def wait_for[T](self, what: str, find: Callable[[Iterable[Entry]], T | None]) -> T:
        """Wait until the log has something.

        Args:
            what: What is waited for, for the error message.
            find: Finds it among the entries, or returns None.

        Raises:
            RuntimeError: It was not there in time.
        """
        end_s = time.monotonic() + WITHIN_S
        while (found := find(self.entries())) is None:
            if time.monotonic() > end_s:
                raise RuntimeError(f"the audit log does not have it after {WITHIN_S:g} s: {what}")
            time.sleep(0.05)
        return found


def killed(entries: Iterable[Entry], namespace: str, pod: str) -> Entry | None:
    """Return the request that killed a pod: the first accepted delete or eviction of it."""
    kinds = {("delete", "pods"), ("create", "pods/eviction")}
    for x in entries:
        is_kill = (x.verb, x.resource) in kinds and x.ok
        if is_kill and (x.namespace, x.name) == (namespace, pod):
            return x
    return None


def became_ready(entries: Iterable[Entry], namespace: str, pod: str) -> Entry | None:
    """Return the kubelet's request that made a pod Ready."""
    for x in entries:
        if _is(x, "pods/status", namespace, pod):
            conditions = x.answer["status"].get("conditions") or []
            if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
                return x
    return None


def fully_available(
    entries: Iterable[Entry], namespace: str, deployment: str, since_unix_s: float
) -> Entry | None:
    """Return the controller's request that made a Deployment fully available, after a time."""
    for x in entries:
        if not _is(x, "deployments/status", namespace, deployment):
            continue
        wanted, status = x.answer["spec"]["replicas"], x.answer["status"]
        is_full = status.get("availableReplicas", 0) >= wanted
        if x.received_unix_s >= since_unix_s and is_full:
            return x
    return None


def _is(entry: Entry, resource: str, namespace: str, name: str) -> bool:
    """Tell whether a request changed this object."""
    is_named = (entry.namespace, entry.name) == (namespace, name)
    return entry.ok and entry.resource == resource and is_named


def _read(line: str) -> Entry:
    event = json.loads(line)
    about = event["objectRef"]
    parts = [about["resource"], about.get("subresource", "")]
    return Entry(
        verb=event["verb"],
        resource="/".join(part for part in parts if part),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        ok=event.get("responseStatus", {}).get("code", 0) in range(200, 300),
        received_unix_s=_unix_s(event["requestReceivedTimestamp"]),
        answered_unix_s=_unix_s(event["stageTimestamp"]),
        answer=event.get("responseObject") or {},
    )


def _unix_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
