"""The decorator `needs`, by which an activity declares what it needs in a cluster.

``chaos go doctor`` asks the API server for each permission, and docs/reference/rbac.md has the
minimal Role of each activity: both read these declarations, and nothing else lists permissions.
"""

import functools
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from chaos_go.errors import BadInputError, ForbiddenError
from chaos_go.kubernetes import permission as permissions
from chaos_go.kubernetes import roles
from chaos_go.kubernetes.permission import Permission
from chaos_go.kubernetes.preview import Preview

logger = logging.getLogger("chaostoolkit")

Declaration = Callable[..., Iterable[Permission]]
"""Takes those arguments of the activity that it names, and returns what they need."""


def needs[**P, R](
    declared: Declaration,
    examples: Sequence[Mapping[str, Any]],
    preview: Callable[..., Preview] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that declares the permissions of an activity.

    The activity gets the attributes ``permissions`` and ``preview``, functions of a mapping of
    arguments, and ``examples``. When the API server refuses the activity, the missing rule is
    logged as YAML.

    Args:
        declared: A pure function of those arguments of the activity on which its permissions
            depend, by their names. Arguments that were not given have their defaults.
        examples: Arguments that differ in their permissions, for docs/reference/rbac.md.
        preview: A function of those arguments by which the activity chooses what it hits, for
            instance ``target``, ``scope`` and ``secrets``. It looks, runs the guards of the
            activity, raises its errors, and changes nothing.
    """

    def decorate(activity: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(activity)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return activity(*args, **kwargs)
            except ForbiddenError as error:
                log_missing(error)
                raise

        declare = functools.partial(_call, activity, declared)
        checked.permissions = lambda given: list(dict.fromkeys(declare(given)))  # type: ignore[attr-defined]
        checked.examples = examples  # type: ignore[attr-defined]
        if preview:
            checked.preview = functools.partial(_call, activity, preview)  # type: ignore[attr-defined]
        return checked

    return decorate


def log_missing(error: ForbiddenError) -> None:
    """Log the rule whose lack the API server answered with 403, as Roles contain it; only once."""
    if error.is_logged or not error.resource:
        return
    error.is_logged = True
    lacking = permissions.missing(error)
    kind = "ClusterRole" if lacking.is_cluster_wide else "Role"
    where = "" if lacking.is_cluster_wide else f" in namespace {lacking.namespace}"
    rule = roles.text({"rules": roles.rules([lacking])})
    logger.error("may not %s; this rule in a %s%s allows it:\n%s", lacking, kind, where, rule)


def _call[T](
    activity: Callable[..., Any], function: Callable[..., T], given: Mapping[str, Any]
) -> T:
    """Call a function with those arguments of an activity that it names.

    Raises:
        BadInputError: An argument is missing, or its value is invalid.
    """
    known = inspect.signature(activity).parameters
    values = {}
    for name in inspect.signature(function).parameters:
        values[name] = given.get(name, known[name].default)
        if values[name] is inspect.Parameter.empty:
            raise BadInputError(name, None, f"missing; {activity.__name__} needs it")
    return function(**values)
