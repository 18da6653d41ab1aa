"""Looks up the workload that a fault changes as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaos_go.errors import TargetError
from chaos_go.kubernetes import workload as workloads
from chaos_go.kubernetes.client import Client, Object
from chaos_go.kubernetes.connection import connect
from chaos_go.kubernetes.kinds import WORKLOADS
from chaos_go.kubernetes.selection import find
from chaos_go.kubernetes.workload import Workload
from chaos_go.targets import PodsTarget, guard, read_pods
from chaos_go.targets.scope import Scope


@dataclass(frozen=True)
class Found:
    """The workload of a target.

    Attributes:
        target: The target.
        client: Its cluster.
        workload: The workload.
        object: The same as the API has it.
    """

    target: PodsTarget
    client: Client
    workload: Workload
    object: Object

    @property
    def name(self) -> str:
        """Kind, namespace and name, for instance ``deployment/shop/users``."""
        kind = self.workload.resource.kind.lower()
        return f"{kind}/{self.workload.namespace}/{self.workload.name}"


def read(target: object, secrets: Mapping[str, str] | None, kinds: Sequence[str]) -> PodsTarget:
    """Read a target that names a workload. Nothing is looked up.

    Args:
        target: The target.
        secrets: The secrets of the activity, which say which cluster.
        kinds: The kinds that are allowed.

    Raises:
        TargetError: It is another kind of target, or has a port or a dependency.
    """
    found = read_pods(target, secrets)
    if found.asked.kind not in kinds:
        fix = f"this fault changes a {' or '.join(kinds)}; give one like {kinds[0]}/shop/users"
        raise TargetError(target, fix)
    if found.port or found.dependency:
        raise TargetError(target, "this fault acts on the whole workload; leave the port out")
    return found


def look_up(target: PodsTarget, scope: Scope) -> Found:
    """Look up a workload that may be changed.

    Raises:
        TargetError: It does not exist, is being deleted, belongs to another one, or its namespace
            is protected.
        ClusterError: The API server refused, or did not answer.
    """
    client = connect(target.secrets)
    guard.refuse_protected(target.text, target.asked.namespace or client.namespace, scope)
    item = find(client, target.asked)
    meta = item["metadata"]
    if "deletionTimestamp" in meta:
        kept = f" (finalizers: {', '.join(meta['finalizers'])})" if meta.get("finalizers") else ""
        raise TargetError(target.text, f"it is being deleted{kept}; name another")
    for owner in meta.get("ownerReferences") or []:
        if owner.get("controller"):
            fix = f"{owner['kind'].lower()}/{owner['name']} controls it and would change it back"
            raise TargetError(target.text, f"{fix}; name that one, if it is one of the targets")
    return Found(target, client, workloads.read(WORKLOADS[target.asked.kind], item), item)
