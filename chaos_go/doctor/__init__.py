"""Checks, before anything is changed, whether an experiment could do here what it asks for.

`examine` does it, for ``chaos go doctor``. `experiment` reads what the experiment asks for;
`connections`, `permissions`, `pods` and `host` look, and each returns checks; `table` and `report`
show them. Nothing is changed in a cluster; on this host only the agent's own trial of what the
kernel allows.
"""

from chaos_go.doctor.check import Check, Report
from chaos_go.doctor.examination import examine
from chaos_go.doctor.minimal import role

__all__ = ["Check", "Report", "examine", "role"]
