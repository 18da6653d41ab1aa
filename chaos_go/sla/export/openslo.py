"""An OpenSLO v1 SLO, see https://github.com/OpenSLO/OpenSLO."""

from typing import Any

from chaos_go.sla.export import promql
from chaos_go.sla.export.heading import comments, description
from chaos_go.sla.export.objective import PERIOD_DAYS, TARGET, Objective


def text(objective: Objective) -> str:
    """Write the file."""
    import yaml

    return comments(objective) + yaml.safe_dump(_document(objective), sort_keys=False, width=1000)


def _document(objective: Objective) -> dict[str, Any]:
    name = f"{objective.service}-latency"[:63].rstrip("-")
    return {
        "apiVersion": "openslo/v1",
        "kind": "SLO",
        "metadata": {"name": name, "displayName": f"Latency of {objective.service}"},
        "spec": {
            "description": description(objective),
            "service": objective.service,
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
                {"displayName": f"within {objective.bucket_s * 1000:g} ms", "target": TARGET}
            ],
        },
    }


def _source(query: str) -> dict[str, Any]:
    return {"metricSource": {"type": "Prometheus", "spec": {"query": query}}}
