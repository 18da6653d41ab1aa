"""Kills pods, and compares every time that chaos_go tells with those of the API server."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from table import Reach, Rounds, Row

import probes.pods
from chaos_go.agent import holder
from chaos_go.errors import ClusterError
from chaos_go.faults import pods

from . import audit
from .lab import Lab

NAMESPACE = "figures"
WORKLOAD = "users"
TARGET = f"deployment/{NAMESPACE}/{WORKLOAD}"
GOAL_S = 0.2


@dataclass(frozen=True)
class Compared:
    """What chaos_go told about one kill, minus what the API server did, in seconds each.

    Attributes:
        asked: ``killed_unix_s`` - the server received the request.
        accepted: ``accepted_unix_s`` - the server had answered it.
        replaced: ``replaced_unix_s`` - the server had stored that the replacement is Ready.
        recovery: ``recovery_s`` - the time from the kill's receipt until the server had stored
            that the Deployment is fully available.
        recovery_s: The recovery by the server's times alone.
        served_s: How long the server took for the request to kill, which was longest when the
            machine was busy with something else.
    """

    asked: float
    accepted: float
    replaced: float
    recovery: float
    recovery_s: float
    served_s: float


def recovery(lab: Lab, rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Measure the differences for both ways to kill, in so many rounds each."""
    lab.deploy(NAMESPACE, (WORKLOAD,))
    rows = []
    for mode in ("delete", "evict"):
        say(f"chaos_go.faults.pods.kill(target={TARGET!r}, mode={mode!r})")
        say(f"probes.pods.recovery_detail(target={TARGET!r}, fault=...)")
        rows += _rows(mode, [one_kill(lab, mode, f"{mode}-{n}") for n in range(rounds)])
    return rows


def one_kill(lab: Lab, mode: str, name: str) -> Compared:
    """Kill one pod, wait for the recovery, and compare.

    Args:
        lab: The cluster; the workload is deployed and available.
        mode: ``delete`` or ``evict``.
        name: A new name for the fault.

    Raises:
        RuntimeError: The pod was not killed, has no replacement, or the audit log lacks something.
    """
    lab.wait_until_available(NAMESPACE, WORKLOAD)
    record = pods.kill(TARGET, mode=mode, name=name)
    place = record["places"][0]
    try:
        if place["blocked"]:
            raise RuntimeError(f"the eviction was refused: {place['blocked']}")
        told = probes.pods.recovery_detail(TARGET, name)
    except ClusterError as error:
        raise RuntimeError(str(error)) from error
    finally:
        holder.find(name).stop()
    if not told["recovered"]:
        raise RuntimeError(told["reason"])
    (kill,) = told["kills"]
    killed = lab.log.wait_for(
        f"the kill of {kill['pod']}", lambda found: audit.killed(found, NAMESPACE, kill["pod"])
    )
    ready = lab.log.wait_for(
        f"{kill['replacement']} became Ready",
        lambda found: audit.became_ready(found, NAMESPACE, kill["replacement"]),
    )
    full = lab.log.wait_for(
        f"{TARGET} is available",
        lambda found: audit.fully_available(found, NAMESPACE, WORKLOAD, ready.received_unix_s),
    )
    by_server_s = full.answered_unix_s - killed.received_unix_s
    return Compared(
        asked=kill["killed_unix_s"] - killed.received_unix_s,
        accepted=place["accepted_unix_s"] - killed.answered_unix_s,
        replaced=kill["replaced_unix_s"] - ready.answered_unix_s,
        recovery=told["value"] - by_server_s,
        recovery_s=by_server_s,
        served_s=killed.answered_unix_s - killed.received_unix_s,
    )


def _rows(mode: str, found: Sequence[Compared]) -> list[Row]:
    """Return the rows of one mode: the differences without their signs, and the recovery itself."""

    def differ(what: str, values: Sequence[float]) -> Row:
        figure = f"{mode}: {what}, difference to the API server"
        size = Rounds("s", [abs(value) for value in values])
        reached = sum(value <= GOAL_S for value in size.values)
        served = Rounds("s", [x.served_s for x in found])
        note = f"{reached} of {len(found)} rounds reached it; the server answered kills in {served}"
        return Row(figure, size, reach=Reach(most=GOAL_S, of="every round"), note=note)

    return [
        differ("kill asked", [x.asked for x in found]),
        differ("kill accepted", [x.accepted for x in found]),
        differ("replacement Ready", [x.replaced for x in found]),
        differ("recovery", [x.recovery for x in found]),
        Row(f"{mode}: recovery by the API server", Rounds("s", [x.recovery_s for x in found])),
    ]
