"""Checks the files that the user asks for with ``-o``, before anything is calculated."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos_go.errors import BadInputError


def check(path: str) -> None:
    """Refuse a file that cannot be written.

    Raises:
        BadInputError: The file cannot be written. The message says how to fix it.
    """
    place = Path(path)
    if not path or path.endswith("/") or place.is_dir():
        raise BadInputError("output", path, "give the name of a file")
    if not place.parent.is_dir():
        fix = f"there is no such directory; make it first: mkdir -p {place.parent}"
        raise BadInputError("output", path, fix)
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        raise BadInputError("output", path, "you may not write it; give another file")


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Turn an error of the operating system in the ``with`` block into one of our own.

    Raises:
        BadInputError: The file could not be written.
    """
    try:
        yield
    except OSError as error:
        raise BadInputError("output", path, f"{error.strerror}; give another file") from error
