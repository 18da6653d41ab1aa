"""What became of the pods of a workload: which were Ready, killed and replaced, and when.

Threads of `chaos_go.kubernetes.watch` write it; the fault and the probes read it.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from chaos_go.kubernetes import pods as pod_objects
from chaos_go.kubernetes import recovery
from chaos_go.kubernetes import workload as workloads
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.events import last_warning
from chaos_go.kubernetes.kinds import PODS, WORKLOADS
from chaos_go.kubernetes.permission import Permission, of
from chaos_go.kubernetes.pods import Pod
from chaos_go.kubernetes.pulse import Gap, Pulse
from chaos_go.kubernetes.recovery import Arrival, Kill, Level
from chaos_go.kubernetes.selection import Asked
from chaos_go.kubernetes.watch import Change, Follower
from chaos_go.kubernetes.workload import Workload


def permissions(asked: Asked) -> Iterator[Permission]:
    """Yield what a `Presence` of these pods needs."""
    yield of(PODS, "list", "watch", namespace=asked.namespace)
    if asked.kind in WORKLOADS:
        yield of(WORKLOADS[asked.kind], "list", "watch", namespace=asked.namespace)


class Presence:
    """The pods of one workload or selection, from now on. Every method is thread-safe."""

    def __init__(
        self, client: Client, namespace: str, selector: str, pods: Iterable[Pod],
        workload: Workload | None,
        wanted: int | None = None,
    ) -> None:  # fmt: skip
        """Begin to watch.

        Args:
            client: The cluster.
            namespace: Namespace of the pods; "" for all namespaces.
            selector: Label selector that all of them match; "" for all pods of the namespace.
            pods: The pods as they were selected; their owners tell which new pods belong to them.
            workload: The workload; None when pods, a selector or a service were named.
            wanted: How many pods should be Ready when no workload tells it; None for those that are
                Ready at first.

        Raises:
            ClusterError: The API server refused, or did not answer.
        """
        first = list(pods)
        self._client = client
        self._owners = {(pod.namespace, pod.owner) for pod in first if pod.owner}
        self._uids = {pod.uid for pod in first}
        self._pods: dict[str, Pod] = {}
        self._workload = workload
        self._kills: list[Kill] = []
        self._arrivals: dict[str, Arrival] = {}
        self._levels: list[Level] = []
        self._restarts: dict[tuple[str, str], tuple[int, int]] = {}
        self._oom_kills: set[tuple[str, str, int]] = set()
        self._changed = threading.Condition()
        self._ended_unix_s: float | None = None
        self._has_listed = False  # before that, not all pods are known
        self._followers: list[Follower] = []
        self._pulse: Pulse | None = None
        try:
            self._follow(client, namespace, selector)
        except BaseException:
            self.stop()
            raise
        self._pulse = Pulse(client)
        with self._changed:
            self._uids |= self._pods.keys()
            ready = sum(pod.is_ready for pod in self._pods.values())
            self._wanted_at_first = ready if wanted is None else wanted
            self._has_listed = True
            self._note(time.time())

    def _follow(self, client: Client, namespace: str, selector: str) -> None:
        self._followers.append(Follower(client, PODS.path(namespace), self._on_pod, selector))
        if workload := self._workload:
            path = workload.resource.path(workload.namespace)
            only = f"metadata.name={workload.name}"
            self._followers.append(Follower(client, path, self._on_workload, field_selector=only))

    def stop(self) -> None:
        """End the watches; what was seen stays. A second stop changes nothing."""
        for follower in self._followers:
            follower.stop()
        if self._pulse is not None:
            self._pulse.stop()
        with self._changed:
            self._ended_unix_s = self._ended_unix_s or time.time()
            self._changed.notify_all()

    @property
    def ended_unix_s(self) -> float | None:
        """When the watches ended, in seconds since 1970; None while they go on."""
        return self._ended_unix_s

    def has(self, pod: Pod) -> bool:
        """Return whether a pod is one of those that are watched."""
        return pod.uid in self._uids or (pod.namespace, pod.owner) in self._owners

    def add_kill(self, pod: Pod, at_unix_s: float, serves_on: bool = False) -> None:
        """Take note that a pod was killed: the API server has accepted that now.

        Args:
            pod: The pod before it was killed.
            at_unix_s: When the request to kill it was sent, in seconds since 1970.
            serves_on: Whether it serves until its controller ends it.
        """
        with self._changed:
            accepted_unix_s = time.time()
            self._kills.append(Kill(pod, at_unix_s, accepted_unix_s, serves_on))
            self._note(accepted_unix_s)

    @property
    def kills(self) -> tuple[Kill, ...]:
        """What was killed, in order, and what replaced it."""
        with self._changed:
            return recovery.with_replacements(self._kills, self._arrivals.values())

    @property
    def levels(self) -> tuple[Level, ...]:
        """How many pods were Ready over time, one entry per change."""
        with self._changed:
            return tuple(self._levels)

    @property
    def restarts(self) -> int:
        """How often containers of the pods were restarted since the begin."""
        with self._changed:
            return sum(last - first for first, last in self._restarts.values())

    @property
    def oom_kills(self) -> int:
        """How many of these ends of containers were OOM kills."""
        with self._changed:
            return len(self._oom_kills)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """When the API server did not answer, in order; the last one may still go on."""
        return self._pulse.gaps() if self._pulse is not None else ()

    @property
    def unavailable(self) -> int:
        """How many pods are missing or not Ready right now."""
        with self._changed:
            last = self._levels[-1] if self._levels else None
            return max(0, last.wanted - last.ready) if last else 0

    @property
    def is_full(self) -> bool:
        """Whether the workload is fully available right now."""
        with self._changed:
            return bool(self._levels) and self._levels[-1].is_full

    def alive(self) -> list[Pod]:
        """Return the pods that are there now and are not being deleted, in order of name."""
        with self._changed:
            found = [pod for pod in self._pods.values() if not pod.is_terminating]
        return sorted(found, key=lambda pod: pod.name)

    def recovered_unix_s(self, kill: Kill | None = None) -> float | None:
        """Return from when on the workload was fully available again; None when it is not yet.

        It must have stayed so for `recovery.SETTLE_S`.

        Args:
            kill: The kill that it has to recover from; None for whatever was before this began.
        """
        asked, accepted = (kill.at_unix_s, kill.accepted_unix_s) if kill else (0.0, 0.0)
        seen_until_unix_s = self._ended_unix_s or time.time()
        return recovery.recovered_unix_s(self.levels, asked, accepted, seen_until_unix_s)

    def wait_for_recovery(
        self, timeout_s: float, kill: Kill | None = None, until: threading.Event | None = None
    ) -> float | None:
        """Wait until the workload is fully available again; return when that was, or None.

        Args:
            timeout_s: Seconds to wait at most.
            kill: The kill that it has to recover from, see `recovered_unix_s`.
            until: Ends the wait when it is set.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            if (at := self.recovered_unix_s(kill)) is not None:
                return at
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or self._ended_unix_s or (until is not None and until.is_set()):
                return None
            with self._changed:
                self._changed.wait(min(left_s, 0.1))

    def why_not_recovered(self) -> str:
        """Return what is missing, in the words of the cluster."""
        with self._changed:
            pods, workload, kills = list(self._pods.values()), self._workload, list(self._kills)
        killed = {kill.pod.uid for kill in kills}
        # A replacement that does not come up says more than a killed pod that is still there.
        missing = sorted((x for x in pods if not x.is_ready), key=lambda x: x.uid in killed)
        reasons = [f"pod {x.name}: {self._why_not_ready(x)}" for x in missing[:3]]
        if workload and workload.problem:
            reasons.insert(0, f"{workload.text}: {workload.problem}")
        if silent := [gap.from_unix_s for gap in self.gaps if gap.to_unix_s is None]:
            seconds = f"{time.time() - silent[0]:.0f} s"
            reasons.insert(0, f"the API server has not answered for {seconds}")
        return "; ".join(reasons[:3]) or self._why_none_came(kills, workload)

    def _why_not_ready(self, pod: Pod) -> str:
        said = pod.why_not_ready()
        warned = pod.is_being_created and last_warning(self._client, pod.namespace, pod.uid)
        return f"{said} ({warned})" if warned else said

    def _why_none_came(self, kills: Sequence[Kill], workload: Workload | None) -> str:
        """Return why no pod takes the place of one that was killed and is gone."""
        for kill in reversed(kills):
            if not kill.pod.owner:
                return f"no pod takes the place of {kill.pod.name}: nothing owns it"
            text = workload.text if workload else kill.pod.owner
            why = workload.why_not_available() if workload else "it has created no other pod"
            warned = last_warning(self._client, kill.pod.namespace, kill.pod.owner_uid)
            return f"{text}: {why}" + (f" ({warned})" if warned else "")
        return (
            f"{workload.text}: {workload.why_not_available()}" if workload else "pods are missing"
        )

    def record(self) -> dict[str, Any]:
        """Return what the journal keeps."""
        return {
            "kills": [
                {
                    "pod": kill.pod.name,
                    "uid": kill.pod.uid,
                    "node": kill.pod.node,
                    "killed_unix_s": kill.at_unix_s,
                    "replacement": kill.replacement,
                    "replaced_unix_s": kill.replaced_unix_s,
                }
                for kill in self.kills
            ],
            "ready": [[x.at_unix_s, x.ready, x.wanted] for x in self.levels],
            "api_server_silent": [[gap.from_unix_s, gap.to_unix_s] for gap in self.gaps],
        }

    def _on_pod(self, change: Change) -> None:
        pod = pod_objects.read(change.object)
        if not self.has(pod):
            return
        with self._changed:
            if change.is_gone:
                self._pods.pop(pod.uid, None)
            else:
                self._pods[pod.uid] = pod
                self._count_restarts(pod)
                if pod.is_ready and self._has_listed and pod.uid not in self._uids:
                    self._arrivals.setdefault(pod.uid, Arrival(pod, change.at_unix_s))
            self._note(change.at_unix_s)

    def _on_workload(self, change: Change) -> None:
        if self._workload is None or change.is_gone:
            return
        with self._changed:
            self._workload = workloads.read(self._workload.resource, change.object)
            self._note(change.at_unix_s)

    def _count_restarts(self, pod: Pod) -> None:
        """Count from the first sight of each container. A new pod begins at 0."""
        for container in pod.containers:
            key = (pod.uid, container.name)
            is_new = self._has_listed and pod.uid not in self._uids
            begin = 0 if is_new else container.restarts
            first, last = self._restarts.get(key, (begin, begin))
            self._restarts[key] = (first, max(last, container.restarts))
            if container.oom_killed and container.restarts > first:
                self._oom_kills.add((*key, container.restarts))

    def _note(self, at_unix_s: float) -> None:
        """Take note of how many pods are Ready, if that has changed; the lock is held."""
        if not self._has_listed:
            return
        killed = {kill.pod.uid: kill.serves_on for kill in self._kills}
        serving = [x for x in self._pods.values() if x.is_ready and killed.get(x.uid, True)]
        ready, stays = len(serving), sum(x.uid not in killed for x in serving)
        wanted = self._workload.wanted if self._workload else self._wanted_at_first
        is_full = stays >= wanted and (self._workload is None or self._workload.is_available)
        last = self._levels[-1] if self._levels else None
        if last is None or (ready, wanted, is_full) != (last.ready, last.wanted, last.is_full):
            # A kill has the time of its request, after which other changes may have been seen.
            at_unix_s = max(at_unix_s, last.at_unix_s if last else 0.0)
            self._levels.append(Level(at_unix_s, ready, wanted, is_full))
        self._changed.notify_all()
