"""Measures how many transactions each delay costs: the latency-to-business-impact curve.

The load has a constant rate. The baseline is measured first, then one delay after another, then the
baseline again. `chaos go sla` calculates limits and SLOs from the windows.
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
    """Inject one dose after another and count the transactions that each dose costs.

    Declare the control ``chaos_go.controls.evidence`` too. It writes the observations to the
    journal, also when the run is interrupted. The fault of a level ends with its level, and at the
    latest with this action or with the process.

    Args:
        fault: The fault that is injected: ``module``, ``func`` and ``arguments`` of its action, for
            instance ``{module: chaos_go.faults.http, func: delay, arguments: {target: port/8083,
            match: {method: POST}}}``. Leave out the dose, ``duration_s`` and ``name``: the ladder
            gives them itself.
        load: The requests of the customers: the same mapping as that of the control
            ``chaos_go.controls.traffic``. Its ``impact`` is required and says which transactions
            hurt the business; one that timed out always counts. ``rate_rps`` may be a list of
            rising rates, each of which gets a ladder of its own. The load has to reach the target.
        budget: The extra risk that is accepted, as a fraction. With 0.02, at most 2 % of the
            otherwise successful transactions may be lost. The ladder looks for the dose that costs
            this.
        dose: Name of the fault's argument that is the dose, in milliseconds.
        levels: Which doses are measured, by any of the following. ``doses_ms``: the doses in
            milliseconds, in rising order. Without them, each dose is chosen from the results so
            far: it is doubled from ``start_ms`` (100), in smaller steps near the budget, until the
            risk is clearly above the budget; after that, doses are chosen where the budget is
            reached. ``max_ms``: the largest dose (2000). Keep it below the timeout of the caller,
            because at that delay every transaction is lost. ``max_count``: the largest number of
            doses that are chosen (10). ``target_width``: no further dose is chosen when the 95 %
            interval of the limit is this narrow. The width is the logarithm of the upper limit
            divided by the lower one (0.25, which is about 28 %).
        windows: How each dose is measured, by any of the following. ``count``: the number of
            windows (3); six or more show how much the risk varies from window to window.
            ``length_s``: the length of a window in whole seconds (10); a P99 needs 368 requests in
            a window. ``settle_s``: the seconds after each change of the dose that are not measured
            (3), in which queues, retries and earlier requests come to an end.
        limits: When the ladder stops early, by any of the following. ``impacted``: the ladder stops
            when this number of transactions was lost while a dose was in place, including the
            seconds that are not measured (500). ``extra_risk``: a level ends at once, and the
            ladder of its load with it, when its extra risk is clearly (99 %) above this fraction,
            which must be more than ``budget`` (0.2). ``guard``: a probe of Chaos Toolkit
            (``name``, ``tolerance``, ``provider``) that runs before the first window and after each
            one; the ladder and its load stop when it is outside its tolerance or cannot be measured
            ({}: none).
        p99_load: A second load, whose P99 is reported. Send it to the target itself: behind a
            caller with a timeout the P99 never exceeds that timeout. It adds to the load of the
            target, and each window needs 368 of its requests. With {} the P99 of ``load`` is
            reported.
        name: Name of the ladder, from which its loads and faults get their names.

    Returns:
        ``kind`` ("ladder"), ``observations`` (one mapping per window: ``dose_ms``, ``n``, ``k``,
        ``load_rps``, ``p99_ms`` with ``p99_low_ms`` and ``p99_high_ms``, ``start_unix_s`` and
        more), ``levels``, ``inconclusive`` (windows in which the load was not as asked, and why),
        ``impacted``, ``stopped`` with ``why``, and the arguments. ``p99_high_ms`` is null when
        requests were given up at the upper limit of the P99.

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
    """Return what agents would be asked for with these arguments, as far as they are known."""
    parameters = inspect.signature(measure).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    return ahead.asked(given, defaults)


measure.asked = _asked  # type: ignore[attr-defined] # for `chaos go validate`


def climb(plan: Plan, inject: Inject) -> dict[str, Any]:
    """Run the ladder of a plan; return the output of the action.

    Its record is in `chaos_go.ladder.record.records`, however the ladder ends.

    Args:
        plan: What is measured.
        inject: Puts a dose in place.

    Raises:
        ChaosGoError: A fault could not be put in place or touched nothing, or the load ended.
    """
    record = Record(plan.name, plan.dosed.target, plan.settings())
    try:
        end = _climb_all(plan, record, inject)
    except ChaosGoError as error:
        record.end(ERROR, str(error))
        raise
    except BaseException as error:  # SIGTERM, SIGINT or a bug: the record has to tell the reason
        record.end(INTERRUPTED, f"{type(error).__name__}: {error}".rstrip(": "))
        raise
    record.end(end.code, end.why)
    return record.as_json()


def _climb_all(plan: Plan, record: Record, inject: Inject) -> End:
    """Run one ladder per rate. An early stop other than the abort level stops all of them."""
    end = End("error", "there is no load")
    for load in plan.loads:
        end = Walk(plan, record, inject, load).run()
        if end.code in (*AT_ONCE, "max-impacted"):
            break
    return end
