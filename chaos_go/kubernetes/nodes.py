"""Nodes of a cluster, as far as faults look at them."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from chaos_go.errors import TargetError
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.kinds import NODES
from chaos_go.kubernetes.permission import Permission, of

SELECTING: Permission = of(NODES, "list")
"""What `select` and `list_nodes` need."""

_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_MOST_NAMED = 10


@dataclass(frozen=True)
class Node:
    """One node at one moment.

    Attributes:
        name: Its name.
        uid: Its identity.
        is_ready: Whether its kubelet says that it is Ready.
        is_unschedulable: Whether it is cordoned.
        is_control_plane: Whether it is kept free of ordinary pods, since it runs the cluster.
    """

    name: str
    uid: str
    is_ready: bool
    is_unschedulable: bool
    is_control_plane: bool


@dataclass(frozen=True)
class NodeSelection:
    """The nodes of a target.

    Attributes:
        nodes: The nodes that the target names, in order of name.
        all: All nodes of the cluster, in order of name.
    """

    nodes: tuple[Node, ...]
    all: tuple[Node, ...]


def read(node: Mapping[str, Any]) -> Node:
    """Make a `Node` of the object of the API."""
    meta, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
    conditions = {x["type"]: x["status"] for x in status.get("conditions") or []}
    taints = {x["key"] for x in spec.get("taints") or [] if x["effect"] != "PreferNoSchedule"}
    return Node(
        name=meta["name"],
        uid=meta["uid"],
        is_ready=conditions.get("Ready") == "True",
        is_unschedulable=bool(spec.get("unschedulable")),
        is_control_plane=_CONTROL_PLANE in taints,
    )


def list_nodes(client: Client, selector: str = "") -> tuple[Node, ...]:
    """Return the nodes that match a label selector, in order of name."""
    items, _ = client.items(NODES.path(), labelSelector=selector)
    return tuple(sorted(map(read, items), key=lambda node: node.name))


def select(client: Client, text: str, name: str, selector: str) -> NodeSelection:
    """Look up the nodes of a target.

    Args:
        client: The cluster.
        text: The target, for messages.
        name: Name of one node; "" for a selector.
        selector: A label selector.

    Raises:
        TargetError: There is no such node.
        ClusterError: The API server refused, or did not answer.
    """
    everything = list_nodes(client)
    if name:
        found = tuple(node for node in everything if node.name == name)
    else:
        found = list_nodes(client, selector)
    if not found:
        known = [node.name for node in everything]
        close = get_close_matches(name, known, 1) if name else []
        more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
        listed = f"it has {', '.join(known[:_MOST_NAMED])}{more}"
        fix = f"did you mean {close[0]}?" if close else listed
        what = "no such node" if name else "no node with these labels"
        raise TargetError(text, f"the cluster has {what}; {fix}")
    return NodeSelection(found, everything)
