"""A spec for Sloth, which makes Prometheus rules of it, see https://sloth.dev."""

from typing import Any

from chaos_go.sla.export import promql
from chaos_go.sla.export.heading import comments, description
from chaos_go.sla.export.objective import TARGET, Objective

_WINDOW = "{{.window}}"  # Sloth puts each window in here


def text(objective: Objective) -> str:
    """Write the file."""
    import yaml

    return comments(objective) + yaml.safe_dump(_document(objective), sort_keys=False, width=1000)


def _document(objective: Objective) -> dict[str, Any]:
    total, good = promql.total(objective, _WINDOW), promql.good(objective, _WINDOW)
    return {
        "version": "prometheus/v1",
        "service": objective.service,
        "slos": [
            {
                "name": "latency",
                "objective": TARGET * 100,
                "description": description(objective),
                "sli": {"events": {"error_query": f"{total} - {good}", "total_query": total}},
                "alerting": {
                    "name": "LatencyBudgetBurn",
                    "labels": {"service": objective.service},
                    "page_alert": {"labels": {"severity": "page"}},
                    "ticket_alert": {"labels": {"severity": "ticket"}},
                },
            }
        ],
    }
