"""How long it takes from the call of the action until the pod is deleted, beside chaosk8s."""

from collections.abc import Callable, Mapping
from typing import Any

from table import Reach, Rounds, Row

from chaos_go.errors import ClusterError
from chaos_go.kubernetes.kinds import PODS

from . import audit
from .child import Child
from .lab import Lab

NAMESPACE = "figures"
WORKLOAD = "users"
PEER = "chaosk8s"
GOAL_S = 0.3

Figures = dict[tuple[str, str], list[float]]
"""What was measured, by tool and figure: one value per round."""

COLD, PRELOADED, WARM = "first call", "first call, kubernetes imported before", "later call"
WHOLE, MEMORY = "process started", "peak memory"


def speed(lab: Lab, rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Measure first and later calls of both tools, in turn."""
    if not lab.exists(f"/api/v1/namespaces/{NAMESPACE}"):
        lab.deploy(NAMESPACE, (WORKLOAD,))
    say(f"chaos_go.faults.pods.kill(target='deployment/{NAMESPACE}/{WORKLOAD}')")
    say(f"chaosk8s.pod.actions.terminate_pods(label_selector='app={WORKLOAD}', ns={NAMESPACE!r}, "
        "rand=True)")  # fmt: skip
    found: Figures = {}
    for number in range(rounds):
        tools = ["chaos_go", PEER]
        for tool in tools if number % 2 else reversed(tools):
            for key, value in one_process(lab, tool).items():
                found.setdefault((tool, key), []).append(value)
    return _rows(found)


def one_process(lab: Lab, tool: str) -> dict[str, float]:
    """Kill once in a process that has imported little, then twice in one that has imported all."""
    found = {}
    lab.wait_until_available(NAMESPACE, WORKLOAD)
    with Child(tool, NAMESPACE, WORKLOAD) as child:
        told = child.kill()
        deleted = deleted_unix_s(lab, told)
        found[COLD] = deleted - told["called_unix_s"]
        found[WHOLE] = deleted - child.started_unix_s
        found[MEMORY] = child.peak_mb()
    lab.wait_until_available(NAMESPACE, WORKLOAD)
    with Child(tool, NAMESPACE, WORKLOAD, imports="all") as child:
        for key in (PRELOADED, WARM):
            lab.wait_until_available(NAMESPACE, WORKLOAD)
            told = child.kill()
            found[key] = deleted_unix_s(lab, told) - told["called_unix_s"]
    return found


def deleted_unix_s(lab: Lab, told: Mapping[str, Any]) -> float:
    """Return when the API server had deleted the pod: it had answered, and the pod is marked.

    Raises:
        RuntimeError: The pod is still there without a mark.
    """
    (pod,) = told["pods"]
    try:
        left = lab.client.get(PODS.path(NAMESPACE, pod))
    except ClusterError as error:
        if error.status != 404:
            raise
    else:
        if "deletionTimestamp" not in left["metadata"]:
            raise RuntimeError(f"pod {pod} is not being deleted")
    what = f"the kill of {pod}"
    found = lab.log.wait_for(what, lambda entries: audit.killed(entries, NAMESPACE, pod))
    return found.answered_unix_s


def _rows(found: Figures) -> list[Row]:
    def row(figure: str, key: str, unit: str, reach: Reach | None, note: str = "") -> Row:
        ours, theirs = Rounds(unit, found["chaos_go", key]), Rounds(unit, found[PEER, key])
        return Row(figure, ours, PEER, theirs, reach, note)

    goal = Reach(most=GOAL_S, of="value")
    why = "the first call imports the package kubernetes, which takes most of this time"
    return [
        row(f"action called to pod deleted, {WARM}", WARM, "s", goal),
        row(f"action called to pod deleted, {PRELOADED}", PRELOADED, "s", goal),
        row(f"action called to pod deleted, {COLD}", COLD, "s", goal, why),
        row(f"{WHOLE} to pod deleted", WHOLE, "s", None),
        row(f"{MEMORY} of a process that kills one pod", MEMORY, "MB", None),
    ]
