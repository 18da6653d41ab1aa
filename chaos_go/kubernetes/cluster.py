"""Which cluster this is: the record of a change names it, so that no other one is restored."""

from collections.abc import Mapping
from typing import Any

from chaos_go.errors import ClusterError
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.kinds import NAMESPACES


def identify(client: Client) -> dict[str, str]:
    """Return the ``server`` (its address) and the ``uid`` of a cluster.

    A cluster has no identity of its own. By convention it is the uid of the namespace
    ``kube-system``. It is "" when this user may not read that namespace.

    Raises:
        ClusterError: The API server does not answer.
    """
    try:
        uid = client.get(NAMESPACES.path(name="kube-system"))["metadata"]["uid"]
    except ClusterError as error:
        if error.status not in (403, 404):
            raise
        uid = ""
    return {"server": client.host, "uid": uid}


def why_another(recorded: Mapping[str, Any], now: Mapping[str, str]) -> str:
    """Return why this is not the cluster of a record; "" if it is the same.

    One cluster may be reached by several addresses. So its address counts only when one of the two
    uids is not known.
    """
    if recorded.get("uid") and now["uid"]:
        same, by = recorded["uid"] == now["uid"], "uid"
    else:
        same, by = recorded.get("server") == now["server"], "server"
    if same:
        return ""
    return (
        f"the record is of the cluster {recorded.get('server')} ({by} {recorded.get(by)}), but "
        f"this is {now['server']} ({by} {now[by]}); set KUBECONFIG or KUBERNETES_CONTEXT to it"
    )
