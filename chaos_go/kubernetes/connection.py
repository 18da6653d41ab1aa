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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

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
    changed_ns: tuple[int, ...]  # when each kubeconfig was changed: a login writes a new token
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
    kubeconfig = os.environ.get("KUBECONFIG") or _KUBECONFIG
    source = _Source(
        kubeconfig=kubeconfig,
        changed_ns=tuple(file.stat().st_mtime_ns for file in _files(kubeconfig) if file.exists()),
        in_pod=os.environ.get("CHAOSTOOLKIT_IN_POD") == "true",
        values=tuple(sorted((values | given).items())),
    )
    with _lock:  # a kubeconfig may start a program that asks the user to log in
        client = _client(source)
        if not _has_its_files(client.configuration):
            _client.cache_clear()
            client = _client(source)
        return client


_lock = threading.Lock()


def _has_its_files(configuration: "Configuration") -> bool:
    """Return whether the certificates are still there: a kubeconfig's are temporary files."""
    files = (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
    return all(Path(file).exists() for file in files if file)


def own_namespace() -> str:
    """Return the namespace of the pod in which this process runs; "" outside of a cluster."""
    try:
        return (_SERVICE_ACCOUNT / "namespace").read_text().strip()
    except OSError:
        return ""


def _files(kubeconfig: str) -> list[Path]:
    return [Path(part).expanduser() for part in kubeconfig.split(os.pathsep) if part]


@lru_cache(maxsize=8)
def _client(source: _Source) -> Client:
    from kubernetes.client import Configuration

    configuration = Configuration(host="")  # not the default, which other code may have changed
    namespace, origin = "default", Origin("environment")
    if present := [file for file in _files(source.kubeconfig) if file.exists()]:
        namespace, origin = _read_kubeconfig(configuration, present, source)
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


def _read_kubeconfig(
    configuration: "Configuration", files: Sequence[Path], source: _Source
) -> tuple[str, Origin]:
    """Read kubeconfigs into the configuration; return the namespace of the context, and it."""
    from kubernetes import config

    path, wanted = os.pathsep.join(map(str, files)), source.get("KUBERNETES_CONTEXT")
    try:
        contexts, current = _contexts(files)
        name = wanted or current
        if name in contexts:
            config.load_kube_config(
                path, name, client_configuration=configuration, persist_config=False
            )
    except Exception as error:  # a kubeconfig is read by many libraries, each with its own errors
        said = shorten(str(error)) or type(error).__name__
        raise BadInputError("KUBECONFIG", path, f"cannot be read: {said}; correct it") from error
    if name not in contexts:
        field = "KUBERNETES_CONTEXT" if wanted else "current-context"
        names = ", ".join(sorted(contexts))
        fix = f"has {names}; name one of them" if names else "has no context; give another file"
        raise BadInputError(field, name, f"there is no such context; KUBECONFIG={path} {fix}")
    inside = contexts[name]
    origin = Origin("kubeconfig", path, name, str(inside.get("user", "")))
    return str(inside.get("namespace") or "default"), origin


def _contexts(files: Sequence[Path]) -> tuple[dict[str, dict[str, str]], str]:
    """Return the contexts of all files by their names, and the current one.

    As with kubectl, the first file that has something decides.
    """
    contexts: dict[str, dict[str, str]] = {}
    current = ""
    for file in files:
        read = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        for named in read.get("contexts") or []:
            contexts.setdefault(str(named["name"]), named["context"] or {})
        current = current or str(read.get("current-context") or "")
    return contexts, current


def _read_service_account(configuration: "Configuration") -> None:
    from kubernetes import config

    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException as error:
        fix = f"{error}; the pod needs a service account whose token is mounted"
        raise BadInputError("CHAOSTOOLKIT_IN_POD", "true", fix) from error


def _read_settings(configuration: "Configuration", source: _Source, host: str) -> None:
    if not host.startswith(("https://", "http://")):
        raise BadInputError("KUBERNETES_HOST", host, "give a URL, such as https://10.0.0.1:6443")
    for name in ("KUBERNETES_CA_CERT_FILE", "KUBERNETES_CERT_FILE", "KUBERNETES_KEY_FILE"):
        if (file := source.get(name)) and not Path(file).is_file():
            raise BadInputError(name, file, "there is no such file; give its path")
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
