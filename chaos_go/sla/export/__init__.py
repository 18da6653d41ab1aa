"""SLO files from a calculated limit: one module per format, one registry.

A format is a pure function from an `Objective` to the content of the file, which is written as YAML
below the `comments`.
"""

from chaos_go.errors import BadInputError
from chaos_go.sla.export import openslo, prometheus, sloth
from chaos_go.sla.export.heading import comments
from chaos_go.sla.export.objective import Names, Objective, Source, objective

FORMATS = {
    "openslo": openslo.document,
    "sloth": sloth.document,
    "prometheus": prometheus.document,
}

__all__ = ["FORMATS", "Names", "Objective", "Source", "check_format", "comments", "objective"]


def check_format(kind: str) -> None:
    """Refuse an unknown format.

    Raises:
        BadInputError: The format is not one of `FORMATS`.
    """
    if kind not in FORMATS:
        raise BadInputError("format", kind, f"unknown; known are {', '.join(FORMATS)}")
