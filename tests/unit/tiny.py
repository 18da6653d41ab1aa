"""Tiny activities, to get real journals from real runs of Chaos Toolkit."""

from chaoslib.exceptions import InterruptExecution

numbers: list[float] = []


def number() -> float:
    """Return the next of the numbers that the test laid out."""
    value = numbers.pop(0)
    if value < 0:
        raise ValueError("too few requests")
    return value


def act(fails: bool = False, interrupts: bool = False) -> dict[str, str]:
    """Do nothing, or fail, or interrupt the run."""
    if interrupts:
        raise InterruptExecution("stopped by hand")
    if fails:
        raise ValueError("cannot be done")
    return {"id": "f"}


def is_even(value: float, strictly: bool = False) -> bool:
    """Act as a tolerance."""
    return value % 2 == 0 or strictly


async def never_awaited() -> None:
    """Do nothing, as an async function, which Chaos Toolkit accepts and never awaits."""


def slow_down(host: str, port: int, wait_ms: float, duration_s: float, name: str) -> dict[str, str]:
    """Do nothing; a ladder could use this action, but no test calls it."""
    raise AssertionError(f"{name} of {host}:{port} was started: {wait_ms} ms for {duration_s} s")
