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

An agent on this machine sends the load. The argument ``generator`` has pods send it instead::

            generator: {kubernetes: {namespace: shop, pods: 2, image: "registry/chaos-agent:0.1.0"}}
"""

import logging
from collections.abc import Mapping
from typing import Any

from chaoslib.exceptions import InterruptExecution, InvalidControl

from chaos_go.agent.judge import Asked
from chaos_go.arguments import has_variable, refuse_unknown, renamed_argument
from chaos_go.controls.journal import section
from chaos_go.errors import BadInputError, ChaosGoError, ForbiddenError
from chaos_go.kubernetes.access import log_missing
from chaos_go.kubernetes.permission import Permission
from chaos_go.traffic import generator as generators
from chaos_go.traffic import in_pods
from chaos_go.traffic import load as loads
from chaos_go.traffic.recording import Recording

__all__ = [
    "after_experiment_control",
    "before_experiment_control",
    "cleanup_control",
    "validate_control",
]

logger = logging.getLogger("chaostoolkit")

EXAMPLES = ({"generator": {"kubernetes": {"image": "registry/chaos-agent:0.1.0"}}},)
"""Arguments that need permissions in a cluster, for docs/reference/rbac.md."""

_REQUIRED = ("name", "load")
_KNOWN = (*_REQUIRED, "generator")
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
    generator: dict[str, Any] = {},  # noqa: B006 - as above
    *,
    secrets: dict[str, Any] | None = None,
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
        generator: What sends the load. {}: an agent on this machine ({}). ``kubernetes``: the pods
            of a Job, which is created before and deleted after the experiment, as a mapping of
            ``image`` (the image of the agent, of this release of chaos_go; required),
            ``namespace`` (that of the context), ``pods`` (how many share the load, 1 to 50; 1) and
            ``node_selector`` (labels of the nodes that they run on; {}). ``load.url`` is then
            looked up in the pods, for instance ``http://gateway.shop:8080/checkout``.
        secrets: The secrets of the experiment; given by Chaos Toolkit. Their ``KUBERNETES_...``
            values say which cluster the pods are in, as for the actions on pods.
        unknown: Any other argument is refused.

    Raises:
        InterruptExecution: An argument is invalid, or the load cannot start. Chaos Toolkit would
            ignore any other error and run the experiment without a load.
    """
    try:
        _refuse_unknown(unknown)
        asked, pods = loads.read(load), generators.read(generator)
        if any(r.name == name and r.load == asked for r in loads.running()):
            logger.debug("traffic %r runs already: Chaos Toolkit called its control twice", name)
            return
        loads.start(name, asked, pods, _cluster_of(secrets or {}))
    except InterruptExecution:
        raise
    except Exception as error:
        if isinstance(error, ForbiddenError):
            log_missing(error)
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
    for required in _REQUIRED:
        if not given.get(required):
            raise BadInputError(required, given.get(required, ""), "give one")
    if control.get("scope"):
        fix = "leave it out: the load is started before and stopped after the experiment"
        raise BadInputError("scope", control["scope"], fix)
    if has_variable(given):
        return []
    load, pods = loads.read(given["load"]), generators.read(given.get("generator", {}))
    return [Asked("load", loads.spec_of(given["name"], pods.part_of(load, 0) if pods else load))]


def permissions(control: dict[str, Any]) -> list[Permission]:
    """Return what the control needs in a cluster; nothing when the load is sent from here.

    Args:
        control: The control in the experiment.

    Raises:
        BadInputError: The generator is not valid.
    """
    arguments = control["provider"].get("arguments", {})
    return in_pods.permissions(generators.read(arguments.get("generator", {})))


def _cluster_of(secrets: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of all groups of secrets that say which cluster is meant.

    Chaos Toolkit gives a control all secrets of the experiment, not only those of its provider.

    Raises:
        BadInputError: Two groups have different values.
    """
    found: dict[str, str] = {}
    for group in secrets.values():
        values = group if isinstance(group, Mapping) else {}
        for key in [key for key in values if str(key).startswith("KUBERNETES_")]:
            if found.setdefault(key, values[key]) != values[key]:
                fix = "two groups of secrets differ; a control is given all of them: keep one"
                raise BadInputError("secrets", key, fix)
    return found


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
