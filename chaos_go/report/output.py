"""Files that are asked for by ``-o``: judged before anything is calculated."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos_go.errors import BadInputError


def check(path: str) -> None:
    """Refuse a file that cannot be written.

    Raises:
        BadInputError: it is so.
    """
    place = Path(path)
    if not path or path.endswith("/") or place.is_dir():
        raise BadInputError("output", path, "give the name of a file")
    if not place.parent.is_dir():
        fix = f"there is no such directory; make it first: mkdir -p {place.parent}"
        raise BadInputError("output", path, fix)
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        raise BadInputError("output", path, "not yours to write; give another file")


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Say in the usual way what the system says while a file is written.

    Raises:
        BadInputError: it could not be written.
    """
    try:
        yield
    except OSError as error:
        raise BadInputError("output", path, f"{error.strerror}; give another file") from error
