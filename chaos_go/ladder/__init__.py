"""Measures which delay costs how much business: the latency-to-business-impact curve.

At a constant rate of requests the baseline is measured, then one delay after the other, then the
baseline again; `chaos go sla` makes limits and SLOs of the windows.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from chaos_go.agent.judge import Asked
from chaos_go.arguments import renames
from chaos_go.errors import ChaosGoError
from chaos_go.ladder import ahead
from chaos_go.ladder import plan as plans
from chaos_go.ladder.dose import Inject
from chaos_go.ladder.level import End
from chaos_go.ladder.plan import Plan
from chaos_go.ladder.record import ERROR, INTERRUPTED, Record
from chaos_go.ladder.walk import AT_ONCE, Walk

__all__ = ["measure"]

_NONE: dict[str, Any] = {}  # a default; never changed
_RENAMED = {
    "target": "fault.arguments.target",
    "path": "fault.arguments.match.path",
    "method": "fault.arguments.match.method",
    "seed": "fault.arguments.seed",
    "traffic": "load",
    "impact": "load.impact",
    "rates_rps": "load.rate_rps",
    "p99_traffic": "p99_load",
    "levels_ms": "levels.doses_ms",
    "start_ms": "levels.start_ms",
    "max_dose_ms": "levels.max_ms",
    "max_levels": "levels.max_count",
    "target_width": "levels.target_width",
    "window_s": "windows.length_s",
    "settle_s": "windows.settle_s",
    "max_impacted": "limits.impacted",
    "abort_extra_risk": "limits.extra_risk",
    "guard": "limits.guard",
}


@renames(_RENAMED)
def measure(
    fault: dict[str, Any],
    load: dict[str, Any],
    budget: float,
    dose: str = "delay_ms",
    levels: dict[str, Any] = _NONE,
    windows: dict[str, Any] = _NONE,
    limits: dict[str, Any] = _NONE,
    p99_load: dict[str, Any] = _NONE,
    name: str = "ladder",
) -> dict[str, Any]:
    """Delay requests by one dose after the other and count the transactions that this costs.

    Declare the control ``chaos_go.controls.evidence`` too: it writes what was measured to the
    journal also when the run is interrupted. The fault of a level ends with the level, with this
    action however it ends, and with the process.

    Args:
        fault: The fault whose dose is raised: ``module``, ``func`` and ``arguments`` of an action,
            for instance ``{module: chaos_go.faults.http, func: delay, arguments: {target:
            port/8083, match: {method: POST}}}``. The ladder itself gives the dose, ``duration_s``
            and ``name``.
        load: What the customers do: the same mapping as that of the control
            ``chaos_go.controls.traffic``, with an ``impact`` that says which transactions hurt the
            business. One that timed out always counts. ``rate_rps`` may be a list of rising rates,
            each of which gets a ladder of its own. The load has to lead to the target.
        budget: The extra risk to find the dose of, a fraction: 0.02 when at most 2 % of the
            otherwise successful transactions may be lost.
        dose: The argument of the fault that is the dose, in milliseconds.
        levels: Which doses are measured, any of the following. ``doses_ms``: the doses in
            milliseconds, rising; without them each is chosen from what is known so far: doubled
            from ``start_ms`` (100), in smaller steps near the budget, until the risk is clearly
            above it, then where the budget is reached. ``max_ms``: no dose is larger (2000); keep
            it below the timeout of the caller, where every transaction is lost. ``max_count``: no
            more doses than this are chosen (10). ``target_width``: no further dose is chosen when
            the 95 % interval of the limit is this narrow, as the logarithm of upper by lower limit
            (0.25, which is about 28 %).
        windows: How each dose is measured, any of ``count`` (3 windows; six or more show how
            far the risk varies by itself), ``length_s`` (10 whole seconds each; a P99 needs 368
            requests in a window) and ``settle_s`` (3 seconds after each change of the dose that
            are not measured, until queues, retries and earlier requests are over).
        limits: When the ladder stops early, any of the following. ``impacted``: so many
            transactions were lost while a dose was in place, those of the seconds that are not
            measured included (500). ``extra_risk``: the extra risk of a level is clearly (99 %)
            above this fraction, which is more than ``budget`` (0.2); the level ends at once, and
            the ladder of its load with it. ``guard``: a probe of Chaos Toolkit (``name``,
            ``tolerance``, ``provider``) that is run before the first window and after each one;
            outside its tolerance, or not measurable, it stops the ladder and its load ({}: none).
        p99_load: A load of its own whose P99 is reported: send it to the target itself, since
            behind a caller with a timeout the P99 never exceeds that. It adds to what the target
            has to carry, and a window needs 368 of its requests. {} takes the P99 of ``load``.
        name: Name of the ladder, its loads and its faults.

    Returns:
        ``kind`` ("ladder"), ``observations`` (one mapping per window: ``dose_ms``, ``n``, ``k``,
        ``load_rps``, ``p99_ms`` with ``p99_low_ms`` and ``p99_high_ms``, ``start_unix_s`` and
        more), ``levels``, ``inconclusive`` (windows in which the load was not as asked, and why),
        ``impacted``, ``stopped`` with ``why``, and the arguments. An upper limit of a P99 at which
        requests were given up is null.

    Raises:
        ActivityFailed: An argument is invalid (nothing was started then), a fault could not be put
            in place or touched nothing, or the load ended.
    """
    plan = plans.read(
        fault=fault,
        load=load,
        budget=budget,
        dose=dose,
        levels=levels,
        windows=windows,
        limits=limits,
        p99_load=p99_load,
        name=name,
    )
    plans.check_p99_rate(plan)
    plans.refuse(plan)
    return climb(plan, plan.dosed.inject)


def _asked(given: Mapping[str, Any]) -> list[Asked]:
    """Return what agents would be asked for these arguments, as far as they are known."""
    parameters = inspect.signature(measure).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    return ahead.asked(given, defaults)


measure.asked = _asked  # type: ignore[attr-defined] # for `chaos go validate`


def climb(plan: Plan, inject: Inject) -> dict[str, Any]:
    """Measure what a plan says, with any way to inject; return the output of the action.

    What was measured is in `chaos_go.ladder.record.records` whatever ends this.
    """
    record = Record(plan.name, plan.dosed.target, plan.settings())
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
