"""Evicts the pods of nodes, again and again where a budget refuses it, until they have left."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from chaos_go.errors import ClusterError
from chaos_go.kubernetes import eviction
from chaos_go.kubernetes.client import Client, refused_by_budget
from chaos_go.kubernetes.eviction import Lodger
from chaos_go.kubernetes.kinds import PODS
from chaos_go.kubernetes.pods import Pod
from chaos_go.kubernetes.watch import Change, Follower

logger = logging.getLogger("chaostoolkit")

_AGAIN_S = 1.0  # between two tries of one pod
_PROGRESS_S = 5.0
_AGAIN = (0, 429, 500, 502, 503, 504)  # no answer, a budget, several budgets, an overload
_GONE = (404, 409)  # 409: another pod has its name now


@dataclass
class Leaving:
    """One pod that has to leave its node.

    Attributes:
        lodger: The pod.
        asked_unix_s: When its eviction was first asked for, in seconds since 1970; None before.
        accepted_unix_s: When it was accepted; None before.
        gone_unix_s: When the pod was gone; None before.
        refusals: How often a budget refused it.
        blocked: Why the last try was refused; "" once it was accepted.
    """

    lodger: Lodger
    asked_unix_s: float | None = None
    accepted_unix_s: float | None = None
    gone_unix_s: float | None = None
    refusals: int = 0
    blocked: str = ""
    sent_unix_s: float = 0.0  # of the try that counts: the last one, or the first without an answer
    is_unanswered: bool = False  # whether the last try got no answer, and may have been carried out
    next_s: float = 0.0  # when the next try is due, of the monotonic clock

    @property
    def is_blocked(self) -> bool:
        """Whether a budget refused it until the end."""
        return bool(self.refusals) and self.accepted_unix_s is None and self.gone_unix_s is None

    def record(self) -> dict[str, Any]:
        """Return what the journal keeps of it."""
        return {
            **self.lodger.pod.record(),
            "asked_unix_s": self.asked_unix_s,
            "accepted_unix_s": self.accepted_unix_s,
            "gone_unix_s": self.gone_unix_s,
            "refusals": self.refusals,
            "blocked": self.blocked,
        }


class Evictions:
    """The pods of some nodes, and what became of each."""

    def __init__(
        self,
        client: Client,
        nodes: Sequence[str],
        allowed: Collection[str],
        own_pod: tuple[str, str],
        grace_period_s: int | None,
    ) -> None:
        """Do nothing yet.

        Args:
            client: The cluster.
            nodes: Names of the nodes.
            allowed: Which of `eviction.PERMITS` are allowed.
            own_pod: Namespace and name of the pod that runs this experiment.
            grace_period_s: Seconds between SIGTERM and SIGKILL; None for those of each pod.
        """
        self._client = client
        self._nodes = tuple(nodes)
        self._allowed = frozenset(allowed)
        self._own_pod = own_pod
        self._grace_period_s = grace_period_s
        self._changed = threading.Condition()
        self._leaving: dict[str, Leaving] = {}  # by uid
        self._staying: dict[str, Lodger] = {}

    @property
    def leaving(self) -> list[Leaving]:
        """The pods that have to leave, in order of name."""
        with self._changed:
            return sorted(self._leaving.values(), key=lambda x: x.lodger.text)

    @property
    def staying(self) -> list[tuple[str, str]]:
        """The pods that stay, and why."""
        with self._changed:
            found = list(self._staying.values())
        return sorted((x.text, x.why_not(self._allowed)) for x in found)

    def run(
        self, timeout_s: float, stop: threading.Event, on_evicted: Callable[[Pod, float], None]
    ) -> None:
        """Evict the pods, and wait until they are gone.

        Args:
            timeout_s: Seconds after which the rest is left there.
            stop: Ends it early.
            on_evicted: Called with each pod whose eviction was accepted, and when it was asked for.

        Raises:
            ClusterError: The API server refused for another reason than a budget.
        """
        path, until_s = PODS.path(), time.monotonic() + timeout_s
        followers = [
            Follower(self._client, path, self._on_pod, field_selector=f"spec.nodeName={node}")
            for node in self._nodes
        ]
        try:
            progress_s = time.monotonic() + _PROGRESS_S
            while self._evict_due(on_evicted) and not stop.is_set():
                now_s = time.monotonic()
                if now_s >= until_s:
                    break
                if now_s >= progress_s:
                    progress_s = now_s + _PROGRESS_S
                    logger.info("%s", self._progress())
                with self._changed:
                    self._changed.wait(min(0.2, until_s - now_s))
        finally:
            for follower in followers:
                follower.stop()

    def _on_pod(self, change: Change) -> None:
        lodger = eviction.judge(change.object, self._own_pod)
        uid = lodger.pod.uid
        with self._changed:
            if uid in self._leaving:
                if change.is_gone:
                    self._leaving[uid].gone_unix_s = change.at_unix_s
            elif uid not in self._staying and not change.is_gone:
                if lodger.why_not(self._allowed):
                    self._staying[uid] = lodger
                else:
                    self._leaving[uid] = Leaving(lodger)
            self._changed.notify_all()

    def _evict_due(self, on_evicted: Callable[[Pod, float], None]) -> bool:
        """Ask for the evictions that are due; return whether any pod is still there."""
        there = [x for x in self.leaving if x.gone_unix_s is None]
        for one in there:
            if one.accepted_unix_s is None and time.monotonic() >= one.next_s:
                self._ask(one)
                if one.accepted_unix_s is not None:
                    on_evicted(one.lodger.pod, one.sent_unix_s)
        return any(one.gone_unix_s is None for one in there)

    def _ask(self, one: Leaving) -> None:
        pod = one.lodger.pod
        options: dict[str, Any] = {"preconditions": {"uid": pod.uid}}
        if self._grace_period_s is not None:
            options["gracePeriodSeconds"] = self._grace_period_s
        now_unix_s, one.next_s = time.time(), time.monotonic() + _AGAIN_S
        if not one.is_unanswered:  # otherwise the first of these tries may have been carried out
            one.sent_unix_s = now_unix_s
        one.asked_unix_s = one.asked_unix_s or one.sent_unix_s
        try:
            eviction.evict(self._client, pod, options)
        except ClusterError as error:
            was_unanswered, one.is_unanswered = one.is_unanswered, error.status == 0
            if error.status in _GONE:
                one.gone_unix_s, one.blocked = time.time(), ""
                if was_unanswered:  # that try has evicted it
                    one.accepted_unix_s = one.gone_unix_s
            elif error.status in _AGAIN or _ends_with_namespace(error):
                one.refusals += refused_by_budget(error)
                if one.blocked != (said := eviction.budget_says(error)):
                    one.blocked = said
                    logger.info("eviction of pod %s refused: %s", one.lodger.text, said)
            else:
                raise
        else:
            one.accepted_unix_s, one.blocked = time.time(), ""
            logger.info("pod %s on node %s evicted", one.lodger.text, pod.node)

    def _progress(self) -> str:
        there = [x for x in self.leaving if x.gone_unix_s is None]
        why = next((f", refused: {x.blocked}" for x in there if x.blocked), ", it is ending")
        of = len(self.leaving)
        return f"{of - len(there)} of {of} pods have left; {there[0].lodger.text} is there{why}"


def _ends_with_namespace(error: ClusterError) -> bool:
    """Return whether a pod cannot be evicted because its whole namespace is being deleted."""
    causes = (error.details.get("details") or {}).get("causes") or []
    return error.status == 403 and any(x.get("reason") == "NamespaceTerminating" for x in causes)
