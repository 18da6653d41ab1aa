"""What a kill costs among 1,000 pods: the time until the first is asked for, memory, processor."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from table import Reach, Rounds, Row

from . import audit
from .child import Child
from .crowd import NAMESPACE, WORKLOAD, Crowd
from .lab import Lab

COUNT = 1000
SCOPES: Mapping[str, Any] = {"1 pod": {"pods": 1}, "10 %": {"pods": "10%"}}
MOST_S, MOST_MB = 5.0, 200.0
IDLE_S = 10.0


def many(lab: Lab, rounds: int, say: Callable[[str], None], count: int = COUNT) -> list[Row]:
    """Kill one pod, and a tenth of the pods, each time in a new process."""
    rows = []
    with Crowd(lab, count) as crowd:
        size = f"{count:,} pods of {crowd.size_kb():.1f} kB as JSON"
        for text, scope in SCOPES.items():
            say(f"chaos_go.faults.pods.kill(target='deployment/{NAMESPACE}/{WORKLOAD}', {scope=})")
            found = []
            for _ in range(rounds):
                crowd.wait_until_available()
                found.append(one_kill(lab, crowd, scope))
            rows += _rows(size, f"kill of {text}", found)
    return rows


def one_kill(lab: Lab, crowd: Crowd, scope: object) -> dict[str, float]:
    """Kill in a new process, and measure it until all is quiet again."""
    with Child("chaos_go", NAMESPACE, WORKLOAD, imports="all") as child:
        told = child.kill({"scope": scope})
        first = told["pods"][0]
        find = partial(audit.killed, namespace=NAMESPACE, pod=first)
        asked = lab.log.wait_for(f"the kill of {first}", find)
        crowd.wait_until_available()
        follow_s = child.processor_s() - told["processor_s"]
        before_s = child.processor_s()
        time.sleep(IDLE_S)
        idle_s = (child.processor_s() - before_s) / IDLE_S
        return {
            "resolved": asked.received_unix_s - told["called_unix_s"],
            "returned": told["returned_unix_s"] - told["called_unix_s"],
            "follow": follow_s,
            "idle": 1000 * idle_s,
            "peak": child.peak_mb(),
        }


def _rows(size: str, what: str, found: list[dict[str, float]]) -> list[Row]:
    def rounds(unit: str, key: str) -> Rounds:
        return Rounds(unit, [one[key] for one in found])

    return [
        Row(f"{size}: {what}, called until the first is asked for", rounds("s", "resolved"),
            reach=Reach(most=MOST_S, of="every round")),
        Row(f"{size}: {what}, called until it returns", rounds("s", "returned")),
        Row(f"{size}: {what}, peak memory", rounds("MB", "peak"),
            reach=Reach(most=MOST_MB, of="every round")),
        Row(f"{size}: {what}, processor time until all are back", rounds("s", "follow")),
        Row(f"{size}: {what}, then per second of watching", rounds("ms", "idle")),
    ]  # fmt: skip
