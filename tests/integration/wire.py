"""Lines for an agent without Python: protocol 2 of the wire, written out."""

from typing import Any

PROTOCOL = 2


def spec(kind: str, detail: dict[str, Any], **common: Any) -> dict[str, Any]:
    """Return the first line for an agent: a fault or a load.

    Args:
        kind: Kind of the fault, or ``load``.
        detail: The object of the kind.
        common: Fields that every kind has, for instance ``way``.
    """
    given = {"version": PROTOCOL, "id": "x", "kind": kind, "duration_s": 60, **common}
    return given | {kind: detail}


def abort(way: dict[str, Any], path: str = "", **common: Any) -> dict[str, Any]:
    """Return the first line of a fault that answers 503.

    Args:
        way: Which traffic: ``{"port": 8082}``, ``{"to": "users:8082"}`` and so on.
        path: Path of the requests; "" for every path.
        common: Fields that every kind has.
    """
    http: dict[str, Any] = {"percentage": 100, "abort": {"status": 503}}
    if path:
        http["match"] = {"path": path}
    return spec("http", http, way=way, **common)
