"""Evictions: how to ask for one, and which pods a drain evicts, as ``kubectl drain`` does."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from chaos_go.errors import ClusterError
from chaos_go.kubernetes import pods as pod_objects
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.kinds import PODS
from chaos_go.kubernetes.pods import Pod

PERMITS = ("bare_pods", "emptydir_data")
"""What has to be allowed: the end of pods that nothing replaces, the loss of data in emptyDirs."""


@dataclass(frozen=True)
class Lodger:
    """A pod on a node that is drained.

    Attributes:
        pod: The pod.
        stays: Why it is not evicted in any case; "" if it may be.
        needs: Maps what has to be allowed, some of `PERMITS`, to the reason.
    """

    pod: Pod
    stays: str
    needs: Mapping[str, str]

    @property
    def text(self) -> str:
        """Namespace and name."""
        return f"{self.pod.namespace}/{self.pod.name}"

    def why_not(self, allowed: Collection[str]) -> str:
        """Return why it is not evicted when only this is allowed; "" if it is evicted."""
        return self.stays or next((y for x, y in self.needs.items() if x not in allowed), "")


def judge(item: Mapping[str, Any], own_pod: tuple[str, str]) -> Lodger:
    """Decide what a drain does with a pod.

    Args:
        item: The pod as the API has it.
        own_pod: Namespace and name of the pod that runs this experiment; ("", "") outside of a
            cluster.
    """
    pod, needs = pod_objects.read(item), {}
    if not pod.owner:
        needs["bare_pods"] = "no controller replaces it"
    if any("emptyDir" in volume for volume in item["spec"].get("volumes") or []):
        needs["emptydir_data"] = "the data of its emptyDir volume would be lost"
    return Lodger(pod, _why_it_stays(pod, own_pod), needs)


def _why_it_stays(pod: Pod, own_pod: tuple[str, str]) -> str:
    if pod.is_mirror:
        return "it is a static pod of the kubelet"
    if pod.owner.startswith("daemonset/"):
        return f"{pod.owner} would put it back there"
    if pod.phase in ("Succeeded", "Failed"):
        return "it has finished"
    if pod.is_terminating:
        return "it is being deleted already"
    if (pod.namespace, pod.name) == own_pod:
        return "it runs this experiment"
    return ""


def evict(client: Client, pod: Pod, options: dict[str, Any]) -> None:
    """Ask for the eviction of a pod, which a PodDisruptionBudget may refuse with 429.

    Raises:
        ClusterError: It was refused.
    """
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": options,
    }
    client.create(PODS.path(pod.namespace, pod.name, "eviction"), body)


def budget_says(error: ClusterError) -> str:
    """Return why an eviction was refused: the API server names the budget and its numbers."""
    causes = (error.details.get("details") or {}).get("causes") or []
    said = [str(error.details.get("message", "")), *(str(x.get("message", "")) for x in causes)]
    return " ".join(text for text in dict.fromkeys(said) if text) or str(error)
