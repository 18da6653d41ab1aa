"""The fault that replaces all pods of a workload, as ``kubectl rollout restart`` does."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaos_go import arguments
from chaos_go.agent.contract import LONGEST_DURATION_S
from chaos_go.errors import ClusterError, TargetError
from chaos_go.faults import _workload
from chaos_go.faults._cluster import ClusterFault, keep
from chaos_go.faults._workload import Found
from chaos_go.kubernetes import presence as presences
from chaos_go.kubernetes.access import needs
from chaos_go.kubernetes.kinds import WORKLOADS
from chaos_go.kubernetes.permission import Permission, of
from chaos_go.kubernetes.pods import Pod
from chaos_go.kubernetes.presence import Presence
from chaos_go.kubernetes.preview import Preview
from chaos_go.kubernetes.watched import Watched
from chaos_go.targets import scope as scopes

logger = logging.getLogger("chaostoolkit")

_KINDS = ("deployment", "statefulset", "daemonset")
_ANNOTATION = "kubectl.kubernetes.io/restartedAt"
_NONE: dict[str, Any] = {}


def _needs(target: str) -> Iterator[Permission]:
    asked = _workload.read(target, None, _KINDS).asked
    yield of(WORKLOADS[asked.kind], "get", "patch", namespace=asked.namespace)
    yield from presences.permissions(asked)


def _preview(target: str, scope: dict[str, Any], secrets: dict[str, str] | None) -> Preview:
    found, pods = _look_up(target, scope, secrets)
    names = [pod.name for pod in pods]
    return Preview(f"replaces all {len(pods)} pods of {found.name}", {"pods": names})


@needs(_needs, [{"target": f"{kind}/shop/users"} for kind in _KINDS], _preview)
def rollout_restart(
    target: str,
    scope: dict[str, Any] = _NONE,
    duration_s: float = 60.0,
    name: str = "",
    *,
    secrets: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Have all pods of a workload replaced by its controller, and watch how it does so.

    It does what ``kubectl rollout restart`` does: it sets an annotation of the pod template. The
    update strategy of the workload decides how many pods are replaced at a time. For the probes the
    restart is a kill of all pods at once, each of which serves until its controller ends it: the
    recovery lasts from the beginning of the restart until every pod is a new one and Ready.

    Nothing is restored at the end of the fault, because the new pods run what the old ones ran. A
    restart that has begun cannot be stopped; the annotation stays.

    Args:
        target: A Deployment, StatefulSet or DaemonSet, for instance ``deployment/shop/users``.
        scope: What is allowed, as a mapping. ``protected_namespace``: repeats the namespace of the
            target, when it is kube-system, kube-public, kube-node-lease or the one that runs this
            experiment ("").
        duration_s: Seconds for which the fault counts as in place, more than 0 and at most 3600.
            Probes measure this time.
        name: Name of the fault; "" derives one from the target.
        secrets: Which cluster, as for chaostoolkit-kubernetes; given by Chaos Toolkit.

    Returns:
        The record: ``id``, ``said``, ``places``, ``kills`` (pods and their replacements) and more.

    Raises:
        ActivityFailed: A value is invalid, the workload does not exist, is paused, has no pods or
            is being deleted, or the API server refused. No pod is replaced then.
    """
    arguments.positive("duration_s", duration_s, LONGEST_DURATION_S, "seconds")
    arguments.text("name", name)
    found, pods = _look_up(target, scope, secrets)

    def make(reserved: str) -> RolloutRestart:
        return RolloutRestart(reserved, {"target": target}, duration_s, found, pods)

    return keep(name, f"restart-{found.target.slug}", make).record()


def _look_up(
    target: object, scope: object, secrets: Mapping[str, str] | None
) -> tuple[Found, Sequence[Pod]]:
    """Return the workload and its pods, if the guards allow it."""
    allowed = scopes.read_workload(scope, takes_away=False)
    found = _workload.look_up(_workload.read(target, secrets, _KINDS), allowed)
    _refuse_without_effect(found)
    return found, found.target.select().pods


def _refuse_without_effect(found: Found) -> None:
    spec = found.object["spec"]
    if spec.get("paused"):
        kind, name = found.target.asked.kind, found.workload.name
        fix = f"run `kubectl -n {found.workload.namespace} rollout resume {kind}/{name}` first"
        raise TargetError(found.target.text, f"it is paused, so no pod would be replaced; {fix}")
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        fix = "its update strategy is OnDelete, so no pod would be replaced; use the action kill"
        raise TargetError(found.target.text, fix)


class RolloutRestart(Watched, ClusterFault):
    """Replaces all pods of one workload."""

    def __init__(
        self, name: str, asked: dict[str, Any], duration_s: float, found: Found, pods: Sequence[Pod]
    ) -> None:
        """Make the fault; nothing is changed yet."""
        super().__init__(name, "rollout-restart", asked, duration_s)
        self._found = found
        self._pods = tuple(pods)
        self._was_sent = False
        workload = found.workload
        self.presence = Presence(
            found.client, workload.namespace, workload.selector, pods, workload
        )

    @property
    def place_names(self) -> str:
        """The workload."""
        return self._found.name

    @property
    def effect(self) -> bool | None:
        """Whether the restart was asked for."""
        return True if self._was_sent else None

    @property
    def advice(self) -> str:
        """What to check when nothing was restarted."""
        return "see that the workload has pods"

    @property
    def said(self) -> str:
        """One line: how many pods were replaced, and how long the recovery took."""
        kills = self.presence.kills
        done = sum(kill.replaced_unix_s is not None for kill in kills)
        restarted = f"restarted {self._found.name}: {done} of {len(kills)} pods replaced"
        return "; ".join(part for part in (restarted, self.recovery_said()) if part)

    def record(self) -> dict[str, Any]:
        """Return what is known, with the pods and their replacements."""
        resolved = [pod.record() for pod in self._pods]
        return super().record() | self.watched_record() | {"resolved": resolved}

    def _put_in_place(self) -> None:
        try:
            self._restart()
        except BaseException:
            self.presence.stop()
            raise

    def _restart(self) -> None:
        workload, began_unix_s = self._found.workload, time.time()
        # RFC 3339 with microseconds: two restarts in the same second are two changes.
        second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began_unix_s))
        at = f"{second}.{int(began_unix_s % 1 * 1e6):06d}Z"
        template = {"metadata": {"annotations": {_ANNOTATION: at}}}
        body = {"metadata": {"uid": workload.uid}, "spec": {"template": template}}
        try:
            path = workload.resource.path(workload.namespace, workload.name)
            self._found.client.patch(path, body)
        except ClusterError as error:
            if error.status in (404, 409):
                fix = "it was deleted or replaced meanwhile; choose again"
                raise TargetError(self._found.target.text, fix) from error
            raise
        self._was_sent = True
        for pod in self._pods:
            self.presence.add_kill(pod, began_unix_s, serves_on=True)
        logger.info("fault %r: %s restarted: %d pods", self.id, self._found.name, len(self._pods))

    def release(self) -> None:
        """End the watch of the pods; what was seen stays."""
        self.presence.stop()

    def _places(self) -> list[dict[str, Any]]:
        return [self._place(self._found.name, uid=self._found.workload.uid)]
