"""Control that drives one load for the whole experiment and writes its record to the journal.

Declare it at the top level of the experiment, once per load::

    controls:
      - name: checkout-traffic
        provider:
          type: python
          module: chaos_go.controls.traffic
          arguments:
            name: checkout
            load: {url: "http://127.0.0.1:8080/checkout", rate_rps: 40}

The probes of `probes.traffic` measure this load. It ends with the experiment, whatever the status
of the run. When Python dies, the agent ends the load by itself.
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
    """Start the load, an open loop at a constant rate.

    Requests are sent at their intended times, whether or not earlier ones have been answered.
    Latency counts from the intended send time.

    Args:
        context: The experiment; given by Chaos Toolkit.
        name: Name of the load in the journal and in the argument ``traffic`` of probes; required.
        load: The requests, as a mapping; defaults are in parentheses. ``url``: http or https URL;
            required. ``method``: HTTP method ("GET"). ``headers``: names and values of headers
            ({}). ``body``: text of the body (""). ``rate_rps``: requests per second, more than 0
            and at most 50,000 (50). ``timeout_ms``: milliseconds after which a request is given up
            and counts as a timeout, at most 60,000 (2000). ``max_in_flight``: largest number of
            requests in flight at once, at most 4,096; 0 chooses it automatically (0). ``impact``:
            which requests hurt the business, by any of ``statuses`` (list), ``json_field`` with
            ``json_value``, and ``timeout`` (true or false); with {} no request is judged ({}).
        unknown: Any other argument is refused.

    Raises:
        InterruptExecution: An argument is invalid, or the load cannot start. Chaos Toolkit would
            ignore any other error and run the experiment without a load.
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
        context: The experiment; given by Chaos Toolkit.
        state: The journal; given by Chaos Toolkit.
        name: Name of the load.
        arguments: The other arguments of the start; not used here.
    """
    for recording in loads.running():
        if recording.name == name:
            section(state)["traffic"][name] = _finish(recording)


def cleanup_control() -> None:
    """Stop every load that still runs.

    After a crash of the run Chaos Toolkit calls this hook, but not `after_experiment_control`.
    """
    for recording in loads.running():
        _finish(recording)


def validate_control(control: dict[str, Any]) -> None:
    """Check the arguments when Chaos Toolkit validates the experiment, before anything starts.

    Values that refer to the configuration are not known yet; they are checked at the start.

    Raises:
        InvalidControl: An argument is invalid. The message names it, its value and how to fix it.
    """
    try:
        for one in asked(control):
            loads.refuse(one.spec)
    except ChaosGoError as error:
        raise InvalidControl(f"control {control['name']!r}: {error}") from error


def asked(control: dict[str, Any]) -> list[Asked]:
    """Return what the control will ask an agent for.

    Args:
        control: The control in the experiment.

    Returns:
        The load; nothing when it refers to the configuration, whose values are not known yet.

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
    """Refuse an unknown argument; the error for an old name tells the new one."""
    if problem := renamed_argument(_RENAMED, unknown):
        raise problem
    refuse_unknown("", unknown, _KNOWN)


def _finish(recording: Recording) -> dict[str, Any]:
    record = loads.finish(recording)
    if record["problem"]:
        logger.warning(record["problem"])
    return record
