"""Notes when the API server did not answer: what happened in that time was seen late, if at all.

A watch does not tell this. It is silent both when nothing changes and when the server hangs.
"""

import threading
import time
from dataclasses import dataclass

from chaos_go.errors import ClusterError
from chaos_go.kubernetes.client import Client

_EVERY_S = 1.0
_LONGEST_SILENCE_S = 3.0
_RECONNECT_S = 1.5  # watches need so long until they have seen what they missed


@dataclass(frozen=True)
class Gap:
    """A time in which the API server did not answer.

    Attributes:
        from_unix_s: When it answered for the last time before, in seconds since 1970.
        to_unix_s: When it answered again; None while it does not.
    """

    from_unix_s: float
    to_unix_s: float | None

    def hides(self, at_unix_s: float) -> bool:
        """Return whether what was seen at a time may have happened earlier in this gap."""
        seen_by = None if self.to_unix_s is None else self.to_unix_s + _RECONNECT_S
        return at_unix_s >= self.from_unix_s and (seen_by is None or at_unix_s <= seen_by)


class Pulse:
    """Asks the API server once a second, in a thread of its own, whether it answers."""

    def __init__(self, client: Client) -> None:
        """Begin; the server is taken to answer now."""
        self._client = client
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._gaps: list[Gap] = []
        self._answered_unix_s = time.time()
        threading.Thread(target=self._ask, name="pulse of the API server", daemon=True).start()

    def stop(self) -> None:
        """End it, without waiting for its thread."""
        self._stopped.set()

    def gaps(self) -> tuple[Gap, ...]:
        """Return the times without an answer, in order; the last one may still go on."""
        with self._lock:
            found, since = list(self._gaps), self._answered_unix_s
        if not self._stopped.is_set() and time.time() - since > _LONGEST_SILENCE_S:
            found.append(Gap(since, None))
        return tuple(found)

    def _ask(self) -> None:
        while not self._stopped.wait(_EVERY_S):
            try:
                self._client.ping()
            except ClusterError:
                continue
            with self._lock:
                now = time.time()
                if now - self._answered_unix_s > _LONGEST_SILENCE_S:
                    self._gaps.append(Gap(self._answered_unix_s, now))
                self._answered_unix_s = now
