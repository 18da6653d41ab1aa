"""Objects of the API as JSON, with what a test says about them."""

from typing import Any

from chaos_go.kubernetes import pods as pod_objects
from chaos_go.kubernetes.pods import Pod


def pod(name: str = "users-5c6f-a", **more: Any) -> dict[str, Any]:
    """Return a Ready pod; ``meta``, ``spec`` and ``status`` are merged into it."""
    meta = {"namespace": "shop", "name": name, "uid": f"uid-{name}", **more.get("meta", {})}
    ready = {"type": "Ready", "status": "True"}
    return {
        "metadata": meta,
        "spec": {"containers": [{"name": "users", "image": "shop:1"}], **more.get("spec", {})},
        "status": {"phase": "Running", "conditions": [ready], **more.get("status", {})},
    }


def owned_by(kind: str, name: str, **labels: str) -> dict[str, Any]:
    """Return the metadata of a pod that a controller owns."""
    owner = {"kind": kind, "name": name, "uid": f"uid-{name}", "controller": True}
    return {
        "ownerReferences": [owner],
        "labels": {key.replace("_", "-"): x for key, x in labels.items()},
    }


def of(owner: str, name: str, node: str = "node1") -> Pod:
    """Return a Ready pod of a workload, for instance ``statefulset/db``."""
    kind, _, owner_name = owner.partition("/")
    names = {"statefulset": "StatefulSet", "daemonset": "DaemonSet", "replicaset": "ReplicaSet"}
    meta = owned_by(names[kind], owner_name) if owner else {}
    return pod_objects.read(pod(name, meta=meta, spec={"nodeName": node}))
