"""Asks the API server whether this user has the permissions that an experiment needs."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chaos_go.doctor.check import Check
from chaos_go.doctor.progress import Progress
from chaos_go.errors import ClusterError
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.permission import Permission, single

_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_AT_A_TIME = 4


@dataclass(frozen=True)
class Reviewed:
    """What the API server said of one permission.

    Attributes:
        is_allowed: Whether the user has it; None when it could not be asked.
        reason: Why not; "" when the API server gave no reason.
    """

    is_allowed: bool | None
    reason: str = ""


class Reviews:
    """Asks for each permission of one cluster once."""

    def __init__(self, client: Client) -> None:
        """Ask nothing yet."""
        self._client = client
        self._known: dict[Permission, Reviewed] = {}

    def ask(self, needed: Iterable[Sequence[Permission]], progress: Progress) -> None:
        """Ask for permissions, a few at a time.

        Args:
            needed: What each part needs. One part may need in one namespace what another one needs
                in all of them; both are asked for.
            progress: Told what is being done.
        """
        everything = (one for of in needed for one in single(of, self._client.namespace))
        wanted = list(dict.fromkeys(everything))
        with ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="review") as pool:
            for number, one in enumerate(zip(wanted, pool.map(self._review, wanted), strict=True)):
                self._known[one[0]] = one[1]
                progress.step = f"asking for permissions ({number + 1} of {len(wanted)})"

    @property
    def missing(self) -> list[Permission]:
        """Every permission that the user does not have."""
        return [one for one, found in self._known.items() if found.is_allowed is False]

    def checks(self, where: str, permissions: Sequence[Permission]) -> Iterator[Check]:
        """Yield the checks of the permissions of one part: one if all is well."""
        wanted = single(permissions, self._client.namespace)
        bad = [one for one in wanted if self._known[one].is_allowed is not True]
        details = {"needed": [_record(one) for one in wanted]}
        for one in bad:
            found = self._known[one]
            if found.is_allowed is None:
                said = f"whether this user may {one} is not known: {found.reason}"
                yield Check(where, "permission", "unknown", said, details=_record(one))
            else:
                said = f"may not {one}" + (f": {found.reason}" if found.reason else "")
                fix = "apply the Role below, or have an administrator apply it"
                yield Check(where, "permission", "failed", said, fix, _record(one))
        if not bad:
            said = f"has all {len(wanted)} that it needs" if wanted else "needs none"
            yield Check(where, "permission", "ok", said, details=details)

    def _review(self, one: Permission) -> Reviewed:
        attributes = {
            "namespace": "" if one.is_cluster_wide else one.namespace,
            "verb": one.verbs[0],
            "group": one.group,
            "resource": one.resource,
            "subresource": one.subresource,
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        try:
            status = self._client.create(_REVIEW, body).get("status") or {}
        except ClusterError as error:
            return Reviewed(None, str(error))
        if not status.get("allowed") and status.get("evaluationError"):
            return Reviewed(False, str(status["evaluationError"]))
        return Reviewed(bool(status.get("allowed")), str(status.get("reason") or ""))


def _record(one: Permission) -> dict[str, str]:
    return {
        "verb": one.verbs[0],
        "group": one.group,
        "resource": one.name,
        "namespace": one.namespace,
    }
