"""Our section of the journal: ``journal["chaos_go"]``."""

from typing import Any

from chaos_go import __version__
from chaos_go.agent.held import SCHEMA


def section(journal: dict[str, Any]) -> dict[str, Any]:
    """Return our section of a journal; create it when it is missing.

    It has ``faults`` (a list) and ``traffic`` (a mapping), and ``ladders`` (a list) when the run
    had a ladder.
    """
    empty = {"schema": SCHEMA, "version": __version__, "faults": [], "traffic": {}}
    ours: dict[str, Any] = journal.setdefault("chaos_go", empty)
    return ours
