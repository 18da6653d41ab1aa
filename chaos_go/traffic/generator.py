"""Reads what sends a load: an agent on this machine, or pods of a Kubernetes Job."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from chaos_go import arguments
from chaos_go.errors import BadInputError
from chaos_go.traffic.contract import Load

MOST_PODS = 50

_KEYS = ("namespace", "pods", "image", "node_selector")


@dataclass(frozen=True)
class Pods:
    """Pods that send a load together.

    Attributes:
        namespace: Their namespace; "" for the one of the context.
        pods: How many.
        image: Image of the agent.
        node_selector: Labels of the nodes that they may run on, in order of their names.
    """

    namespace: str
    pods: int
    image: str
    node_selector: tuple[tuple[str, str], ...] = ()

    def part_of(self, load: Load, number: int) -> Load:
        """Return what one of the pods sends.

        Each sends every n-th request, so that all together send at the times of one generator.

        Args:
            load: The whole load.
            number: Number of the pod, from 0.
        """
        first_after_ms = number * 1000 / load.rate_rps if load.rate_rps > 0 else 0.0
        return replace(
            load,
            rate_rps=load.rate_rps / self.pods,
            max_in_flight=math.ceil(load.max_in_flight / self.pods),
            first_after_ms=first_after_ms,
        )


def read(given: object) -> Pods | None:
    """Read the argument ``generator``; return None for {}, an agent on this machine.

    Args:
        given: {} or ``{"kubernetes": {...}}`` with ``image`` and any of ``namespace`` (that of the
            context), ``pods`` (1) and ``node_selector`` ({}).

    Raises:
        BadInputError: A key is unknown, the image is missing, or a value is not valid.
    """
    generator = arguments.mapping("generator", given, ("kubernetes",))
    if not generator:
        return None
    path = "generator.kubernetes"
    pods = arguments.mapping(path, generator["kubernetes"], _KEYS)
    if not pods.get("image"):
        fix = "give the image of the agent, for instance registry.example.com/chaos-agent:0.1.0"
        raise BadInputError(f"{path}.image", pods.get("image", ""), fix)
    return Pods(
        namespace=arguments.text(f"{path}.namespace", pods.get("namespace", "")),
        pods=arguments.whole(f"{path}.pods", pods.get("pods", 1), 1, MOST_PODS),
        image=arguments.text(f"{path}.image", pods["image"]),
        node_selector=_labels(f"{path}.node_selector", pods.get("node_selector", {})),
    )


def _labels(name: str, given: object) -> tuple[tuple[str, str], ...]:
    labels: Mapping[str, str] = arguments.texts(name, given)
    return tuple(sorted(labels.items()))
