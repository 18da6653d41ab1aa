"""One thread that reads and writes all streams into pods.

One thread and no more: OpenSSL allows no second one at the same connection, and thirty streams need
no thirty threads.
"""

import logging
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

logger = logging.getLogger("chaostoolkit")


class Stream(Protocol):
    """What the hub needs of a stream. It calls every method in its own thread."""

    sock: socket.socket

    def pump(self) -> None:
        """Write and read as much as is possible without waiting."""
        ...

    def end(self, why: str) -> None:
        """Leave the hub, because of an error."""
        ...


class Hub:
    """The thread, which is started with the first stream."""

    def __init__(self) -> None:
        """Prepare; no thread runs yet."""
        self._selector = selectors.DefaultSelector()
        self._calls: deque[Callable[[], None]] = deque()
        self._waking, self._woken = socket.socketpair()
        self._waking.setblocking(False)
        self._woken.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def run(self, call: Callable[[], None]) -> None:
        """Have something called by the thread of the hub, soon. Never waits."""
        self._calls.append(call)
        with suppress(BlockingIOError):  # so much is to be read that it is awake anyway
            self._waking.send(b"x")

    def add(self, stream: Stream) -> None:
        """Serve a stream from now on."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="pods", daemon=True)
                self._thread.start()
        self.run(lambda: self._begin(stream))

    def watch(self, stream: Stream, *, reading: bool, writing: bool) -> None:
        """Pump a stream when it can be read or written; only in the thread of the hub."""
        events = reading * selectors.EVENT_READ | writing * selectors.EVENT_WRITE
        known = stream.sock.fileno() in self._selector.get_map()
        if not events and known:
            self._selector.unregister(stream.sock)
        elif events and known:
            self._selector.modify(stream.sock, events, stream)
        elif events:
            self._selector.register(stream.sock, events, stream)

    def _begin(self, stream: Stream) -> None:
        self.watch(stream, reading=True, writing=False)
        self._pump(stream)  # something may have arrived with the answer that opened it

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    with suppress(BlockingIOError):
                        self._woken.recv(4096)
                else:
                    self._pump(key.data)
            for _ in range(len(self._calls)):  # what these add waits until all sockets had a turn
                self._call(self._calls.popleft())

    def _pump(self, stream: Stream) -> None:
        try:
            stream.pump()
        except Exception as error:  # noqa: BLE001 - the other streams must go on
            stream.end(f"{type(error).__name__}: {error}")

    def _call(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:
            logger.exception("a stream into a pod failed")


hub = Hub()
"""The hub of this process."""
