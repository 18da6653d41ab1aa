"""Prometheus recording rules, and alerts on the burn rate of the error budget.

The windows and factors are those of B. Beyer et al., "The Site Reliability Workbook", O'Reilly
2018, chapter 5, for a period of 30 days. With a long window alone an alert ends late; with a short
window alone it is noisy. So the burn rate must be too high in both.
"""

from typing import Any

from chaos_go.sla.export import promql
from chaos_go.sla.export.heading import description
from chaos_go.sla.export.objective import TARGET, Objective

_PAGE = (("5m", "1h", 14.4), ("30m", "6h", 6.0))
_TICKET = (("2h", "1d", 3.0), ("6h", "3d", 1.0))
_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


def document(objective: Objective) -> dict[str, Any]:
    """Return the content of the file."""
    recordings = [
        {
            "record": _record(window),
            "expr": f"1 - {promql.good(objective, window)} / {promql.total(objective, window)}",
            "labels": {"service": objective.names.service, "slo": "latency"},
        }
        for window in _WINDOWS
    ]
    alerts = [_alert(objective, "page", _PAGE), _alert(objective, "ticket", _TICKET)]
    return {
        "groups": [
            {"name": f"{objective.names.service}-latency-slo", "rules": recordings},
            {"name": f"{objective.names.service}-latency-slo-alerts", "rules": alerts},
        ]
    }


def _record(window: str) -> str:
    return f"slo:slow_requests:ratio_rate{window}"


def _alert(
    objective: Objective, severity: str, burns: tuple[tuple[str, str, float], ...]
) -> dict[str, Any]:
    match = f'{{service="{objective.names.service}",slo="latency"}}'
    parts = []
    for short, long, factor in burns:
        rate = f"{factor * (1 - TARGET):.6g}"
        sides = [f"{_record(window)}{match} > {rate}" for window in (short, long)]
        parts.append(f"({' and '.join(sides)})")
    return {
        "alert": "LatencyBudgetBurn",
        "expr": " or ".join(parts),
        "labels": {"severity": severity},
        "annotations": {
            "summary": f"{objective.names.service} is slow and burns its error budget too fast",
            "description": description(objective),
        },
    }
