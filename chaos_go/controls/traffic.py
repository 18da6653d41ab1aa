"""Control that drives one load for the whole experiment and writes what it saw to the journal.

Declare it at the top level of the experiment, once per load::

    controls:
      - name: checkout-traffic
        provider:
          type: python
          module: chaos_go.controls.traffic
          arguments: {name: checkout, url: "http://127.0.0.1:8080/checkout", rate_rps: 40}

Probes of `probes.traffic` read from it. The load ends with the experiment, whatever its status;
when Python dies the agent ends it by itself.
"""

import inspect
import logging
from typing import Any

from chaoslib.exceptions import InterruptExecution, InvalidControl

from chaos_go.agent.contract import Load
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


def before_experiment_control(
    context: dict[str, Any],
    name: str = "",
    url: str = "",
    method: str = "GET",
    headers: dict[str, str] = {},  # noqa: B006 - never changed; discover shows it
    body: str = "",
    rate_rps: float = 50.0,
    timeout_ms: float = 2000.0,
    max_in_flight: int = 0,
    impact: dict[str, Any] = {},  # noqa: B006 - never changed; discover shows it
    **unknown: Any,
) -> None:
    """Start the load: open loop, at a constant rate, latency counted from the intended send time.

    Args:
        context: the experiment; given by Chaos Toolkit.
        name: what probes (``traffic=``) and the journal call this load; required.
        url: http or https URL to send to; required.
        method: HTTP method.
        headers: header names and values of each request.
        body: text of each request's body; "" for none.
        rate_rps: requests per second, more than 0 and at most 50,000.
        timeout_ms: after which a request is given up and counts as a timeout, at most 60,000.
        max_in_flight: bound of requests under way at once, at most 4,096; 0 for automatic.
        impact: which requests hurt the business, any of ``statuses`` (list), ``json_field`` with
            ``json_value``, ``timeout`` (bool); {} when nothing is to be judged.
        unknown: any other argument is refused.

    Raises:
        InterruptExecution: an argument is wrong or the load cannot start. Chaos Toolkit would
            swallow any other error and run the experiment without a load.
    """
    try:
        loads.refuse_unknown("", unknown, _known_arguments())
        load = loads.check(
            Load(
                url=url,
                method=method,
                headers=headers,
                body=body,
                rate_rps=rate_rps,
                timeout_ms=timeout_ms,
                max_in_flight=max_in_flight,
                impact=loads.impact_of(impact),
            )
        )
        if any(r.name == name and r.spec.load == load for r in loads.running()):
            logger.debug("traffic %r runs already: Chaos Toolkit called its control twice", name)
            return
        loads.start(name, load)
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
        InvalidControl: names the argument, its value and how to fix it.
    """
    arguments = control["provider"].get("arguments", {})
    try:
        loads.refuse_unknown("", arguments, _known_arguments())
        for required in ("name", "url"):
            if not arguments.get(required):
                raise BadInputError(required, arguments.get(required, ""), "give one")
        if control.get("scope"):
            fix = "leave it out: the load is started before and stopped after the experiment"
            raise BadInputError("scope", control["scope"], fix)
        if "${" not in str(arguments):
            values = {key: value for key, value in arguments.items() if key != "name"}
            values["impact"] = loads.impact_of(values.get("impact", {}))
            loads.check(Load(**{"rate_rps": 50.0, **values}))
    except ChaosGoError as error:
        raise InvalidControl(f"control {control['name']!r}: {error}") from error


def _finish(recording: Recording) -> dict[str, Any]:
    record = loads.finish(recording)
    if record["problem"]:
        logger.warning(record["problem"])
    return record


def _known_arguments() -> set[str]:
    return set(inspect.signature(before_experiment_control).parameters) - {"context", "unknown"}
