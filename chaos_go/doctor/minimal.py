"""The minimal Role of an experiment, as YAML."""

import re
from collections.abc import Sequence
from pathlib import Path

from chaos_go.doctor import experiment
from chaos_go.doctor.connections import Connection
from chaos_go.doctor.progress import Progress
from chaos_go.errors import BadInputError
from chaos_go.kubernetes import roles
from chaos_go.kubernetes.permission import Permission
from chaos_go.kubernetes.roles import Subject
from chaos_go.validate import activities as validating
from chaos_go.validate import keys, reading

_LONGEST_NAME = 63
_NOBODY = f"# The API server does not tell who this user is: replace {roles.PLACEHOLDER}.\n"


def role(path: str, progress: Progress) -> str:
    """Return everything that an experiment needs, for ``kubectl apply -f -``.

    Args:
        path: An experiment file.
        progress: Told what is being done.

    Returns:
        A Role with its binding per namespace, and a ClusterRole with its binding where one is
        needed; "" when the experiment needs nothing in a cluster.

    Raises:
        BadInputError: The file or an argument is invalid, or refers to a variable that is not
            known: the Role would not be complete.
    """
    content = reading.load(path)
    problems = [*keys.check(content)] or [*validating.check(content)]
    if problems:
        raise BadInputError("experiment", path, problems[0])
    parts = []
    for number, (secrets, members) in enumerate(experiment.by_cluster(experiment.read(content))):
        needed = [one for part in members for one in part.needed()]
        connection = Connection(f"cluster {number + 1}", secrets)
        list(connection.check(progress, with_namespace=False))
        if needed:
            parts.append(manifest(needed, connection, name(path)))
    return "---\n".join(parts)


def manifest(needed: Sequence[Permission], connection: Connection, name_: str) -> str:
    """Return the Roles and bindings of permissions for the user of a connection.

    Raises:
        BadInputError: A permission needs the namespace of the context, and there is no context.
    """
    if not connection.namespace and any(not one.namespace for one in needed):
        fix = "no cluster is configured; name the namespace, for instance deployment/shop/users"
        raise BadInputError("namespace", "", fix)
    found = roles.manifests(needed, connection.namespace, Subject(connection.user), name_)
    return ("" if connection.user else _NOBODY) + roles.text(*found)


def name(path: str) -> str:
    """Return the name of the Role of an experiment file: ``chaos-go-users-pod-killed``."""
    slug = re.sub(r"[^a-z0-9]+", "-", Path(path).stem.lower()).strip("-")
    return f"chaos-go-{slug}"[:_LONGEST_NAME].strip("-")
