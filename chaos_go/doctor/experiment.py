"""What an experiment asks for: its activities and controls with their arguments and secrets."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from chaoslib import substitute
from chaoslib.exceptions import ChaosException
from chaoslib.secret import load_secrets

from chaos_go.arguments import has_variable
from chaos_go.errors import BadInputError, shorten
from chaos_go.kubernetes.permission import Permission
from chaos_go.kubernetes.preview import Preview
from chaos_go.validate.activities import activities, controls
from chaos_go.validate.values import known_configuration

_OTHERS = ("chaosk8s",)
"""Packages whose activities use a cluster and declare no permissions."""


@dataclass(frozen=True)
class Part:
    """One activity or control that is written in Python.

    Attributes:
        where: Its place in the experiment, for instance ``method[0]``.
        title: What it is, for people.
        function: The activity; the module of a control.
        arguments: Its arguments, with what is known of the configuration, and its defaults.
        secrets: Its secrets, which say which cluster.
        permissions: Returns what it needs in a cluster; None when it declares nothing.
        preview: Returns what it would hit; None when it does not tell.
        is_foreign: Whether it uses a cluster by other code, which declares no permissions.
    """

    where: str
    title: str
    function: Any
    arguments: Mapping[str, Any]
    secrets: Mapping[str, str]
    permissions: Callable[[], Sequence[Permission]] | None
    preview: Callable[[], Preview] | None
    is_foreign: bool

    @property
    def uses_cluster(self) -> bool:
        """Whether it talks to an API server."""
        return self.permissions is not None or self.is_foreign

    @property
    def uses_agent(self) -> bool:
        """Whether it starts an agent, as far as is known without running it."""
        return hasattr(self.function, "asked")

    def needed(self) -> Sequence[Permission]:
        """Return what it needs in a cluster.

        Raises:
            BadInputError: An argument is invalid, or refers to a variable that is not known yet.
        """
        if self.permissions is None:
            return ()
        for name, value in self.arguments.items():
            if has_variable(value):
                raise UnknownVariableError(name, value, "its value is known only during the run")
        return self.permissions()


class UnknownVariableError(BadInputError):
    """An argument has a variable whose value is known only during a run."""


def read(experiment: Mapping[str, Any]) -> list[Part]:
    """Return the parts of an experiment, in its order; those that cannot be imported are left out.

    Raises:
        BadInputError: A secret cannot be read.
    """
    known = known_configuration(experiment)
    try:
        secrets = load_secrets(experiment.get("secrets") or {}, known)
    except ChaosException as error:
        raise BadInputError("secrets", "(hidden)", shorten(str(error))) from error
    parts = [_activity(path, one, known, secrets) for path, one in activities(dict(experiment))]
    parts += [_control(path, one, known, secrets) for path, one in controls(dict(experiment))]
    return [part for part in parts if part is not None]


def _activity(
    path: str, activity: Mapping[str, Any], known: dict[str, Any], secrets: Mapping[str, Any]
) -> Part | None:
    provider = activity.get("provider", {})
    module = _module(provider)
    function = getattr(module, str(provider.get("func", "")), None)
    if function is None:
        return None
    given = _substituted(provider, known)
    own_secrets = _secrets(provider, secrets)
    declared = getattr(function, "permissions", None)
    preview = getattr(function, "preview", None)
    what = f"{provider['module']}.{provider['func']}"
    return Part(
        where=path,
        title=f"{activity.get('name', '')}: {what}",
        function=function,
        arguments=given,
        secrets=own_secrets,
        permissions=partial(declared, given) if declared else None,
        preview=partial(preview, {**given, "secrets": own_secrets}) if preview else None,
        is_foreign=_is_foreign(provider),
    )


def _control(
    path: str, control: Mapping[str, Any], known: dict[str, Any], secrets: Mapping[str, Any]
) -> Part | None:
    provider = control.get("provider", {})
    module = _module(provider)
    if module is None:
        return None
    given = _substituted(provider, known)
    declared = getattr(module, "permissions", None)
    asked = {**control, "provider": {**provider, "arguments": given}}
    needed = partial(declared, asked) if declared else None
    return Part(
        where=path,
        title=f"{control.get('name', '')}: {provider['module']}",
        function=module,
        arguments=given,
        secrets=_secrets(provider, secrets),
        permissions=needed if needed and _needs_any(needed) else None,
        preview=None,
        is_foreign=_is_foreign(provider),
    )


def _needs_any(needed: Callable[[], Sequence[Permission]]) -> bool:
    """Tell whether a control uses a cluster with these arguments: a load may be sent from here."""
    try:
        return bool(needed())
    except BadInputError:
        return True  # whoever looks at the permissions is told what is wrong


def _substituted(provider: Mapping[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    return substitute(dict(provider.get("arguments") or {}), known, {}) or {}


def _secrets(provider: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, str]:
    """Return the secrets that Chaos Toolkit would give, the later ones before the earlier ones."""
    given: dict[str, str] = {}
    for name in provider.get("secrets") or []:
        given |= known.get(name) or {}
    return given


def _module(provider: Mapping[str, Any]) -> Any:
    """Return the module of a provider, if `chaos_go.validate` could import it."""
    return sys.modules.get(provider.get("module", ""))


def _is_foreign(provider: Mapping[str, Any]) -> bool:
    return str(provider.get("module", "")).partition(".")[0] in _OTHERS


def by_cluster(parts: Sequence[Part]) -> Iterator[tuple[Mapping[str, str], list[Part]]]:
    """Yield each different set of secrets with the parts that have it and use a cluster."""
    groups: dict[tuple[tuple[str, str], ...], list[Part]] = {}
    for part in parts:
        if part.uses_cluster:
            groups.setdefault(tuple(sorted(part.secrets.items())), []).append(part)
    yield from ((dict(secrets), found) for secrets, found in groups.items())
