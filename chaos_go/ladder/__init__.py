"""Measures which delay costs how much business: the latency-to-business-impact curve.

At a constant rate of requests the baseline is measured, then one delay after the other, then the
baseline again; `chaos go sla` makes limits and SLOs of the windows.
"""

from typing import Any

from chaos_go.errors import ChaosGoError
from chaos_go.ladder import plan as plans
from chaos_go.ladder.dose import Inject, http_delay
from chaos_go.ladder.level import End
from chaos_go.ladder.plan import Plan
from chaos_go.ladder.record import ERROR, INTERRUPTED, Record
from chaos_go.ladder.walk import AT_ONCE, Walk

__all__ = ["measure"]

_NONE: dict[str, Any] = {}  # a default; never changed
_DESIGNED: list[float] = []  # likewise
_ONE_RATE = [50.0]  # likewise


def measure(
    target: str,
    traffic: dict[str, Any],
    impact: dict[str, Any],
    budget: float,
    path: str = "",
    method: str = "",
    levels_ms: list[float] = _DESIGNED,
    windows: int = 3,
    window_s: int = 10,
    settle_s: float = 3.0,
    rates_rps: list[float] = _ONE_RATE,
    p99_traffic: dict[str, Any] = _NONE,
    max_impacted: int = 500,
    abort_extra_risk: float = 0.2,
    guard: dict[str, Any] = _NONE,
    start_ms: float = 100.0,
    max_dose_ms: float = 2000.0,
    target_width: float = 0.25,
    max_levels: int = 10,
    seed: int = 0,
    name: str = "ladder",
) -> dict[str, Any]:
    """Delay requests by one dose after the other and count the transactions that this costs.

    Declare the control ``chaos_go.controls.evidence`` too: it writes what was measured to the
    journal also when the run is interrupted. The fault of a level ends with the level, with this
    action however it ends, and with the process.

    Args:
        target: where the requests are delayed, see `chaos_go.faults.http.delay`.
        traffic: what the customers do, a mapping of ``url`` and any of ``method``, ``headers``,
            ``body``, ``timeout_ms`` (2000) and ``max_in_flight``, as those of the control
            ``chaos_go.controls.traffic``. It has to lead to the target.
        impact: which transactions hurt the business: any of ``statuses`` (list), ``json_field``
            with ``json_value``. One that timed out always counts.
        budget: the extra risk to find the dose of, a fraction: 0.02 when at most 2 % of the
            transactions that would have been fine may be lost.
        path: of the requests that are delayed, a regular expression; "" for every path.
        method: of the requests that are delayed; "" for every method.
        levels_ms: the delays in milliseconds, rising; [] has each chosen from what is known so
            far: doubled from ``start_ms``, in smaller steps near the budget, until the risk is
            clearly above it, then where the budget is reached.
        windows: per level; they show how far the risk varies by itself. 3 or more are wise.
        window_s: length of a window in whole seconds. A P99 needs 368 requests in a window.
        settle_s: seconds after each change of the delay that are not measured, until queues,
            retries and requests of before it are over.
        rates_rps: requests per second, rising; each rate gets a ladder of its own.
        p99_traffic: a load of its own whose P99 is reported, as ``traffic`` and ``rate_rps``
            (50): send it to the target itself, since behind a caller with a timeout the P99
            never exceeds that. It adds to what the target has to carry, and a window needs 368
            of its requests. {} takes the P99 of ``traffic``.
        max_impacted: stop when so many transactions were lost while a delay was in place, those
            of the seconds that are not measured included.
        abort_extra_risk: end a level at once, and the ladder of its load with it, when its extra
            risk is clearly (99 %) above this fraction; more than ``budget``.
        guard: a probe of Chaos Toolkit (``name``, ``tolerance``, ``provider``) that is run before
            the first window and after each one; outside its tolerance, or not measurable, it stops
            the ladder and its traffic. {} for none.
        start_ms: the first delay when they are chosen.
        max_dose_ms: no delay is longer, whether given or chosen, in milliseconds. Keep it below
            the timeout of the caller, where every transaction is lost.
        target_width: no further delay is chosen when the 95 % interval of the limit is so narrow:
            the logarithm of upper by lower limit; 0.25 is about 28 %.
        max_levels: no more delays than this are chosen.
        seed: of the delays, see `chaos_go.faults.http.delay`.
        name: of the ladder, its traffic and its faults.

    Returns:
        ``kind`` ("ladder"), ``observations`` (one mapping per window: ``dose_ms``, ``n``, ``k``,
        ``load_rps``, ``window``, ``p99_ms``, ``p99_low_ms``, ``p99_high_ms``, ``start_unix_s`` and
        more), ``levels``, ``inconclusive`` (windows in which the load was not as asked, and why),
        ``impacted``, ``stopped`` with ``why``, and the arguments. An upper limit of a P99 at which
        requests were given up is null.

    Raises:
        ActivityFailed: an argument is invalid (nothing was started then), a fault could not
            be put in place or touched no request, or the load ended.
    """
    plan = plans.read(
        {
            "target": target,
            "traffic": traffic,
            "impact": impact,
            "budget": budget,
            "path": path,
            "method": method,
            "levels_ms": levels_ms,
            "windows": windows,
            "window_s": window_s,
            "settle_s": settle_s,
            "rates_rps": rates_rps,
            "p99_traffic": p99_traffic,
            "max_impacted": max_impacted,
            "abort_extra_risk": abort_extra_risk,
            "guard": guard,
            "start_ms": start_ms,
            "max_dose_ms": max_dose_ms,
            "target_width": target_width,
            "max_levels": max_levels,
            "seed": seed,
            "name": name,
        }
    )
    plans.check_p99_rate(plan)
    return climb(plan, http_delay(target, path, method, seed))


def climb(plan: Plan, inject: Inject) -> dict[str, Any]:
    """Measure what a plan says, with any kind of delay; give the output of the action.

    What was measured is in `chaos_go.ladder.record.records` whatever ends this.
    """
    record = Record(plan.name, plan.target, plan.settings())
    try:
        end = _climb_all(plan, record, inject)
    except ChaosGoError as error:
        record.end(ERROR, str(error))
        raise
    except BaseException as error:  # SIGTERM, SIGINT, a fault of ours: the record has to tell
        record.end(INTERRUPTED, f"{type(error).__name__}: {error}".rstrip(": "))
        raise
    record.end(end.code, end.why)
    return record.as_json()


def _climb_all(plan: Plan, record: Record, inject: Inject) -> End:
    """Measure at each rate in turn; what stops one for the sake of the service stops all."""
    end = End("error", "there is no load")
    for load in plan.loads:
        end = Walk(plan, record, inject, load).run()
        if end.code in (*AT_ONCE, "max-impacted"):
            break
    return end
