"""Faults on pods and nodes of Kubernetes, through its API server."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from chaos_go import arguments
from chaos_go.agent.contract import LONGEST_DURATION_S
from chaos_go.errors import BadInputError, TargetError
from chaos_go.faults._cluster import keep
from chaos_go.faults._cordon import cordon
from chaos_go.faults._drain import drain
from chaos_go.faults._kill import Plan, PodKill
from chaos_go.faults._restart import rollout_restart
from chaos_go.faults._scale import scale
from chaos_go.kubernetes import presence as presences
from chaos_go.kubernetes import selection as selections
from chaos_go.kubernetes.access import needs
from chaos_go.kubernetes.connection import connect
from chaos_go.kubernetes.kinds import PODS
from chaos_go.kubernetes.permission import Permission, of
from chaos_go.kubernetes.pods import Pod
from chaos_go.kubernetes.presence import Presence
from chaos_go.kubernetes.preview import Preview
from chaos_go.kubernetes.selection import Selection
from chaos_go.targets import PodsTarget, guard, read_pods
from chaos_go.targets import scope as scopes
from chaos_go.targets.scope import Choice, Scope

__all__ = ["cordon", "drain", "kill", "rollout_restart", "scale"]

logger = logging.getLogger("chaostoolkit")

_ONE: dict[str, Any] = {"pods": 1}


def _kill_needs(target: str, mode: str) -> Iterator[Permission]:
    asked = read_pods(target, None).asked
    yield from selections.permissions(asked)
    yield from presences.permissions(asked)
    if mode == "evict":
        yield of(PODS, "create", namespace=asked.namespace, subresource="eviction")
    else:
        yield of(PODS, "delete", namespace=asked.namespace)


def _kill_preview(
    target: str, mode: str, scope: dict[str, Any], secrets: dict[str, str] | None
) -> Preview:
    chosen = _choose(read_pods(target, secrets), scopes.read_pods(scope), seed=1)
    count, of = len(chosen.choice.places), len(chosen.candidates)
    which = f"all {of}" if count == of else f"{count} of {of}"
    named = ", ".join(pod.name for pod in chosen.choice.places)
    return Preview(
        said=f"{mode}s {which} pods" + (f": {named}" if "seed" not in chosen.choice.record else ""),
        details={"count": count, "pods": [pod.name for pod in chosen.candidates]},
        pods=chosen.candidates,
        count=count,
        evicts=mode == "evict",
    )


@needs(
    _kill_needs,
    (
        {"target": "deployment/shop/users"},
        {"target": "deployment/shop/users", "mode": "evict"},
        {"target": "service/shop/users"},
        {"target": "pods/shop/app=users"},
    ),
    _kill_preview,
)
def kill(
    target: str,
    mode: str = "delete",
    scope: dict[str, Any] = _ONE,
    grace_period_s: int = -1,
    interval_s: float = 0.0,
    wait_for_recovery: bool = False,
    duration_s: float = 60.0,
    seed: int = 0,
    name: str = "",
    *,
    secrets: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Kill pods of a workload, and watch how it recovers.

    The pods of the first round are killed when the action returns. Then the fault stays in place
    until `stop` or until its duration ends: probes measure this time, and further rounds happen in
    it. A later round kills none while more pods than allowed would be missing.

    Args:
        target: The pods, for instance ``deployment/shop/users`` or ``pods/shop/app=users``.
        mode: ``delete``, or ``evict``: the Eviction API, which respects PodDisruptionBudgets. An
            eviction that a budget refuses is in the record; it is no error.
        scope: Which pods each round kills, as a mapping. ``pods``: a number, a share like "50%",
            "all", or a list of names (1). ``max_percentage``: the largest share of the pods of a
            workload that may be missing, those that are missing already included, unless the pods
            are listed by name (50). ``include_unready``: also pods that are not Ready
            (false). ``protected_namespace``: repeats the namespace of the target, when it is
            kube-system, kube-public, kube-node-lease or the one that runs this experiment ("").
        grace_period_s: Seconds between SIGTERM and SIGKILL; 0 kills at once; -1 for
            ``terminationGracePeriodSeconds`` of the pod.
        interval_s: Seconds between two rounds; 0 for one round only.
        wait_for_recovery: Whether each further round also waits until the workload is fully
            available again.
        duration_s: Seconds until the fault ends by itself, more than 0 and at most 3600.
        seed: Seed of the random choice; 0 draws one, which is in the record.
        name: Name of the fault; "" derives one from the target.
        secrets: Which cluster, as for chaostoolkit-kubernetes; given by Chaos Toolkit.

    Returns:
        The record: ``id``, ``said``, ``resolved`` (each pod of the target, its uid, node, images
        and owner), ``places`` (those that were hit), ``kills`` (and replacements) and more.

    Raises:
        ActivityFailed: A value is invalid, no pod matches, more pods than allowed would be missing,
            or the API server refused. No pod was killed then.
    """
    plan = _plan(mode, grace_period_s, interval_s, wait_for_recovery, seed)
    limits = scopes.read_pods(scope)
    arguments.positive("duration_s", duration_s, LONGEST_DURATION_S, "seconds")
    arguments.text("name", name)
    found = read_pods(target, secrets)
    chosen = _choose(found, limits, seed)
    selection, choice = chosen.selection, chosen.choice
    _refuse_rounds_of_names(found, limits, plan, choice.places)
    plan = replace(plan, seed=choice.seed)
    asked = {"target": target, "mode": mode, "interval_s": interval_s, "seed": choice.seed}
    again = partial(_choose_again, found, limits, selection)
    if choice.record:
        said = "kill: %d of %d pods of %s are drawn with seed %d"
        logger.info(said, len(choice.places), len(chosen.candidates), target, choice.seed)

    def make(reserved: str) -> PodKill:
        client = connect(secrets)
        presence = Presence(
            client, selection.namespace, selection.selector, selection.pods, selection.workload
        )
        fault = PodKill(
            reserved, plan, duration_s, client, presence, chosen.resolved, choice.places, again,
            asked,
        )  # fmt: skip
        fault.target = found.asked
        return fault

    fault = keep(name, f"kill-{found.slug}", make)
    return fault.record() | ({"scope": choice.record} if choice.record else {})


class _Chosen(NamedTuple):
    """The pods of a target, what the journal keeps of them, which may be killed, and which are."""

    selection: Selection
    resolved: list[dict[str, Any]]
    candidates: tuple[Pod, ...]
    choice: Choice[Pod]


def _choose(found: PodsTarget, scope: Scope, seed: int) -> _Chosen:
    """Look up the pods and choose among them, if the guards allow it."""
    if found.dependency:
        raise TargetError(found.text, "a kill acts on whole pods; leave out what follows the ->")
    selection = found.select()
    resolved = [pod.record() for pod in selection.pods]
    for pod, record in zip(selection.pods, resolved, strict=True):
        if found.port:
            record["port"] = selection.port_of(found.asked, pod, found.port)
    guard.refuse_protected(found.text, selection.namespace, scope)
    candidates = guard.candidates(found.text, selection, scope)
    choice = scopes.choose(scope, candidates, found.most_percentage, seed)
    guard.refuse_too_many(scope, choice.places, selection, found.most_percentage)
    return _Chosen(selection, resolved, candidates, choice)


def _choose_again(
    found: PodsTarget, scope: Scope, at_first: Selection, there: Sequence[Pod], seed: int
) -> Sequence[Pod]:
    """Choose the pods of a later round by the same guards.

    Raises:
        BadInputError: None is there, or more than allowed would be missing.
    """
    if found.asked.kind == "pod":  # its siblings are watched, too
        there = [pod for pod in there if pod.name == found.asked.name]
    now = replace(at_first, pods=tuple(there))
    candidates = guard.candidates(found.text, now, scope)
    choice = scopes.choose(scope, candidates, found.most_percentage, seed)
    of = Counter(pod.owner for pod in at_first.pods)
    guard.refuse_too_many(scope, choice.places, now, found.most_percentage, of)
    return choice.places


def _refuse_rounds_of_names(
    found: PodsTarget, scope: Scope, plan: Plan, chosen: Sequence[Pod]
) -> None:
    """Refuse rounds on named pods that do not come back under their names."""
    is_named = found.asked.kind == "pod" or bool(scope.names)
    if plan.interval_s and is_named:
        for pod in chosen:
            if not pod.owner.startswith("statefulset/"):
                fix = f"pod {pod.name} does not come back under its name; leave it out"
                raise BadInputError("interval_s", plan.interval_s, fix)


def _plan(
    mode: object, grace_period_s: object, interval_s: object, wait_for_recovery: object,
    seed: object,
) -> Plan:  # fmt: skip
    if mode not in ("delete", "evict"):
        raise BadInputError("mode", mode, "give delete or evict")
    grace = arguments.whole("grace_period_s", grace_period_s, -1, 3600)
    if arguments.flag("wait_for_recovery", wait_for_recovery) and not interval_s:
        fix = "there is only one round, so nothing waits; give interval_s as well"
        raise BadInputError("wait_for_recovery", wait_for_recovery, fix)
    return Plan(
        mode=str(mode),
        grace_period_s=None if grace < 0 else grace,
        interval_s=arguments.number("interval_s", interval_s, 3600, "seconds", least=0),
        wait_for_recovery=arguments.flag("wait_for_recovery", wait_for_recovery),
        seed=arguments.whole("seed", seed, 0),
    )
