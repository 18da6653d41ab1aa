"""All checks, in their order: the file, this host, each cluster, each part of the experiment."""

from collections.abc import Iterator, Sequence

from chaos_go import validate
from chaos_go.doctor import experiment, host, images, minimal, pods
from chaos_go.doctor.check import Check, Report
from chaos_go.doctor.connections import Connection
from chaos_go.doctor.experiment import Part, UnknownVariableError
from chaos_go.doctor.permissions import Reviews
from chaos_go.doctor.progress import Progress
from chaos_go.errors import BadInputError
from chaos_go.kubernetes.permission import Permission
from chaos_go.validate import keys, reading

_FILE = "experiment"


def examine(path: str, progress: Progress) -> Report:
    """Check a cluster, or everything that an experiment needs.

    Args:
        path: An experiment file; "" for the cluster alone.
        progress: Told what is being done.

    Raises:
        BadInputError: The file cannot be read.
    """
    if not path:
        connection = Connection("cluster", {})
        return Report(list(connection.check(progress, with_namespace=True)))
    progress.step = f"reading {path}"
    content = reading.load(path)
    problems = validate.check(path)
    checks = [Check(_FILE, "file", "failed", problem) for problem in problems]
    if list(keys.check(content)):
        return Report(checks, {_FILE: path})
    if not problems:
        checks.append(Check(_FILE, "file", "ok", "chaos go validate finds nothing"))
    try:
        parts = experiment.read(content)
    except BadInputError as error:
        return Report([*checks, Check(_FILE, "secrets", "failed", str(error))], {_FILE: path})
    checks += host.check(parts)
    titles = {_FILE: path} | {part.where: part.title for part in parts}
    groups = list(experiment.by_cluster(parts))
    missing: list[str] = []
    of_parts: list[Check] = []
    for number, (secrets, members) in enumerate(groups):
        where = "cluster" if len(groups) == 1 else f"cluster {number + 1}"
        one = _Cluster(Connection(where, secrets), members, progress)
        checks += one.of_connection()
        of_parts += one.of_parts()
        missing += [one.missing_role(minimal.name(path))]
    checks += sorted(of_parts, key=lambda check: list(titles).index(check.where))
    return Report(checks, titles, "---\n".join(role for role in missing if role))


class _Cluster:
    """The checks of one cluster, and of the parts that use it."""

    def __init__(self, connection: Connection, parts: Sequence[Part], progress: Progress) -> None:
        self._connection = connection
        self._progress = progress
        self._parts = parts
        self._needed: dict[str, Sequence[Permission]] = {}
        self._problems: dict[str, Check] = {}
        self._reviews: Reviews | None = None
        for part in parts:
            try:
                self._needed[part.where] = part.needed()
            except UnknownVariableError as error:
                self._problems[part.where] = Check(part.where, "arguments", "unknown", str(error))
            except BadInputError as error:
                self._problems[part.where] = Check(part.where, "arguments", "failed", str(error))

    def of_connection(self) -> Iterator[Check]:
        """Yield the checks of the cluster itself."""
        uses_context = any(not one.namespace for found in self._needed.values() for one in found)
        yield from self._connection.check(self._progress, uses_context)

    def of_parts(self) -> Iterator[Check]:
        """Yield the checks of the parts, after those of the cluster."""
        client = self._connection.client
        if client is None or not self._connection.answers:
            for part in self._parts:
                said = "not checked, since the cluster does not answer"
                yield self._problems.get(
                    part.where, Check(part.where, "permission", "unknown", said)
                )
            return
        self._reviews = Reviews(client)
        self._reviews.ask(self._needed.values(), self._progress)
        for part in self._parts:
            if part.where in self._problems:
                yield self._problems[part.where]
            elif part.is_foreign:
                said = "this package does not declare which permissions it needs"
                yield Check(part.where, "permission", "unknown", said)
            else:
                yield from self._reviews.checks(part.where, self._needed[part.where])
                self._progress.step = f"looking up the target of {part.where}"
                yield from pods.check(part, client)
                yield from images.check(part, client)

    def missing_role(self, name: str) -> str:
        """Return the Roles of this experiment in the namespaces where something is missing.

        They are whole: a Role with the missing rules alone would replace one of the same name.
        """
        lacking = self._reviews.missing if self._reviews else []
        spaces = {one.namespace for one in lacking}
        wanted = [
            one for found in self._needed.values() for one in found
            if (one.namespace or self._connection.namespace) in spaces
        ]  # fmt: skip
        return minimal.manifest(wanted, self._connection, name) if wanted else ""
