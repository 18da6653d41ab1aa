"""Tells on stderr what takes longer than two seconds."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SILENCE_S = 2.0


class Progress:
    """The step that is being done. Thread-safe enough: it is only shown."""

    def __init__(self) -> None:
        """Begin with what comes first."""
        self.step = "reading the configuration"
        self._began_s = time.monotonic()
        self._over = threading.Event()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the step of the moment every two seconds, until the end of the block."""
        thread = threading.Thread(target=self._show, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _show(self) -> None:
        while not self._over.wait(_SILENCE_S):
            took_s = time.monotonic() - self._began_s
            sys.stderr.write(f"doctor: {self.step} ({took_s:.0f} s)\n")
            sys.stderr.flush()
