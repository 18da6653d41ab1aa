"""How an action fails: as Chaos Toolkit's ActivityFailed, in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from chaoslib.exceptions import ActivityFailed

from chaos_go.errors import ChaosGoError


@contextmanager
def as_activity_failure() -> Iterator[None]:
    """Turn an error of ours into ActivityFailed with the same text; also a decorator."""
    try:
        yield
    except ChaosGoError as error:
        raise ActivityFailed(str(error)) from error
