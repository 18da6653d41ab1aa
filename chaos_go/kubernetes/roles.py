"""Roles and their bindings, made from permissions, as YAML that ``kubectl apply -f -`` accepts."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import yaml

from chaos_go.kubernetes.permission import EVERYWHERE, Permission, single

_API = "rbac.authorization.k8s.io"
_VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
_SERVICE_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True)
class Subject:
    """Who gets a Role.

    Attributes:
        user: Name of the user as the API server knows it, for instance
            ``system:serviceaccount:shop:chaos``; "" when it is not known.
    """

    user: str = ""

    def manifest(self) -> dict[str, str]:
        """Return the entry of a RoleBinding."""
        if self.user.startswith(_SERVICE_ACCOUNT):
            namespace, _, name = self.user.removeprefix(_SERVICE_ACCOUNT).partition(":")
            return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        return {"apiGroup": _API, "kind": "User", "name": self.user or PLACEHOLDER}


PLACEHOLDER = "EDIT-THIS-USER"
"""Stands for the user in a binding when the API server does not tell who that is."""


def manifests(
    permissions: Iterable[Permission], namespace: str, subject: Subject, name: str
) -> list[dict[str, Any]]:
    """Return a Role with its RoleBinding per namespace, and a ClusterRole with its binding.

    Args:
        permissions: What is granted.
        namespace: Namespace of the context, for permissions that name none.
        subject: Who gets it.
        name: Name of each of these objects. Applying them replaces others of this name.
    """
    found: list[dict[str, Any]] = []
    for where, granted in _by_namespace(permissions, namespace):
        kind = "ClusterRole" if where == EVERYWHERE else "Role"
        meta = {"name": name} if where == EVERYWHERE else {"name": name, "namespace": where}
        role = {"apiVersion": f"{_API}/v1", "kind": kind, "metadata": meta, "rules": rules(granted)}
        binding = {
            "apiVersion": f"{_API}/v1",
            "kind": f"{kind}Binding",
            "metadata": meta,
            "roleRef": {"apiGroup": _API, "kind": kind, "name": name},
            "subjects": [subject.manifest()],
        }
        found += [role, binding]
    return found


def rules(permissions: Iterable[Permission]) -> list[dict[str, list[str]]]:
    """Return the rules of one Role, resources with the same verbs together."""
    verbs: dict[tuple[str, str], set[str]] = {}
    for permission in permissions:
        verbs.setdefault((permission.group, permission.name), set()).update(permission.verbs)
    names: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (group, resource), given in sorted(verbs.items()):
        names.setdefault((group, tuple(sorted(given, key=_order))), []).append(resource)
    return [
        {"apiGroups": [group], "resources": resources, "verbs": list(given)}
        for (group, given), resources in names.items()
    ]


def text(*objects: dict[str, Any]) -> str:
    """Return objects as YAML documents."""
    parts = [yaml.dump(one, Dumper=_Dumper, sort_keys=False, width=1000) for one in objects]
    return "---\n".join(parts)


def _by_namespace(
    permissions: Iterable[Permission], namespace: str
) -> Iterable[tuple[str, list[Permission]]]:
    ordered = sorted(single(permissions, namespace), key=lambda one: one.namespace)
    for where, granted in groupby(ordered, key=lambda one: one.namespace):
        yield where, list(granted)


def _order(verb: str) -> int:
    return _VERBS.index(verb) if verb in _VERBS else len(_VERBS)


class _Dumper(yaml.SafeDumper):
    """Writes lists of texts in one line, as Roles are usually written, and knows no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the interface of yaml
        return True


def _list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    is_flow = all(isinstance(item, str) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=is_flow)


def _str(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = None if value else '"'  # the core group is written "" in all of Kubernetes' docs
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


_Dumper.add_representer(list, _list)
_Dumper.add_representer(str, _str)
