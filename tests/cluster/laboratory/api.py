"""Asks the API server, with nothing but the standard library, so that a start needs no more."""

import http.client
import json
import ssl
from typing import Any

from .places import API_ADDRESS, Places

TIMEOUT_S = 2.0


def get(places: Places, path: str) -> Any:
    """Return the JSON of a path; None if there is no answer or not status 200.

    This process must be in the network namespace of the laboratory. The certificate is verified,
    since something else may answer at this address while the cluster is down.
    """
    try:
        context = ssl.create_default_context(cafile=str(places.pki / "ca.crt"))
        context.load_cert_chain(str(places.pki / "admin.crt"), str(places.pki / "admin.key"))
        connection = http.client.HTTPSConnection(
            API_ADDRESS, 6443, context=context, timeout=TIMEOUT_S
        )
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
    except (OSError, http.client.HTTPException):
        return None
    if answer.status != http.client.OK:
        return None
    return json.loads(body) if body.startswith(b"{") else body.decode()


def is_ready(places: Places) -> bool:
    """Tell whether the API server answers."""
    return bool(get(places, "/readyz"))


def node_is_ready(places: Places, node: str) -> bool:
    """Tell whether a node is ready for pods."""
    answer = get(places, f"/api/v1/nodes/{node}") or {}
    conditions = answer.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def has_service_account(places: Places) -> bool:
    """Tell whether pods can be created in the namespace default."""
    return bool(get(places, "/api/v1/namespaces/default/serviceaccounts/default"))


def dns_is_ready(places: Places, nodes: int) -> bool:
    """Tell whether the DNS of every node answers."""
    answer = get(places, "/apis/apps/v1/namespaces/kube-system/daemonsets/coredns") or {}
    return int(answer.get("status", {}).get("numberReady", 0)) == nodes
