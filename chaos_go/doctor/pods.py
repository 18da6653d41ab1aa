"""Checks the target of an activity on pods: which pods it names, and which could be hit."""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chaos_go.doctor import budgets
from chaos_go.doctor.check import Check
from chaos_go.doctor.experiment import Part
from chaos_go.errors import BadInputError, ClusterError, ForbiddenError
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.permission import Permission
from chaos_go.kubernetes.pods import Pod
from chaos_go.kubernetes.selection import Selection, select
from chaos_go.targets import PodsTarget, guard
from chaos_go.targets import read as read_target
from chaos_go.targets import scope as scopes

_MOST_NAMED = 4


@dataclass(frozen=True)
class Seen:
    """What was found for the target of one part.

    Attributes:
        target: The target.
        selection: Its pods.
    """

    target: PodsTarget
    selection: Selection


def check(part: Part, client: Client, needed: Sequence[Permission]) -> Iterator[Check]:
    """Yield the checks of the target of a part; none when it has no target of pods."""
    try:
        target = read_target(part.arguments["target"]) if "target" in part.arguments else None
    except BadInputError as error:
        yield Check(part.where, "target", "failed", str(error))
        return
    if not isinstance(target, PodsTarget):
        return
    try:
        seen = Seen(target, select(client, target.asked))
    except ForbiddenError as error:
        yield Check(part.where, "target", "unknown", f"its pods cannot be looked up: {error}")
    except BadInputError as error:
        yield Check(part.where, "target", "failed", str(error))
    except ClusterError as error:
        yield Check(part.where, "target", "unknown", str(error))
    else:
        yield _target(part.where, seen)
        if (default := _scope(part)) is not None:
            yield from _fault(part, client, seen, default, needed)


def _target(where: str, seen: Seen) -> Check:
    pods = seen.selection.pods
    ready = sum(pod.is_ready for pod in pods)
    said = f"{seen.target.text}: {_count(len(pods), 'pod')}, {ready} Ready: {_listed(pods)}"
    details = {
        "target": seen.target.text,
        "namespace": seen.selection.namespace,
        "pods": [{**pod.record(), "ready": pod.is_ready} for pod in pods],
    }
    if (workload := seen.selection.workload) and not workload.is_available:
        problem = f"; {workload.problem}" if workload.problem else ""
        said = f"{said}; {workload.available} of {workload.wanted} are available{problem}"
        fix = "wait until the workload is available: the baseline needs that"
        return Check(where, "target", "warning", said, fix, details)
    if ready < len(pods):
        fix = "wait until all are Ready: the baseline needs that"
        return Check(where, "target", "warning", said, fix, details)
    return Check(where, "target", "ok", said, details=details)


def _scope(part: Part) -> Any:
    """Return the scope of a fault, its default when none was given; None for other activities."""
    parameter = inspect.signature(part.function).parameters.get("scope")
    return None if parameter is None else part.arguments.get("scope", parameter.default)


def _fault(
    part: Part, client: Client, seen: Seen, given: object, needed: Sequence[Permission]
) -> Iterator[Check]:
    """Yield the checks of what would be hit: the guards, the scope, the budgets."""
    target, selection = seen.target, seen.selection
    try:
        scope = scopes.read_pods(given)
        guard.refuse_protected(target.text, selection.namespace, scope)
    except BadInputError as error:
        yield Check(part.where, "guard", "failed", str(error))
        return
    said = f"namespace {selection.namespace} is not protected"
    if scope.protected_namespace:
        said = f"namespace {selection.namespace} is protected, and allowed by the scope"
    yield Check(part.where, "guard", "ok", said, details={"namespace": selection.namespace})
    try:
        candidates = guard.candidates(target.text, selection, scope)
        chosen = scopes.choose(scope, candidates, target.most_percentage, 1).places
        guard.refuse_too_many(scope, chosen, selection, target.most_percentage)
    except BadInputError as error:
        yield Check(part.where, "scope", "failed", str(error))
        return
    yield _choice(part.where, candidates, chosen)
    yield from budgets.check(part.where, client, selection.namespace, candidates, chosen, needed)


def _choice(where: str, candidates: Sequence[Pod], chosen: Sequence[Pod]) -> Check:
    details = {"pods": [pod.name for pod in candidates], "count": len(chosen)}
    if len(chosen) == len(candidates):
        said = f"all of these pods: {_listed(candidates)}"
    else:
        said = f"{len(chosen)} of these {len(candidates)}: {_listed(candidates)}"
    return Check(where, "scope", "ok", said, details=details)


def _listed(pods: Sequence[Pod]) -> str:
    named = [
        f"{pod.name} on {pod.node or 'no node'}{'' if pod.is_ready else ' (not Ready)'}"
        for pod in pods[:_MOST_NAMED]
    ]
    more = f" and {len(pods) - _MOST_NAMED} more" if len(pods) > _MOST_NAMED else ""
    return ", ".join(named) + more


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
