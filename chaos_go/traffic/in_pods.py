"""A load that pods of a Kubernetes Job send together, recorded as one load."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from chaos_go.agent import holder
from chaos_go.agent.contract import Spec
from chaos_go.agent.place import Place
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.kinds import JOBS, PODS
from chaos_go.kubernetes.permission import Permission, of
from chaos_go.kubernetes.pods import Pod
from chaos_go.kubernetes.reach import PodReach
from chaos_go.traffic import clock
from chaos_go.traffic.clock import Difference
from chaos_go.traffic.contract import Load
from chaos_go.traffic.generator import Pods
from chaos_go.traffic.job import CONTAINER, LoadJob
from chaos_go.traffic.recording import Clocks, Recording

LEASE_S = 20.0
"""Seconds that an agent in a pod goes on without a heartbeat. A short break of the network may
double, because TCP waits longer and longer before it tries again."""

_ARM_S, _ARM_EACH_S = 3.0, 0.2  # from the decision until all agents begin in the same moment
_AT_A_TIME = 8


@dataclass(frozen=True, kw_only=True)
class PodPlace(Place):
    """A pod that sends its part of a load.

    Attributes:
        pods: All pods of the load.
        number: Number of this one, from 0.
        start_unix_s: When it begins, by its own clock.
    """

    pods: Pods
    number: int
    start_unix_s: float

    def spec_of(self, spec: Spec) -> Spec:
        """Return the part of the load that this pod sends."""
        if not isinstance(spec.detail, Load):
            raise TypeError(f"{spec.id}: not a load")
        part = self.pods.part_of(spec.detail, self.number)
        return replace(spec, detail=replace(part, start_unix_s=self.start_unix_s))


class LoadInPods:
    """The Job that sends a load, and the clocks of its pods."""

    def __init__(self, job: LoadJob, start_unix_s: float, clocks: Sequence[Difference]) -> None:
        """Keep the pods of a Job that runs; ``clocks`` are those of its pods, in order."""
        self._job = job
        self._start_unix_s = start_unix_s
        self._clocks = clocks

    def clocks(self) -> Clocks:
        """Return when the load begins, and how the clocks of the pods are read."""
        return Clocks(self._start_unix_s, [one.ahead_s for one in self._clocks])

    def record(self) -> dict[str, Any]:
        """Return what the journal has of it."""
        job = self._job
        pods = [
            {"pod": pod.name, "uid": pod.uid, "node": pod.node}
            | {"clock_ahead_s": round(one.ahead_s, 6), "clock_error_s": round(one.error_s, 6)}
            for pod, one in zip(job.pods, self._clocks, strict=True)
        ]
        image, namespace = job.asked.image, job.namespace
        return {"kubernetes": {"namespace": namespace, "job": job.name, "image": image,
                               "pods": pods}}  # fmt: skip

    def remove(self) -> None:
        """Delete the Job. Errors are logged."""
        self._job.remove()


def permissions(pods: Pods | None) -> list[Permission]:
    """Return what a load from these pods needs in a cluster; nothing for None."""
    if pods is None:
        return []
    return [
        of(JOBS, "create", "delete", namespace=pods.namespace),
        of(PODS, "get", "list", "watch", namespace=pods.namespace),
        of(PODS, "get", "create", namespace=pods.namespace, subresource="exec"),
    ]


def record(spec: Spec, pods: Pods, client: Client) -> Recording:
    """Start a load in pods and record it.

    Args:
        spec: The whole load.
        pods: The pods that send it.
        client: The cluster.

    Raises:
        BadInputError: A value is not valid, or the URL does not resolve in the pods.
        ClusterError: The API server refused, or the pods did not run in time.
        AgentError: An agent could not be started, or its clock differs too much.
            In all these cases the Job is deleted again.
    """
    job = LoadJob(client, pods)
    job.start(spec.id, spec.duration_s)
    try:
        reaches = [PodReach(client, x.namespace, x.name, x.uid, CONTAINER) for x in job.pods]
        clocks = _compare(reaches, job.pods)
        start_unix_s = time.time() + _ARM_S + _ARM_EACH_S * pods.pods
        places = [
            PodPlace(
                name=f"load/{spec.id}/{pod.name}",
                reach=reach,
                pods=pods,
                number=number,
                start_unix_s=start_unix_s + difference.ahead_s,
            )
            for number, (pod, reach, difference) in enumerate(
                zip(job.pods, reaches, clocks, strict=True)
            )
        ]
        fault = holder.hold(places, replace(spec, lease_s=LEASE_S))
    except BaseException:  # also an interruption of the run
        job.remove()
        raise
    return Recording(spec.id, fault, generator=LoadInPods(job, start_unix_s, clocks))


def _compare(reaches: Sequence[PodReach], pods: Sequence[Pod]) -> list[Difference]:
    names = [f"pod {pod.name} on node {pod.node}" for pod in pods]
    with ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="clock") as pool:
        return list(pool.map(clock.compare, reaches, names))
