"""The cluster of the benchmark: a laboratory of one node with an audit log, and workloads in it."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from laboratory import network
from laboratory.build import DEFAULT_VERSION, kubebox
from laboratory.places import HERE as CLUSTER_FOLDER
from laboratory.places import Places
from laboratory.processes import Running

from chaos_go.kubernetes import workload as workloads
from chaos_go.kubernetes.client import Client, Object
from chaos_go.kubernetes.connection import connect
from chaos_go.kubernetes.kinds import BUDGETS, DEPLOYMENTS, NAMESPACES, SERVICES
from chaos_go.kubernetes.selection import list_pods

from .audit import Log

HERE = Path(__file__).resolve().parent
DEPLOY = HERE.parents[1] / "demo" / "deploy"
POLICY = HERE / "audit-policy.yaml"
CLUSTER = CLUSTER_FOLDER / "cluster"
_RESOURCES = {x.kind: x for x in (BUDGETS, DEPLOYMENTS, SERVICES)}
_LOOK_S = 0.05


class Lab:
    """The cluster, as this process sees it.

    Attributes:
        client: The administrator's client.
        log: The audit log of its API server.
    """

    def __init__(self, log: Log) -> None:
        """Use the cluster that KUBECONFIG names."""
        self.client: Client = connect()
        self.log = log

    def deploy(
        self,
        namespace: str,
        names: tuple[str, ...],
        change: Callable[[Object], None] | None = None,
    ) -> None:
        """Create a namespace with services of the demo shop, and wait until they are available.

        Args:
            namespace: Name of the new namespace.
            names: The services, for instance ``users``.
            change: May change each object before it is created.

        Raises:
            RuntimeError: They are not available in time.
        """
        self.client.create(NAMESPACES.path(), {"metadata": {"name": namespace}})
        account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
        wait_until(f"{account} exists", lambda: self.exists(account), 10)
        objects = [one for name in names for one in manifests(name)]
        for one in objects:
            one["metadata"]["namespace"] = namespace
            if change:
                change(one)
            self.client.create(_RESOURCES[one["kind"]].path(namespace), one)
        for name in names:
            self.wait_until_available(namespace, name)

    def wait_until_available(self, namespace: str, name: str, within_s: float = 60.0) -> None:
        """Wait until a Deployment has all of its pods, no other one, and room for an eviction."""
        what = f"deployment {namespace}/{name} is available"
        wait_until(what, lambda: self._is_available(namespace, name), within_s)

    def exists(self, path: str) -> bool:
        """Tell whether there is an object."""
        collection, _, name = path.rpartition("/")
        items, _ = self.client.items(collection, fieldSelector=f"metadata.name={name}")
        return bool(items)

    def _is_available(self, namespace: str, name: str) -> bool:
        path = DEPLOYMENTS.path(namespace, name)
        deployment = workloads.read(DEPLOYMENTS, self.client.get(path))
        if not deployment.is_available:
            return False
        pods = list_pods(self.client, namespace, deployment.selector)
        if len(pods) != deployment.wanted or not all(pod.is_ready for pod in pods):
            return False
        budgets, _ = self.client.items(BUDGETS.path(namespace))
        return all(x.get("status", {}).get("disruptionsAllowed", 0) > 0 for x in budgets)


@contextmanager
def started(name: str) -> Iterator[Lab]:
    """Start a laboratory, which ends with the block or with this process.

    This process enters its network for good, and its KUBECONFIG names it from then on.

    Args:
        name: Its name, see CHAOS_GO_CLUSTER.

    Raises:
        RuntimeError: It cannot run here, or one of this name runs already.
    """
    places = Places.named(name)
    if Running.find(places) is not None:
        fix = "stop it, or set CHAOS_GO_CLUSTER to another name"
        raise RuntimeError(f"a cluster of the name {name!r} runs already; {fix}")
    environment = {**os.environ, "CHAOS_GO_CLUSTER": name}
    with tempfile.TemporaryDirectory() as folder:
        pipe = Path(folder) / "tether"
        os.mkfifo(pipe)
        tether = os.open(pipe, os.O_RDWR)  # with O_WRONLY it would wait for the reader
        try:
            _cluster(environment, "start", "--audit", str(POLICY), "--tether", str(pipe))
            running = Running.get(places)
            network.enter(running)
            os.environ |= network.environment(running, kubebox(DEFAULT_VERSION))
            yield Lab(Log(places.audit_log))
        finally:
            os.close(tether)
            _cluster(environment, "stop")


def _cluster(environment: dict[str, str], *words: str) -> None:
    """Run a command of the laboratory.

    Raises:
        RuntimeError: It failed.
    """
    done = subprocess.run(
        [CLUSTER, *words], env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{CLUSTER} {words[0]} failed; it tells why above")


def manifests(name: str) -> list[dict[str, Any]]:
    """Return the objects of one service of the demo shop."""
    return [dict(one) for one in yaml.safe_load_all((DEPLOY / f"{name}.yaml").read_text())]


def wait_until(what: str, condition: Callable[[], bool], within_s: float) -> None:
    """Wait until a condition is true.

    Raises:
        RuntimeError: It is not true in time; the message has ``what``.
    """
    end_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end_s:
            raise RuntimeError(f"not within {within_s:g} s: {what}")
        time.sleep(_LOOK_S)
