"""A Kubernetes Job whose pods wait for agents: created for one load, and deleted after it.

Nothing of it stays if this process dies. The agents end the load at the end of their lease, the
pods end when they have had no agent for a while, and then Kubernetes deletes the Job.
"""

import atexit
import logging
import threading
import time
import uuid
from typing import Any

from chaos_go import __version__
from chaos_go.errors import ChaosGoError, ClusterError, ForbiddenError
from chaos_go.kubernetes import pods as pod_objects
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.kinds import EVENTS, JOBS, PODS
from chaos_go.kubernetes.pods import Pod
from chaos_go.kubernetes.watch import Change, Follower
from chaos_go.traffic.generator import Pods

logger = logging.getLogger("chaostoolkit")

CONTAINER = "agent"
"""Name of the container in each pod."""

START_S = 60.0
"""Seconds that the pods may take to start."""

_IDLE_S = 120  # without an agent a pod ends; longer than it takes to start the load
_SPARE_S = START_S + 60
_KEPT_S = 60  # a Job that has ended is kept this long
_LABEL = "chaos-go/load"
_LONG_WAIT_S = 5.0
_LOOK_S = 1.0
_NO_PODS_S = 5.0  # so long the controller of Jobs may take to create them
_HOPELESS = (
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
)


class LoadJob:
    """One Job and its pods.

    Attributes:
        client: The cluster.
        asked: What was asked for.
        namespace: Namespace of the Job.
        name: Its name.
        pods: Its pods, once they run.
    """

    def __init__(self, client: Client, asked: Pods) -> None:
        """Choose a name; nothing is created yet."""
        self.client = client
        self.asked = asked
        self.namespace = asked.namespace or client.namespace
        self.name = f"chaos-go-load-{uuid.uuid4().hex[:8]}"
        self.pods: list[Pod] = []

    def start(self, load: str, duration_s: float) -> None:
        """Create the Job and wait until all of its pods run.

        Args:
            load: Name of the load, for whoever looks at the Job.
            duration_s: Seconds that the load lasts at most.

        Raises:
            ClusterError: The API server refused, or the pods did not run in time. The message has
                the reason. The Job is deleted again.
        """
        atexit.register(self.remove)
        try:
            self.client.create(JOBS.path(self.namespace), self._manifest(load, duration_s))
            self.pods = _Start(self).wait()
        except BaseException as error:  # also an interruption of the run
            if not isinstance(error, ForbiddenError) or error.verb != "create":
                self.remove()
            atexit.unregister(self.remove)
            raise

    def remove(self) -> None:
        """Delete the Job and its pods, without waiting for them. Errors are logged."""
        atexit.unregister(self.remove)
        path = JOBS.path(self.namespace, self.name)
        try:
            self.client.delete(path, {"propagationPolicy": "Background"})
        except ChaosGoError as error:
            if not isinstance(error, ClusterError) or error.status != 404:
                logger.warning("the Job %s/%s stays: %s", self.namespace, self.name, error)

    def selector(self) -> str:
        """Return the label selector of its pods."""
        return f"{_LABEL}={self.name}"

    def _manifest(self, load: str, duration_s: float) -> dict[str, Any]:
        labels = {
            "app.kubernetes.io/name": "chaos-go-load",
            "app.kubernetes.io/version": __version__,
            "app.kubernetes.io/managed-by": "chaos-go",
            _LABEL: self.name,
        }
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": self.name,
                "labels": labels,
                "annotations": {"chaos-go/load-name": load},
            },
            "spec": {
                "parallelism": self.asked.pods,
                "completions": self.asked.pods,
                "backoffLimit": 0,  # a replacement could not go on with the load
                "activeDeadlineSeconds": int(duration_s + _SPARE_S),
                "ttlSecondsAfterFinished": _KEPT_S,
                "template": {"metadata": {"labels": labels}, "spec": self._pod_spec()},
            },
        }

    def _pod_spec(self) -> dict[str, Any]:
        spread = {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {_LABEL: self.name}},
        }
        return {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 5,
            "nodeSelector": dict(self.asked.node_selector),
            "topologySpreadConstraints": [spread],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [self._container()],
        }

    def _container(self) -> dict[str, Any]:
        return {
            "name": CONTAINER,
            "image": self.asked.image,
            "args": ["hold", "--idle", f"{_IDLE_S}s"],
            # No limit of the processor: a generator that is throttled sends late.
            "resources": {
                "requests": {"cpu": "100m", "memory": "64Mi"},
                "limits": {"memory": "512Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }


class _Start:
    """The pods of a Job while they start."""

    def __init__(self, job: LoadJob) -> None:
        self._job = job
        self._pods: dict[str, Pod] = {}
        self._changed = threading.Condition()

    def wait(self) -> list[Pod]:
        """Wait until all pods run; return them by name.

        Raises:
            ClusterError: They do not; the message has the reason.
        """
        job = self._job
        path = PODS.path(job.namespace)
        follower = Follower(job.client, path, self._take, label_selector=job.selector())
        began_s = time.monotonic()
        is_told = False
        try:
            while not self._all_run():
                took_s = time.monotonic() - began_s
                if hopeless := self._hopeless(took_s):
                    raise ClusterError(self._message(hopeless))
                if took_s > START_S:
                    why = self._why() or "the controller of Jobs has created too few pods"
                    raise ClusterError(self._message(f"not within {START_S:g} s: {why}"))
                if took_s > _LONG_WAIT_S and not is_told:
                    is_told = True
                    logger.info("load pods of %s start: %s", job.name, self._why() or "none yet")
                with self._changed:
                    self._changed.wait_for(self._all_run, _LOOK_S)
        finally:
            follower.stop()
        return sorted(self._pods.values(), key=lambda pod: pod.name)

    def _take(self, change: Change) -> None:
        pod = pod_objects.read(change.object)
        with self._changed:
            if change.is_gone:
                self._pods.pop(pod.uid, None)
            else:
                self._pods[pod.uid] = pod
            self._changed.notify_all()

    def _all_run(self) -> bool:
        pods = list(self._pods.values())
        return len(pods) >= self._job.asked.pods and all(pod.is_ready for pod in pods)

    def _hopeless(self, took_s: float) -> str:
        """Return why the pods will never run; "" while they may."""
        for pod in list(self._pods.values()):
            waits = any(x.waiting.startswith(_HOPELESS) for x in pod.containers)
            if waits or pod.phase in ("Failed", "Succeeded"):
                return f"pod {pod.name}: {pod.why_not_ready()}"
        if took_s > _NO_PODS_S and len(self._pods) < self._job.asked.pods:
            return _refused_pods(self._job)
        return ""

    def _why(self) -> str:
        waiting = [pod for pod in self._pods.values() if not pod.is_ready]
        return "; ".join(f"pod {pod.name}: {pod.why_not_ready()}" for pod in waiting[:3])

    def _message(self, why: str) -> str:
        job = self._job
        running = sum(pod.is_ready for pod in self._pods.values())
        return (
            f"generator.kubernetes: {running} of {job.asked.pods} pods with image "
            f"{job.asked.image} run in namespace {job.namespace}: {why}"
        )


def _refused_pods(job: LoadJob) -> str:
    """Return why the controller of Jobs could not create pods, such as a quota; "" if unknown."""
    query = {"fieldSelector": f"involvedObject.name={job.name},type=Warning"}
    try:
        events, _ = job.client.items(EVENTS.path(job.namespace), **query)
    except ForbiddenError:
        return ""  # only the message would be better with it
    said = [event.get("message") or event.get("reason") for event in events]
    return str(said[-1]) if said else ""
