"""Probes of the traffic that the control ``chaos_go.controls.traffic`` drives.

The plain probes return a number for Chaos Toolkit's ``range`` tolerance. The ``_detail`` probes
return the same number with its 95 % interval and its window. A probe never returns a number that
cannot be trusted: it fails instead, with the numbers that say why.
"""

from collections.abc import Callable

from chaos_go import arguments
from chaos_go.agent import holder
from chaos_go.traffic import load, sli
from chaos_go.traffic.recording import Recording, Window

__all__ = ["error_rate", "error_rate_detail", "impact_rate", "p99_detail", "p99_ms"]

LONGEST_WINDOW_S = 3600.0


def p99_ms(window_s: float = 30.0, fault: str = "", traffic: str = "") -> float:
    """Return the P99 of latency in milliseconds, counted from the intended send time.

    A timeout counts as the time at which the request was given up. A connection error does not
    count.

    Args:
        window_s: Length of the window in seconds: the newest whole seconds of the load, at least 1.
            Right after the start of the load the probe waits until there are so many.
        fault: Name of a fault. The probe then measures the time in which this fault was armed. It
            uses ``window_s`` only before any fault was armed (the baseline). "" for no fault.
        traffic: Name of the load; "" when there is only one.

    Raises:
        ActivityFailed: There are fewer than 368 requests, seconds are stale or missing, more than
            1 % of the requests were late or dropped, or there is no such load or fault.
    """
    return _measure(sli.latency_ms, window_s, fault, traffic)[0].value


def error_rate(window_s: float = 30.0, fault: str = "", traffic: str = "") -> float:
    """Return the fraction of sent requests that failed, 0 to 1.

    A request failed when its status is 500 or more, it timed out, or it got no connection.

    Args:
        window_s: Length of the window in seconds, see `p99_ms`.
        fault: Name of a fault whose time is measured, see `p99_ms`.
        traffic: Name of the load; "" when there is only one.

    Raises:
        ActivityFailed: There are fewer than 72 requests, or as `p99_ms`.
    """
    return _measure(sli.error_rate, window_s, fault, traffic)[0].value


def impact_rate(window_s: float = 30.0, fault: str = "", traffic: str = "") -> float:
    """Return the fraction of requests that hurt the business, 0 to 1.

    The rule ``impact`` of the load decides which requests these are.

    Args:
        window_s: Length of the window in seconds, see `p99_ms`.
        fault: Name of a fault whose time is measured, see `p99_ms`.
        traffic: Name of the load; "" when there is only one.

    Raises:
        ActivityFailed: The load has no such rule, there are fewer than 72 requests, or as `p99_ms`.
    """
    return _measure(sli.impact_rate, window_s, fault, traffic)[0].value


def p99_detail(window_s: float = 30.0, fault: str = "", traffic: str = "") -> dict[str, object]:
    """Return the P99 with its 95 % confidence interval.

    Args:
        window_s: Length of the window in seconds, see `p99_ms`.
        fault: Name of a fault whose time is measured, see `p99_ms`.
        traffic: Name of the load; "" when there is only one.

    Returns:
        ``value``, ``low`` and ``high`` in milliseconds, ``n``, ``confidence``, ``censored`` (the
        value is the time at which requests were given up: the true P99 is this or more),
        ``high_censored`` (the same for ``high``), and ``window`` with its times and counters.

    Raises:
        ActivityFailed: As `p99_ms`.
    """
    return _detail(sli.latency_ms, window_s, fault, traffic)


def error_rate_detail(
    window_s: float = 30.0, fault: str = "", traffic: str = ""
) -> dict[str, object]:
    """Return the error rate with its 95 % confidence interval.

    Args:
        window_s: Length of the window in seconds, see `p99_ms`.
        fault: Name of a fault whose time is measured, see `p99_ms`.
        traffic: Name of the load; "" when there is only one.

    Returns:
        ``value``, ``low`` and ``high`` as fractions, ``n``, ``confidence`` and ``window`` with its
        times and counters.

    Raises:
        ActivityFailed: As `error_rate`.
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
    armed = holder.fault_window(fault, recording.since_unix_s) if fault else None
    if armed is None:
        return recording.last(window_s)
    start_unix_s, end_unix_s = armed
    return recording.between(start_unix_s, end_unix_s or recording.now())
