"""``node/worker-2`` and ``nodes/zone=b``: nodes of a Kubernetes cluster, for cordon and drain.

A target of pods stands for the nodes on which these pods run, see `chaos_go.faults.pods.drain`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from chaos_go.agent.contract import Way
from chaos_go.agent.place import Place
from chaos_go.errors import TargetError
from chaos_go.kubernetes.connection import connect
from chaos_go.kubernetes.nodes import NodeSelection, select
from chaos_go.targets.target import MOST_PERCENTAGE, Target

FORMS = {
    "node": (("node/worker-2", "this node of the cluster, for cordon and drain"),),
    "nodes": (("nodes/zone=b", "the nodes that match this label selector"),),
}


@dataclass(frozen=True)
class NodesTarget(Target):
    """Nodes of a cluster.

    Attributes:
        name: Name of the node; "" for a selector.
        selector: Label selector; "" for a name.
        secrets: The secrets of the activity, which say which cluster; not part of the text.
    """

    name: str = ""
    selector: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    no_traffic: ClassVar[str] = (
        "faults on traffic have no nodes as targets; give the service, for instance port/8081"
    )

    @property
    def most_percentage(self) -> float:
        """100 for a node that is named; otherwise 50."""
        return 100.0 if self.name else MOST_PERCENTAGE

    @property
    def ways(self) -> tuple[Way, ...]:
        """None: no fault on traffic has a node as its target."""
        return ()

    def select(self) -> NodeSelection:
        """Look up the nodes.

        Raises:
            TargetError: There is no such node.
            ClusterError: The API server refused, or did not answer.
        """
        return select(connect(self.secrets), self.text, self.name, self.selector)

    def places(self) -> tuple[Place, ...]:
        """Refuse: no agent acts there.

        Raises:
            TargetError: Always.
        """
        raise TargetError(self.text, self.no_traffic)


def read(target: str, rest: str) -> Target:
    """Read the name of a node or a label selector.

    Raises:
        TargetError: It is empty.
    """
    kind = target.partition("/")[0]
    if not rest:
        raise TargetError(target, f"the name is missing; give one like {FORMS[kind][0][0]}")
    return NodesTarget(target, name=rest) if kind == "node" else NodesTarget(target, selector=rest)
