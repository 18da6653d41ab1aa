"""Targets: a target is a text that stands for the one or more places of a fault.

`read` makes a `Target` from the text alone. Only `Target.places` looks up processes and ports. Each
kind of target has its own file. `GRAMMAR` is the only description of the grammar.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from chaos_go.arguments import NOT_UNICODE, has_variable, is_unicode
from chaos_go.errors import TargetError
from chaos_go.targets import node, pid, pods, port, proxy, to
from chaos_go.targets.node import NodesTarget
from chaos_go.targets.pods import PodsTarget
from chaos_go.targets.target import Target

__all__ = [
    "GRAMMAR",
    "NodesTarget",
    "PodsTarget",
    "Target",
    "describe",
    "read",
    "read_pods",
    "with_a_target",
]

GRAMMAR: dict[str, tuple[tuple[tuple[str, str], ...], Callable[[str, str], Target]]] = {
    "port": (port.FORMS, port.read),
    "pid": (pid.FORMS, pid.read),
    "to": (to.FORMS, to.read),
    "proxy": (proxy.FORMS, proxy.read),
    **{kind: (forms, pods.read) for kind, forms in pods.FORMS.items()},
    **{kind: (forms, node.read) for kind, forms in node.FORMS.items()},
}
"""Maps the word before the slash to the forms (an example and its meaning each) and the reader."""

_EXAMPLES = ("port", "pid", "to", "proxy", "deployment", "pods")


def read(text: object) -> Target:
    """Read a target. Nothing is looked up, so this also checks a target before a run.

    Values that the agent checks, such as the upper end of the range of ports, are not checked here.

    Args:
        text: One of the forms of `GRAMMAR`.

    Raises:
        TargetError: The kind is unknown, or the rest does not have the form of its kind.
    """
    examples = ", ".join(GRAMMAR[kind][0][0][0] for kind in _EXAMPLES)
    if not isinstance(text, str):
        raise TargetError(text, f"give a text like {examples}")
    if not is_unicode(text):
        raise TargetError(text, NOT_UNICODE)
    kind, slash, rest = text.partition("/")
    if not slash or kind not in GRAMMAR:
        close = get_close_matches(kind, GRAMMAR, 1) if slash else []
        fix = f"did you mean {close[0]}/...?" if close else f"give one like {examples}"
        raise TargetError(text, f"unknown kind of target; {fix}")
    return GRAMMAR[kind][1](text, rest)


def read_pods(target: object, secrets: Mapping[str, str] | None = None) -> PodsTarget:
    """Read a target of pods.

    Args:
        target: One of the forms of Kubernetes in `GRAMMAR`.
        secrets: The secrets of the activity, which say which cluster.

    Raises:
        TargetError: It is another kind of target.
    """
    found = read(target)
    if not isinstance(found, PodsTarget):
        fix = "pods are needed here; give one like deployment/shop/users or pods/shop/app=users"
        raise TargetError(target, fix)
    return replace(found, secrets=dict(secrets or {}))


def with_a_target(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments in which another target takes the place of one with a variable in it."""
    hidden = has_variable(arguments.get("target"))
    return {**arguments, "target": "port/1"} if hidden else dict(arguments)


def describe() -> list[tuple[str, str]]:
    """Return every form of a target: an example and its meaning."""
    return [form for forms, _ in GRAMMAR.values() for form in forms]
