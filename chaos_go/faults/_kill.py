"""The fault that kills pods: which ones, how, how often; and what became of each."""

import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from chaos_go.errors import BadInputError, ClusterError, TargetError
from chaos_go.faults._cluster import ClusterFault
from chaos_go.kubernetes.client import Client, refused_by_budget
from chaos_go.kubernetes.kinds import PODS
from chaos_go.kubernetes.pods import Pod
from chaos_go.kubernetes.presence import Presence
from chaos_go.kubernetes.watched import Watched
from chaos_go.targets import scope as scopes
from chaos_go.targets.scope import Scope

logger = logging.getLogger("chaostoolkit")

_AT_A_TIME = 8


@dataclass(frozen=True)
class Plan:
    """What a kill does.

    Attributes:
        target: The text of the target.
        mode: ``delete`` or ``evict``.
        grace_period_s: Seconds between SIGTERM and SIGKILL; None for those of the pod.
        interval_s: Seconds between two rounds; 0 for one round.
        wait_for_recovery: Whether a round also waits until the workload is available again.
        scope: Which pods each round kills.
        most_percentage: The largest share of pods that may be missing because of this fault.
        seed: Seed of the random choice.
    """

    target: str
    mode: str
    grace_period_s: int | None
    interval_s: float
    wait_for_recovery: bool
    scope: Scope
    most_percentage: float
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What became of the try to kill one pod.

    Attributes:
        pod: The pod as it was before.
        at_unix_s: When the request was sent, in seconds since 1970.
        blocked: Why the API server refused the eviction; "" if the pod was killed.
        accepted_unix_s: When the API server had accepted it; None when it was refused.
    """

    pod: Pod
    at_unix_s: float
    blocked: str
    accepted_unix_s: float | None


class PodKill(Watched, ClusterFault):
    """Kills pods, once or in rounds, and watches what becomes of their workload."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        duration_s: float,
        client: Client,
        presence: Presence,
        resolved: Sequence[dict[str, Any]],
        first: Sequence[Pod],
        asked: dict[str, Any],
    ) -> None:
        """Make the fault.

        Args:
            name: Its name.
            plan: What it does.
            duration_s: Seconds after which it ends.
            client: The cluster.
            presence: Watches the pods.
            resolved: All pods of the target, for the journal.
            first: The pods of the first round.
            asked: The arguments of the action, for the journal.
        """
        super().__init__(name, "pod-kill", asked, duration_s)
        self.presence = presence
        self._plan = plan
        self._client = client
        self._resolved = list(resolved)
        self._first = tuple(first)
        self._outcomes: list[Outcome] = []
        self._rounds = 0

    @property
    def place_names(self) -> str:
        """The pods, as one text."""
        return ", ".join(f"pod/{x.pod.namespace}/{x.pod.name}" for x in self._outcomes)

    @property
    def effect(self) -> bool | None:
        """Whether any pod was killed, or an eviction was refused, which is an answer as well."""
        return True if self._outcomes else None

    @property
    def advice(self) -> str:
        """What to check when no pod was killed."""
        return "see that the target has Ready pods"

    @property
    def killed(self) -> list[Outcome]:
        """The pods that were killed."""
        return [outcome for outcome in self._outcomes if not outcome.blocked]

    @property
    def blocked(self) -> list[Outcome]:
        """The evictions that the API server refused."""
        return [outcome for outcome in self._outcomes if outcome.blocked]

    @property
    def said(self) -> str:
        """One line: what was killed, what was refused, and how long the recovery took."""
        verb = "evicted" if self._plan.mode == "evict" else "deleted"
        names = ", ".join(outcome.pod.name for outcome in self.killed[:3])
        more = f" and {len(self.killed) - 3} more" if len(self.killed) > 3 else ""
        parts = [
            f"{verb} {_count(len(self.killed), 'pod')}" + (f" ({names}{more})" if names else "")
        ]
        if self.blocked:
            count = _count(len(self.blocked), "eviction")
            parts.append(f"{count} refused: {self.blocked[0].blocked}")
        return "; ".join(part for part in (*parts, self.recovery_said()) if part)

    def record(self) -> dict[str, Any]:
        """Return what is known, with the kills and the number of Ready pods over time."""
        return super().record() | self.watched_record() | {"resolved": self._resolved}

    def _put_in_place(self) -> None:
        try:
            self._round(self._first)
        except BaseException:
            self.presence.stop()
            raise

    def _go_on(self, deadline_s: float) -> None:
        plan = self._plan
        next_s = time.monotonic() + plan.interval_s
        while plan.interval_s and next_s < deadline_s:
            if self._stop.wait(max(0.0, next_s - time.monotonic())):
                return
            if not self._may_go_on(deadline_s):
                break
            next_s = max(next_s, time.monotonic()) + plan.interval_s
            self._next_round()
        self._stop.wait(max(0.0, deadline_s - time.monotonic()))

    def _may_go_on(self, deadline_s: float) -> bool:
        """Wait, where asked, until the workload has recovered; return False at the end of time."""
        if not self._plan.wait_for_recovery or not self.presence.kills:
            return True
        last = self.presence.kills[-1]
        left_s = deadline_s - time.monotonic()
        if self.presence.wait_for_recovery(left_s, last, self._stop) is not None:
            return True
        if not self._stop.is_set():
            self.not_recovered(time.time() - last.at_unix_s)
        return False

    def _next_round(self) -> None:
        """Choose among the pods of this moment; fewer or none when too many are missing already."""
        candidates = [x for x in self.presence.alive() if x.is_ready]
        missing = self.presence.unavailable
        allowed = self._allowed(len(candidates) + missing) - missing
        try:
            chosen = choose(self._plan, candidates, self._plan.seed + self._rounds)[
                : max(0, allowed)
            ]
            if chosen:
                self._round(chosen)
            else:
                logger.info("fault %r: no pod is killed now, %d are missing", self.id, missing)
        except (ClusterError, BadInputError) as error:
            self._add_problem(f"round {self._rounds + 1}: {error}")

    def _allowed(self, of: int) -> int:
        most = self._plan.scope.max_percentage or self._plan.most_percentage
        return int(of * most / 100) or (1 if self._plan.scope.names else 0)

    def _round(self, pods: Sequence[Pod]) -> None:
        """Kill pods. The first one alone: what forbids it forbids the others as well."""
        self._rounds += 1
        self._take(self._kill(pods[0]))
        with ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="kill") as pool:
            for tried in [pool.submit(self._kill, pod) for pod in pods[1:]]:
                try:
                    self._take(tried.result())
                except (ClusterError, TargetError) as error:
                    self._add_problem(str(error))

    def _take(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes.append(outcome)
            self.evictions_blocked = len(self.blocked)
        where = f"pod {outcome.pod.name} on node {outcome.pod.node}"
        if outcome.blocked:
            logger.info("fault %r: eviction of %s refused: %s", self.id, where, outcome.blocked)
        else:
            logger.info("fault %r: %s killed (%s)", self.id, where, self._plan.mode)

    def _kill(self, pod: Pod) -> Outcome:
        """Delete or evict one pod, and no other one of this name: its uid is a precondition."""
        options: dict[str, Any] = {"preconditions": {"uid": pod.uid}}
        if self._plan.grace_period_s is not None:
            options["gracePeriodSeconds"] = self._plan.grace_period_s
        began_unix_s = time.time()
        try:
            if self._plan.mode == "evict":
                evict(self._client, pod, options)
            else:
                self._client.delete(PODS.path(pod.namespace, pod.name), options)
        except ClusterError as error:
            if refused_by_budget(error):
                return Outcome(pod, began_unix_s, budget_says(error), None)
            if error.status not in (404, 409):
                raise
            if not error.was_repeated:  # otherwise the first try has deleted it
                fix = "it was deleted or replaced meanwhile; choose again"
                raise TargetError(f"pod/{pod.namespace}/{pod.name}", fix) from error
        self.presence.add_kill(pod, began_unix_s)
        return Outcome(pod, began_unix_s, "", time.time())

    def _finish(self) -> None:
        self.presence.stop()

    def _places(self) -> list[dict[str, Any]]:
        return [
            self._place(
                f"pod/{x.pod.namespace}/{x.pod.name}",
                uid=x.pod.uid,
                blocked=x.blocked,
                asked_unix_s=x.at_unix_s,
                accepted_unix_s=x.accepted_unix_s,
            )
            for x in self._outcomes
        ]


def evict(client: Client, pod: Pod, options: dict[str, Any]) -> None:
    """Ask for the eviction of a pod, which a PodDisruptionBudget may refuse with 429.

    Raises:
        ClusterError: It was refused.
    """
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": options,
    }
    client.create(PODS.path(pod.namespace, pod.name, "eviction"), body)


def budget_says(error: ClusterError) -> str:
    """Return why an eviction was refused: the API server names the budget and its numbers."""
    causes = (error.details.get("details") or {}).get("causes") or []
    said = [str(error.details.get("message", "")), *(str(x.get("message", "")) for x in causes)]
    return " ".join(text for text in dict.fromkeys(said) if text) or str(error)


def choose(plan: Plan, pods: Sequence[Pod], seed: int) -> list[Pod]:
    """Choose the pods of one round.

    Raises:
        BadInputError: The scope asks for more pods than there are, or for too large a share.
    """
    return list(scopes.choose(plan.scope, pods, plan.most_percentage, seed).places)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
