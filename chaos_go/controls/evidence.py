"""Control that ends every fault with the experiment and writes what each one did to the journal.

Declare it at the top level of every experiment::

    controls:
      - name: evidence
        provider: {type: python, module: chaos_go.controls.evidence}

Without it a fault still ends at its duration or with the process. But the journal does not tell
what the fault did, so no verdict can be given.
"""

import logging
from typing import Any

from chaoslib.exceptions import InterruptExecution, InvalidControl

from chaos_go.agent import holder
from chaos_go.agent.held import Held
from chaos_go.controls.journal import section
from chaos_go.ladder.record import RUNNING, records

__all__ = [
    "after_experiment_control",
    "before_experiment_control",
    "cleanup_control",
    "validate_control",
]

logger = logging.getLogger("chaostoolkit")

_earlier: set[int] = set()  # ids of the faults and ladders that belong to an earlier run


def before_experiment_control(context: dict[str, Any], **unknown: Any) -> None:
    """Exclude the faults and ladders of an earlier run in this process from the record.

    Args:
        context: The experiment; given by Chaos Toolkit.
        unknown: Any argument is refused, since this control takes none.

    Raises:
        InterruptExecution: An argument was given.
    """
    if unknown:
        raise InterruptExecution(f"evidence control: {_refusal(unknown)}")
    _earlier.update(id(fault) for fault in holder.faults() if fault.state != "armed")
    _earlier.update(id(ladder) for ladder in records() if ladder.stopped != RUNNING)


def after_experiment_control(
    context: dict[str, Any], state: dict[str, Any], **unknown: Any
) -> None:
    """Stop every fault that is still held and write all records to ``journal["chaos_go"]``.

    Chaos Toolkit calls this after the rollbacks, whatever the status of the run. The observations
    of ladders are in ``ladders`` and the records of their loads in ``traffic``, also when a ladder
    was interrupted.

    Args:
        context: The experiment; given by Chaos Toolkit.
        state: The journal; given by Chaos Toolkit.
        unknown: Any argument was refused before the experiment.
    """
    ours = section(state)
    ours["faults"] = _end_all()
    ladders = [ladder for ladder in records() if id(ladder) not in _earlier]
    if ladders:
        ours["ladders"] = [ladder.as_json() for ladder in ladders]
    for ladder in ladders:
        ours["traffic"].update(ladder.traffic)


def cleanup_control() -> None:
    """Stop every fault that is still held.

    After a crash of the run Chaos Toolkit calls this hook, but not `after_experiment_control`.
    """
    _end_all()


def validate_control(control: dict[str, Any]) -> None:
    """Refuse arguments and a scope when Chaos Toolkit validates the experiment.

    Raises:
        InvalidControl: An argument or a scope was given. The message names it.
    """
    arguments = control["provider"].get("arguments", {})
    if arguments:
        raise InvalidControl(f"control {control['name']!r}: {_refusal(arguments)}")
    if control.get("scope"):
        raise InvalidControl(
            f"control {control['name']!r}: scope={control['scope']!r}: leave it out; the record "
            "begins before the experiment and is written after it"
        )


def _faults() -> list[Held]:
    return [x for x in holder.faults() if x.is_fault and id(x) not in _earlier]


def _end_all() -> list[dict[str, Any]]:
    """Stop all faults and then return their records.

    A fault that cannot be stopped has a problem in its record. It raises no error here, because the
    other faults have to be stopped too.
    """
    faults = _faults()
    for fault in faults:
        fault.ask_to_stop()
    problems = [_stop(fault) for fault in faults]
    return [
        {**fault.record(), "problem": problem or fault.problem}
        for fault, problem in zip(faults, problems, strict=True)
    ]


def _stop(fault: Held) -> str:
    """Stop a fault; return why it could not be stopped, or ""."""
    try:
        fault.stop()
    except Exception as error:
        problem = f"fault {fault.id!r} could not be stopped: {error}"
        logger.error(problem)
        return problem
    return ""


def _refusal(arguments: dict[str, Any]) -> str:
    return f"{', '.join(sorted(arguments))}: no such argument; this control takes none"
