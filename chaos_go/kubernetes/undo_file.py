"""Undo files: what a fault is about to change, on disk before it is changed.

A change in an API server outlives every process. When the run is killed, the file remains and
``chaos go undo FILE`` restores what it names. It has the same section as a journal.
"""

import json
import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaos_go import __version__
from chaos_go.agent.held import SCHEMA
from chaos_go.errors import BadInputError, ChaosGoError, shorten

logger = logging.getLogger("chaostoolkit")

_LONGEST_NAME = 80


def write(record: Mapping[str, Any]) -> Path:
    """Write the record of a fault to a new file in the current directory, and to its disk.

    Args:
        record: The record of the fault, which has what it will change.

    Raises:
        ChaosGoError: The file cannot be written.
    """
    at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    name = "".join(x if x.isalnum() else "-" for x in str(record["id"]))[:_LONGEST_NAME]
    name = f"chaos-go-undo-{name}-{at}-{os.getpid()}.json"
    section = {"schema": SCHEMA, "version": __version__, "faults": [record]}
    partial: Path | None = None
    try:
        path = _free(Path.cwd() / name)
        partial = path.with_suffix(".partial")
        with partial.open("x", encoding="utf-8") as file:
            json.dump({"chaos_go": section}, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            if partial:
                partial.unlink(missing_ok=True)
        fix = "run chaos in a folder where it may write; nothing was changed"
        raise ChaosGoError(f"cannot write {name}: {error.strerror}; {fix}") from error
    return path


def remove(path: Path) -> None:
    """Remove a file when everything in it is restored. That it cannot be removed is logged."""
    try:
        path.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        logger.warning("cannot remove %s, whose changes are restored: %s", path, error.strerror)


def read(path: str) -> dict[str, Any]:
    """Read a journal or an undo file.

    Raises:
        BadInputError: It cannot be read, or has no section of chaos_go. The message tells why.
    """
    give = "give the journal of a run, or a file chaos-go-undo-*.json"
    try:
        content: Any = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError("file", path, f"{error.strerror}; {give}") from error
    except ValueError as error:
        raise BadInputError("file", path, f"not JSON ({shorten(str(error))}); {give}") from error
    section = content.get("chaos_go") if isinstance(content, dict) else None
    if not isinstance(section, dict) or not isinstance(section.get("faults"), list):
        fix = "it has no records of faults, which the control chaos_go.controls.evidence writes"
        raise BadInputError("file", path, f"{fix}; {give}")
    if section.get("schema") != SCHEMA:
        fix = f"chaos_go.schema={section.get('schema')}: this release reads {SCHEMA}"
        raise BadInputError("file", path, f"{fix}; use the release that wrote it")
    return dict(content)


def is_undo_file(content: Mapping[str, Any]) -> bool:
    """Return whether this is the content of an undo file: a journal has more than our section."""
    return set(content) == {"chaos_go"}


def _free(path: Path) -> Path:
    """Return a path that no file has: one that is there may be all that is known of a change."""
    free, number = path, 1
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free


def _sync_folder(folder: Path) -> None:
    """Write the names in a folder to its disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
