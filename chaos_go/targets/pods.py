"""Targets in Kubernetes: workloads, services, pods and label selectors.

Without a namespace it is the one of the context. The first part of ``pods/...`` is a namespace if
it has none of the characters ``. = ! ( ,`` and something follows it. So a label whose prefix is a
single word needs a namespace before it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from chaos_go.agent.contract import Way
from chaos_go.agent.place import Place
from chaos_go.errors import TargetError, shorten
from chaos_go.kubernetes.connection import connect
from chaos_go.kubernetes.selection import Asked, Selection, select
from chaos_go.targets.target import MOST_PERCENTAGE, Target

KINDS = ("deployment", "statefulset", "daemonset", "replicaset", "job", "service", "pod", "pods")
FORMS: dict[str, tuple[tuple[str, str], ...]] = {
    "deployment": (
        ("deployment/shop/users", "the pods of this workload, in namespace shop"),
        ("deployment/users", "the same, in the namespace of the context"),
        ("deployment/shop/users:8082", "the same, on this port; a named port as ``:http``"),
        ("deployment/shop/users->risk:8083", "the calls that these pods make to a dependency"),
    ),
    "statefulset": (("statefulset/shop/db", "as a deployment"),),
    "daemonset": (("daemonset/shop/proxy", "as a deployment"),),
    "replicaset": (("replicaset/shop/users-5c6f", "as a deployment"),),
    "job": (("job/shop/import", "as a deployment"),),
    "service": (
        ("service/shop/users", "the pods behind this service, by its EndpointSlices"),
        ("service/shop/users:http", "the same, on the pods' port for this port of the service"),
    ),
    "pod": (("pod/shop/users-5c6f-x7k2p", "this pod"),),
    "pods": (("pods/shop/app=users", "the pods that match this label selector"),),
}
"""For each kind its forms (an example and its meaning each)."""

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # a DNS label, RFC 1123
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")  # a DNS subdomain
_PORT_NAME = re.compile(r"(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")  # RFC 6335
_REQUIREMENT = re.compile(
    r"!?\s*[\w./-]+(\s*(=|==|!=)\s*[\w.-]*|\s+(in|notin)\s+\([\w.,\s-]+\))?\s*"
)


@dataclass(frozen=True)
class PodsTarget(Target):
    """The pods that a text names.

    Attributes:
        asked: What is looked up.
        port: The port of a fault on traffic, a number or a name; "" without one.
        dependency: ``HOST:PORT`` of the calls that the pods make; "" for requests to them.
        secrets: The secrets of the activity, which say which cluster; not part of the text.
    """

    asked: Asked
    port: str = ""
    dependency: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    no_traffic: ClassVar[str] = (
        "this release has no faults on the traffic of pods; give a service on this host, for "
        "instance port/8081, or use chaos_go.faults.pods"
    )

    @property
    def most_percentage(self) -> float:
        """100 for a pod that is named; otherwise 50."""
        return 100.0 if self.asked.kind == "pod" else MOST_PERCENTAGE

    @property
    def ways(self) -> tuple[Way, ...]:
        """The way, when the text alone tells it: a named port has to be looked up."""
        if self.dependency:
            return (Way(to=self.dependency),)
        return (Way(port=int(self.port)),) if self.port.isdecimal() else ()

    def select(self) -> Selection:
        """Look up the pods.

        Raises:
            TargetError: Something that the text names does not exist, or no pod matches.
            ClusterError: The API server refused, or did not answer.
        """
        return select(connect(self.secrets), self.asked)

    def places(self) -> tuple[Place, ...]:
        """Refuse: no agent acts there.

        Raises:
            TargetError: Always.
        """
        raise TargetError(self.text, self.no_traffic)


def read(target: str, rest: str) -> Target:
    """Read ``NAMESPACE/NAME``, ``NAME`` or a label selector, with ``:PORT`` or ``->HOST:PORT``.

    Raises:
        TargetError: The text has none of these forms.
    """
    kind = target.partition("/")[0]
    example = FORMS[kind][0][0]
    rest, arrow, dependency = rest.partition("->")
    if arrow and not dependency.rpartition(":")[2].isdecimal():
        fix = f"HOST:PORT is missing after the ->; give one like {example}->risk:8083"
        raise TargetError(target, fix)
    rest, colon, port = rest.partition(":")
    if colon and not _is_port(port):
        fix = f"the port {shorten(port)!r} is neither a number from 1 to 65535 nor the name of one"
        raise TargetError(target, fix)
    if colon and arrow:
        raise TargetError(target, "give a port or a dependency, not both")
    if rest.startswith("/"):
        raise TargetError(target, f"the namespace is empty; give one like {example}")
    namespace, name = _split(rest, kind)
    if namespace and not _NAMESPACE.fullmatch(namespace):
        fix = f"{shorten(namespace)!r} is no name of a namespace; give one like {example}"
        raise TargetError(target, fix)
    if kind == "pods":
        _refuse_selector(target, name)
    elif not _NAME.fullmatch(name):
        fix = f"{shorten(name)!r} is no name of an object; give one like {example}"
        raise TargetError(target, fix)
    return PodsTarget(target, Asked(target, kind, namespace, name), port, dependency)


def _split(rest: str, kind: str) -> tuple[str, str]:
    """Return namespace and name; "" for the namespace of the context."""
    first, slash, name = rest.partition("/")
    is_label = kind == "pods" and re.search(r"[.=!(,\s]", first)
    return (first, name) if slash and not is_label else ("", rest)


def _is_port(port: str) -> bool:
    if port.isascii() and port.isdecimal():
        return 1 <= int(port[:6]) <= 65535
    return bool(_PORT_NAME.fullmatch(port))


def _refuse_selector(target: str, selector: str) -> None:
    """Refuse a label selector whose form the API server would refuse."""
    for part in re.split(r",(?![^(]*\))", selector):
        if not _REQUIREMENT.fullmatch(part):
            fix = f"{shorten(part)!r} is no label requirement; give one like pods/shop/app=users"
            raise TargetError(target, fix)
