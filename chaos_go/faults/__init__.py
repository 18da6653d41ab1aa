"""Faults: each family has a file, each public function is an action; `stop` ends any of them."""

import logging
from typing import Any

from chaos_go import arguments
from chaos_go.agent import holder
from chaos_go.agent.held import Held
from chaos_go.errors import AgentLostError, BadInputError, ChaosGoError, NoEffectError

__all__ = ["stop"]

logger = logging.getLogger("chaostoolkit")


def stop(name: str = "") -> list[dict[str, Any]]:
    """End faults early, undo them, and check what they did.

    It is safe as a rollback: a fault that has already ended is left alone, and it does nothing when
    no fault was ever started.

    Args:
        name: Name of one fault; "" for all faults of this run.

    Returns:
        The record of each fault: ``id``, ``effect``, ``said``, ``places`` and more.

    Raises:
        ActivityFailed: No fault has this name although there are others, a fault touched nothing
            at any of its places, or an agent was lost. Every fault that was asked for is over then.
    """
    arguments.text("name", name)
    faults = [fault for fault in holder.faults() if fault.is_fault]
    chosen = [fault for fault in faults if name in ("", fault.id)]
    if faults and not chosen:
        known = ", ".join(dict.fromkeys(fault.id for fault in faults))
        raise BadInputError("name", name, f"no fault has this name; known: {known}")
    if not faults:
        logger.info("no fault was started, so there is none to stop")
    for fault in chosen:
        fault.ask_to_stop()
    problems = [problem for fault in chosen if (problem := _end(fault))]
    if problems:
        first = problems[0]
        raise type(first)("; ".join(str(problem) for problem in problems))
    return [fault.record() for fault in chosen]


def _end(fault: Held) -> ChaosGoError | None:
    """Wait for the end of a fault that was asked to stop; return its problem, or None."""
    try:
        fault.stop()
    except ChaosGoError as error:  # the other faults have to be stopped too
        return error
    if fault.state == "lost":
        return AgentLostError(f"fault {fault.id!r} was lost: {fault.problem}")
    return no_effect(fault)


def no_effect(fault: Held) -> NoEffectError | None:
    """Return the error of a fault that touched nothing anywhere; None when it touched something."""
    if fault.effect is not False:
        return None
    where = fault.place_names
    return NoEffectError(
        f"fault {fault.id!r} at {where} touched nothing ({fault.said}); {fault.advice}"
    )
