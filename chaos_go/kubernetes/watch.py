"""Follows a collection: a list, then a watch, again and again until it is told to stop.

A watch that the server closes goes on from its last resource version. One that has become too old
(410) begins with a new list, whose differences to what was known are events too.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from chaos_go.errors import ClusterError
from chaos_go.kubernetes.client import Client, Object

logger = logging.getLogger("chaostoolkit")

_WATCH_S = 10.0  # the server ends each watch after this time: a dead connection is noticed then
_SHORTEST_S = 1.0  # after a watch that lasted less, there is a pause
_PAUSE_S = 0.2
_OPENS_WITHIN_S = 5.0
_REFUSED = (400, 401, 403, 404, 405)  # answers that stay the same


@dataclass(frozen=True)
class Change:
    """One change of an object.

    Attributes:
        at_unix_s: When this process learned of it, in seconds since 1970.
        is_gone: Whether the object was deleted; it is then the last version of it.
        object: The object.
    """

    at_unix_s: float
    is_gone: bool
    object: Object


class Follower:
    """Follows one collection in a thread of its own, from the first list on."""

    def __init__(
        self,
        client: Client,
        path: str,
        on_change: Callable[[Change], None],
        label_selector: str = "",
        field_selector: str = "",
    ) -> None:
        """List the collection, report every object, and follow it from then on.

        Args:
            client: The cluster.
            path: Path of the collection.
            on_change: Called for each change, in this thread for the first list and then in the
                thread of the follower.
            label_selector: Only objects with these labels.
            field_selector: Only objects with these fields.

        Raises:
            ClusterError: The first list failed, or the watch was refused.
        """
        self._client = client
        self._path = path
        self._query = {"labelSelector": label_selector, "fieldSelector": field_selector}
        self._on_change = on_change
        self._known: dict[str, Object] = {}
        self._stopped = threading.Event()
        self._opened = threading.Event()
        self._refusal: ClusterError | None = None
        self._is_failing = False
        self._version = self._list()
        self._is_current = True
        threading.Thread(target=self._follow, name=f"watch {path}", daemon=True).start()
        self._opened.wait(_OPENS_WITHIN_S)
        if self._refusal:
            raise self._refusal

    def stop(self) -> None:
        """End it, without waiting for its thread."""
        self._stopped.set()

    def _list(self) -> str:
        items, version = self._client.items(self._path, **self._query)
        now = time.time()
        seen = {item["metadata"]["uid"]: item for item in items}
        for uid in list(self._known.keys() - seen.keys()):
            self._report(Change(now, True, self._known.pop(uid)))
        for uid, item in seen.items():
            before = self._known.get(uid)
            if before is None or _version(before) != _version(item):
                self._known[uid] = item
                self._report(Change(now, False, item))
        return version

    def _follow(self) -> None:
        while not self._stopped.is_set():
            began_s = time.monotonic()
            try:
                if not self._is_current:
                    self._version = self._list()
                    self._is_current = True
                events = self._watch()
                if not events and time.monotonic() - began_s < _SHORTEST_S:
                    self._fail("it ended at once, without an event")
            except ClusterError as error:
                if error.status in _REFUSED and not self._opened.is_set():
                    self._refusal = error
                    self._opened.set()
                    return
                self._fail(str(error))
            except Exception as error:  # noqa: BLE001 - an event of an unknown form; go on
                self._fail(repr(error))
            if time.monotonic() - began_s < _SHORTEST_S:
                self._stopped.wait(_PAUSE_S)

    def _fail(self, why: str) -> None:
        """Take note that the watch broke: the next one begins with a list."""
        self._is_current = False
        level = logging.DEBUG if self._is_failing else logging.INFO
        logger.log(level, "the watch of %s begins anew: %s", self._path, why)
        self._is_failing = True

    def _watch(self) -> int:
        """Watch until the server ends it, and return the number of events."""
        number = 0
        query = {**self._query, "resourceVersion": self._version, "allowWatchBookmarks": "true"}
        with self._client.watch(self._path, _WATCH_S, **query) as events:
            self._opened.set()
            for event in events:
                if self._stopped.is_set():
                    return number
                number += 1
                self._take(event)
                self._is_failing = False
        return number

    def _take(self, event: Object) -> None:
        item = event["object"]
        if event["type"] == "ERROR":
            raise ClusterError(f"the watch of {self._path} ended: {item.get('message')}",
                               int(item.get("code") or 0), item)  # fmt: skip
        self._version = _version(item)
        if event["type"] == "BOOKMARK":
            return
        uid = item["metadata"]["uid"]
        is_gone = event["type"] == "DELETED"
        if is_gone:
            self._known.pop(uid, None)
        else:
            self._known[uid] = item
        self._report(Change(time.time(), is_gone, item))

    def _report(self, change: Change) -> None:
        self._on_change(change)


def _version(item: Object) -> str:
    return str(item["metadata"].get("resourceVersion", ""))
