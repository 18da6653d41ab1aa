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
        is_settled: Whether its controller has seen its newest spec and all pods are of that spec.
        problem: What its controller complains about, for instance a quota; "" if nothing.
    """

    resource: Resource
    namespace: str
    name: str
    uid: str
    selector: str
    wanted: int
    available: int
    is_settled: bool
    problem: str

    @property
    def text(self) -> str:
        """Kind and name, for instance ``deployment/users``."""
        return f"{self.resource.kind.lower()}/{self.name}"

    @property
    def is_available(self) -> bool:
        """Whether everything that it wants is available."""
        return self.is_settled and self.available >= self.wanted


def read(resource: Resource, workload: Mapping[str, Any]) -> Workload:
    """Make a `Workload` of the object of the API."""
    meta, spec, status = workload["metadata"], workload["spec"], workload.get("status") or {}
    wanted, available, of_spec = _counts(resource, spec, status)
    observed = status.get("observedGeneration", meta.get("generation"))
    failed = [
        x.get("message", "")
        for x in status.get("conditions") or []
        if x.get("type") == "ReplicaFailure" and x.get("status") == "True"
    ]
    return Workload(
        resource=resource,
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        selector=selector_text(spec.get("selector") or {}),
        wanted=wanted,
        available=available,
        is_settled=observed == meta.get("generation") and of_spec >= wanted,
        problem="; ".join(failed),
    )


def _counts(
    resource: Resource, spec: Mapping[str, Any], status: Mapping[str, Any]
) -> tuple[int, int, int]:
    """Return how many pods are wanted, how many are available, how many are of the newest spec."""
    if resource.kind == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        return wanted, status.get("numberAvailable", 0), status.get("updatedNumberScheduled", 0)
    if resource.kind == "Job":
        wanted = spec.get("parallelism", 1)
        return wanted, status.get("ready", 0), wanted
    wanted = spec.get("replicas", 1)
    updated = wanted if resource.kind == "ReplicaSet" else status.get("updatedReplicas", 0)
    return wanted, status.get("availableReplicas", 0), updated


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
