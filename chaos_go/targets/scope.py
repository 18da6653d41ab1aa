"""Chooses which places of a target are hit: by their number, as a share, or by name.

Processes, ports and pods all need this choice. So it is made here, for everything that has a name.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Protocol

from chaos_go import arguments
from chaos_go.errors import BadInputError

_KEYS = ("places", "max_percentage")
_KEYS_OF_PODS = ("pods", "max_percentage", "container", "include_unready", "protected_namespace")
_KEYS_OF_NODES = ("nodes", "max_percentage")
_KEYS_OF_A_WORKLOAD = ("max_percentage", "protected_namespace")
_EXAMPLE = 'give a number, a share like "50%", "all", or a list of names'


class Named(Protocol):
    """Something to choose from."""

    @property
    def name(self) -> str:
        """The name that users see."""
        ...


@dataclass(frozen=True)
class Scope:
    """A choice among places. The default is all of them.

    Attributes:
        key: The key that has the choice: ``places``, ``pods`` or ``nodes``, by the kind of target.
        count: The number of places that are hit; None if no number was given.
        percentage: The share of places that is hit, in percent, rounded up to whole places; None if
            no share was given.
        names: The names of the places that are hit; empty if no names were given.
        max_percentage: The largest share that is allowed, in percent, unless the places are named;
            None for the bound of the kind of target.
        container: The container of each pod; "" if none was given.
        include_unready: Whether pods that are not Ready are chosen from as well.
        protected_namespace: The protected namespace that is allowed; "" for none.
    """

    key: str = "places"
    count: int | None = None
    percentage: float | None = None
    names: tuple[str, ...] = ()
    max_percentage: float | None = None
    container: str = ""
    include_unready: bool = False
    protected_namespace: str = ""

    def allowed(self, most_percentage: float) -> float:
        """Return the largest share that is allowed, in percent.

        Args:
            most_percentage: The bound of the kind of target.
        """
        return most_percentage if self.max_percentage is None else self.max_percentage


@dataclass(frozen=True)
class Choice[T: Named]:
    """The places that a scope chose.

    Attributes:
        places: The chosen places, in the order of the target.
        record: How they were chosen, for the journal; empty when all places were taken.
        seed: The seed of the random choice, or the one that was given.
    """

    places: tuple[T, ...]
    record: dict[str, Any]
    seed: int


def read_pods(given: object) -> Scope:
    """Read the ``scope`` of an action on pods.

    Args:
        given: A mapping of ``pods`` (as ``places`` in `read`), ``max_percentage``, ``container``
            (a name), ``include_unready`` (a bool) and ``protected_namespace`` (a name).

    Raises:
        BadInputError: A key is unknown, or a value has none of these forms.
    """
    scope = arguments.mapping("scope", given, _KEYS_OF_PODS)
    return replace(
        _read(scope, "pods"),
        container=arguments.text("scope.container", scope.get("container", "")),
        include_unready=arguments.flag(
            "scope.include_unready", scope.get("include_unready", False)
        ),
        protected_namespace=arguments.text(
            "scope.protected_namespace", scope.get("protected_namespace", "")
        ),
    )


def read_nodes(given: object) -> Scope:
    """Read the ``scope`` of an action on nodes.

    Args:
        given: A mapping of ``nodes`` (as ``places`` in `read`; one by default) and
            ``max_percentage``.

    Raises:
        BadInputError: A key is unknown, or a value has none of these forms.
    """
    scope = arguments.mapping("scope", given, _KEYS_OF_NODES)
    return _read({"nodes": 1, **scope}, "nodes")


def read_workload(given: object, takes_away: bool) -> Scope:
    """Read the ``scope`` of an action on a workload as a whole, which has nothing to choose.

    Args:
        given: A mapping of ``max_percentage`` and ``protected_namespace``.
        takes_away: Whether the action may take pods away, so that ``max_percentage`` bounds it.

    Raises:
        BadInputError: A key is unknown, or a value has none of these forms.
    """
    known = _KEYS_OF_A_WORKLOAD if takes_away else _KEYS_OF_A_WORKLOAD[1:]
    scope = arguments.mapping("scope", given, known)
    protected = arguments.text("scope.protected_namespace", scope.get("protected_namespace", ""))
    return replace(_read(scope, "pods"), protected_namespace=protected)


def read(given: object) -> Scope:
    """Read the ``scope`` of an action.

    Args:
        given: A mapping of ``places`` (a number, a share like "50%", "all", or a list of names)
            and ``max_percentage``; {} for all places.

    Raises:
        BadInputError: A key is unknown, or a value has none of these forms.
    """
    return _read(arguments.mapping("scope", given, _KEYS), "places")


def _read(scope: dict[str, Any], key: str) -> Scope:
    most, field = None, f"scope.{key}"
    if "max_percentage" in scope:
        most = arguments.positive("scope.max_percentage", scope["max_percentage"], 100, "percent")
    places = scope.get(key, "all")
    if isinstance(places, list):
        if not places or not all(isinstance(name, str) for name in places):
            raise BadInputError(field, places, _EXAMPLE)
        return Scope(key, names=tuple(places), max_percentage=most)
    if isinstance(places, str) and places != "all":
        return Scope(key, percentage=_share(places, field), max_percentage=most)
    if places == "all":
        return Scope(key, max_percentage=most)
    if not isinstance(places, int) or isinstance(places, bool) or places < 1:
        raise BadInputError(field, places, _EXAMPLE)
    return Scope(key, count=places, max_percentage=most)


def choose[T: Named](
    scope: Scope, places: Sequence[T], most_percentage: float, seed: int
) -> Choice[T]:
    """Choose among places.

    Args:
        scope: Which places to choose.
        places: All places of the target.
        most_percentage: The largest share in percent, unless the scope has its own.
        seed: Seed of the random choice. The same seed chooses the same places. With 0 a seed is
            drawn, which is then in the result.

    Raises:
        BadInputError: The scope asks for more places than there are, for a name that no place has,
            or for too large a share.
    """
    if scope.names:
        return Choice(_by_name(scope, places), {"of": len(places), "by": "name"}, seed)
    number = _number(scope, len(places))
    _refuse_too_many(scope, number, len(places), most_percentage)
    if number == len(places):
        return Choice(tuple(places), {}, seed)
    seed = seed or random.SystemRandom().randrange(1, 2**31)
    drawn = set(random.Random(seed).sample(range(len(places)), number))  # noqa: S311 - no secret
    chosen = tuple(place for at, place in enumerate(places) if at in drawn)
    return Choice(chosen, {"of": len(places), "by": "draw", "seed": seed}, seed)


def _refuse_too_many(scope: Scope, number: int, of: int, most_percentage: float) -> None:
    """Refuse a share that is larger than allowed. A share that was given is not rounded first."""
    allowed = scope.allowed(most_percentage)
    share = scope.percentage if scope.percentage is not None else 100 * number / of
    if share <= allowed:
        return
    fix = (
        f"{number} of {of} {scope.key} are {share:.0f} %, which is more; raise it, hit fewer "
        f"{scope.key} by scope.{scope.key}, or name the {scope.key}"
    )
    raise BadInputError("scope.max_percentage", allowed, fix)


def _share(text: str, field: str) -> float:
    try:
        percentage = float(text.removesuffix("%"))
    except ValueError:
        percentage = math.nan
    if not text.endswith("%") or not 0 < percentage <= 100:
        raise BadInputError(field, text, _EXAMPLE)
    return percentage


def _number(scope: Scope, of: int) -> int:
    if scope.percentage is not None:
        return math.ceil(Fraction(str(scope.percentage)) * of / 100)  # exact: 7 % of 100 are 7
    if scope.count is None:
        return of
    if scope.count > of:
        fix = f"the target has {of} {scope.key}; give at most {of}"
        raise BadInputError(f"scope.{scope.key}", scope.count, fix)
    return scope.count


def _by_name[T: Named](scope: Scope, places: Sequence[T]) -> tuple[T, ...]:
    known = {place.name for place in places}
    for name in scope.names:
        if name not in known:
            fix = f"the target has no such {scope.key[:-1]}; it has {', '.join(sorted(known))}"
            raise BadInputError(f"scope.{scope.key}", name, fix)
    return tuple(place for place in places if place.name in scope.names)
