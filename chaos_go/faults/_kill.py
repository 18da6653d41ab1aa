"""The fault that kills pods: which ones, how, how often; and what became of each."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from chaos_go.errors import BadInputError, ClusterError, TargetError
from chaos_go.faults._cluster import ClusterFault
from chaos_go.kubernetes import eviction, pods
from chaos_go.kubernetes.client import Client, refused_by_budget
from chaos_go.kubernetes.kinds import PODS
from chaos_go.kubernetes.pods import Pod
from chaos_go.kubernetes.presence import Presence
from chaos_go.kubernetes.watched import Watched

logger = logging.getLogger("chaostoolkit")

_AT_A_TIME = 8


@dataclass(frozen=True)
class Plan:
    """What a kill does.

    Attributes:
        mode: ``delete`` or ``evict``.
        grace_period_s: Seconds between SIGTERM and SIGKILL; None for those of the pod.
        interval_s: Seconds between two rounds; 0 for one round.
        wait_for_recovery: Whether a round also waits until the workload is available again.
        seed: Seed of the random choice.
    """

    mode: str
    grace_period_s: int | None
    interval_s: float
    wait_for_recovery: bool
    seed: int


Choose = Callable[[Sequence[Pod], int], Sequence[Pod]]
"""Chooses the pods of one round among those that are there, with a seed.

It raises BadInputError when more pods than allowed would be missing.
"""


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
        choose: Choose,
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
            choose: Chooses the pods of later rounds.
            asked: The arguments of the action, for the journal.
        """
        super().__init__(name, "pod-kill", asked, duration_s)
        self.presence = presence
        self._plan = plan
        self._client = client
        self._resolved = list(resolved)
        self._first = tuple(first)
        self._choose = choose
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
            self.ask_to_stop()
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
        last, left_s = self.presence.kills[-1], deadline_s - time.monotonic()
        return self.presence.wait_for_recovery(left_s, last, self._stop) is not None

    def _next_round(self) -> None:
        """Kill among the pods of this moment; none when more than allowed would be missing."""
        killed = {kill.pod.uid for kill in self.presence.kills}  # a late watch may still have them
        there = [pod for pod in self.presence.alive() if pod.uid not in killed]
        self._rounds += 1  # a round that is refused is one as well: the next one draws anew
        try:
            chosen = self._choose(there, self._plan.seed + self._rounds)
        except BadInputError as error:
            logger.info("fault %r: no pod is killed now: %s", self.id, error)
            return
        try:
            self._round(chosen)
        except (ClusterError, BadInputError) as error:
            self._add_problem(f"round {self._rounds + 1}: {error}")

    def _round(self, chosen: Sequence[Pod]) -> None:
        """Kill pods. The first one alone: what forbids it forbids the others as well."""
        self._take(self._kill(chosen[0]))
        with ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="kill") as pool:
            tries = [pool.submit(self._kill_unless_stopped, pod) for pod in chosen[1:]]
            try:
                wait(tries)
            except BaseException:  # an interruption of the run: those that have begun are recorded
                self.ask_to_stop()
                wait(tries)
                raise
            finally:
                self._take_all(tries)

    def _kill_unless_stopped(self, pod: Pod) -> Outcome | None:
        return None if self._stop.is_set() else self._kill(pod)

    def _take_all(self, tries: Sequence[Future[Outcome | None]]) -> None:
        for tried in tries:
            try:
                if outcome := tried.result():
                    self._take(outcome)
            except (ClusterError, BadInputError) as error:
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
                eviction.evict(self._client, pod, options)
            else:
                self._client.delete(PODS.path(pod.namespace, pod.name), options)
        except ClusterError as error:
            if refused_by_budget(error):
                return Outcome(pod, began_unix_s, eviction.budget_says(error), None)
            if error.status == 0 and self._is_ending(pod):
                error.was_repeated = True  # only the answer was lost
            elif error.status not in (404, 409):
                raise
            if not error.was_repeated:  # otherwise the first try has deleted it
                fix = "it was deleted or replaced meanwhile; choose again"
                raise TargetError(f"pod/{pod.namespace}/{pod.name}", fix) from error
        self.presence.add_kill(pod, began_unix_s)
        return Outcome(pod, began_unix_s, "", time.time())

    def _is_ending(self, pod: Pod) -> bool:
        """Return whether a pod is gone or is being deleted."""
        try:
            now = pods.read(self._client.get(PODS.path(pod.namespace, pod.name)))
        except ClusterError as error:
            return error.status == 404
        return now.uid != pod.uid or now.is_terminating

    def release(self) -> None:
        """End the watch of the pods; what was seen stays."""
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


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
