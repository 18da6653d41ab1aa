"""A spec from which Sloth generates Prometheus rules, see https://sloth.dev."""

from typing import Any

from chaos_go.sla.export import promql
from chaos_go.sla.export.heading import description
from chaos_go.sla.export.objective import TARGET, Objective

_WINDOW = "{{.window}}"  # Sloth replaces this by each window


def document(objective: Objective) -> dict[str, Any]:
    """Return the content of the file."""
    total, good = promql.total(objective, _WINDOW), promql.good(objective, _WINDOW)
    return {
        "version": "prometheus/v1",
        "service": objective.names.service,
        "slos": [
            {
                "name": "latency",
                "objective": TARGET * 100,
                "description": description(objective),
                "sli": {"events": {"error_query": f"{total} - {good}", "total_query": total}},
                "alerting": {
                    "name": "LatencyBudgetBurn",
                    "labels": {"service": objective.names.service},
                    "page_alert": {"labels": {"severity": "page"}},
                    "ticket_alert": {"labels": {"severity": "ticket"}},
                },
            }
        ],
    }
