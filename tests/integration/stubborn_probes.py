"""Probes of the tests' own experiments: well before the fault, then whatever goes wrong."""

from pathlib import Path

import driver

_calls: list[str] = []


def stay_well() -> int:
    """Give 1 always."""
    return 1


def get_worse() -> int:
    """Give 1 at first and 2 afterwards."""
    return 1 if _is_first("get_worse") else 2


def fail() -> int:
    """Give 1 at first and raise afterwards."""
    if _is_first("fail"):
        return 1
    raise RuntimeError("this probe cannot measure any more")


def say_nothing() -> int | None:
    """Give 1 at first and None afterwards; under a range tolerance that kills `chaos run`."""
    return 1 if _is_first("say_nothing") else None


def write_status(port: int, file: str) -> int:
    """Send one request and keep the status in a file, which outlives a run without a journal."""
    status = int(driver.request("127.0.0.1", port)[0]["status"])
    Path(file).write_text(str(status))
    return status


def _is_first(name: str) -> bool:
    _calls.append(name)
    return _calls.count(name) == 1
