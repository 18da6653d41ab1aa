"""Service accounts with exactly the Roles that a test gives them."""

import copy
from collections.abc import Sequence
from pathlib import Path

import yaml
from clusters import Cluster
from kubernetes import client

from chaos_go.kubernetes import roles
from chaos_go.kubernetes.permission import Permission
from chaos_go.kubernetes.roles import Subject

NAME = "chaos"
_TOKEN_S = 3600


class Account:
    """A service account, its kubeconfig, and its Roles.

    Attributes:
        user: Its name, as the API server knows it.
        kubeconfig: Its kubeconfig, whose context has the namespace of the account.
    """

    def __init__(self, cluster: Cluster, namespace: str, folder: Path) -> None:
        """Create it, without any rights.

        Args:
            cluster: The cluster.
            namespace: Its namespace.
            folder: Where its kubeconfig goes.
        """
        self.user = f"system:serviceaccount:{namespace}:{NAME}"
        self._namespace = namespace
        self._api = client.RbacAuthorizationV1Api(cluster.api_client())
        self._known: set[tuple[str, str]] = set()
        cluster.core.create_namespaced_service_account(namespace, {"metadata": {"name": NAME}})
        asked = {"spec": {"expirationSeconds": _TOKEN_S}}
        issued = cluster.core.create_namespaced_service_account_token(NAME, namespace, asked)
        self.kubeconfig = write_kubeconfig(cluster, folder, issued.status.token, namespace)

    def grant(self, permissions: Sequence[Permission]) -> None:
        """Let it do exactly this."""
        made = roles.manifests(
            permissions, self._namespace, Subject(self.user), f"chaos-{self._namespace}"
        )
        for key in self._known - {_key(one) for one in made}:
            self._delete(*key)
        for one in made:
            self._put(one)

    def close(self) -> None:
        """Delete what is in no namespace, and so outlives the namespace of the test."""
        for key in list(self._known):
            self._delete(*key)

    def _put(self, one: dict) -> None:
        kind, namespace = _key(one)
        name, what = one["metadata"]["name"], _METHODS[kind]
        verb = "replace" if (kind, namespace) in self._known else "create"
        scope = [namespace] if namespace else []
        named = [name] if verb == "replace" else []
        getattr(self._api, f"{verb}_{what}")(*named, *scope, one)
        self._known.add((kind, namespace))

    def _delete(self, kind: str, namespace: str) -> None:
        scope = [namespace] if namespace else []
        getattr(self._api, f"delete_{_METHODS[kind]}")(f"chaos-{self._namespace}", *scope)
        self._known.discard((kind, namespace))


_METHODS = {
    "Role": "namespaced_role",
    "RoleBinding": "namespaced_role_binding",
    "ClusterRole": "cluster_role",
    "ClusterRoleBinding": "cluster_role_binding",
}


def _key(one: dict) -> tuple[str, str]:
    return one["kind"], one["metadata"].get("namespace", "")


def write_kubeconfig(
    cluster: Cluster, folder: Path, token: str, namespace: str, server: str = ""
) -> Path:
    """Write a kubeconfig for a token, and return its path.

    Args:
        cluster: The cluster; its address and authority are copied.
        folder: Where the file goes.
        token: The token.
        namespace: Namespace of the context.
        server: Another address; "" for that of the cluster.
    """
    admin = yaml.safe_load(cluster.kubeconfig.read_text())
    context = next(x["context"] for x in admin["contexts"] if x["name"] == cluster.context)
    own = copy.deepcopy(next(x for x in admin["clusters"] if x["name"] == context["cluster"]))
    if server:
        own["cluster"]["server"] = server
    inside = {"cluster": own["name"], "user": NAME, "namespace": namespace}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [own],
        "users": [{"name": NAME, "user": {"token": token}}],
        "contexts": [{"name": NAME, "context": inside}],
        "current-context": NAME,
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path
