"""Probes that drive a load on one URL themselves: the simplest way to measure a service."""

import math
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from chaos_go import arguments, stats
from chaos_go.agent.contract import LONGEST_DURATION_S
from chaos_go.agent.judge import Asked
from chaos_go.arguments import has_variable
from chaos_go.errors import BadInputError
from chaos_go.traffic import load as loads
from chaos_go.traffic import sli
from chaos_go.traffic.recording import SLACK_S, Window

__all__ = ["error_rate", "p99_ms"]

LONGEST_S = 600.0

_RENAMED = {
    key: f"load.{key}" for key in ("url", "rate_rps", "method", "headers", "body", "timeout_ms")
}


@arguments.renames(_RENAMED)
def p99_ms(load: dict[str, Any], duration_s: float = 10.0) -> float:
    """Send requests at a constant rate and return the P99 of their latency in milliseconds.

    Latency counts from the intended send time. A timeout counts as the time at which the request
    was given up.

    Args:
        load: The requests, for instance ``{url: "http://127.0.0.1:8080/", rate_rps: 50}``: the same
            mapping as that of the control `chaos_go.controls.traffic`.
        duration_s: Whole seconds to measure, 1 to 600; a fraction is cut off.

    Raises:
        ActivityFailed: An argument is invalid, rate and duration make fewer than 368 requests, the
            URL does not resolve, or more than 1 % of the requests were not sent on time.
    """
    return _measure(sli.latency_ms, load, duration_s, stats.smallest_n(sli.P99))


@arguments.renames(_RENAMED)
def error_rate(load: dict[str, Any], duration_s: float = 10.0) -> float:
    """Send requests at a constant rate and return the fraction that failed, 0 to 1.

    A request failed when its status is 500 or more, it timed out, or it got no connection.

    Args:
        load: The requests, see `p99_ms`.
        duration_s: Whole seconds to measure, 1 to 600; a fraction is cut off.

    Raises:
        ActivityFailed: As `p99_ms`, with fewer than 72 requests.
    """
    return _measure(sli.error_rate, load, duration_s, sli.SMALLEST_N_OF_RATE)


def _asked(given: Mapping[str, Any]) -> list[Asked]:
    """Return what an agent would be asked for with these arguments, as far as they are known."""
    load = given.get("load")
    if has_variable(load):
        return []
    return [Asked("load", loads.spec_of("load", loads.read(load)))]


p99_ms.asked = error_rate.asked = _asked  # type: ignore[attr-defined] # for `chaos go validate`


def _measure(
    indicator: Callable[[Window], sli.Estimate], given: object, duration_s: float, needed: int
) -> float:
    load = loads.read(given)
    seconds = math.floor(
        arguments.number("duration_s", duration_s, LONGEST_S, "seconds", least=1.0)
    )
    if 0 < load.rate_rps * seconds < needed:
        raise BadInputError(
            "duration_s",
            duration_s,
            f"at rate_rps={load.rate_rps:g} that is {load.rate_rps * seconds:g} "
            f"requests, {needed} are needed: give {math.ceil(needed / load.rate_rps)} s",
        )
    # The load lasts longer than the last second that counts, so that this second is complete.
    # It is bounded so that the agent names a timeout that is too long, and not this duration.
    longest_s = min(seconds + 2 * load.timeout_ms / 1000 + SLACK_S, LONGEST_DURATION_S)
    recording = loads.record(f"probe-{uuid.uuid4().hex[:8]}", load, longest_s)
    try:
        return indicator(recording.last(seconds)).value
    finally:
        loads.stop(recording)
