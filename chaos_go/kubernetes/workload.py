"""A workload: how many pods it wants, and whether they are all available.

Every controller counts in its own fields, see the status of each kind in the API reference of
apps/v1 and batch/v1. A status is of an older spec while ``observedGeneration`` is behind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaos_go.kubernetes.kinds import Resource


@dataclass(frozen=True)
class Workload:
    """One workload at one moment.

    Attributes:
        resource: Its kind.
        namespace: Its namespace.
        name: Its name.
        uid: Its identity.
        selector: The label selector of its pods, as the API takes it.
        wanted: The number of pods that it wants.
        available: The number of pods that are available, by its controller.
        is_observed: Whether its controller has seen its newest spec.
        is_rolled_out: Whether all pods that it updates by itself are of its newest spec.
        problem: What its controller complains about, for instance a quota; "" if nothing.
    """

    resource: Resource
    namespace: str
    name: str
    uid: str
    selector: str
    wanted: int
    available: int
    is_observed: bool
    is_rolled_out: bool
    problem: str

    @property
    def text(self) -> str:
        """Kind and name, for instance ``deployment/users``."""
        return f"{self.resource.kind.lower()}/{self.name}"

    @property
    def is_available(self) -> bool:
        """Whether everything that it wants is available."""
        return self.is_observed and self.is_rolled_out and self.available >= self.wanted

    def why_not_available(self) -> str:
        """Return what its status says is missing."""
        if not self.is_observed:
            return "its controller has not seen its newest spec"
        if self.available < self.wanted:
            return f"{self.available} of {self.wanted} are available"
        if not self.is_rolled_out:
            return "a rollout of its newest spec goes on"
        return f"all {self.wanted} are available by its status"


def read(resource: Resource, workload: Mapping[str, Any]) -> Workload:
    """Make a `Workload` of the object of the API."""
    meta, spec, status = workload["metadata"], workload["spec"], workload.get("status") or {}
    wanted, available = _counts(resource, spec, status)
    return Workload(
        resource=resource,
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        selector=selector_text(spec.get("selector") or {}),
        wanted=wanted,
        available=available,
        is_observed=status.get("observedGeneration", 0) >= meta.get("generation", 0)
        or resource.kind == "Job",  # it has none: its spec hardly ever changes
        is_rolled_out=_updated(status) >= _to_update(resource, spec, wanted),
        problem=_problem(status),
    )


def _counts(
    resource: Resource, spec: Mapping[str, Any], status: Mapping[str, Any]
) -> tuple[int, int]:
    """Return how many pods are wanted, and how many are available."""
    if resource.kind == "DaemonSet":
        return status.get("desiredNumberScheduled", 0), status.get("numberAvailable", 0)
    if resource.kind == "Job":
        return _wanted_by_job(spec, status), status.get("ready", 0)
    return spec.get("replicas", 1), status.get("availableReplicas", 0)


def _wanted_by_job(spec: Mapping[str, Any], status: Mapping[str, Any]) -> int:
    """Return how many pods a Job runs now: fewer towards its end, none when it is complete."""
    ended = {"Complete", "Suspended"}  # one that failed still owes its pods
    if any(x.get("type") in ended and x.get("status") == "True" for x in _conditions(status)):
        return 0
    parallel, done = int(spec.get("parallelism", 1)), int(status.get("succeeded", 0))
    if spec.get("completions") is not None:
        return min(parallel, max(0, int(spec["completions"]) - done))
    return int(status.get("active", 0)) if done else parallel  # one success: no new pods


def _updated(status: Mapping[str, Any]) -> int:
    """Return how many pods are of the newest spec."""
    return int(status.get("updatedReplicas", status.get("updatedNumberScheduled", 0)))


def _to_update(resource: Resource, spec: Mapping[str, Any], wanted: int) -> int:
    """Return how many pods a controller brings to the newest spec by itself."""
    if resource.kind in ("ReplicaSet", "Job") or spec.get("paused"):
        return 0
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return 0
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    return max(0, wanted - int(partition))


def _problem(status: Mapping[str, Any]) -> str:
    """Return what a controller complains about in the conditions."""
    bad = {("ReplicaFailure", "True"), ("Failed", "True"), ("Progressing", "False")}
    said = [
        str(x.get("message") or x.get("reason") or x["type"])
        for x in _conditions(status)
        if (x.get("type"), x.get("status")) in bad
    ]
    return "; ".join(dict.fromkeys(said))


def _conditions(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(status.get("conditions") or [])


def selector_text(selector: Mapping[str, Any]) -> str:
    """Return a label selector object as the text that the parameter ``labelSelector`` takes."""
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for rule in selector.get("matchExpressions") or []:
        key, values = rule["key"], ",".join(rule.get("values") or [])
        parts.append({
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }[rule["operator"]])  # fmt: skip
    return ",".join(parts)
