"""Lines for an agent without any Python: the wire, protocol 2, as it is written here once."""

from typing import Any

PROTOCOL = 2


def spec(kind: str, detail: dict[str, Any], **common: Any) -> dict[str, Any]:
    """Return the first line for an agent: a fault or a load.

    Args:
        kind: of the fault, or ``load``.
        detail: the object of the kind.
        common: what every kind has, for instance ``way``.
    """
    given = {"version": PROTOCOL, "id": "x", "kind": kind, "duration_s": 60, **common}
    return given | {kind: detail}


def abort(way: dict[str, Any], path: str = "", **common: Any) -> dict[str, Any]:
    """Return the first line of a fault that answers 503.

    Args:
        way: which traffic: ``{"port": 8082}``, ``{"to": "users:8082"}`` and so on.
        path: of the requests; "" for every path.
        common: what every kind has.
    """
    http: dict[str, Any] = {"percentage": 100, "abort": {"status": 503}}
    if path:
        http["match"] = {"path": path}
    return spec("http", http, way=way, **common)
