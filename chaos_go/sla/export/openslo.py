"""An OpenSLO v1 SLO, see https://github.com/OpenSLO/OpenSLO."""

from typing import Any

from chaos_go.sla.export import promql
from chaos_go.sla.export.heading import description
from chaos_go.sla.export.objective import PERIOD_DAYS, TARGET, Objective
from chaos_go.sla.words import exact


def document(objective: Objective) -> dict[str, Any]:
    """Return the content of the file."""
    name = f"{objective.names.service}-latency"[:63].rstrip("-")
    return {
        "apiVersion": "openslo/v1",
        "kind": "SLO",
        "metadata": {"name": name, "displayName": f"Latency of {objective.names.service}"},
        "spec": {
            "description": description(objective),
            "service": objective.names.service,
            "indicator": {
                "metadata": {"name": name},
                "spec": {
                    "ratioMetric": {
                        "counter": True,
                        "good": _source(promql.good(objective)),
                        "total": _source(promql.total(objective)),
                    }
                },
            },
            "timeWindow": [{"duration": f"{PERIOD_DAYS}d", "isRolling": True}],
            "budgetingMethod": "Occurrences",
            "objectives": [
                {"displayName": f"within {exact(objective.bucket_s * 1000)} ms", "target": TARGET}
            ],
        },
    }


def _source(query: str) -> dict[str, Any]:
    return {"metricSource": {"type": "Prometheus", "spec": {"query": query}}}
