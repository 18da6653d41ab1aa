"""Permissions that activities declare, the Roles made from them, and errors of the API server."""

import importlib
import inspect
import logging
from collections.abc import Iterator

import pytest
import yaml

from chaos_go import activity_modules
from chaos_go.errors import BadInputError, ForbiddenError
from chaos_go.faults.pods import drain, kill
from chaos_go.kubernetes import roles
from chaos_go.kubernetes.access import log_missing, needs
from chaos_go.kubernetes.kinds import DEPLOYMENTS, NODES, PODS
from chaos_go.kubernetes.permission import EVERYWHERE, Permission, missing, of, single
from chaos_go.kubernetes.roles import PLACEHOLDER, Subject

API = "rbac.authorization.k8s.io"


def declaring():
    for name in activity_modules():
        module = importlib.import_module(name)
        functions = (getattr(module, public) for public in module.__all__)
        yield from (one for one in functions if hasattr(one, "permissions"))


@pytest.mark.parametrize("activity", list(declaring()), ids=lambda one: one.__name__)
def test_every_example_of_a_declaration_is_valid(activity):
    assert activity.examples
    for example in activity.examples:
        inspect.signature(activity).bind(**example)
        found = activity.permissions(example)
        assert found
        assert len(found) == len(set(found))
        assert all(one.verbs for one in found)


def test_permissions_are_exact_for_the_arguments():
    def names(**arguments):
        needed = single(kill.permissions(arguments), "default")
        return {f"{one.verbs[0]} {one.name} {one.namespace}" for one in needed}

    pods = {"list pods shop", "watch pods shop"}
    workload = {f"{verb} deployments shop" for verb in ("get", "list", "watch")}
    assert names(target="deployment/shop/users") == pods | workload | {"delete pods shop"}
    assert names(target="deployment/shop/users", mode="evict") == (
        pods | workload | {"create pods/eviction shop"}
    )
    assert names(target="pods/app=users") == {
        "list pods default",
        "watch pods default",
        "delete pods default",
    }
    assert "get services shop" in names(target="service/shop/users")
    assert "get pods shop" in names(target="pod/shop/users-0")


def test_an_argument_that_is_missing_or_invalid():
    with pytest.raises(BadInputError, match=r"target=None: missing; kill needs it"):
        kill.permissions({})
    with pytest.raises(BadInputError, match=r"did you mean deployment/\.\.\.\?"):
        kill.permissions({"target": "deploymnt/shop/users"})


def test_what_is_needed_everywhere_includes_the_same_in_one_namespace():
    needed = single(drain.permissions({"target": "deployment/shop/users"}), "default")
    assert of(PODS, "list", namespace=EVERYWHERE) in needed
    assert of(PODS, "list", namespace="shop") not in needed
    assert of(DEPLOYMENTS, "get", namespace="shop") in needed


def test_the_decorator_keeps_signature_and_docstring():
    def declared(target: str) -> Iterator[Permission]:
        yield of(PODS, "get", namespace=target)

    @needs(declared, ({"target": "shop"},))
    def look(target: str, count: int = 1, *, secrets: dict[str, str] | None = None) -> int:
        """Look."""
        return count

    assert str(inspect.signature(look)) == (
        "(target: str, count: int = 1, *, secrets: dict[str, str] | None = None) -> int"
    )
    assert (look.__doc__, look.__name__, look("x", 3)) == ("Look.", "look", 3)
    assert look.permissions({"target": "x"}) == [of(PODS, "get", namespace="x")]
    assert not hasattr(look, "preview")


def test_a_403_is_logged_once_with_the_rule_that_is_missing(caplog):
    error = ForbiddenError("create", "/api/v1/namespaces/shop/pods/users-0/eviction", "no")

    @needs(lambda: (), ())
    def inner():
        raise error

    @needs(lambda: (), ())
    def outer():
        inner()

    with caplog.at_level(logging.ERROR), pytest.raises(ForbiddenError):
        outer()
    (record,) = caplog.records
    said, _, rule = record.message.partition("\n")
    assert said == (
        "may not create pods/eviction in namespace shop; this rule in a Role in namespace shop "
        "allows it:"
    )
    assert yaml.safe_load(rule) == {
        "rules": [{"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]}]
    }


@pytest.mark.parametrize(
    ("verb", "path", "words", "lacking"),
    [
        (
            "delete",
            "/api/v1/namespaces/shop/pods/users-0",
            "may not delete pods in namespace shop (403): ",
            Permission("", "pods", ("delete",), "shop"),
        ),
        (
            "patch",
            "/apis/apps/v1/namespaces/shop/deployments/users/scale",
            "may not patch deployments/scale in namespace shop (403): ",
            Permission("apps", "deployments", ("patch",), "shop", "scale"),
        ),
        (
            "list",
            "/api/v1/pods",
            "may not list pods (403): ",
            Permission("", "pods", ("list",), EVERYWHERE),
        ),
        (
            "get",
            "/api/v1/namespaces/shop",
            "may not get namespaces (403): ",
            Permission("", "namespaces", ("get",), EVERYWHERE),
        ),
        (
            "list",
            "/apis/policy/v1/namespaces/a/poddisruptionbudgets",
            "may not list poddisruptionbudgets in namespace a (403): ",
            Permission("policy", "poddisruptionbudgets", ("list",), "a"),
        ),
    ],
)
def test_a_403_in_words(verb, path, words, lacking):
    error = ForbiddenError(verb, path, "the server's message")
    assert str(error).startswith(f"{words}the server's message; ")
    assert "`chaos go doctor EXPERIMENT`" in str(error)
    assert missing(error) == lacking


def test_a_403_of_another_path_is_not_logged_as_a_rule(caplog):
    error = ForbiddenError("get", "/version", "no")
    log_missing(error)
    assert str(error).startswith("may not get /version (403): no")
    assert caplog.records == []


def test_roles_and_bindings():
    needed = [
        of(PODS, "list", "watch", namespace="shop"),
        of(PODS, "delete"),
        of(PODS, "create", namespace="shop", subresource="eviction"),
        of(DEPLOYMENTS, "watch", "get"),
        of(NODES, "patch", "get"),
    ]
    subject = Subject("system:serviceaccount:ci:chaos")
    made = roles.manifests(needed, "shop", subject, "chaos-go-x")
    assert list(yaml.safe_load_all(roles.text(*made))) == made
    by_kind = {one["kind"]: one for one in made}
    assert list(by_kind) == ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]
    assert by_kind["Role"] == {
        "apiVersion": f"{API}/v1",
        "kind": "Role",
        "metadata": {"name": "chaos-go-x", "namespace": "shop"},
        "rules": [
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch", "delete"]},
            {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]},
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "watch"]},
        ],
    }
    assert by_kind["ClusterRole"]["metadata"] == {"name": "chaos-go-x"}
    assert by_kind["ClusterRole"]["rules"] == [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "patch"]}
    ]
    for kind in ("Role", "ClusterRole"):
        binding = by_kind[f"{kind}Binding"]
        assert binding["metadata"] == by_kind[kind]["metadata"]
        assert binding["roleRef"] == {"apiGroup": API, "kind": kind, "name": "chaos-go-x"}
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": "chaos", "namespace": "ci"}
        ]


@pytest.mark.parametrize(("user", "name"), [("alice", "alice"), ("", PLACEHOLDER)])
def test_the_subject_of_a_binding(user, name):
    assert Subject(user).manifest() == {"apiGroup": API, "kind": "User", "name": name}


def test_the_core_group_is_written_as_kubernetes_docs_do():
    (role, _) = roles.manifests([of(PODS, "get", "list")], "shop", Subject(), "r")
    assert '- apiGroups: [""]\n  resources: [pods]\n  verbs: [get, list]\n' in roles.text(role)


def test_a_permission_in_words():
    assert str(of(PODS, "get", namespace="shop")) == "get pods in namespace shop"
    assert (
        str(of(NODES, "get", "list", "patch")) == "get, list and patch nodes in the whole cluster"
    )
