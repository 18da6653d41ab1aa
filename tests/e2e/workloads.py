"""Small workloads for tests that change them."""

from typing import Any

from clusters import Cluster, wait_until
from kubernetes import client


def template(labels: dict[str, str], **pod: object) -> dict[str, Any]:
    """Return the template of pods that are Ready one second after their start."""
    container = {
        "name": "users",
        "image": "localhost/chaos-shop:demo",
        "args": ["users", "--listen=:8082"],
        "ports": [{"name": "http", "containerPort": 8082}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1},
    }
    spec = {"terminationGracePeriodSeconds": 2, "containers": [container], **pod}
    return {"metadata": {"labels": labels}, "spec": spec}


def deploy(cluster: Cluster, namespace: str, replicas: int = 3, **pod: object) -> str:
    """Create the deployment users, wait until it is available, and return its target."""
    labels = {"app": "users"}
    body = {
        "metadata": {"name": "users", "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": template(labels, **pod),
        },
    }
    cluster.apps.create_namespaced_deployment(namespace, body)
    wait_until(lambda: available(cluster, namespace) == replicas, "users is available", 60)
    return f"deployment/{namespace}/users"


def create_idle(cluster: Cluster, namespace: str) -> str:
    """Create the deployment users with three pods that never start, and return its target."""
    labels = {"app": "users"}
    never = template(labels, nodeSelector={"there-is": "none"})
    spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": never}
    body = {"metadata": {"name": "users"}, "spec": spec}
    cluster.apps.create_namespaced_deployment(namespace, body)
    return f"deployment/{namespace}/users"


def available(cluster: Cluster, namespace: str) -> int:
    """Return how many pods of the deployment users are available."""
    status = cluster.apps.read_namespaced_deployment("users", namespace).status
    return status.available_replicas or 0


def replicas(cluster: Cluster, namespace: str) -> int:
    """Return the number of pods that the deployment users wants."""
    return int(cluster.apps.read_namespaced_deployment("users", namespace).spec.replicas)


def set_replicas(cluster: Cluster, namespace: str, number: int) -> None:
    """Change the number of pods, as somebody else would."""
    body = {"spec": {"replicas": number}}
    cluster.apps.patch_namespaced_deployment_scale("users", namespace, body)


def uids(cluster: Cluster, namespace: str) -> set[str]:
    """Return the pods that are not being deleted."""
    pods = cluster.core.list_namespaced_pod(namespace).items
    return {pod.metadata.uid for pod in pods if not pod.metadata.deletion_timestamp}


def add_budget(cluster: Cluster, namespace: str, min_available: int, allowed: int) -> None:
    """Create a PodDisruptionBudget of users, and wait until its controller has counted.

    Args:
        cluster: The cluster.
        namespace: The namespace.
        min_available: How many pods must stay.
        allowed: How many disruptions it allows then.
    """
    policy = client.PolicyV1Api(cluster.api_client())
    spec = {"minAvailable": min_available, "selector": {"matchLabels": {"app": "users"}}}
    body = {"metadata": {"name": "users"}, "spec": spec}
    policy.create_namespaced_pod_disruption_budget(namespace, body)

    def is_counted() -> bool:
        found = policy.read_namespaced_pod_disruption_budget("users", namespace)
        status = found.status
        return bool(
            status
            and status.observed_generation == found.metadata.generation
            and status.expected_pods
            and status.disruptions_allowed == allowed
        )

    wait_until(is_counted, "the budget is counted", 30)


SLEEPER = {
    "name": "sleeper",
    "image": "localhost/toolbox:lab",
    "command": ["/bin/sh", "-c", "sleep 3600 & wait"],
}
"""A container that is Ready at once and ends at once when it is asked to."""

STUBBORN = SLEEPER | {"command": ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"]}
"""A container that uses its whole grace period."""

_GROUPS = {"Job": "batch/v1", "Pod": "v1"}


def create(
    cluster: Cluster,
    kind: str,
    namespace: str,
    name: str,
    container: dict[str, Any] = SLEEPER,
    spec: dict[str, Any] | None = None,
    pod: dict[str, Any] | None = None,
) -> str:
    """Create a workload of sleepers, wait until its pods are Ready, and return its target.

    Args:
        cluster: The cluster.
        kind: Its kind, for instance StatefulSet; Pod for a pod without an owner.
        namespace: Its namespace.
        name: Its name, which is also its label ``app``.
        container: The container of its pods.
        spec: More of its spec, among it ``replicas``.
        pod: More of the spec of its pods.
    """
    from kubernetes import utils

    labels, spec = {"app": name}, spec or {}
    inner = {"terminationGracePeriodSeconds": 1, "containers": [container], **(pod or {})}
    body = {"template": {"metadata": {"labels": labels}, "spec": inner}, **spec}
    if kind not in ("Job", "Pod"):
        body["selector"] = {"matchLabels": labels}
    thing = {
        "apiVersion": _GROUPS.get(kind, "apps/v1"),
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": inner if kind == "Pod" else body,
    }
    utils.create_from_dict(cluster.api_client(), thing, namespace=namespace)
    wanted = int(spec.get("replicas", spec.get("parallelism", 1)))
    wait_until(lambda: ready(cluster, namespace, name) == wanted, f"{name} has {wanted} pods", 60)
    return f"{kind.lower()}/{namespace}/{name}"


def ready(cluster: Cluster, namespace: str, name: str) -> int:
    """Return how many pods with the label ``app`` are Ready and are not being deleted."""
    pods = cluster.core.list_namespaced_pod(namespace, label_selector=f"app={name}").items
    return sum(
        any(x.type == "Ready" and x.status == "True" for x in pod.status.conditions or [])
        for pod in pods
        if not pod.metadata.deletion_timestamp
    )
