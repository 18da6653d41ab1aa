"""The fault that drains nodes: it cordons them and evicts their pods."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from chaos_go import arguments
from chaos_go.agent.contract import LONGEST_DURATION_S
from chaos_go.errors import BadInputError, TargetError
from chaos_go.faults import _drain_plan
from chaos_go.faults._cluster import keep
from chaos_go.faults._cordon import CORDONING, CordonFault
from chaos_go.faults._drain_plan import Chosen, Plan
from chaos_go.faults._evictions import Evictions, Leaving
from chaos_go.kubernetes import eviction, nodes
from chaos_go.kubernetes import presence as presences
from chaos_go.kubernetes import selection as selections
from chaos_go.kubernetes.access import needs
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.connection import connect
from chaos_go.kubernetes.eviction import Lodger
from chaos_go.kubernetes.kinds import PODS
from chaos_go.kubernetes.permission import EVERYWHERE, Permission, of
from chaos_go.kubernetes.pods import Pod
from chaos_go.kubernetes.presence import Presence
from chaos_go.kubernetes.preview import Preview
from chaos_go.kubernetes.watched import Watched
from chaos_go.targets import NodesTarget, PodsTarget, read
from chaos_go.targets import scope as scopes

_ONE: dict[str, Any] = {}
_NOTHING: dict[str, Any] = {}
_LONGEST_GRACE_S = 3600


def _needs(target: str) -> Iterator[Permission]:
    found = read(target)
    yield nodes.SELECTING
    yield CORDONING
    yield of(PODS, "list", "watch", namespace=EVERYWHERE)
    yield of(PODS, "create", namespace=EVERYWHERE, subresource="eviction")
    if isinstance(found, PodsTarget):
        yield from selections.permissions(found.asked)
        yield from presences.permissions(found.asked)


def _preview(
    target: str, scope: dict[str, Any], allow: dict[str, Any], secrets: dict[str, str] | None
) -> Preview:
    plan = _plan(target, scope, -1, 1.0, allow, 1, secrets)
    chosen, found = _look_up(plan)
    leaving = [x.pod for x in found if not x.why_not(plan.allowed)]
    names = [node.name for node in chosen.nodes]
    is_drawn = "seed" in chosen.record
    which = f"{len(names)} drawn at random, for instance " if is_drawn else ""
    return Preview(
        said=f"drains {which}{', '.join(names)}, which evicts {len(leaving)} pods",
        details={"nodes": names, "pods": [f"{pod.namespace}/{pod.name}" for pod in leaving]},
        pods=leaving,
        count=len(leaving),
        evicts=True,
    )


@needs(_needs, ({"target": "nodes/zone=b"}, {"target": "deployment/shop/users"}), _preview)
def drain(
    target: str,
    scope: dict[str, Any] = _ONE,
    grace_period_s: int = -1,
    timeout_s: float = 60.0,
    allow: dict[str, Any] = _NOTHING,
    duration_s: float = 60.0,
    seed: int = 0,
    name: str = "",
    *,
    secrets: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Drain nodes: cordon them, evict their pods, and restore the nodes at the end of the fault.

    The action returns when the pods have left or ``timeout_s`` is over. The nodes stay cordoned for
    ``duration_s`` after that. As with ``kubectl drain``, pods of DaemonSets, static pods and pods
    that have finished stay. So does the pod that runs this experiment. An eviction that a
    PodDisruptionBudget refuses is tried again every second. If it is still refused at the end, this
    is no error: the record has the numbers of the budget.

    First the state of the nodes is written to an undo file in the current directory. `stop`, the
    end of the duration and the end of the run restore it, also when the drain fails; if Python was
    killed, ``chaos go undo`` does. A node that was cordoned before the fault stays cordoned. Pods
    that were evicted are not moved back.

    Args:
        target: ``node/worker-2``, the nodes with a label (``nodes/zone=b``), or the nodes on which
            pods run (``deployment/shop/users``).
        scope: Which nodes are drained, as a mapping. For a target of nodes: ``nodes``, a number, a
            share like "50%", "all", or a list of names (1). For a target of pods: ``pods``, the
            pods whose nodes are drained (1), ``include_unready`` and ``protected_namespace`` as for
            `kill`. For both: ``max_percentage``, the largest share of the Ready nodes of the
            cluster that may be cordoned, and of the pods of the target that may be missing (50).
        grace_period_s: Seconds between SIGTERM and SIGKILL; 0 kills at once; -1 for
            ``terminationGracePeriodSeconds`` of each pod.
        timeout_s: Seconds that the evictions may take, more than 0 and at most 3600.
        allow: Which other pods are evicted too, as a mapping. ``bare_pods``: pods without a
            controller, which nothing replaces (false). ``emptydir_data``: pods with an emptyDir
            volume, whose data is lost (false).
        duration_s: Seconds from the end of the evictions until the nodes are restored, more than 0
            and at most 3600.
        seed: Seed of the random choice; 0 draws one, which is in the record.
        name: Name of the fault; "" derives one from the target.
        secrets: Which cluster, as for chaostoolkit-kubernetes; given by Chaos Toolkit.

    Returns:
        The record: ``id``, ``said``, ``places`` (each node), ``evictions`` (what became of each
        pod), ``staying``, ``kills`` and more.

    Raises:
        ActivityFailed: A value is invalid, no such node or pod is Ready, a pod would need
            ``allow``, more nodes or pods than allowed would be hit, the node runs this experiment,
            or the API server refused. Nothing is changed then, or it is restored.
    """
    plan = _plan(target, scope, grace_period_s, timeout_s, allow, seed, secrets)
    arguments.positive("duration_s", duration_s, LONGEST_DURATION_S, "seconds")
    arguments.text("name", name)
    chosen, found = _look_up(plan)
    client = connect(secrets)
    asked = {"target": target, "timeout_s": timeout_s, "seed": chosen.seed}

    def make(reserved: str) -> DrainFault:
        presence = _drain_plan.watch(client, chosen, found, plan.allowed)
        try:
            return DrainFault(reserved, plan, chosen, asked, duration_s, client, presence)
        except BaseException:
            presence.stop()
            raise

    fault = keep(name, f"drain-{plan.target.slug}", make)
    return fault.record() | ({"scope": chosen.record} if chosen.record else {})


def _look_up(plan: Plan) -> tuple[Chosen, list[Lodger]]:
    """Return the nodes and the pods there, if the guards allow the drain."""
    chosen = _drain_plan.choose(plan)
    own = _drain_plan.own_pod()
    found = _drain_plan.lodgers(connect(plan.target.secrets), chosen.nodes, own)
    _drain_plan.refuse_own_node(plan, found, own)
    _drain_plan.refuse_what_is_not_allowed(plan, found)
    return chosen, found


def _plan(
    target: object, scope: object, grace_period_s: object, timeout_s: object, allow: object,
    seed: object, secrets: Mapping[str, str] | None,
) -> Plan:  # fmt: skip
    found = read(target)
    if not isinstance(found, NodesTarget | PodsTarget):
        fix = "nodes or pods are needed here; give one like node/worker-2 or deployment/shop/users"
        raise TargetError(target, fix)
    if isinstance(found, PodsTarget) and (found.port or found.dependency):
        raise TargetError(target, "a drain acts on whole nodes; leave the port out")
    grace = arguments.whole("grace_period_s", grace_period_s, -1, _LONGEST_GRACE_S)
    allowed = arguments.mapping("allow", allow, eviction.PERMITS)
    return Plan(
        target=replace(found, secrets=dict(secrets or {})),
        scope=_scope(found, scope),
        allowed={key for key, value in allowed.items() if arguments.flag(f"allow.{key}", value)},
        grace_period_s=None if grace < 0 else grace,
        timeout_s=arguments.positive("timeout_s", timeout_s, LONGEST_DURATION_S, "seconds"),
        seed=arguments.whole("seed", seed, 0),
    )


def _scope(target: NodesTarget | PodsTarget, given: object) -> scopes.Scope:
    if isinstance(target, NodesTarget):
        return scopes.read_nodes(given)
    scope = scopes.read_pods({"pods": 1, **given} if isinstance(given, Mapping) else given)
    if scope.container:
        fix = "a drain acts on whole pods; leave it out"
        raise BadInputError("scope.container", scope.container, fix)
    return scope


class DrainFault(Watched, CordonFault):
    """Cordons nodes and evicts their pods."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        chosen: Chosen,
        asked: Mapping[str, Any],
        duration_s: float,
        client: Client,
        presence: Presence,
    ) -> None:
        """Make the fault; nothing is changed yet.

        Args:
            name: Its name.
            plan: What it does.
            chosen: The nodes.
            asked: The arguments of the action, for the journal.
            duration_s: Seconds after the drain until the nodes are restored.
            client: The cluster.
            presence: Watches the pods.
        """
        super().__init__(name, "drain", asked, duration_s, client, chosen.nodes)
        names = [node.name for node in chosen.nodes]
        self._plan = plan
        self.presence = presence
        own_pod = _drain_plan.own_pod()
        self._evictions = Evictions(client, names, plan.allowed, own_pod, plan.grace_period_s)

    @property
    def effect(self) -> bool | None:
        """Whether a node was cordoned or a pod evicted; a refusal is an answer as well."""
        return True if super().effect or self._evictions.leaving else None

    @property
    def blocked(self) -> list[Leaving]:
        """The pods whose eviction a budget refused until the end."""
        return [x for x in self._evictions.leaving if x.is_blocked]

    @property
    def said(self) -> str:
        """One line: what was evicted, what was refused, and how long the recovery took."""
        leaving = self._evictions.leaving
        evicted = sum(x.accepted_unix_s is not None for x in leaving)
        names = ", ".join(node.name for node in self._nodes)
        parts = [f"drained {names}: evicted {evicted} of {len(leaving)} pods"]
        if self.blocked:
            first = self.blocked[0]
            parts.append(f"{len(self.blocked)} refused, pod {first.lodger.text}: {first.blocked}")
        others = [x for x in leaving if x.blocked and not x.is_blocked]
        if others:
            parts.append(f"pod {others[0].lodger.text} not evicted: {others[0].blocked}")
        ending = [x for x in leaving if x.accepted_unix_s is not None and x.gone_unix_s is None]
        if ending:
            parts.append(f"pod {ending[0].lodger.text} has not ended in {self._plan.timeout_s:g} s")
        return "; ".join(part for part in (*parts, self.recovery_said()) if part)

    def record(self) -> dict[str, Any]:
        """Return what is known, with what became of each pod."""
        self.evictions_blocked = len(self.blocked)
        staying: dict[str, list[str]] = defaultdict(list)
        for pod, why in self._evictions.staying:
            staying[why].append(pod)
        evictions = [x.record() for x in self._evictions.leaving]
        return super().record() | self.watched_record() | {
            "evictions": evictions, "staying": dict(staying),
        }  # fmt: skip

    def _put_in_place(self) -> None:
        try:
            super()._put_in_place()
            self._evictions.run(self._plan.timeout_s, self._stop, self._on_evicted)
            self.evictions_blocked = len(self.blocked)
        except BaseException:
            self.presence.stop()
            raise

    def _on_evicted(self, pod: Pod, at_unix_s: float) -> None:
        """Take note of a kill, when the pod is one of those that are watched."""
        if self.presence.has(pod):
            self.presence.add_kill(pod, at_unix_s)

    def release(self) -> None:
        """End the watch of the pods; what was seen stays."""
        self.presence.stop()
