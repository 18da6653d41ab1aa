"""Checks what an activity would hit: its target, its guards, and the budgets of its pods."""

from collections.abc import Iterator, Sequence

from chaos_go.doctor import budgets
from chaos_go.doctor.check import Check
from chaos_go.doctor.experiment import Part
from chaos_go.errors import BadInputError, ClusterError, ForbiddenError
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.nodes import Node
from chaos_go.kubernetes.nodes import select as select_nodes
from chaos_go.kubernetes.pods import Pod
from chaos_go.kubernetes.preview import Preview
from chaos_go.kubernetes.selection import Selection, select
from chaos_go.targets import NodesTarget, PodsTarget
from chaos_go.targets import read as read_target

_MOST_NAMED = 4


def check(part: Part, client: Client) -> Iterator[Check]:
    """Yield the checks of what a part would hit. Nothing is changed."""
    try:
        target = read_target(part.arguments["target"]) if "target" in part.arguments else None
        if isinstance(target, PodsTarget):
            yield _pods(part.where, target.text, select(client, target.asked))
        elif isinstance(target, NodesTarget):
            found = select_nodes(client, target.text, target.name, target.selector)
            yield _nodes(part.where, target.text, found.nodes)
    except ClusterError as error:
        yield Check(part.where, "target", "unknown", _why(error))
        return
    except BadInputError as error:
        yield Check(part.where, "target", "failed", str(error))
        return
    if part.preview is None:
        return
    try:
        preview: Preview = part.preview()
    except ClusterError as error:
        yield Check(part.where, "guards", "unknown", _why(error))
    except BadInputError as error:
        yield Check(part.where, "guards", "failed", str(error))
    else:
        yield Check(part.where, "guards", "ok", preview.said, details=preview.details)
        yield from budgets.check(part.where, client, preview)


def _why(error: ClusterError) -> str:
    if isinstance(error, ForbiddenError):
        return f"it cannot be looked up: {error}"
    return str(error)


def _pods(where: str, text: str, selection: Selection) -> Check:
    pods = selection.pods
    ready = sum(pod.is_ready for pod in pods)
    said = f"{text}: {ready} of {len(pods)} pods are Ready: {_listed(pods)}"
    details = {
        "target": text,
        "namespace": selection.namespace,
        "pods": [{**pod.record(), "ready": pod.is_ready} for pod in pods],
    }
    workload = selection.workload
    if workload and not workload.is_available:
        problem = f"; {workload.problem}" if workload.problem else ""
        said += f"; {workload.available} of {workload.wanted} are available{problem}"
    elif ready == len(pods):
        return Check(where, "target", "ok", said, details=details)
    fix = "wait until all of them are available: otherwise the baseline shows it already"
    return Check(where, "target", "warning", said, fix, details)


def _nodes(where: str, text: str, nodes: Sequence[Node]) -> Check:
    ready = sum(node.is_ready for node in nodes)
    named = [node.name + ("" if node.is_ready else " (not Ready)") for node in nodes[:_MOST_NAMED]]
    more = f" and {len(nodes) - _MOST_NAMED} more" if len(nodes) > _MOST_NAMED else ""
    said = f"{text}: {ready} of {len(nodes)} nodes are Ready: {', '.join(named)}{more}"
    details = {
        "target": text,
        "nodes": [{"node": node.name, "ready": node.is_ready} for node in nodes],
    }
    return Check(where, "target", "ok" if ready == len(nodes) else "warning", said, details=details)


def _listed(pods: Sequence[Pod]) -> str:
    named = [
        f"{pod.name} on {pod.node or 'no node'}"
        + ("" if pod.is_ready else f" (not Ready: {pod.why_not_ready()})")
        for pod in pods[:_MOST_NAMED]
    ]
    more = f" and {len(pods) - _MOST_NAMED} more" if len(pods) > _MOST_NAMED else ""
    return ", ".join(named) + more
