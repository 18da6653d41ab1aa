"""Permissions, in the terms of Kubernetes RBAC: verbs on a resource in a namespace."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from chaos_go.errors import ForbiddenError
from chaos_go.kubernetes.kinds import Resource

EVERYWHERE = "*"
"""The namespace of a permission that is needed in all namespaces."""


@dataclass(frozen=True)
class Permission:
    """Verbs on one resource.

    Attributes:
        group: API group of the resource; "" for the core group.
        resource: Plural name of the resource, as in Roles, for instance ``pods``.
        verbs: What is done with it: get, list, watch, create, patch, delete.
        namespace: Where; "" for the namespace of the context, `EVERYWHERE` for all namespaces and
            for resources that are in no namespace, such as nodes.
        subresource: Part of the resource, for instance ``eviction``; "" for the resource itself.
    """

    group: str
    resource: str
    verbs: tuple[str, ...]
    namespace: str = ""
    subresource: str = ""

    @property
    def name(self) -> str:
        """The resource as Roles write it, for instance ``pods/eviction``."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    @property
    def is_cluster_wide(self) -> bool:
        """Whether only a ClusterRole with a ClusterRoleBinding can grant it."""
        return self.namespace == EVERYWHERE

    def __str__(self) -> str:
        """Return it in words: ``get and list pods in namespace shop``."""
        *most, last = self.verbs
        verbs = f"{', '.join(most)} and {last}" if most else last
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{verbs} {self.name}{' in the whole cluster' if self.is_cluster_wide else where}"


def of(resource: Resource, *verbs: str, namespace: str = "", subresource: str = "") -> Permission:
    """Return the permission for verbs on a resource.

    Args:
        resource: One of `chaos_go.kubernetes.kinds`.
        verbs: What is done with it: get, list, watch, create, patch, delete.
        namespace: Where; "" for the namespace of the context, `EVERYWHERE` for all namespaces. It
            is `EVERYWHERE` for a resource that is in no namespace, such as nodes.
        subresource: Part of the resource, for instance ``eviction``.
    """
    where = namespace if resource.namespaced else EVERYWHERE
    return Permission(resource.group, resource.plural, verbs, where, subresource)


def single(permissions: Iterable[Permission], namespace: str) -> list[Permission]:
    """Return each permission once per verb, without those that another one includes.

    Args:
        permissions: What is needed.
        namespace: Namespace of the context, for permissions that name none.
    """
    found = dict.fromkeys(
        replace(one, verbs=(verb,), namespace=one.namespace or namespace)
        for one in permissions
        for verb in one.verbs
    )
    return [
        one
        for one in found
        if one.is_cluster_wide or replace(one, namespace=EVERYWHERE) not in found
    ]


def missing(error: ForbiddenError) -> Permission:
    """Return the permission whose lack the API server answered with 403."""
    return Permission(
        error.group, error.resource, (error.verb,), error.namespace or EVERYWHERE, error.subresource
    )
