"""Which pods a target names, looked up in the API server. No pod at all is an error."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from chaos_go.errors import ClusterError, TargetError
from chaos_go.kubernetes import pods as pod_objects
from chaos_go.kubernetes import workload as workloads
from chaos_go.kubernetes.client import Client, Object
from chaos_go.kubernetes.kinds import NAMESPACES, PODS, SERVICES, SLICES, WORKLOADS, Resource
from chaos_go.kubernetes.permission import Permission, of
from chaos_go.kubernetes.pods import Pod
from chaos_go.kubernetes.workload import Workload

_MOST_NAMED = 10
_OF_CONTROLLERS = ("pod-template-hash", "controller-revision-hash", "pod-template-generation")


@dataclass(frozen=True)
class Asked:
    """What a target names.

    Attributes:
        text: The whole text of the target, for messages.
        kind: The word before the first slash, for instance ``deployment`` or ``pods``.
        namespace: Its namespace; "" for the one of the context.
        name: The name, or the label selector of ``pods``.
    """

    text: str
    kind: str
    namespace: str
    name: str

    def is_same(self, other: "Asked") -> bool:
        """Return whether another target names the same pods, whatever its port."""
        return (self.kind, self.namespace, self.name) == (
            other.kind,
            other.namespace,
            other.name,
        )


@dataclass(frozen=True)
class Selection:
    """The pods of a target.

    Attributes:
        namespace: Their namespace.
        selector: A label selector that all of them match; "" when there is none.
        workload: The workload that was named; None for pods, a selector and a service.
        pods: All pods of the target that are not being deleted, Ready or not, in order of name.
        ports: For a service, maps the uid of each pod to its ports, by number and name of the port
            of the service; empty otherwise.
    """

    namespace: str
    selector: str
    workload: Workload | None
    pods: tuple[Pod, ...]
    ports: Mapping[str, Mapping[str, int]]

    def port_of(self, asked: Asked, pod: Pod, port: str) -> int:
        """Return the port of a pod that a target means.

        Args:
            asked: The target, for the message.
            pod: One of the pods.
            port: A number or a name: of a port of the service if one was named, else of a port of
                the pod. The number of a port need not be declared in a pod.

        Raises:
            TargetError: The service or the pod has no such port.
        """
        if self.ports:
            known, what = self.ports.get(pod.uid, {}), f"service {asked.name}"
        else:
            known = {key: value for x in pod.containers for key, value in x.ports.items()}
            what = f"pod {pod.name}"
        if port in known:
            return known[port]
        if port.isdecimal() and not self.ports:
            return int(port)
        names = ", ".join(f"{key} ({value})" for key, value in known.items()) or "no named port"
        raise TargetError(asked.text, f"{what} has no TCP port {port!r}; it has {names}")


def select(client: Client, asked: Asked) -> Selection:
    """Look up the pods of a target.

    Raises:
        TargetError: The namespace, the workload or a pod does not exist, or no pod matches.
        ClusterError: The API server refused, or did not answer.
    """
    namespace = asked.namespace or client.namespace
    if asked.kind in WORKLOADS:
        found = _of_workload(client, asked, namespace, WORKLOADS[asked.kind])
    elif asked.kind == "service":
        found = _of_service(client, asked, namespace)
    elif asked.kind == "pod":
        pod = _get(client, asked, namespace, PODS)
        found = Selection(namespace, "", None, (pod_objects.read(pod),), {})
    else:
        found = Selection(namespace, asked.name, None, list_pods(client, namespace, asked.name), {})
    alive = tuple(pod for pod in found.pods if not pod.is_terminating and _is_live(pod))
    if not alive:
        raise TargetError(asked.text, _nothing(client, asked, namespace, len(found.pods)))
    return Selection(found.namespace, found.selector, found.workload, alive, found.ports)


def permissions(asked: Asked) -> Iterator[Permission]:
    """Yield what `select` needs. What makes its errors more helpful is not needed."""
    if asked.kind in WORKLOADS:
        yield of(WORKLOADS[asked.kind], "get", namespace=asked.namespace)
    elif asked.kind == "service":
        yield of(SERVICES, "get", namespace=asked.namespace)
        yield of(SLICES, "list", namespace=asked.namespace)
    verb = "get" if asked.kind == "pod" else "list"
    yield of(PODS, verb, namespace=asked.namespace)


def find(client: Client, asked: Asked) -> Object:
    """Return the workload that a target names, which may have no pods.

    Raises:
        TargetError: It, or its namespace, does not exist.
        ClusterError: The API server refused, or did not answer.
    """
    namespace = asked.namespace or client.namespace
    return _get(client, asked, namespace, WORKLOADS[asked.kind])


def list_pods(client: Client, namespace: str, selector: str = "", **query: str) -> tuple[Pod, ...]:
    """Return the pods of a namespace that match a label selector, in order of name."""
    items, _ = client.items(PODS.path(namespace), labelSelector=selector, **query)
    return tuple(sorted(map(pod_objects.read, items), key=lambda pod: pod.name))


def _is_live(pod: Pod) -> bool:
    return pod.phase not in ("Succeeded", "Failed")


def _of_workload(client: Client, asked: Asked, namespace: str, resource: Resource) -> Selection:
    workload = workloads.read(resource, _get(client, asked, namespace, resource))
    matching = list_pods(client, namespace, workload.selector)
    # A pod without an owner may carry the same labels; it is none of the workload's.
    own = [x for x in matching if workload.uid == x.owner_uid or workload.text == x.owner]
    return Selection(namespace, workload.selector, workload, tuple(own), {})


def _of_service(client: Client, asked: Asked, namespace: str) -> Selection:
    """Return the pods behind a service by its EndpointSlices, which also map its ports."""
    service = _get(client, asked, namespace, SERVICES)
    label = f"kubernetes.io/service-name={asked.name}"
    slices, _ = client.items(SLICES.path(namespace), labelSelector=label)
    uids = {
        (endpoint.get("targetRef") or {}).get("uid")
        for one in slices
        for endpoint in one.get("endpoints") or []
    }
    selector = workloads.selector_text({"matchLabels": service["spec"].get("selector")})
    behind = tuple(x for x in list_pods(client, namespace, selector) if x.uid in uids)
    return Selection(namespace, selector, None, behind, _service_ports(service, slices))


def _service_ports(service: Object, slices: Sequence[Object]) -> dict[str, dict[str, int]]:
    """Return the ports of each pod. A named target port may have another number in each pod."""
    found: dict[str, dict[str, int]] = {}
    for one in slices:
        numbers = {
            port.get("name") or "": port["port"]
            for port in one.get("ports") or []
            if port.get("port") and port.get("protocol", "TCP") == "TCP"
        }
        ports = {}
        for port in service["spec"].get("ports") or []:
            if (name := port.get("name") or "") in numbers:
                ports[str(port["port"])] = numbers[name]
                ports |= {name: numbers[name]} if name else {}
        for endpoint in one.get("endpoints") or []:
            uid = (endpoint.get("targetRef") or {}).get("uid", "")
            found.setdefault(uid, {}).update(ports)
    return found


def _get(client: Client, asked: Asked, namespace: str, resource: Resource) -> Object:
    try:
        return client.get(resource.path(namespace, asked.name))
    except ClusterError as error:
        if error.status != 404:
            raise
    refuse_missing_namespace(client, asked.text, namespace)
    fix = f"namespace {namespace} has no {resource.kind} {asked.name!r}"
    raise TargetError(asked.text, fix + _instead(client, namespace, resource, asked.name))


def _instead(client: Client, namespace: str, resource: Resource, wrong: str) -> str:
    """Return what there is instead of a name; "" when this user may not list it."""
    try:
        items, _ = client.items(resource.path(namespace))
    except ClusterError:
        return ""
    known = sorted(item["metadata"]["name"] for item in items)
    close = get_close_matches(wrong, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; there is {_listed(known)}"


def refuse_missing_namespace(client: Client, target: str, namespace: str) -> None:
    """Refuse a namespace that does not exist, if this user may see that.

    Raises:
        TargetError: There is no such namespace.
    """
    try:
        client.get(NAMESPACES.path(name=namespace))
    except ClusterError as error:
        if error.status == 404:
            fix = f"there is no namespace {namespace!r}"
            instead = _instead(client, "", NAMESPACES, namespace)
            raise TargetError(target, fix + instead) from error


def _nothing(client: Client, asked: Asked, namespace: str, passed: int) -> str:
    """Return why no pod matched."""
    refuse_missing_namespace(client, asked.text, namespace)
    if passed:
        return f"all {passed} of its pods have ended or are being deleted; wait, and try again"
    if asked.kind == "pods":
        present = sorted(
            {
                f"{key}={value}"
                for pod in list_pods(client, namespace)
                for key, value in pod.labels.items()
                if key not in _OF_CONTROLLERS
            }
        )
        return f"no pod of namespace {namespace} matches; their labels are {_listed(present)}"
    return f"it has no pod in namespace {namespace}; scale it up, or name another"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (", ".join(names[:_MOST_NAMED]) or "none") + more
