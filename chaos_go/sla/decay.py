"""The SLO decay curve: up to which load a latency keeps a budget.

Importing this module loads neither numpy nor scipy.
"""

from chaos_go.errors import BadInputError
from chaos_go.sla.answer import Answer, Load, Threshold
from chaos_go.sla.words import exact


def highest_load(
    answer: Answer, budget: float, *, dose_ms: float | None = None, p99_ms: float | None = None
) -> float | None:
    """Return the highest measured load, in requests/s, at which a latency keeps a budget.

    A latency keeps the budget at a load if it is not above the one-sided safe limit of that load
    and of every lower load. There is no interpolation between loads. The result is None if the
    latency keeps the budget at no load. Call `check_p99` before: it checks that the observations
    can answer the question for a P99.

    Args:
        answer: The answer for several loads.
        budget: One of the budgets in the answer, a fraction.
        dose_ms: Latency in milliseconds that is added to the service. Give this or `p99_ms`.
        p99_ms: P99 of the service in milliseconds. Give this or `dose_ms`.

    Raises:
        BadInputError: Neither or both latencies are given, or the budget is not in the answer.
    """
    if (dose_ms is None) == (p99_ms is None):
        raise BadInputError("dose_ms", dose_ms, "give either dose_ms or p99_ms")
    highest = None
    loads = (load for load in answer.loads if load.load_rps is not None)
    for load in sorted(loads, key=lambda one: one.load_rps or 0.0):
        threshold = _of(load, budget)
        if dose_ms is not None:
            safe, wanted = threshold.safe_ms, dose_ms
        else:
            safe, wanted = threshold.p99.safe_ms if threshold.p99 else None, p99_ms or 0.0
        if safe is None or safe < wanted:
            break
        highest = load.load_rps
    return highest


def check_p99(answer: Answer, p99_ms: float) -> None:
    """Check that `highest_load` can answer for a P99.

    Args:
        answer: The answer.
        p99_ms: P99 of the service in milliseconds, for the error message.

    Raises:
        BadInputError: The observations have no load, or a load without a P99. The message says
            what to measure.
    """
    for load in answer.loads or (Load(None, answer.background, answer.thresholds),):
        if load.load_rps is None:
            fix = (
                "the observations do not say at which load they were measured; give load_rps in "
                "every row (the rows of chaos_go.ladder.measure have it)"
            )
            raise BadInputError("p99", exact(p99_ms), fix)
        if any(threshold.p99 is None for threshold in load.thresholds):
            fix = (
                f"no P99 was measured at {exact(load.load_rps)} requests/s; give p99_ms for two "
                "or more delays of each load (chaos_go.ladder.measure does, from 368 requests per "
                "window)"
            )
            raise BadInputError("p99", exact(p99_ms), fix)


def _of(load: Load, budget: float) -> Threshold:
    for threshold in load.thresholds:
        if threshold.budget == budget:
            return threshold
    known = ", ".join(exact(threshold.budget) for threshold in load.thresholds)
    raise BadInputError("budget", budget, f"give one of those calculated: {known}")
