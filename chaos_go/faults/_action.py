"""Makes actions from functions that describe a fault.

The function of a fault only returns a `Request`; it looks up nothing and starts nothing. `holds`
makes an action from it, which chooses the places and has agents put the fault in place there. So
``chaos go validate`` and the ladder can ask the same function what the action would do.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chaos_go.agent import holder
from chaos_go.agent.contract import Spec, Way
from chaos_go.agent.judge import Asked
from chaos_go.agent.line import Line
from chaos_go.arguments import has_variable, number, renames, text
from chaos_go.errors import TargetError
from chaos_go.targets import Target, read, scope, with_a_target
from chaos_go.targets.scope import Scope


@dataclass(frozen=True)
class Request:
    """What an action asks for. Its types are checked; the agent checks the values.

    Attributes:
        action: Name of the action. The fault's name is derived from it if none was given.
        target: Where the fault is.
        scope: Which places of the target are hit.
        seed: Seed of the choice among places; 0 draws one.
        spec: What the fault does, without a way.
    """

    action: str
    target: Target
    scope: Scope
    seed: int
    spec: Spec

    def specs(self) -> list[Spec]:
        """Return the spec of each place, as far as the target's text alone tells."""
        ways = self.target.ways or (Way(port=1),)  # stands in for a port that has to be looked up
        named = replace(self.spec, id=self.spec.id or self.action)
        return [replace(named, way=way) for way in ways]


_ALL: dict[str, Any] = {}  # a scope; never changed


def request(
    action: str,
    target: object,
    kind: str,
    detail: Line,
    duration_s: object,
    seed: int = 0,
    name: object = "",
    scope_given: object = _ALL,
) -> Request:
    """Return the request of an action, from the arguments that every action has.

    Raises:
        BadInputError: One of them has a wrong type.
    """
    spec = Spec(
        id=text("name", name),
        kind=kind,
        duration_s=number("duration_s", duration_s, unit="seconds"),
        detail=detail,
    )
    where = read(target)
    if where.no_traffic:
        raise TargetError(target, where.no_traffic)
    return Request(action, where, scope.read(scope_given), seed, spec)


Record = dict[str, Any]
"""The record of a fault, see `chaos_go.agent.fault.Fault.record`."""


def holds[**P](
    renamed: Mapping[str, str],
) -> Callable[[Callable[P, Request]], Callable[P, dict[str, Any]]]:
    """Return a decorator that makes an action from a function that returns a request.

    The action puts the fault in place and returns its record. The function itself is the attribute
    ``request`` of the action.

    Args:
        renamed: Maps each old name of an argument to the new one.
    """

    def decorate(build: Callable[P, Request]) -> Callable[P, Record]:
        @functools.wraps(build)
        def action(*args: P.args, **kwargs: P.kwargs) -> Record:
            return hold(build(*args, **kwargs))

        action.__annotations__ = {**build.__annotations__, "return": dict[str, Any]}
        action.__signature__ = inspect.signature(build).replace(  # type: ignore[attr-defined]
            return_annotation=dict[str, Any]
        )
        action.request = build  # type: ignore[attr-defined]
        action.asked = functools.partial(_asked, build)  # type: ignore[attr-defined]
        return renames(renamed)(action)

    return decorate


def _asked(build: Callable[..., Request], given: Mapping[str, Any]) -> list[Asked]:
    """Return what agents would be asked for with these arguments, as far as they are known.

    No value depends on the target. So the others are checked even if a variable hides the target.
    """
    known = with_a_target(given)
    return [] if has_variable(known) else [Asked("", spec) for spec in build(**known).specs()]


def hold(asked: Request) -> Record:
    """Choose the places of a request, put the fault in place there, and return its record.

    Raises:
        ActivityFailed: A value is invalid, or the fault cannot be put in place; nothing is left.
    """
    places = asked.target.places()
    chosen = scope.choose(asked.scope, places, asked.target.most_percentage, asked.seed)
    derived = f"{asked.action}-{asked.target.slug}"[:_LONGEST_DERIVED]
    detail: Any = asked.spec.detail
    if chosen.seed and hasattr(detail, "seed"):  # one seed repeats both random choices
        detail = replace(detail, seed=chosen.seed)
    spec = replace(asked.spec, detail=detail)
    return holder.hold(chosen.places, spec, chosen.record, derived=derived).record()


_LONGEST_DERIVED = 80  # a name has at most 100 bytes; many ports make a longer one
