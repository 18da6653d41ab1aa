"""Journals with traffic, as the traffic control writes them."""

from typing import Any

from chaos_go.controls.journal import SCHEMA
from chaos_go.traffic import histogram

START = 1_764_108_000.0


def second(
    number: int,
    latencies_ms: tuple[float, ...] = (10.0,) * 40,
    statuses: dict[str, int] | None = None,
    **counters: int,
) -> dict[str, Any]:
    """Return one second of a load."""
    counts: dict[str, int] = {}
    for latency_ms in latencies_ms:
        bucket = str(histogram.index(round(latency_ms * 1000)))
        counts[bucket] = counts.get(bucket, 0) + 1
    n = len(latencies_ms)
    return {
        "start_unix_s": START + number,
        "intended": n,
        "sent": n,
        "statuses": {"200": n} if statuses is None else statuses,
        "timeouts": 0,
        "connection_errors": 0,
        "late": 0,
        "dropped": 0,
        "impact": 0,
        "impact_n": n,
        "latency": {"counts": counts},
        "service_time": {"counts": counts},
        **counters,
    }


def journal_of(seconds: list[dict[str, Any]], faults: tuple[Any, ...] = ()) -> dict[str, Any]:
    """Return a journal with one load named checkout."""
    traffic = {"checkout": {"spec": {"load": {"timeout_ms": 2000}}, "seconds": seconds}}
    return {
        "experiment": {
            "title": "Does it hold?",
            "steady-state-hypothesis": {
                "probes": [
                    {
                        "tolerance": {"type": "range", "range": [0, 500]},
                        "provider": {"module": "probes.traffic", "func": "p99_ms"},
                    }
                ]
            },
        },
        "chaos_go": {"schema": SCHEMA, "faults": list(faults), "traffic": traffic},
    }
