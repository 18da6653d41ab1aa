"""How the API server is found: by the conventions of chaostoolkit-kubernetes, which users know.

In this order: a kubeconfig that exists (``KUBECONFIG`` or ``~/.kube/config``, with the context of
``KUBERNETES_CONTEXT``); the service account of this pod, when ``CHAOSTOOLKIT_IN_POD`` is ``true``;
``KUBERNETES_HOST`` with ``KUBERNETES_API_KEY``, a certificate, or a user and password. The secrets
of an activity come before the environment.

It differs in four points. TLS is verified unless ``KUBERNETES_VERIFY_SSL`` is ``false`` or the
kubeconfig says so. Several files in ``KUBECONFIG`` are merged. No configuration of the whole
process is changed, so two activities may use two clusters. Without any of the three ways there is
an error, not a try at ``http://localhost``.
"""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from chaos_go.errors import BadInputError, ClusterError, shorten
from chaos_go.kubernetes.client import Client, Origin

if TYPE_CHECKING:
    from kubernetes.client import Configuration

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_KUBECONFIG = "~/.kube/config"
_NO_CLUSTER = (
    "no cluster is configured: set KUBECONFIG to the path of a kubeconfig, or create "
    "~/.kube/config; in a pod set CHAOSTOOLKIT_IN_POD=true"
)


@dataclass(frozen=True)
class _Source:
    """Everything that decides which cluster is used, and as whom."""

    kubeconfig: str
    in_pod: bool
    values: tuple[tuple[str, str], ...]  # the KUBERNETES_... values

    def get(self, name: str, otherwise: str = "") -> str:
        return dict(self.values).get(name, otherwise)


def connect(secrets: Mapping[str, str] | None = None) -> Client:
    """Return the client of the cluster that the secrets and the environment name.

    Nothing is sent yet. Calls with the same settings return the same client.

    Args:
        secrets: The secrets of an activity, for instance ``{"KUBERNETES_CONTEXT": "staging"}``.

    Raises:
        BadInputError: A setting is invalid, for instance a context that the kubeconfig has not.
        ClusterError: No cluster is configured.
    """
    given = {key: str(value) for key, value in (secrets or {}).items()}
    values = {key: value for key, value in os.environ.items() if key.startswith("KUBERNETES_")}
    source = _Source(
        kubeconfig=os.environ.get("KUBECONFIG") or _KUBECONFIG,
        in_pod=os.environ.get("CHAOSTOOLKIT_IN_POD") == "true",
        values=tuple(sorted((values | given).items())),
    )
    with _lock:  # a kubeconfig may start a program that asks the user to log in
        return _client(source)


_lock = threading.Lock()


def own_namespace() -> str:
    """Return the namespace of the pod in which this process runs; "" outside of a cluster."""
    try:
        return (_SERVICE_ACCOUNT / "namespace").read_text().strip()
    except OSError:
        return ""


@lru_cache(maxsize=8)
def _client(source: _Source) -> Client:
    from kubernetes.client import Configuration

    configuration = Configuration(host="")  # not the default, which other code may have changed
    files = [Path(x).expanduser() for x in source.kubeconfig.split(os.pathsep) if x]
    namespace, origin = "default", Origin("environment")
    if any(file.exists() for file in files):
        namespace, origin = _read_kubeconfig(configuration, source)
    elif source.in_pod:
        _read_service_account(configuration)
        namespace, origin = own_namespace() or namespace, Origin("service account")
    elif host := source.get("KUBERNETES_HOST"):
        _read_settings(configuration, source, host)
    elif source.kubeconfig != _KUBECONFIG:
        raise BadInputError("KUBECONFIG", source.kubeconfig, f"no such file; {_NO_CLUSTER}")
    else:
        raise ClusterError(_NO_CLUSTER)
    verify = source.get("KUBERNETES_VERIFY_SSL")
    if verify.lower() in ("false", "0", "no"):
        configuration.verify_ssl = False
    elif verify.lower() not in ("", "true", "1", "yes"):
        raise BadInputError("KUBERNETES_VERIFY_SSL", verify, "give true or false")
    return Client(configuration, namespace, origin)


def _read_kubeconfig(configuration: "Configuration", source: _Source) -> tuple[str, Origin]:
    """Read a kubeconfig into the configuration; return the namespace of its context, and it."""
    from kubernetes import config

    path = os.pathsep.join(str(Path(x).expanduser()) for x in source.kubeconfig.split(os.pathsep))
    wanted = source.get("KUBERNETES_CONTEXT")
    try:
        contexts, current = config.list_kube_config_contexts(path)
        known = {context["name"]: context for context in contexts}
        if not wanted or wanted in known:
            config.load_kube_config(
                path, wanted or None, client_configuration=configuration, persist_config=False
            )
    except Exception as error:  # a kubeconfig is read by many libraries, each with its own errors
        said = shorten(str(error)) or type(error).__name__
        raise BadInputError("KUBECONFIG", path, f"cannot be read: {said}; correct it") from error
    if wanted and wanted not in known:
        fix = f"the kubeconfig has no such context; it has {', '.join(sorted(known))}"
        raise BadInputError("KUBERNETES_CONTEXT", wanted, fix)
    context = known[wanted] if wanted else current
    inside = context["context"]
    origin = Origin("kubeconfig", path, context["name"], str(inside.get("user", "")))
    return str(inside.get("namespace") or "default"), origin


def _read_service_account(configuration: "Configuration") -> None:
    from kubernetes import config

    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException as error:
        fix = f"{error}; the pod needs a service account whose token is mounted"
        raise BadInputError("CHAOSTOOLKIT_IN_POD", "true", fix) from error


def _read_settings(configuration: "Configuration", source: _Source, host: str) -> None:
    configuration.host = host
    configuration.ssl_ca_cert = source.get("KUBERNETES_CA_CERT_FILE") or None
    if key := source.get("KUBERNETES_API_KEY"):
        configuration.api_key["authorization"] = key
        prefix = source.get("KUBERNETES_API_KEY_PREFIX", "Bearer")
        configuration.api_key_prefix["authorization"] = prefix
    elif certificate := source.get("KUBERNETES_CERT_FILE"):
        configuration.cert_file = certificate
        configuration.key_file = source.get("KUBERNETES_KEY_FILE") or None
    elif user := source.get("KUBERNETES_USERNAME"):
        configuration.username = user
        configuration.password = source.get("KUBERNETES_PASSWORD")
