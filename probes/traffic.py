"""Probes of the traffic that the control ``chaos_go.controls.traffic`` drives.

The plain ones give a number for Chaos Toolkit's ``range`` tolerance, the ``_detail`` ones the same
number with its 95 % interval and the window it rests on. A number that cannot be trusted is never
given: each probe then fails with the numbers that say why.
"""

from collections.abc import Callable

from chaos_go import arguments
from chaos_go.agent import holder
from chaos_go.traffic import load, sli
from chaos_go.traffic.recording import Recording, Window

__all__ = ["error_rate", "error_rate_detail", "impact_rate", "p99_detail", "p99_ms"]

LONGEST_WINDOW_S = 3600.0


def p99_ms(window_s: float = 30.0, fault: str = "", traffic: str = "") -> float:
    """Return the P99 of latency in milliseconds, from the intended send time.

    Timeouts count as the time at which they were given up, connection errors do not count.

    Args:
        window_s: seconds of traffic to look at, the newest whole ones, at least 1. Right after
            the start of the load the probe waits until there are so many.
        fault: name of a fault: look at the time it was armed instead. Before any fault was armed
            (the baseline) ``window_s`` holds. "" for none.
        traffic: name of the load; "" when there is only one.

    Raises:
        ActivityFailed: fewer than 368 requests, stale or missing seconds, more than 1 % of the
            requests late or dropped, no such load or fault.
    """
    return _measure(sli.latency_ms, window_s, fault, traffic)[0].value


def error_rate(window_s: float = 30.0, fault: str = "", traffic: str = "") -> float:
    """Return the fraction of sent requests that failed, 0 to 1.

    Failed are a status of 500 or more, a timeout and a connection error.

    Args:
        window_s: seconds of traffic to look at, see `p99_ms`.
        fault: look at the time this fault was armed, see `p99_ms`.
        traffic: name of the load; "" when there is only one.

    Raises:
        ActivityFailed: fewer than 72 requests, or as `p99_ms`.
    """
    return _measure(sli.error_rate, window_s, fault, traffic)[0].value


def impact_rate(window_s: float = 30.0, fault: str = "", traffic: str = "") -> float:
    """Return the fraction of requests that hurt the business, 0 to 1: the load's ``impact`` rule.

    Args:
        window_s: seconds of traffic to look at, see `p99_ms`.
        fault: look at the time this fault was armed, see `p99_ms`.
        traffic: name of the load; "" when there is only one.

    Raises:
        ActivityFailed: the load has no such rule, fewer than 72 requests, or as `p99_ms`.
    """
    return _measure(sli.impact_rate, window_s, fault, traffic)[0].value


def p99_detail(window_s: float = 30.0, fault: str = "", traffic: str = "") -> dict[str, object]:
    """Return the P99 with its 95 % confidence interval.

    Args:
        window_s: seconds of traffic to look at, see `p99_ms`.
        fault: look at the time this fault was armed, see `p99_ms`.
        traffic: name of the load; "" when there is only one.

    Returns:
        ``value``, ``low`` and ``high`` in milliseconds, ``n``, ``confidence``, ``censored`` (the
        value is a time at which requests were given up: the truth is that or more),
        ``high_censored``, and ``window`` with its times and counters.

    Raises:
        ActivityFailed: as `p99_ms`.
    """
    return _detail(sli.latency_ms, window_s, fault, traffic)


def error_rate_detail(
    window_s: float = 30.0, fault: str = "", traffic: str = ""
) -> dict[str, object]:
    """Return the error rate with its 95 % confidence interval.

    Args:
        window_s: seconds of traffic to look at, see `p99_ms`.
        fault: look at the time this fault was armed, see `p99_ms`.
        traffic: name of the load; "" when there is only one.

    Returns:
        ``value``, ``low`` and ``high`` as fractions, ``n``, ``confidence`` and ``window`` with its
        times and counters.

    Raises:
        ActivityFailed: as `error_rate`.
    """
    return _detail(sli.error_rate, window_s, fault, traffic)


_Indicator = Callable[[Window], sli.Estimate]


def _measure(
    indicator: _Indicator, window_s: float, fault: str, traffic: str
) -> tuple[sli.Estimate, Window]:
    arguments.number("window_s", window_s, LONGEST_WINDOW_S, "seconds", least=1.0)
    window = _window(load.find(traffic), window_s, fault)
    return indicator(window), window


def _detail(indicator: _Indicator, window_s: float, fault: str, traffic: str) -> dict[str, object]:
    estimate, window = _measure(indicator, window_s, fault, traffic)
    detail = sli.as_detail(estimate, window)
    return {**detail, "fault": fault}


def _window(recording: Recording, window_s: float, fault: str) -> Window:
    armed = holder.fault_window(fault, recording.lease.armed_unix_s) if fault else None
    if armed is None:
        return recording.last(window_s)
    start_unix_s, end_unix_s = armed
    return recording.between(start_unix_s, end_unix_s or recording.now())
