"""The fault that changes the number of pods of a workload for a while."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaos_go import arguments
from chaos_go.agent.contract import LONGEST_DURATION_S
from chaos_go.errors import BadInputError, ClusterError
from chaos_go.faults import _workload
from chaos_go.faults._change import ChangeFault
from chaos_go.faults._cluster import keep
from chaos_go.faults._workload import Found
from chaos_go.kubernetes.access import needs
from chaos_go.kubernetes.changes import Change, value_of
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.kinds import AUTOSCALERS, WORKLOADS
from chaos_go.kubernetes.permission import Permission, of
from chaos_go.kubernetes.preview import Preview
from chaos_go.targets import guard
from chaos_go.targets import scope as scopes

logger = logging.getLogger("chaostoolkit")

_KINDS = ("deployment", "statefulset", "replicaset")
_MOST_REPLICAS = 100_000
_FIELD = "spec.replicas"
_ALL: dict[str, Any] = {}


def _needs(target: str) -> Iterator[Permission]:
    asked = _workload.read(target, None, _KINDS).asked
    kind = WORKLOADS[asked.kind]
    yield of(kind, "get", namespace=asked.namespace)
    yield of(kind, "get", "patch", namespace=asked.namespace, subresource="scale")


def _preview(
    target: str, replicas: int, scope: dict[str, Any], secrets: dict[str, str] | None
) -> Preview:
    found, change = _look_up(target, replicas, scope, secrets)
    said = f"scales {change.object} from {change.before} to {change.after}"
    return Preview("; ".join([said, *_autoscalers(found)]), change.record())


@needs(_needs, [{"target": f"{kind}/shop/users", "replicas": 1} for kind in _KINDS], _preview)
def scale(
    target: str,
    replicas: int,
    scope: dict[str, Any] = _ALL,
    duration_s: float = 60.0,
    name: str = "",
    *,
    secrets: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Change the number of pods of a workload, and restore it at the end of the fault.

    First the present number is written to an undo file in the current directory. `stop`, the end of
    the duration and the end of the run restore it; if Python was killed, ``chaos go undo`` does.
    The fault does not wait until pods have started or ended. If somebody else has changed the
    number meanwhile, it is left alone, and the verdict is ``unsafe``.

    Args:
        target: A Deployment, StatefulSet or ReplicaSet, for instance ``deployment/shop/users``.
        replicas: The number of pods that it has during the fault, 0 or more.
        scope: What is allowed, as a mapping. ``max_percentage``: the largest share of its pods that
            may be taken away (50). ``protected_namespace``: repeats the namespace of the target,
            when it is kube-system, kube-public, kube-node-lease or the one that runs this
            experiment ("").
        duration_s: Seconds until the number is restored, more than 0 and at most 3600.
        name: Name of the fault; "" derives one from the target.
        secrets: Which cluster, as for chaostoolkit-kubernetes; given by Chaos Toolkit.

    Returns:
        The record: ``id``, ``said``, ``places`` with the number before and after, ``warnings`` (an
        autoscaler that may change the number too) and more.

    Raises:
        ActivityFailed: A value is invalid, the workload does not exist, is being deleted or has
            this number already, more pods than allowed would be taken away, or the API server
            refused. Nothing is changed then.
    """
    arguments.positive("duration_s", duration_s, LONGEST_DURATION_S, "seconds")
    arguments.text("name", name)
    found, change = _look_up(target, replicas, scope, secrets)
    asked = {"target": target, "replicas": replicas}
    warnings = _autoscalers(found)
    for warning in warnings:
        logger.warning("%s", warning)

    def make(reserved: str) -> ScaleFault:
        return ScaleFault(reserved, asked, duration_s, found.client, change, warnings)

    return keep(name, f"scale-{found.target.slug}", make).record()


def _look_up(
    target: object, replicas: object, scope: object, secrets: Mapping[str, str] | None
) -> tuple[Found, Change]:
    """Return the workload and its change, if the guards allow it."""
    wanted = arguments.whole("replicas", replicas, 0, _MOST_REPLICAS)
    allowed = scopes.read_workload(scope, takes_away=True)
    found = _workload.look_up(_workload.read(target, secrets, _KINDS), allowed)
    before = int(value_of(_FIELD, found.object))
    if before == wanted:
        raise BadInputError("replicas", wanted, f"{found.name} has so many already; give another")
    guard.refuse_scaling_down(allowed, before, wanted, found.target.most_percentage)
    workload = found.workload
    change = Change(
        object=found.name,
        path=workload.resource.path(workload.namespace, workload.name, "scale"),
        uid=workload.uid,
        field=_FIELD,
        before=before,
        after=wanted,
    )
    return found, change


class ScaleFault(ChangeFault):
    """Changes the number of pods of one workload."""

    def __init__(
        self, name: str, asked: Mapping[str, Any], duration_s: float, client: Client,
        change: Change, warnings: Sequence[str],
    ) -> None:  # fmt: skip
        """Make the fault; nothing is changed yet."""
        super().__init__(name, "scale", asked, duration_s, client, [change])
        self._change = change
        self._warnings = list(warnings)

    @property
    def said(self) -> str:
        """One line: the numbers."""
        change = self._change
        scaled = f"scaled {change.object} from {change.before} to {change.after}"
        return scaled + (" and back" if self.state == "ended" else "")

    def record(self) -> dict[str, Any]:
        """Return what is known, with the warnings."""
        return super().record() | {"warnings": self._warnings}


def _autoscalers(found: Found) -> list[str]:
    """Return a warning for each autoscaler of the workload, if this user may list them."""
    workload = found.workload
    try:
        items, _ = found.client.items(AUTOSCALERS.path(workload.namespace))
    except ClusterError as error:
        if error.status not in (403, 404):
            raise
        return []
    warnings = []
    for item in items:
        of = item["spec"]["scaleTargetRef"]
        if (of["kind"], of["name"]) == (workload.resource.kind, workload.name):
            least, most = item["spec"].get("minReplicas", 1), item["spec"]["maxReplicas"]
            warnings.append(
                f"HorizontalPodAutoscaler {item['metadata']['name']} ({least} to {most} pods) also "
                f"sets the replicas of {found.name}: it may change them during the fault, and then "
                "they are not restored"
            )
    return warnings
