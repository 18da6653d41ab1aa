"""Probes of the tests' own experiments: good before the fault, then failing in several ways."""

import time
import urllib.error
import urllib.request
from pathlib import Path

_calls: list[str] = []


def stay_well() -> int:
    """Return 1 always."""
    return 1


def get_worse() -> int:
    """Return 1 at first and 2 afterwards."""
    return 1 if _is_first("get_worse") else 2


def fail() -> int:
    """Return 1 at first and raise afterwards."""
    if _is_first("fail"):
        return 1
    raise RuntimeError("this probe cannot measure any more")


def say_nothing() -> int | None:
    """Return 1 at first and None afterwards; under a range tolerance that kills `chaos run`."""
    return 1 if _is_first("say_nothing") else None


def write_status(url: str) -> int:
    """Send one request and keep its status in a file, which outlives a run without a journal."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        with error:
            status = error.code
    Path("status").write_text(str(status))
    return int(status)


def take_time(seconds: float, file: str) -> None:
    """Write a file, then wait."""
    Path(file).touch()
    time.sleep(seconds)


def _is_first(name: str) -> bool:
    _calls.append(name)
    return _calls.count(name) == 1
