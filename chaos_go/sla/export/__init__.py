"""SLO files from a calculated limit: one module per format, one registry.

A writer is a pure function from an `Objective` to the text of the file.
"""

from chaos_go.sla.export import openslo, prometheus, sloth
from chaos_go.sla.export.objective import Objective, Source, objective

FORMATS = {
    "openslo": openslo.text,
    "sloth": sloth.text,
    "prometheus": prometheus.text,
}

__all__ = ["FORMATS", "Objective", "Source", "objective"]
