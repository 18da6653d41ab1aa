"""Which pods of a node a drain evicts, by the rules of ``kubectl drain``."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from chaos_go.kubernetes import pods as pod_objects
from chaos_go.kubernetes.pods import Pod

PERMITS = ("bare_pods", "emptydir_data")
"""What has to be allowed: the end of pods that nothing replaces, the loss of data in emptyDirs."""

_MIRROR = "kubernetes.io/config.mirror"


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
    return Lodger(pod, _why_it_stays(item, pod, own_pod), needs)


def _why_it_stays(item: Mapping[str, Any], pod: Pod, own_pod: tuple[str, str]) -> str:
    if _MIRROR in (item["metadata"].get("annotations") or {}):
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
