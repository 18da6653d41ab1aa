"""Chooses which places of a target are hit: by their number, as a share, or by name.

Processes, ports and pods all need this choice. So it is made here, for every kind of target.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from chaos_go import arguments
from chaos_go.agent.place import Place
from chaos_go.errors import BadInputError

_KEYS = ("places", "max_percentage")
_EXAMPLE = 'give a number, a share like "50%", "all", or a list of names'


@dataclass(frozen=True)
class Scope:
    """A choice among places. The default is all of them.

    Attributes:
        count: The number of places that are hit; None if no number was given.
        percentage: The share of places that is hit, in percent, rounded up to whole places; None if
            no share was given.
        names: The names of the places that are hit; empty if no names were given.
        max_percentage: The largest share that is allowed, in percent, unless the places are named;
            None for the bound of the kind of target.
    """

    count: int | None = None
    percentage: float | None = None
    names: tuple[str, ...] = ()
    max_percentage: float | None = None


@dataclass(frozen=True)
class Choice:
    """The places that a scope chose.

    Attributes:
        places: The chosen places, in the order of the target.
        record: How they were chosen, for the journal; empty when all places were taken.
        seed: The seed of the random choice, or the one that was given.
    """

    places: tuple[Place, ...]
    record: dict[str, Any]
    seed: int


def read(given: object) -> Scope:
    """Read the ``scope`` of an action.

    Args:
        given: A mapping of ``places`` (a number, a share like "50%", "all", or a list of names)
            and ``max_percentage``; {} for all places.

    Raises:
        BadInputError: A key is unknown, or a value has none of these forms.
    """
    scope = arguments.mapping("scope", given, _KEYS)
    most = None
    if "max_percentage" in scope:
        most = arguments.positive("scope.max_percentage", scope["max_percentage"], 100, "percent")
    places = scope.get("places", "all")
    if isinstance(places, list):
        if not places or not all(isinstance(name, str) for name in places):
            raise BadInputError("scope.places", places, _EXAMPLE)
        return Scope(names=tuple(places), max_percentage=most)
    if isinstance(places, str) and places != "all":
        return Scope(percentage=_share(places), max_percentage=most)
    if places == "all":
        return Scope(max_percentage=most)
    if not isinstance(places, int) or isinstance(places, bool) or places < 1:
        raise BadInputError("scope.places", places, _EXAMPLE)
    return Scope(count=places, max_percentage=most)


def choose(scope: Scope, places: Sequence[Place], most_percentage: float, seed: int) -> Choice:
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
        return Choice(_by_name(scope.names, places), {"of": len(places), "by": "name"}, seed)
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
    allowed = scope.max_percentage if scope.max_percentage is not None else most_percentage
    share = scope.percentage if scope.percentage is not None else 100 * number / of
    if share <= allowed:
        return
    fix = (
        f"{number} of {of} places are {share:.0f} %, which is more; raise it, hit fewer places by "
        "scope.places, or name the places"
    )
    raise BadInputError("scope.max_percentage", allowed, fix)


def _share(text: str) -> float:
    try:
        percentage = float(text.removesuffix("%"))
    except ValueError:
        percentage = math.nan
    if not text.endswith("%") or not 0 < percentage <= 100:
        raise BadInputError("scope.places", text, _EXAMPLE)
    return percentage


def _number(scope: Scope, of: int) -> int:
    if scope.percentage is not None:
        return math.ceil(Fraction(str(scope.percentage)) * of / 100)  # exact: 7 % of 100 are 7
    if scope.count is None:
        return of
    if scope.count > of:
        fix = f"the target has {of} places; give at most {of}"
        raise BadInputError("scope.places", scope.count, fix)
    return scope.count


def _by_name(names: Sequence[str], places: Sequence[Place]) -> tuple[Place, ...]:
    known = {place.name for place in places}
    for name in names:
        if name not in known:
            fix = f"the target has no such place; it has {', '.join(sorted(known))}"
            raise BadInputError("scope.places", name, fix)
    return tuple(place for place in places if place.name in names)
