"""A Deployment of 1,000 pods on nodes that do not exist.

The API server, the controllers and the scheduler are real. Only the kubelets are not: this module
creates their nodes, renews their leases, and says of each pod what a kubelet would say. A pod that
is being deleted ends at once.
"""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, Self

from chaos_go.errors import ClusterError
from chaos_go.kubernetes import pods as pod_objects
from chaos_go.kubernetes.client import Object
from chaos_go.kubernetes.kinds import DEPLOYMENTS, NAMESPACES, NODES, PODS, Resource
from chaos_go.kubernetes.watch import Change, Follower

from .lab import Lab, manifests, wait_until

NAMESPACE = "crowd"
WORKLOAD = "users"
PODS_PER_NODE = 110  # what a kubelet allows by default
LABEL = "chaos-go-crowd"
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
RENEW_S = 2.0  # the laboratory gives a node up after 8 s
WITHIN_S = 180.0
_AT_A_TIME = 6


class Crowd:
    """The nodes and the pods, as long as the ``with`` block lasts."""

    def __init__(self, lab: Lab, pods: int) -> None:
        """Create nothing yet.

        Args:
            lab: The cluster.
            pods: How many pods.
        """
        self._lab = lab
        self._client = lab.client
        self._pods = pods
        self._nodes = [f"crowd-{number}" for number in range(-(-pods // PODS_PER_NODE) + 1)]
        self._ended = threading.Event()
        self._work = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="crowd")
        self._started = 0
        self._follower: Follower | None = None

    def __enter__(self) -> Self:
        """Create all, and wait until all pods are Ready."""
        self._client.create(NAMESPACES.path(), {"metadata": {"name": NAMESPACE}})
        for name in self._nodes:
            self._client.create(NODES.path(), _node(name))
            self._client.create(LEASES.path("kube-node-lease"), _lease(name))
        threading.Thread(target=self._renew, name="renew leases", daemon=True).start()
        self._follower = Follower(self._client, PODS.path(NAMESPACE), self._on_pod)
        account = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"
        wait_until("the account exists", lambda: self._lab.exists(account), WITHIN_S)
        self._client.create(DEPLOYMENTS.path(NAMESPACE), _deployment(self._pods))
        self.wait_until_available()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Stop; the cluster, which ends soon, keeps the objects."""
        self._ended.set()
        if self._follower:
            self._follower.stop()
        self._work.shutdown(wait=True, cancel_futures=True)

    def wait_until_available(self) -> None:
        """Wait until every pod is Ready."""
        self._lab.wait_until_available(NAMESPACE, WORKLOAD, WITHIN_S)

    def size_kb(self) -> float:
        """Return the mean size of a pod as JSON, in kB."""
        items, _ = self._client.items(PODS.path(NAMESPACE))
        return len(json.dumps(items)) / len(items) / 1e3

    def _renew(self) -> None:
        with ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="renew") as pool:
            while not self._ended.wait(RENEW_S):
                for name in self._nodes:
                    path = LEASES.path("kube-node-lease", name)
                    pool.submit(self._quietly, partial(self._client.patch, path, _lease(name)))

    def _on_pod(self, change: Change) -> None:
        """Do what a kubelet does with a pod that is not Ready, or is being deleted."""
        pod = pod_objects.read(change.object)
        if change.is_gone or pod.node not in self._nodes or pod.is_ready:
            return
        path = PODS.path(NAMESPACE, pod.name)
        if pod.is_terminating:
            self._submit(partial(self._client.delete, path, {"gracePeriodSeconds": 0}))
        else:
            self._started += 1
            status = {"status": _status(change.object, self._started)}
            self._submit(partial(self._client.patch, f"{path}/status", status))

    def _submit(self, request: Callable[[], object]) -> None:
        if not self._ended.is_set():
            self._work.submit(self._quietly, request)

    def _quietly(self, request: Callable[[], object]) -> None:
        """Send a request whose object may have gone meanwhile."""
        try:
            request()
        except ClusterError as error:
            if error.status != 404 and not self._ended.is_set():
                print(f"crowd: {error}", flush=True)


def _node(name: str) -> Object:
    size = {"cpu": "64", "memory": "256Gi", "pods": str(PODS_PER_NODE)}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}
    now = _now()
    return {
        "metadata": {"name": name, "labels": {LABEL: "yes", "kubernetes.io/hostname": name}},
        "spec": {"taints": [{"key": LABEL, "effect": "NoSchedule"}]},
        "status": {
            "capacity": size,
            "allocatable": size,
            "conditions": [ready | {"lastHeartbeatTime": now, "lastTransitionTime": now}],
        },
    }


def _lease(name: str) -> Object:
    held = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": _now_micro()}
    return {"metadata": {"name": name}, "spec": held}


def _deployment(pods: int) -> Object:
    """Return the Deployment of the demo shop with more pods, on these nodes only."""
    (found,) = [one for one in manifests(WORKLOAD) if one["kind"] == "Deployment"]
    found["metadata"]["namespace"] = NAMESPACE
    found["spec"]["replicas"] = pods
    template = found["spec"]["template"]["spec"]
    del template["topologySpreadConstraints"]
    template["nodeSelector"] = {LABEL: "yes"}
    template["tolerations"] = [{"operator": "Exists"}]  # a late lease must not evict all
    return dict(found)


def _status(pod: Object, number: int) -> dict[str, Any]:
    """Return what a kubelet says of a pod that is Ready."""
    now, address = _now(), f"10.250.{number // 250 % 250}.{number % 250 + 1}"
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
    conditions = [
        {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
        for kind in (*kinds, "PodScheduled")
    ]
    containers = [
        {
            "name": one["name"],
            "image": one["image"],
            "imageID": "sha256:" + "0" * 64,
            "containerID": "containerd://" + "0" * 64,
            "ready": True,
            "started": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
            "lastState": {},
        }
        for one in pod["spec"]["containers"]
    ]
    return {
        "phase": "Running",
        "conditions": conditions,
        "containerStatuses": containers,
        "hostIP": "10.88.0.1",
        "hostIPs": [{"ip": "10.88.0.1"}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": now,
        "qosClass": "Burstable",
    }


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _now_micro() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
