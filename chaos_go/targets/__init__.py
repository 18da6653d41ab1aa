"""Where a fault is: a target is a text, and stands for one or more places.

`read` makes a `Target` of the text and looks at nothing else; `Target.places` alone looks at the
world. One file per kind of target. The grammar is `GRAMMAR`, and is described nowhere else.
"""

from collections.abc import Callable, Mapping
from typing import Any

from chaos_go.arguments import NOT_UNICODE, has_variable, is_unicode
from chaos_go.errors import TargetError
from chaos_go.targets import pid, port, proxy, to
from chaos_go.targets.target import Target

__all__ = ["GRAMMAR", "Target", "describe", "read", "with_a_target"]

GRAMMAR: dict[str, tuple[tuple[tuple[str, str], ...], Callable[[str, str], Target]]] = {
    "port": (port.FORMS, port.read),
    "pid": (pid.FORMS, pid.read),
    "to": (to.FORMS, to.read),
    "proxy": (proxy.FORMS, proxy.read),
}
"""By the word before the slash: each form as an example with what it stands for, and the reader."""


def read(text: object) -> Target:
    """Read a target. Nothing is looked up, so this also tells whether a text can be a target.

    Values that only the agent judges, such as the range of a port, are not judged here.

    Args:
        text: One of the forms of `GRAMMAR`.

    Raises:
        TargetError: The kind is unknown, or the rest does not have the form of its kind.
    """
    examples = ", ".join(forms[0][0] for forms, _ in GRAMMAR.values())
    if not isinstance(text, str):
        raise TargetError(text, f"give a text like {examples}")
    if not is_unicode(text):
        raise TargetError(text, NOT_UNICODE)
    kind, slash, rest = text.partition("/")
    if not slash or kind not in GRAMMAR:
        raise TargetError(text, f"unknown kind of target; give one like {examples}")
    return GRAMMAR[kind][1](text, rest)


def with_a_target(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments in which the target is known: where a variable hides it, another one."""
    hidden = has_variable(arguments.get("target"))
    return {**arguments, "target": "port/1"} if hidden else dict(arguments)


def describe() -> list[tuple[str, str]]:
    """Return every form of a target, as an example, with what it stands for."""
    return [form for forms, _ in GRAMMAR.values() for form in forms]
