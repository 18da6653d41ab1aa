"""Probes of what a fault cost the traffic: the requests that were lost, and the time to recover.

They read the load that the control ``chaos_go.controls.traffic`` drives. The plain probes return a
number for Chaos Toolkit's ``range`` tolerance, the ``_detail`` probes the same number with what it
is based on. They fail if the data do not allow a number, as those of `probes.traffic` do.
"""

import logging
from dataclasses import asdict

from chaos_go import arguments
from chaos_go.agent import holder
from chaos_go.errors import BadInputError
from chaos_go.traffic import load, lost, over_time, recovery, sli
from chaos_go.traffic.recording import Recording, Window

__all__ = [
    "requests_lost",
    "requests_lost_detail",
    "time_to_recover_detail",
    "time_to_recover_s",
]

logger = logging.getLogger("chaostoolkit")

LONGEST_WINDOW_S = 3600.0


def requests_lost(fault: str, window_s: float = 30.0, traffic: str = "") -> int:
    """Return how many requests failed while a fault was in place.

    Counted are the requests that failed after the beginning of the fault, and whose intended send
    time was before its end (or now). A request failed when its status is 500 or more, it timed out,
    it got no connection, or its connection broke. If a kept connection breaks before anything of an
    answer was read, the load repeats a safe request, such as a GET, by itself, as HTTP clients do;
    this is no failure.

    Args:
        fault: Name of the fault.
        window_s: Before any fault was armed (the baseline), the failed requests of the newest
            ``window_s`` seconds are counted, at least 1. Not used otherwise.
        traffic: Name of the load; "" when there is only one.

    Raises:
        ActivityFailed: The load began after the fault, seconds are stale or missing, more than 1 %
            of the requests were late or dropped, or there is no such load or fault.
    """
    return lost.count(_lost(fault, window_s, traffic)[0])


def requests_lost_detail(
    fault: str, window_s: float = 30.0, traffic: str = ""
) -> dict[str, object]:
    """Return how many requests failed during a fault, why, and to which pod.

    Args:
        fault: Name of the fault.
        window_s: Length of the baseline in seconds, see `requests_lost`.
        traffic: Name of the load; "" when there is only one.

    Returns:
        ``value``; ``by_cause`` (a status such as ``503``; ``timeout``, ``refused``, ``reset``,
        ``closed``, ``unreachable``, ``unresolved`` or ``other``); ``of``, the requests sent in the
        seconds that the fault touches; ``window`` with the times and counters of these seconds.
        If the fault killed pods, ``by_side`` has the number of requests ``before`` the first kill,
        of the ``old pod`` (under way between a kill and the time at which the replacement was
        Ready) and of the ``new pod`` (later).
        ``unlisted`` counts the requests of ``value`` whose own times are not known, because a load
        lists at most 200 failures per second, and 50,000 in all. They have the times of the last
        listed failure of their second, or of its start.

    Raises:
        ActivityFailed: As `requests_lost`.
    """
    failed, window = _lost(fault, window_s, traffic)
    detail: dict[str, object] = {
        "value": lost.count(failed),
        "by_cause": lost.by_cause(failed),
        "unlisted": lost.count(x for x in failed if not x.is_listed),
        "of": window.total("sent"),
        "window": sli.window_as_detail(window),
        "fault": fault,
    }
    kills = _replacements(fault)
    return detail | ({"by_side": lost.by_side(failed, kills)} if kills else {})


def time_to_recover_s(
    fault: str,
    p99_limit_ms: float = 0.0,
    error_limit: float = 1.0,
    window_s: int = 5,
    timeout_s: float = 60.0,
    traffic: str = "",
) -> float:
    """Return the seconds from the beginning of a fault until the service was inside its limits.

    The P99 and the error rate are computed for every window of ``window_s`` seconds; windows are
    1 s apart. The service has recovered at the start of the first window from which on every
    window, until now, is inside the limits. The value is 0 if no window was outside, and before any
    fault was armed. If the newest window is outside, the probe waits for the recovery. If the
    service has not recovered in time, the value is the time so far, a lower bound, and the verdict
    is violated whatever the tolerance is.

    Args:
        fault: Name of the fault.
        p99_limit_ms: Largest P99 in milliseconds; 0 for no limit. The P99 of fewer than 100
            requests is their maximum. A window in which nothing was answered is outside.
        error_limit: Largest fraction of failed requests, 0 to 1; 1 for no limit. At least one limit
            must be given.
        window_s: Length of a window in whole seconds, 1 to 3600.
        timeout_s: Seconds that the probe waits at most, counted from the beginning of the fault.
        traffic: Name of the load; "" when there is only one.

    Raises:
        ActivityFailed: No limit is given or an argument is invalid, the load began after the fault,
            seconds are stale or missing, a window has no request, more than 1 % of the requests
            were late or dropped, or there is no such load or fault.
    """
    return _recovery(fault, p99_limit_ms, error_limit, window_s, timeout_s, traffic)[0].value_s


def time_to_recover_detail(
    fault: str,
    p99_limit_ms: float = 0.0,
    error_limit: float = 1.0,
    window_s: int = 5,
    timeout_s: float = 60.0,
    traffic: str = "",
) -> dict[str, object]:
    """Return the time to recover with what it is based on.

    Args:
        fault: Name of the fault.
        p99_limit_ms: Largest P99 in milliseconds, see `time_to_recover_s`.
        error_limit: Largest fraction of failed requests, see `time_to_recover_s`.
        window_s: Length of a window in whole seconds.
        timeout_s: Seconds that the probe waits at most, see `time_to_recover_s`.
        traffic: Name of the load; "" when there is only one.

    Returns:
        ``value`` in seconds, ``recovered`` (false: the value is a lower bound),
        ``last_bad_window`` (its times, ``p99_ms`` and ``error_rate``; none when every window was
        inside), and ``window`` with the times and counters of all that was looked at.

    Raises:
        ActivityFailed: As `time_to_recover_s`.
    """
    found, window = _recovery(fault, p99_limit_ms, error_limit, window_s, timeout_s, traffic)
    return {
        "value": found.value_s,
        "recovered": found.recovered,
        "last_bad_window": asdict(found.last_bad) if found.last_bad else None,
        "window": sli.window_as_detail(window),
        "fault": fault,
    }


def _lost(fault: str, window_s: float, traffic: str) -> tuple[list[lost.Failed], Window]:
    """Return the failed requests of a fault, or of the baseline, and the window they are of."""
    arguments.filled("fault", fault)
    arguments.number("window_s", window_s, LONGEST_WINDOW_S, "seconds", least=1.0)
    recording = load.find(traffic)
    armed = holder.fault_window(fault, recording.since_unix_s)
    if armed is None:
        window = recording.last(window_s)
        return lost.failures(window), window
    start_unix_s, ended_unix_s = armed
    end_unix_s = ended_unix_s or recording.now()
    # A request that the beginning of the fault cut may be due as long before as it may take.
    longest_s = 2 * recording.timeout_ms / 1000
    whole = recording.covering(start_unix_s, end_unix_s, before_s=longest_s)
    touched = [x for x in whole.seconds if x.start_unix_s + 1 > start_unix_s]
    failed = lost.during(lost.failures(whole), start_unix_s, end_unix_s)
    return failed, over_time.cut(whole, touched)


def _replacements(fault: str) -> lost.Replacements:
    """Return the kills of a fault; none if it kills nothing, or before it was armed."""
    known = [x for x in holder.faults() if x.id == fault]
    return known[-1].replacements if known else ()


def _recovery(
    fault: str,
    p99_limit_ms: float,
    error_limit: float,
    window_s: int,
    timeout_s: float,
    traffic: str,
) -> tuple[recovery.Recovery, Window]:
    arguments.filled("fault", fault)
    arguments.whole("window_s", window_s, least=1, most=int(LONGEST_WINDOW_S))
    arguments.positive("timeout_s", timeout_s, LONGEST_WINDOW_S, "seconds")
    limits = recovery.Limits(
        arguments.number("p99_limit_ms", p99_limit_ms, unit="milliseconds", least=0.0),
        arguments.number("error_limit", error_limit, 1.0, "a fraction", least=0.0),
    )
    if limits == recovery.Limits():
        fix = "no limit is given; give p99_limit_ms (milliseconds), error_limit (0 to 1), or both"
        raise BadInputError("p99_limit_ms", p99_limit_ms, fix)
    recording = load.find(traffic)
    armed = holder.fault_window(fault, recording.since_unix_s)
    if armed is None:
        return recovery.Recovery(0.0, recovered=True, last_bad=None), recording.last(window_s)
    return _wait_for_recovery(recording, fault, armed[0], window_s, limits, timeout_s)


def _wait_for_recovery(
    recording: Recording,
    fault: str,
    began_unix_s: float,
    window_s: int,
    limits: recovery.Limits,
    timeout_s: float,
) -> tuple[recovery.Recovery, Window]:
    """Look at every window since a fault began, again and again until the newest one is inside."""
    while True:
        now = recording.now()
        window = recording.covering(began_unix_s, now, before_s=window_s - 1.0)
        found = recovery.find(over_time.series(window, window_s), began_unix_s, limits)
        left_s = began_unix_s + timeout_s - now
        if found.recovered or left_s <= 0:
            break
        recording.wait(now + min(left_s, 1.0))
    if not found.recovered:
        violation = (
            f"traffic {recording.name!r} has not recovered from {fault!r} in {found.value_s:.1f} s:"
            f" its newest window of {window_s} s is outside the limits"
        )
        logger.warning("%s", violation)
        holder.find(fault).add_violation(violation)
    return found, window
