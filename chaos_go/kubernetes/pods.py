"""A pod, as far as faults and probes look at it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_Object = Mapping[str, Any]


@dataclass(frozen=True)
class Container:
    """One container of a pod.

    Attributes:
        name: Its name.
        image: Its image, as the pod asks for it.
        ports: Its named ports.
        restarts: How often it was restarted.
        oom_killed: Whether its last end was an OOM kill.
        waiting: Why it does not run, for instance ``ErrImagePull: ...``; "" when it does not wait.
        ended: How it ended, for instance ``StartError: ...``; "" while it runs or waits.
    """

    name: str
    image: str
    ports: Mapping[str, int]
    restarts: int
    oom_killed: bool
    waiting: str
    ended: str


@dataclass(frozen=True)
class Pod:
    """One pod at one moment.

    Attributes:
        namespace: Its namespace.
        name: Its name.
        uid: Its identity: a StatefulSet gives the name of a pod to its replacement.
        node: The node it runs on; "" before it is scheduled.
        labels: Its labels.
        owner: The workload that replaces it, for instance ``deployment/users``; "" without one.
        owner_uid: Identity of its controller, which is a ReplicaSet for a Deployment.
        phase: Its phase.
        is_ready: Whether it is Ready and is not being deleted.
        is_terminating: Whether it is being deleted.
        containers: Its containers, without those that only initialize it.
        host_network: Whether it has the network of its node.
        is_mirror: Whether it only mirrors a static pod, which ends with a file on its node.
        finalizers: What keeps it in place after its end.
        conditions: Its conditions by type, each the whole object.
    """

    namespace: str
    name: str
    uid: str
    node: str
    labels: Mapping[str, str]
    owner: str
    owner_uid: str
    phase: str
    is_ready: bool
    is_terminating: bool
    containers: tuple[Container, ...]
    host_network: bool
    is_mirror: bool
    finalizers: tuple[str, ...]
    conditions: Mapping[str, _Object]

    @property
    def is_being_created(self) -> bool:
        """Whether a container has not started, for a reason that only the events of it tell."""
        return any(x.waiting in ("ContainerCreating", "PodInitializing") for x in self.containers)

    def record(self) -> dict[str, Any]:
        """Return what the journal keeps of it."""
        return {
            "namespace": self.namespace,
            "pod": self.name,
            "uid": self.uid,
            "node": self.node,
            "images": [container.image for container in self.containers],
            "owner": self.owner,
        }

    def why_not_ready(self) -> str:
        """Return why it is not Ready, in the words of the kubelet or the scheduler."""
        if self.is_terminating:
            kept = f" (finalizers: {', '.join(self.finalizers)})" if self.finalizers else ""
            return f"it is being deleted and is still there{kept}"
        for container in self.containers:
            if container.waiting:
                return f"container {container.name}: {container.waiting}"
        for container in self.containers:
            if container.ended:
                return f"container {container.name} has ended: {container.ended}"
        for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready"):
            condition = self.conditions.get(kind, {})
            if condition.get("status") not in (None, "True"):
                said = condition.get("message") or condition.get("reason") or "no reason given"
                return f"{kind}={condition['status']}: {said}"
        return f"its phase is {self.phase or 'unknown'}"


def read(pod: _Object) -> Pod:
    """Make a `Pod` of the object of the API."""
    meta, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    conditions = {x["type"]: x for x in status.get("conditions") or []}
    statuses = {x["name"]: x for x in status.get("containerStatuses") or []}
    terminating = "deletionTimestamp" in meta
    owner, owner_uid = _owner(meta)
    return Pod(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        node=spec.get("nodeName", ""),
        labels=meta.get("labels") or {},
        owner=owner,
        owner_uid=owner_uid,
        phase=status.get("phase", ""),
        is_ready=conditions.get("Ready", {}).get("status") == "True" and not terminating,
        is_terminating=terminating,
        containers=tuple(_container(x, statuses) for x in spec.get("containers") or []),
        host_network=bool(spec.get("hostNetwork")),
        is_mirror="kubernetes.io/config.mirror" in (meta.get("annotations") or {}),
        finalizers=tuple(meta.get("finalizers") or ()),
        conditions=conditions,
    )


def _container(container: _Object, statuses: Mapping[str, _Object]) -> Container:
    status = statuses.get(container["name"], {})
    state = status.get("state") or {}
    ended = state.get("terminated") or {}
    return Container(
        name=container["name"],
        image=container.get("image", ""),
        ports={x["name"]: x["containerPort"] for x in container.get("ports") or [] if "name" in x},
        restarts=status.get("restartCount", 0),
        oom_killed=_was_oom_killed(status),
        waiting=_said(state.get("waiting") or {}),
        ended=f"{_said(ended)} (exit code {ended.get('exitCode')})" if ended else "",
    )


def _said(state: _Object) -> str:
    return ": ".join(state[key] for key in ("reason", "message") if state.get(key))


def _was_oom_killed(status: _Object) -> bool:
    states = (status.get("state") or {}, status.get("lastState") or {})
    return any((x.get("terminated") or {}).get("reason") == "OOMKilled" for x in states)


def _owner(meta: _Object) -> tuple[str, str]:
    """Return the workload of a pod, and the uid of its controller.

    A Deployment names each ReplicaSet after itself and the label ``pod-template-hash``; so its own
    name is known without a look at the ReplicaSet, which would need another permission.
    """
    for owner in meta.get("ownerReferences") or []:
        if owner.get("controller"):
            kind, name = owner["kind"].lower(), owner["name"]
            template = (meta.get("labels") or {}).get("pod-template-hash")
            if kind == "replicaset" and template and name.endswith(f"-{template}"):
                kind, name = "deployment", name.removesuffix(f"-{template}")
            return f"{kind}/{name}", owner["uid"]
    return "", ""
