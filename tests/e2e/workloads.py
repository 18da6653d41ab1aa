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
