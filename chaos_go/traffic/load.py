"""The loads of this process: reads their arguments, starts them, finds them, stops them."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from chaos_go import arguments
from chaos_go.agent import holder, judge
from chaos_go.agent.contract import LONGEST_DURATION_S, Spec
from chaos_go.agent.place import LocalReach, Place
from chaos_go.errors import BadInputError, ChaosGoError, NotEnoughDataError
from chaos_go.kubernetes.connection import connect
from chaos_go.traffic import in_pods
from chaos_go.traffic.contract import KIND, Impact, Load, LoadSecond
from chaos_go.traffic.generator import Pods
from chaos_go.traffic.merge import merged
from chaos_go.traffic.recording import Recording

RATE_RPS = 50.0
"""Requests per second of a load without ``rate_rps``."""

_IMPACT = ("statuses", "json_field", "json_value", "timeout")
_KEYS = ("url", "method", "headers", "body", "rate_rps", "timeout_ms", "max_in_flight", "impact")

_lock = threading.Lock()
_recordings: dict[str, Recording] = {}


def read(given: object, name: str = "load") -> Load:
    """Read the mapping that describes a load.

    Only types are checked here; the agent checks the values, see `refuse`.

    Args:
        given: ``url`` and any of ``method`` ("GET"), ``headers`` ({}), ``body`` (""), ``rate_rps``
            (50), ``timeout_ms`` (2000), ``max_in_flight`` (0: automatic) and ``impact`` ({}).
        name: Name of the argument, for messages.

    Raises:
        BadInputError: A key is unknown, ``url`` is missing, or a value has a wrong type.
    """
    load = arguments.mapping(name, given, _KEYS)
    if "url" not in load:
        fix = "give one like http://127.0.0.1:8080/checkout"
        raise BadInputError(f"{name}.url", "", fix)
    method = arguments.text(f"{name}.method", load.get("method", "GET"))
    if not method:
        raise BadInputError(f"{name}.method", method, "give one like GET, or leave it out")
    return Load(
        url=arguments.text(f"{name}.url", load["url"]),
        method=method,
        headers=arguments.texts(f"{name}.headers", load.get("headers", {})),
        body=arguments.secret_text(f"{name}.body", load.get("body", "")),
        rate_rps=arguments.number(
            f"{name}.rate_rps", load.get("rate_rps", RATE_RPS), unit="requests per second"
        ),
        timeout_ms=arguments.positive(
            f"{name}.timeout_ms", load.get("timeout_ms", 2000.0), unit="milliseconds"
        ),
        max_in_flight=arguments.whole(f"{name}.max_in_flight", load.get("max_in_flight", 0)),
        impact=read_impact(load.get("impact", {}), f"{name}.impact"),
    )


def read_impact(given: object, name: str = "load.impact") -> Impact | None:
    """Read the rule that says which requests hurt the business; return None for {}.

    Args:
        given: Any of ``statuses`` (list of int), ``json_field`` with ``json_value`` (a field of
            the JSON answer and its value), ``timeout`` (true: a timeout counts).
        name: Name of the argument, for messages.

    Raises:
        BadInputError: A key is unknown or a value has a wrong type.
    """
    rule = arguments.mapping(name, given, _IMPACT)
    if not rule:
        return None
    statuses = rule.get("statuses", [])
    if not isinstance(statuses, list) or ("statuses" in rule and not statuses):
        fix = "give a list of statuses from 100 to 599, like [503], or leave it out"
        raise BadInputError(f"{name}.statuses", statuses, fix)
    return Impact(
        statuses=[arguments.whole(f"{name}.statuses", status) for status in statuses],
        json_field=arguments.text(f"{name}.json_field", rule.get("json_field", "")),
        json_value=arguments.text(f"{name}.json_value", rule.get("json_value", "")),
        timeout=arguments.flag(f"{name}.timeout", rule.get("timeout", False)),
    )


def spec_of(name: str, load: Load, duration_s: float = LONGEST_DURATION_S) -> Spec:
    """Return the spec of a load.

    Args:
        name: Name of the load.
        load: What is sent.
        duration_s: Seconds after which the agent ends the load by itself.

    Raises:
        BadInputError: The name is not a text.
    """
    return Spec(id=arguments.text("name", name), kind=KIND.name, duration_s=duration_s, detail=load)


def refuse(spec: Spec, argument: str = "load") -> None:
    """Have the agent check the values of a load, before anything is started.

    Args:
        spec: The spec of the load.
        argument: Name of the argument that has the load.

    Raises:
        BadInputError: A value is invalid. The message names its argument and how to fix it.
    """
    (error,) = judge.judge([spec])
    if error:
        raise judge.Asked(argument, spec).error(error)


def record(name: str, load: Load, duration_s: float = LONGEST_DURATION_S) -> Recording:
    """Start a load in a process of its own and record it; the caller must `stop` it.

    Args:
        name: Name of the load.
        load: What is sent.
        duration_s: Seconds after which the agent ends the load by itself, more than 0 and at most
            3600 (the default).

    Raises:
        BadInputError: A value is invalid, or the URL does not resolve.
        AgentError: No agent could be started here.
    """
    place = Place(f"load/{name}", LocalReach())
    return Recording(name, holder.hold([place], spec_of(name, load, duration_s)))


def start(
    name: str, load: Load, pods: Pods | None = None, secrets: Mapping[str, str] | None = None
) -> Recording:
    """Start a load, so that `find` finds it. It lasts until `stop` or an hour.

    Args:
        name: Name of the load.
        load: What is sent.
        pods: The pods that send it; None for an agent on this machine.
        secrets: Which cluster the pods are in, see `chaos_go.kubernetes.connection`.

    Raises:
        BadInputError: As `record`, or a load of this name runs already.
        ClusterError: The API server refused, or the pods did not run in time.
    """
    with _lock:
        if name in _recordings:
            fix = "a load of this name runs already; give each its own name"
            raise BadInputError("name", name, fix)
        if pods:
            spec = spec_of(name, load)
            _recordings[name] = in_pods.record(spec, pods, connect(secrets))
        else:
            _recordings[name] = record(name, load)
        return _recordings[name]


def running() -> list[Recording]:
    """Return the recordings of all loads that were started and not stopped, in order."""
    with _lock:
        return list(_recordings.values())


def find(name: str = "") -> Recording:
    """Return the recording of a load; without a name, of the only load.

    Raises:
        BadInputError: No load has this name, or there are several and no name was given.
        NotEnoughDataError: No load runs at all.
    """
    known = {recording.name: recording for recording in running()}
    if not known:
        raise NotEnoughDataError(
            "no traffic is recorded, so nothing can be measured; declare the control "
            "chaos_go.controls.traffic at the top level of the experiment"
        )
    if not name and len(known) == 1:
        return next(iter(known.values()))
    if name not in known:
        raise BadInputError("traffic", name, f"name one of {', '.join(known)}")
    return known[name]


def stop(recording: Recording) -> dict[str, Any]:
    """Stop a load, forget it, and return its record. A second stop changes nothing.

    Raises:
        AgentError: The agent did not end in time.
    """
    with _lock:
        if _recordings.get(recording.name) is recording:
            del _recordings[recording.name]
    try:
        return recording.fault.stop(timeout_s=recording.patience_s + 2)
    finally:
        if recording.generator:
            recording.generator.remove()


def finish(recording: Recording) -> dict[str, Any]:
    """Stop a load and return its record for the journal; ``problem`` tells what went wrong."""
    problem = recording.problem()
    try:
        record = stop(recording)
    except ChaosGoError as error:
        record = recording.fault.record()
        problem = problem or str(error)
    return {
        "spec": record["spec"],
        "generator": recording.generator.record() if recording.generator else {},
        "seconds": [second.to_dict() for second in recording.seconds()],
        "totals": _totals([place["totals"] for place in record["places"]], recording),
        "problem": problem,
    }


def _totals(parts: Sequence[dict[str, Any]], recording: Recording) -> dict[str, Any]:
    """Return the totals of all agents together; {} if one has not told its own."""
    if len(parts) == 1 or not all(parts):
        return parts[0] if len(parts) == 1 else {}
    read = [LoadSecond.from_dict(part) for part in parts]
    return merged(read, recording.since_unix_s).to_dict()
