"""The fault that cordons nodes: no new pod is put there for a while."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chaos_go import arguments
from chaos_go.agent.contract import LONGEST_DURATION_S
from chaos_go.errors import TargetError
from chaos_go.faults._change import ChangeFault
from chaos_go.faults._cluster import keep
from chaos_go.kubernetes import nodes
from chaos_go.kubernetes.access import needs
from chaos_go.kubernetes.changes import Change
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.connection import connect
from chaos_go.kubernetes.kinds import NODES
from chaos_go.kubernetes.nodes import Node
from chaos_go.kubernetes.permission import Permission, of
from chaos_go.kubernetes.preview import Preview
from chaos_go.targets import NodesTarget, guard, read
from chaos_go.targets import scope as scopes
from chaos_go.targets.scope import Choice, Scope

CORDONING: Permission = of(NODES, "get", "patch")
"""What a change of a node, and its restoration, need."""

_ONE: dict[str, Any] = {"nodes": 1}


def _needs(target: str) -> Iterator[Permission]:
    read_nodes(target, None)
    yield nodes.SELECTING
    yield CORDONING


def _preview(target: str, scope: dict[str, Any], secrets: dict[str, str] | None) -> Preview:
    choice = _choose(read_nodes(target, secrets), scopes.read_nodes(scope), seed=1)
    names, of = [node.name for node in choice.places], choice.record.get("of", len(choice.places))
    which = "" if "seed" in choice.record else f": {', '.join(names)}"
    return Preview(f"cordons {len(names)} of {of} Ready nodes{which}", {"count": len(names)})


@needs(_needs, ({"target": "node/worker-2"}, {"target": "nodes/zone=b"}), _preview)
def cordon(
    target: str,
    scope: dict[str, Any] = _ONE,
    duration_s: float = 60.0,
    seed: int = 0,
    name: str = "",
    *,
    secrets: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Cordon nodes, so that no new pod is put there, and restore them at the end of the fault.

    Pods that run there go on. First the state of the nodes is written to an undo file in the
    current directory. `stop`, the end of the duration and the end of the run restore it; if Python
    was killed, ``chaos go undo`` does. A node that was cordoned before the fault stays cordoned.

    Args:
        target: ``node/worker-2``, or the nodes with a label: ``nodes/zone=b``.
        scope: Which nodes are cordoned, as a mapping. ``nodes``: a number, a share like "50%",
            "all", or a list of names (1). ``max_percentage``: the largest share of the Ready nodes
            of the cluster that may be cordoned, including those that are cordoned already, unless
            the nodes are listed by name (50).
        duration_s: Seconds until the nodes are restored, more than 0 and at most 3600.
        seed: Seed of the random choice; 0 draws one, which is in the record.
        name: Name of the fault; "" derives one from the target.
        secrets: Which cluster, as for chaostoolkit-kubernetes; given by Chaos Toolkit.

    Returns:
        The record: ``id``, ``said``, ``places`` (each node with its state before) and more.

    Raises:
        ActivityFailed: A value is invalid, no such node is Ready, all of them are cordoned already,
            more nodes than allowed would be cordoned, or the API server refused. Nothing is changed
            then.
    """
    chosen_by = scopes.read_nodes(scope)
    arguments.positive("duration_s", duration_s, LONGEST_DURATION_S, "seconds")
    arguments.whole("seed", seed, 0)
    arguments.text("name", name)
    found = read_nodes(target, secrets)
    choice = _choose(found, chosen_by, seed)
    client = connect(secrets)
    asked = {"target": target, "seed": choice.seed}

    def make(reserved: str) -> CordonFault:
        return CordonFault(reserved, "cordon", asked, duration_s, client, choice.places)

    fault = keep(name, f"cordon-{found.slug}", make)
    return fault.record() | ({"scope": choice.record} if choice.record else {})


def _choose(found: NodesTarget, scope: Scope, seed: int) -> Choice[Node]:
    """Choose the nodes, at least one of which is not cordoned yet."""
    choice = choose_nodes(found, scope, seed)
    if all(node.is_unschedulable for node in choice.places):
        names = ", ".join(node.name for node in choice.places)
        raise TargetError(found.text, f"{names}: already cordoned, so nothing would change")
    return choice


class CordonFault(ChangeFault):
    """Cordons nodes."""

    def __init__(
        self, name: str, kind: str, asked: Mapping[str, Any], duration_s: float, client: Client,
        nodes: Sequence[Node],
    ) -> None:  # fmt: skip
        """Make the fault; nothing is changed yet."""
        wanted = [_cordoned(node) for node in nodes]
        super().__init__(name, kind, asked, duration_s, client, wanted)
        self._nodes = tuple(nodes)

    @property
    def said(self) -> str:
        """One line: the nodes."""
        names = ", ".join(node.name for node in self._nodes)
        return f"cordoned {names}" + (" and restored it" if self.state == "ended" else "")


def read_nodes(target: object, secrets: Mapping[str, str] | None) -> NodesTarget:
    """Read a target of nodes. Nothing is looked up.

    Raises:
        TargetError: It is another kind of target.
    """
    found = read(target)
    if not isinstance(found, NodesTarget):
        fix = "nodes are needed here; give one like node/worker-2 or nodes/zone=b"
        raise TargetError(target, fix)
    return replace(found, secrets=dict(secrets or {}))


def choose_nodes(target: NodesTarget, scope: Scope, seed: int) -> Choice[Node]:
    """Choose among the Ready nodes of a target.

    Raises:
        TargetError: There is no such node, or none is Ready.
        BadInputError: The scope asks for too many nodes, or for one that is not there.
        ClusterError: The API server refused, or did not answer.
    """
    selection = target.select()
    ready = guard.ready_nodes(target.text, selection)
    # The bound is a share of all nodes of the cluster, and not of those that the target names.
    choice = scopes.choose(replace(scope, max_percentage=None), ready, 100.0, seed)
    guard.refuse_too_many_nodes(scope, choice.places, selection.all, target.most_percentage)
    return choice


def _cordoned(node: Node) -> Change:
    return Change(
        object=f"node/{node.name}",
        path=NODES.path(name=node.name),
        uid=node.uid,
        field="spec.unschedulable",
        before=node.is_unschedulable,
        after=True,
    )
