"""Shows at a terminal what is being done, and for how many seconds already."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_PATIENCE_S = 2.0  # a shorter wait is not announced
_EVERY_S = 1.0
_CLEAR = "\r\x1b[K"


class Clock:
    """The time, and the end of what is waited for. Tests replace it to control the time."""

    def __init__(self) -> None:
        """Start to wait."""
        self._done = threading.Event()

    def now_s(self) -> float:
        """Return the seconds of a clock that never goes back."""
        return time.monotonic()

    def end(self) -> None:
        """Say that what was waited for is done."""
        self._done.set()

    def is_done_within(self, timeout_s: float) -> bool:
        """Wait for the end, at most ``timeout_s``; return whether it has come."""
        return self._done.wait(timeout_s)


@contextmanager
def told(what: str, stream: TextIO | None = None, clock: Clock | None = None) -> Iterator[None]:
    """Show what is being done in the ``with`` block once it takes 2 s, and clear it at the end.

    Args:
        what: What is being done, for instance ``reading risk.csv``.
        stream: Where to show it; standard error by default. Nothing is shown if it is no terminal.
        clock: The time; real time by default.
    """
    terminal = stream or sys.stderr
    if not terminal.isatty():
        yield
        return
    clock = clock or Clock()
    speaker = threading.Thread(target=_speak, args=(what, terminal, clock), daemon=True)
    speaker.start()
    try:
        yield
    finally:
        clock.end()
        speaker.join()


def _speak(what: str, terminal: TextIO, clock: Clock) -> None:
    began_s = clock.now_s()
    if clock.is_done_within(_PATIENCE_S):
        return
    done = False
    while not done:
        terminal.write(f"{_CLEAR}{what}, {clock.now_s() - began_s:.0f} s ")
        terminal.flush()
        done = clock.is_done_within(_EVERY_S)
    terminal.write(_CLEAR)
    terminal.flush()
