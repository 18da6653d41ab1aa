"""Our section of the journal: ``journal["chaos_go"]``."""

from typing import Any

from chaos_go import __version__

SCHEMA = 2
"""Changes when an old reader of the section would misunderstand a new one."""


def section(journal: dict[str, Any]) -> dict[str, Any]:
    """Return our section of a journal, empty at first: ``faults`` (a list) and ``traffic``.

    ``ladders`` (a list) is there when the run had one.
    """
    empty = {"schema": SCHEMA, "version": __version__, "faults": [], "traffic": {}}
    ours: dict[str, Any] = journal.setdefault("chaos_go", empty)
    return ours
