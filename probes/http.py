"""Probes that drive a load of their own on one URL: the simplest way to measure a service."""

import math
import uuid
from collections.abc import Callable

from chaos_go import stats
from chaos_go.agent.contract import Load
from chaos_go.errors import BadInputError
from chaos_go.traffic import load, sli
from chaos_go.traffic.recording import SLACK_S, Window

__all__ = ["error_rate", "p99_ms"]

LONGEST_S = 600.0


def p99_ms(
    url: str,
    rate_rps: float = 50.0,
    duration_s: float = 10.0,
    method: str = "GET",
    headers: dict[str, str] = {},  # noqa: B006 - never changed; discover shows it
    body: str = "",
    timeout_ms: float = 2000.0,
) -> float:
    """Send requests at a constant rate and give the P99 of their latency in milliseconds.

    Latency counts from the intended send time; a timeout counts as the time it was given up.

    Args:
        url: http or https URL to send to.
        rate_rps: requests per second, more than 0 and at most 50,000.
        duration_s: whole seconds to measure, 1 to 600; a fraction is cut off.
        method: HTTP method.
        headers: header names and values of each request.
        body: text of each request's body; "" for none.
        timeout_ms: after which a request is given up, at most 60,000.

    Raises:
        ActivityFailed: an argument is wrong, rate and duration make fewer than 368 requests, the
            URL does not resolve, more than 1 % of the requests were not sent on time.
    """
    request = Load(
        url=url,
        method=method,
        headers=headers,
        body=body,
        rate_rps=rate_rps,
        timeout_ms=timeout_ms,
    )
    return _measure(sli.latency_ms, request, duration_s, stats.smallest_n(sli.P99))


def error_rate(
    url: str,
    rate_rps: float = 50.0,
    duration_s: float = 10.0,
    method: str = "GET",
    headers: dict[str, str] = {},  # noqa: B006 - never changed; discover shows it
    body: str = "",
    timeout_ms: float = 2000.0,
) -> float:
    """Send requests at a constant rate and give the fraction that failed, 0 to 1.

    Failed are a status of 500 or more, a timeout and a connection error.

    Args:
        url: http or https URL to send to.
        rate_rps: requests per second, more than 0 and at most 50,000.
        duration_s: whole seconds to measure, 1 to 600; a fraction is cut off.
        method: HTTP method.
        headers: header names and values of each request.
        body: text of each request's body; "" for none.
        timeout_ms: after which a request is given up, at most 60,000.

    Raises:
        ActivityFailed: as `p99_ms`, with fewer than 72 requests.
    """
    request = Load(
        url=url,
        method=method,
        headers=headers,
        body=body,
        rate_rps=rate_rps,
        timeout_ms=timeout_ms,
    )
    return _measure(sli.error_rate, request, duration_s, sli.SMALLEST_N_OF_RATE)


def _measure(
    indicator: Callable[[Window], sli.Estimate], request: Load, duration_s: float, needed: int
) -> float:
    load.check(request)
    seconds = math.floor(
        load.check_number("duration_s", duration_s, LONGEST_S, "seconds", least=1.0)
    )
    if request.rate_rps * seconds < needed:
        raise BadInputError(
            "duration_s",
            duration_s,
            f"at rate_rps={request.rate_rps:g} that is {request.rate_rps * seconds:g} "
            f"requests, {needed} are needed: give {math.ceil(needed / request.rate_rps)} s",
        )
    # The load outlives the last second that counts, so that this one is whole.
    longest_s = seconds + 2 * request.timeout_ms / 1000 + SLACK_S
    recording = load.record(f"probe-{uuid.uuid4().hex[:8]}", request, longest_s)
    try:
        return indicator(recording.last(seconds)).value
    finally:
        load.stop(recording)
