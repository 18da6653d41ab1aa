"""Loads of this process: what may be asked, start, find, stop."""

import threading
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from chaos_go.agent import binary, holder
from chaos_go.agent.contract import LONGEST_DURATION_S, Impact, Load, Spec
from chaos_go.errors import BadInputError, ChaosGoError, NotEnoughDataError
from chaos_go.traffic.recording import Recording

LARGEST_RATE_RPS = 50_000.0
LARGEST_TIMEOUT_MS = 60_000.0
LARGEST_IN_FLIGHT = 4096

_lock = threading.Lock()
_recordings: dict[str, Recording] = {}


def check(load: Load) -> Load:
    """Refuse a load that is invalid, before anything is started.

    Raises:
        BadInputError: names the argument, its value and how to fix it.
    """
    _check_url(load.url)
    check_number("rate_rps", load.rate_rps, LARGEST_RATE_RPS, "requests per second")
    check_number("timeout_ms", load.timeout_ms, LARGEST_TIMEOUT_MS, "milliseconds")
    in_flight = load.max_in_flight
    if not _is_int(in_flight) or not 0 <= in_flight <= LARGEST_IN_FLIGHT:
        fix = f"give 0 (automatic) to {LARGEST_IN_FLIGHT}"
        raise BadInputError("max_in_flight", in_flight, fix)
    if not isinstance(load.method, str) or not load.method.isalpha():
        raise BadInputError("method", load.method, "give an HTTP method like GET")
    if not isinstance(load.body, str):
        raise BadInputError("body", load.body, "give the text of the body; quote JSON in YAML")
    if not isinstance(load.headers, dict) or not all(
        isinstance(text, str) for header in load.headers.items() for text in header
    ):
        raise BadInputError("headers", load.headers, "give a mapping of names to texts")
    return load


def impact_of(rule: dict[str, object]) -> Impact | None:
    """Read the rule that says which requests hurt the business; an empty one means no rule.

    Args:
        rule: any of ``statuses`` (list of int), ``json_field`` with ``json_value`` (a field of the
            JSON answer and its value), ``timeout`` (true: a timeout counts).

    Raises:
        BadInputError: an unknown key or a value of the wrong type.
    """
    if not isinstance(rule, dict):
        raise BadInputError("impact", rule, "give a mapping with statuses, json_field, timeout")
    if not rule:
        return None
    known = {"statuses", "json_field", "json_value", "timeout"}
    refuse_unknown("impact.", rule, known)
    statuses, timeout = rule.get("statuses", []), rule.get("timeout", False)
    if not isinstance(statuses, list) or not all(_is_status(status) for status in statuses):
        fix = "give a list of statuses from 100 to 599, like [503]"
        raise BadInputError("impact.statuses", statuses, fix)
    if "statuses" in rule and not statuses:
        raise BadInputError("impact.statuses", statuses, "give at least one, or leave it out")
    if not isinstance(timeout, bool):
        raise BadInputError("impact.timeout", timeout, "give true or false")
    field, value = rule.get("json_field", ""), rule.get("json_value", "")
    if not isinstance(field, str) or not isinstance(value, str) or bool(field) != bool(value):
        raise BadInputError("impact.json_field", field, "give json_field and json_value, both text")
    return Impact(statuses=statuses, json_field=field, json_value=value, timeout=timeout)


def refuse_unknown(prefix: str, given: Collection[str], known: Collection[str]) -> None:
    """Refuse names that nobody would read.

    Raises:
        BadInputError: names the first unknown one and those that are known.
    """
    for name in given:
        if name not in known:
            fix = f"no such argument; known are {', '.join(sorted(known))}"
            raise BadInputError(f"{prefix}{name}", name, fix)


def check_number(name: str, value: Any, most: float, unit: str, least: float = 0.0) -> float:
    """Return a number that is over 0, at least ``least`` and at most ``most``.

    Raises:
        BadInputError: it is none, or not a number at all.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not (0 < value <= most and value >= least):
        bound = f"at least {least:g}" if least else "more than 0"
        raise BadInputError(name, value, f"give {bound} and at most {most:g} {unit}")
    return float(value)


def record(name: str, load: Load, duration_s: float = LONGEST_DURATION_S) -> Recording:
    """Start a load in a process of its own and record it; the caller must `stop` it.

    Args:
        name: what the load is called.
        load: what to send, see `check`.
        duration_s: after which the agent ends it by itself, more than 0 and at most 3600.

    Raises:
        BadInputError: the load is invalid, or its URL does not resolve.
        AgentError: no agent could be started here.
    """
    if not isinstance(name, str) or not 0 < len(name) <= 100 or not name.isprintable():
        raise BadInputError("name", name, "give 1 to 100 printable characters")
    spec = Spec(id=name, kind="load", duration_s=duration_s, load=check(load))
    agent = [str(binary.find_agent()), "load"]
    return Recording(name, spec, holder.hold(agent, f"load/{name}", spec))


def start(name: str, load: Load) -> Recording:
    """Start a load that `find` finds, as `record` does; it lasts until `stop`, at most an hour.

    Raises:
        BadInputError: also when a load of this name runs already.
    """
    with _lock:
        if name in _recordings:
            raise BadInputError("name", name, "such a load runs already; give each its own name")
        _recordings[name] = record(name, load)
        return _recordings[name]


def running() -> list[Recording]:
    """Return the recordings of all loads that were started and not stopped, in order."""
    with _lock:
        return list(_recordings.values())


def find(name: str = "") -> Recording:
    """Return the recording of a load; without a name, of the only one there is.

    Raises:
        BadInputError: no load has this name, or there are several and no name was given.
        NotEnoughDataError: no load runs at all.
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


def stop(recording: Recording) -> dict[str, object]:
    """Stop a load, forget it, and give the record of its lease. A second stop changes nothing.

    Raises:
        AgentError: the agent did not end in time.
    """
    with _lock:
        if _recordings.get(recording.name) is recording:
            del _recordings[recording.name]
    return recording.lease.stop(timeout_s=recording.patience_s + 2)


def finish(recording: Recording) -> dict[str, Any]:
    """Stop a load and give what the journal keeps of it; what went wrong is its ``problem``."""
    problem = recording.problem()
    try:
        record = stop(recording)
    except ChaosGoError as error:
        record = recording.lease.record()
        problem = problem or str(error)
    return {
        "spec": record["spec"],
        "seconds": [second.to_dict() for second in recording.seconds()],
        "totals": record["totals"],
        "problem": problem,
    }


def _check_url(url: object) -> None:
    fix = "give one like http://127.0.0.1:8080/checkout"
    if not isinstance(url, str):
        raise BadInputError("url", url, fix)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(character.isspace() for character in url):
        raise BadInputError("url", url, fix)


def _is_status(value: object) -> bool:
    """Tell a status of RFC 9110 section 15."""
    return isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
