"""Checks a cluster: which one it is, whether it answers, as whom, and its clock."""

from collections.abc import Iterator, Mapping

from chaos_go.doctor.check import Check
from chaos_go.doctor.progress import Progress
from chaos_go.errors import ChaosGoError, ClusterError, ForbiddenError
from chaos_go.kubernetes import clock
from chaos_go.kubernetes.client import Answer, Client
from chaos_go.kubernetes.connection import connect
from chaos_go.kubernetes.kinds import NAMESPACES

_WARN_S, _FAIL_S = 1.0, 5.0
_REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


class Connection:
    """One cluster, as an experiment uses it.

    Attributes:
        where: How its checks are called: ``cluster``, or ``cluster NAME`` when there are several.
        client: The client; None when it is not configured.
        user: Name of the user as the API server knows it; "" when it is not known.
        answers: Whether the API server answers this user.
    """

    def __init__(self, where: str, secrets: Mapping[str, str]) -> None:
        """Read the configuration; nothing is sent."""
        self.where = where
        self.client: Client | None = None
        self.user = ""
        self.answers = False
        self._problem = ""
        try:
            self.client = connect(secrets)
        except ChaosGoError as error:
            self._problem = str(error)

    @property
    def namespace(self) -> str:
        """Namespace of the context; "" when no cluster is configured."""
        return self.client.namespace if self.client else ""

    def check(self, progress: Progress, with_namespace: bool) -> Iterator[Check]:
        """Yield the checks of this cluster.

        Args:
            progress: Told what is being done.
            with_namespace: Whether the namespace of the context is needed.
        """
        if self.client is None:
            yield Check(self.where, "configuration", "failed", self._problem)
            return
        yield self._configuration(self.client)
        progress.step = f"asking {self.client.host}"
        try:
            first = self.client.ask_once("/version")
        except ClusterError as error:
            yield Check(self.where, "API server", "failed", str(error), details=_status(error))
            return
        yield self._server(self.client, first)
        user = self._user(self.client)
        yield user
        self.answers = user.status != "failed"
        progress.step = "comparing the clocks"
        yield self._clock(self.client, first)
        if with_namespace:
            yield self._namespace(self.client)

    def _configuration(self, client: Client) -> Check:
        origin = client.origin
        said = origin.source
        if origin.kubeconfig:
            user = f", user {origin.user}" if origin.user else ""
            said = f"context {origin.context}{user} of {origin.kubeconfig}"
        details = {
            "source": origin.source,
            "kubeconfig": origin.kubeconfig,
            "context": origin.context,
            "user": origin.user,
            "host": client.host,
            "namespace": client.namespace,
        }
        return Check(self.where, "configuration", "ok", said, details=details)

    def _server(self, client: Client, first: Answer) -> Check:
        took_ms = 1000 * (first.received_unix_s - first.sent_unix_s)
        version = str(first.body.get("gitVersion", "unknown"))
        said = f"{client.host} answers in {took_ms:.0f} ms, Kubernetes {version}"
        details = {"host": client.host, "version": version, "round_trip_ms": took_ms}
        return Check(self.where, "API server", "ok", said, details=details)

    def _user(self, client: Client) -> Check:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            answer = client.create(_REVIEW, review)
        except ClusterError as error:
            if error.status == 401:
                return Check(self.where, "user", "failed", str(error), details=_status(error))
            said = "the API server does not tell who this user is: " + str(error)
            return Check(self.where, "user", "unknown", said, details=_status(error))
        info = (answer.get("status") or {}).get("userInfo") or {}
        self.user = str(info.get("username", ""))
        groups = info.get("groups") or []
        details = {"user": self.user, "groups": groups}
        if self.user == "system:anonymous":
            fix = "the kubeconfig has no credentials that the API server knows; log in"
            return Check(self.where, "user", "failed", "anonymous", fix, details)
        return Check(self.where, "user", "ok", self.user, details=details)

    def _clock(self, client: Client, first: Answer) -> Check:
        try:
            found = clock.measure(client, first)
        except ClusterError as error:
            return Check(self.where, "clock", "unknown", str(error))
        return judge_clock(self.where, found)

    def _namespace(self, client: Client) -> Check:
        name, details = client.namespace, {"namespace": client.namespace}
        try:
            client.get(NAMESPACES.path(name=name))
        except ForbiddenError:
            said = f"{name}; whether it exists is not known: this user may not get namespaces"
            return Check(self.where, "namespace", "unknown", said, details=details)
        except ClusterError as error:
            if error.status != 404:
                return Check(self.where, "namespace", "unknown", str(error), details=details)
            fix = "create it, or set another one in the context, or name one in the target"
            said = f"there is no namespace {name}"
            return Check(self.where, "namespace", "failed", said, fix, details)
        return Check(self.where, "namespace", "ok", name, details=details)


def judge_clock(where: str, found: clock.Difference) -> Check:
    """Return the check of a clock: a warning over 1 s, failed over 5 s."""
    details = {"least_s": found.least_s, "most_s": found.most_s}
    if found.surely_s <= _WARN_S:
        said = f"differs from the clock of this host by at most {found.at_most_s:.1f} s"
        return Check(where, "clock", "ok", said, details=details)
    side = "ahead of" if found.least_s > 0 else "behind"
    said = (
        f"the clock of the API server is {found.surely_s:.1f} to {found.at_most_s:.1f} s {side} "
        "the clock of this host"
    )
    fix = "set both by NTP: times of the cluster are compared with times of this host"
    status = "failed" if found.surely_s > _FAIL_S else "warning"
    return Check(where, "clock", "failed" if status == "failed" else "warning", said, fix, details)


def _status(error: ClusterError) -> dict[str, int]:
    return {"http_status": error.status}
