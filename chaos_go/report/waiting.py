"""A word to whoever waits at a terminal: what is being done, and for how long already."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_PATIENCE_S = 2.0  # below that nobody wonders
_CLEAR = "\r\x1b[K"


@contextmanager
def told(what: str, stream: TextIO | None = None, every_s: float = 1.0) -> Iterator[None]:
    """Say what is being done inside the ``with`` block, from its second second on, and clear it.

    Args:
        what: for instance ``reading risk.csv``.
        stream: of the terminal, by default standard error; nothing is said to anything else.
        every_s: seconds from one word to the next.
    """
    terminal = stream or sys.stderr
    if not terminal.isatty():
        yield
        return
    done = threading.Event()
    speaker = threading.Thread(target=_speak, args=(what, terminal, every_s, done), daemon=True)
    speaker.start()
    try:
        yield
    finally:
        done.set()
        speaker.join()


def _speak(what: str, terminal: TextIO, every_s: float, done: threading.Event) -> None:
    began = time.monotonic()
    if done.wait(_PATIENCE_S):
        return
    while not done.is_set():
        terminal.write(f"{_CLEAR}{what}, {time.monotonic() - began:.0f} s ")
        terminal.flush()
        done.wait(every_s)
    terminal.write(_CLEAR)
    terminal.flush()
