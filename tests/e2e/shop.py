"""Deploys demo/deploy into a namespace of a test."""

import http.client
import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from clusters import ROOT, Cluster, wait_until
from kubernetes import utils

PORTS = {"users": 8082, "risk": 8083, "checkout": 8081, "gateway": 8080}


class Shop:
    """The demo shop in a namespace.

    Attributes:
        namespace: The namespace.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        """Remember where the shop is; `deploy` puts it there."""
        self.namespace = namespace
        self._cluster = cluster

    def deploy(
        self, flags: Mapping[str, Sequence[str]] | None = None, change: Any = None
    ) -> "Shop":
        """Deploy all services and wait until they answer.

        Args:
            flags: Service -> further flags, for instance {"users": ["--bad=abrupt-shutdown"]}.
            change: Function that may change each object of the YAML before it is created.
        """
        for thing in objects():
            thing["metadata"]["namespace"] = self.namespace
            if thing["kind"] == "Deployment":
                container = thing["spec"]["template"]["spec"]["containers"][0]
                container["args"] += list((flags or {}).get(thing["metadata"]["name"], ()))
            if change is not None:
                change(thing)
            utils.create_from_dict(self._cluster.core.api_client, thing, namespace=self.namespace)
        wait_until(self.is_available, f"the shop in {self.namespace} is available", 60)
        wait_until(self.answers, f"the gateway in {self.namespace} answers")
        return self

    def is_available(self) -> bool:
        """Tell whether every service has all of its pods."""
        deployments = self._cluster.apps.list_namespaced_deployment(self.namespace).items
        return all(one.status.available_replicas == one.spec.replicas for one in deployments)

    def host(self, service: str) -> str:
        """Return HOST:PORT of a service, as an address."""
        found = self._cluster.core.read_namespaced_service(service, self.namespace)
        return f"{found.spec.cluster_ip}:{PORTS[service]}"

    def url(self, path: str, service: str = "gateway") -> str:
        """Return the URL of a path of a service."""
        return f"http://{self.host(service)}{path}"

    def get(self, path: str, service: str = "gateway") -> tuple[int, Any]:
        """Send a GET request; return status and JSON."""
        connection = http.client.HTTPConnection(self.host(service), timeout=5)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, json.loads(body)

    def answers(self) -> bool:
        """Tell whether a request reaches users through the gateway."""
        try:
            return self.get("/api/v1/users/42")[0] == 200
        except OSError:
            return False


def objects() -> list[dict[str, Any]]:
    """Return the objects of demo/deploy but the namespace."""
    files = sorted((ROOT / "demo" / "deploy").glob("*.yaml"))
    documents = [one for file in files for one in yaml.safe_load_all(file.read_text())]
    return [one for one in documents if one["kind"] != "Namespace"]
