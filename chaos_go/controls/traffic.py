"""Control that drives one load for the whole experiment and writes what it saw to the journal.

Declare it at the top level of the experiment, once per load::

    controls:
      - name: checkout-traffic
        provider:
          type: python
          module: chaos_go.controls.traffic
          arguments:
            name: checkout
            load: {url: "http://127.0.0.1:8080/checkout", rate_rps: 40}

Probes of `probes.traffic` read from it. The load ends with the experiment, whatever its status;
when Python dies the agent ends it by itself.
"""

import logging
from collections.abc import Mapping
from typing import Any

from chaoslib.exceptions import InterruptExecution, InvalidControl

from chaos_go.agent.judge import Asked
from chaos_go.arguments import has_variable, refuse_unknown, renamed_argument
from chaos_go.controls.journal import section
from chaos_go.errors import BadInputError, ChaosGoError
from chaos_go.traffic import load as loads
from chaos_go.traffic.recording import Recording

__all__ = [
    "after_experiment_control",
    "before_experiment_control",
    "cleanup_control",
    "validate_control",
]

logger = logging.getLogger("chaostoolkit")


_KNOWN = ("name", "load")
_RENAMED = {
    key: f"load.{key}"
    for key in (
        "url",
        "method",
        "headers",
        "body",
        "rate_rps",
        "timeout_ms",
        "max_in_flight",
        "impact",
    )
}


def before_experiment_control(
    context: dict[str, Any],
    name: str = "",
    load: dict[str, Any] = {},  # noqa: B006 - never changed; discover shows it
    **unknown: Any,
) -> None:
    """Start the load: open loop, at a constant rate, latency counted from the intended send time.

    Args:
        context: The experiment; given by Chaos Toolkit.
        name: What probes (``traffic=``) and the journal call this load; required.
        load: What is sent, a mapping; ``url`` is required. ``url``: http or https URL. ``method``:
            HTTP method ("GET"). ``headers``: names and values of headers ({}). ``body``: text of
            the body (""). ``rate_rps``: requests per second, more than 0 and at most 50,000 (50).
            ``timeout_ms``: milliseconds after which a request is given up and counts as a timeout,
            at most 60,000 (2000). ``max_in_flight``: bound of requests under way at once, at most
            4,096; 0 for automatic (0). ``impact``: which requests hurt the business, any of
            ``statuses`` (list), ``json_field`` with ``json_value``, ``timeout`` (true or false);
            {} when nothing is to be judged ({}).
        unknown: Any other argument is refused.

    Raises:
        InterruptExecution: An argument is wrong or the load cannot start. Chaos Toolkit would
            swallow any other error and run the experiment without a load.
    """
    try:
        _refuse_unknown(unknown)
        asked = loads.read(load)
        if any(r.name == name and r.load == asked for r in loads.running()):
            logger.debug("traffic %r runs already: Chaos Toolkit called its control twice", name)
            return
        loads.start(name, asked)
    except InterruptExecution:
        raise
    except Exception as error:
        raise InterruptExecution(f"traffic control: {error}") from error


def after_experiment_control(
    context: dict[str, Any], state: dict[str, Any], name: str = "", **arguments: Any
) -> None:
    """Stop the load and write its seconds to ``journal["chaos_go"]["traffic"][name]``.

    Args:
        context: the experiment; given by Chaos Toolkit.
        state: the journal; given by Chaos Toolkit.
        name: of the load.
        arguments: those of the start; not needed here.
    """
    for recording in loads.running():
        if recording.name == name:
            section(state)["traffic"][name] = _finish(recording)


def cleanup_control() -> None:
    """Stop what still runs: after a crash of the run the hook above is not called, this one is."""
    for recording in loads.running():
        _finish(recording)


def validate_control(control: dict[str, Any]) -> None:
    """Check the arguments when Chaos Toolkit validates the experiment, before anything starts.

    Values that refer to the configuration are not known yet; they are checked at the start.

    Raises:
        InvalidControl: Names the argument, its value and how to fix it.
    """
    try:
        for one in asked(control):
            loads.refuse(one.spec)
    except ChaosGoError as error:
        raise InvalidControl(f"control {control['name']!r}: {error}") from error


def asked(control: dict[str, Any]) -> list[Asked]:
    """Return what the control will ask an agent.

    Args:
        control: As in the experiment.

    Returns:
        Nothing when the load refers to the configuration.

    Raises:
        ChaosGoError: An argument is missing, unknown or of a wrong type.
    """
    given = control["provider"].get("arguments", {})
    _refuse_unknown({key: value for key, value in given.items() if key not in _KNOWN})
    for required in _KNOWN:
        if not given.get(required):
            raise BadInputError(required, given.get(required, ""), "give one")
    if control.get("scope"):
        fix = "leave it out: the load is started before and stopped after the experiment"
        raise BadInputError("scope", control["scope"], fix)
    if has_variable(given):
        return []
    return [Asked("load", loads.spec_of(given["name"], loads.read(given["load"])))]


def _refuse_unknown(unknown: Mapping[str, Any]) -> None:
    """Refuse an argument that nobody reads; an old name is answered with the new one."""
    if problem := renamed_argument(_RENAMED, unknown):
        raise problem
    refuse_unknown("", unknown, _KNOWN)


def _finish(recording: Recording) -> dict[str, Any]:
    record = loads.finish(recording)
    if record["problem"]:
        logger.warning(record["problem"])
    return record
