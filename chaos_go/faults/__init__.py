"""What breaks: one file per family of faults, each function an action; and `stop` for all."""

import logging
from typing import Any

from chaos_go.agent import holder
from chaos_go.errors import AgentLostError, BadInputError, ChaosGoError, NoEffectError

__all__ = ["stop"]

logger = logging.getLogger("chaostoolkit")


def stop(name: str = "") -> list[dict[str, Any]]:
    """End faults early, undo them, and see what they did.

    Harmless as a rollback: a fault that has ended already is not touched again, and when no fault
    was ever started there is nothing to do.

    Args:
        name: of one fault; "" for all of this run.

    Returns:
        The record of each fault: ``id``, ``reason``, ``totals``, ``effect`` and more.

    Raises:
        ActivityFailed: no fault has this name although there are others; a fault touched no
            request; or its agent was lost. By then every fault that was asked for is over.
    """
    if not isinstance(name, str):
        raise BadInputError("name", name, 'give the name of a fault, or "" for all')
    faults = [held for held in holder.leases() if held.spec.kind != "load"]
    chosen = [held for held in faults if name in ("", held.id)]
    if faults and not chosen:
        known = ", ".join(dict.fromkeys(held.id for held in faults))
        raise BadInputError("name", name, f"no fault has this name; known: {known}")
    if not faults:
        logger.info("no fault was started, so there is none to stop")
    for held in chosen:
        held.ask_to_stop()
    problems = [problem for held in chosen if (problem := _end(held))]
    if problems:
        first = problems[0]
        raise type(first)("; ".join(str(problem) for problem in problems))
    return [held.record() for held in chosen]


def _end(held: holder.Lease) -> ChaosGoError | None:
    """Wait for the end of a fault that was asked to stop and give what was wrong with it."""
    try:
        held.stop()
    except AgentLostError as error:
        return error
    if held.state == "lost":
        return AgentLostError(f"fault {held.id!r} was lost: {held.problem}")
    if held.effect is False:
        seen = held.totals.get("seen", 0)
        return NoEffectError(
            f"fault {held.id!r} at {held.place_name} touched no request ({seen} seen, "
            f"{held.totals.get('matched', 0)} matched); see that traffic reaches the target and "
            "that path, method and headers match it"
        )
    return None
