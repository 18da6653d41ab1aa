"""Faults on the HTTP/1.1 requests that reach a service, or that it sends, and on the answers.

All actions return as soon as the fault is in place. It ends by `chaos_go.faults.stop`, after
``duration_s``, and with the run. Connections that were open before are taken over without a failed
request, see ``existing_connections`` of `abort`.
"""

from dataclasses import replace
from typing import Any

from chaos_go import targets
from chaos_go.agent import binary, holder
from chaos_go.agent.contract import (
    HTTP,
    LONGEST_DURATION_S,
    HTTPAbort,
    HTTPDelay,
    HTTPModify,
    Match,
    Spec,
)
from chaos_go.errors import BadInputError
from chaos_go.faults import arguments as check

__all__ = ["abort", "delay", "modify"]

# The agent frames the answer itself; a second opinion would break the connection.
_FRAMING = {"content-length", "transfer-encoding", "connection", "upgrade", "trailer"}
_MAX_CONNECTIONS = 10_000
_WITHOUT_BODY = (204, 304)
_DISTRIBUTIONS = ("constant", "uniform", "normal", "pareto")
_EXISTING = ("takeover", "leave", "reset")
_NONE: dict[str, str] = {}  # a default; never changed


def abort(
    target: str,
    status: int = 503,
    percentage: float = 100.0,
    path: str = "",
    method: str = "",
    headers: dict[str, str] = _NONE,
    body: str = "",
    duration_s: float = 60.0,
    seed: int = 0,
    name: str = "",
    response_headers: dict[str, str] = _NONE,
    keep_client_address: bool = False,
    max_connections: int = _MAX_CONNECTIONS,
    existing_connections: str = "takeover",
) -> dict[str, Any]:
    """Answer requests in place of the service, which never sees them.

    Args:
        target: where: ``port/8081`` (whoever listens there), ``pid/1234`` (in that process'
            network namespace; ``pid/1234:8081`` when it listens on several ports),
            ``to/HOST:PORT`` (the calls made in this network namespace to a dependency),
            ``pid/1234->HOST:PORT`` (only the calls that this process makes to it), or
            ``proxy/LISTEN->UPSTREAM`` (an explicit proxy, without privileges).
        status: of the answer, 200 to 599.
        percentage: of the matching requests, more than 0 and at most 100.
        path: regular expression (RE2) that must match the whole path, without the query, for
            instance ``/api/v1/users/.*``; "" for every path.
        method: of the request, for instance ``GET``; "" for every method.
        headers: of the request: names and regular expressions (RE2), each of which must match one
            whole value of that header; {} for any.
        body: text of the answer's body; "" for none.
        duration_s: the fault ends by itself after so many seconds, at most 3600.
        seed: decides which requests are hit, so that a run can be repeated; 0 lets the agent draw
            one and report it as ``armed.seed``.
        name: what `chaos_go.faults.stop` and probes call this fault; "" derives one such as
            ``abort-port-8081``.
        response_headers: of the answer: names and values, for instance ``{"Retry-After": "1"}``;
            {} for none besides those of the framing.
        keep_client_address: true lets the service see the address of its client on connections
            that go through the agent, instead of an address of this host. All faults of one place
            must agree; not with an explicit proxy.
        max_connections: how many connections of the target are read at a time, at most 1,000,000;
            those beyond pass unread, counted as ``passthrough.over_limit``. The first fault on a
            target decides.
        existing_connections: what becomes of connections that clients opened before the fault.
            ``takeover``: one request on each is changed so that the service answers it and then
            closes the connection itself; the client connects again, into the fault, and no request
            fails. ``leave``: they are left alone, and their requests are not faulted. ``reset``:
            they are reset at once, and requests under way fail. All faults on one target say the
            same; a ``proxy/`` has none. ``armed.existing_connections`` counts them,
            ``armed.existing_handling`` is what was done, ``totals.taken_over`` how many were
            taken over.

    Returns:
        The record of the fault: ``id``, ``state``, ``place``, ``spec``, ``armed`` and more.

    Raises:
        ActivityFailed: an argument is invalid, the fault cannot be put there, or no agent
            could be started; nothing of the attempt is left.
    """
    status = check.whole("status", status, 200, 599, "the status of a final answer")
    body = check.text("body", body)
    if body and status in _WITHOUT_BODY:
        raise BadInputError(
            "body", check.hidden(body), f"an answer {status} has no body; leave it out"
        )
    answer = _answer_headers("response_headers", response_headers)
    fault = HTTP(
        percentage=check.number("percentage", percentage, 100.0, "percent"),
        match=_match(path, method, headers),
        seed=check.seed(seed),
        existing=_existing(existing_connections),
        abort=HTTPAbort(status=status, headers=answer, body=body),
        keep_client_address=check.flag("keep_client_address", keep_client_address),
        max_connections=_max_connections(max_connections),
    )
    return _hold("abort", target, fault, check.duration(duration_s), name)


def delay(
    target: str,
    delay_ms: float,
    jitter_ms: float = 0.0,
    distribution: str = "uniform",
    percentage: float = 100.0,
    path: str = "",
    method: str = "",
    headers: dict[str, str] = _NONE,
    duration_s: float = 60.0,
    seed: int = 0,
    name: str = "",
    keep_client_address: bool = False,
    max_connections: int = _MAX_CONNECTIONS,
    existing_connections: str = "takeover",
) -> dict[str, Any]:
    """Hold requests for a time before the service sees them.

    Args:
        target: where, see `abort`.
        delay_ms: milliseconds that a request is held, more than 0; the longest delay that can be
            drawn may be no longer than the fault itself.
        jitter_ms: the scale of the distribution in milliseconds, at most ``delay_ms`` but for
            ``pareto``; 0 for none.
        distribution: of the delays, each drawn anew, with D for ``delay_ms`` and J for
            ``jitter_ms``. ``uniform``: evenly from D-J to D+J. ``constant``: D; J must be 0.
            ``normal``: mean D, standard deviation J (more than 0), drawn again when more than 4 J
            or D away from D. ``pareto``: a heavy tail on top of D, D + J*X with X of the Lomax
            distribution with shape 3, P(X > x) = (1+x)^-3, cut off at 20; mean D + 0.497 J, P99
            D + 3.63 J.
        percentage: of the matching requests, more than 0 and at most 100.
        path: regular expression of the whole path, see `abort`.
        method: of the request, see `abort`.
        headers: of the request, see `abort`.
        duration_s: the fault ends by itself after so many seconds, at most 3600. Requests that
            are held then go on at once.
        seed: decides which requests are hit and how long, see `abort`.
        name: of this fault, see `abort`; "" derives one such as ``delay-port-8081``.
        keep_client_address: what the service sees, see `abort`.
        max_connections: read at a time, see `abort`.
        existing_connections: what becomes of connections opened before, see `abort`.

    Returns:
        The record of the fault, see `abort`.

    Raises:
        ActivityFailed: as `abort`.
    """
    delay_ms = check.number("delay_ms", delay_ms, LONGEST_DURATION_S * 1000, "milliseconds")
    jitter_ms = _jitter(distribution, delay_ms, jitter_ms)
    duration_s = check.duration(duration_s)
    longest_ms = _longest_ms(distribution, delay_ms, jitter_ms)
    if longest_ms > duration_s * 1000:
        fix = (
            f"delays of up to {longest_ms:g} ms are longer than the fault itself; shorten "
            f"delay_ms or jitter_ms, or lengthen duration_s ({duration_s:g})"
        )
        raise BadInputError("delay_ms", delay_ms, fix)
    fault = HTTP(
        percentage=check.number("percentage", percentage, 100.0, "percent"),
        match=_match(path, method, headers),
        seed=check.seed(seed),
        existing=_existing(existing_connections),
        delay=HTTPDelay(delay_ms=delay_ms, jitter_ms=jitter_ms, distribution=distribution),
        keep_client_address=check.flag("keep_client_address", keep_client_address),
        max_connections=_max_connections(max_connections),
    )
    return _hold("delay", target, fault, duration_s, name)


def modify(
    target: str,
    set_headers: dict[str, str] = _NONE,
    body: str = "",
    percentage: float = 100.0,
    path: str = "",
    method: str = "",
    headers: dict[str, str] = _NONE,
    duration_s: float = 60.0,
    seed: int = 0,
    name: str = "",
    remove_body: bool = False,
    keep_client_address: bool = False,
    max_connections: int = _MAX_CONNECTIONS,
    existing_connections: str = "takeover",
) -> dict[str, Any]:
    """Change the service's answers; it has done its work by then.

    Several faults on one request apply in the order in which they were put in place: the later one
    has its way with a header or body that both change. Answers of `abort` are not changed.

    Args:
        target: where, see `abort`.
        set_headers: of the answer: names and values, for instance ``{"Content-Type":
            "text/html"}``. Each replaces every header line of that name, or is added; {} for none.
        body: text in place of the answer's body; "" leaves the service's own. Content-Length is
            made to fit; chunks, trailers, Content-Encoding, digests and validators (ETag,
            Last-Modified) of the old body go, and ``Cache-Control: no-store`` keeps the new one
            out of caches. An answer to HEAD gets the head alone; 204, 206 and 304 keep their own
            body or none. When the old body is longer than 256 KiB, or does not end within 250 ms,
            the connection ends behind the answer (``Connection: close``).
        percentage: of the matching requests, more than 0 and at most 100.
        path: regular expression of the whole path of the request, see `abort`.
        method: of the request, see `abort`.
        headers: of the request, see `abort`.
        duration_s: the fault ends by itself after so many seconds, at most 3600.
        seed: decides which answers are changed, see `abort`.
        name: of this fault, see `abort`; "" derives one such as ``modify-port-8081``.
        remove_body: True leaves the answer no body, which ``body`` cannot say; False by default.
        keep_client_address: what the service sees, see `abort`.
        max_connections: read at a time, see `abort`.
        existing_connections: what becomes of connections opened before, see `abort`.

    Returns:
        The record of the fault, see `abort`; ``totals.modified`` counts the answers that were
        really changed.

    Raises:
        ActivityFailed: as `abort`, or there is nothing to change.
    """
    body = check.text("body", body)
    answer = _answer_headers("set_headers", set_headers)
    if not isinstance(remove_body, bool):
        raise BadInputError("remove_body", remove_body, "give true or false")
    if body and remove_body:
        raise BadInputError("remove_body", remove_body, "give one of body and remove_body")
    if not answer and not body and not remove_body:
        fix = "the fault would change nothing; give set_headers, body or remove_body"
        raise BadInputError("set_headers", answer, fix)
    fault = HTTP(
        percentage=check.number("percentage", percentage, 100.0, "percent"),
        match=_match(path, method, headers),
        seed=check.seed(seed),
        existing=_existing(existing_connections),
        modify=HTTPModify(set_headers=answer, body=body, remove_body=remove_body),
        keep_client_address=check.flag("keep_client_address", keep_client_address),
        max_connections=_max_connections(max_connections),
    )
    return _hold("modify", target, fault, check.duration(duration_s), name)


def _answer_headers(argument: str, headers: dict[str, str]) -> dict[str, str]:
    """Return headers of an answer; those that frame it are refused."""
    answer = check.headers(argument, headers)
    for header in answer:
        if header.lower() in _FRAMING:
            fix = "the agent frames the answer itself; leave this header out"
            raise BadInputError(argument, header, fix)
    return answer


def _jitter(distribution: str, delay_ms: float, jitter_ms: float) -> float:
    """Return the scale of a distribution that has one.

    Raises:
        BadInputError: the distribution is unknown, needs a scale, or would ignore it.
    """
    if distribution not in _DISTRIBUTIONS:
        fix = f"unknown distribution; use {', '.join(_DISTRIBUTIONS)}"
        raise BadInputError("distribution", distribution, fix)
    none = jitter_ms == 0 and not isinstance(jitter_ms, bool)
    if none and distribution in ("constant", "uniform"):
        return 0.0
    if distribution == "constant":
        fix = "a constant delay has none; leave it out, or take another distribution"
        raise BadInputError("jitter_ms", jitter_ms, fix)
    most = LONGEST_DURATION_S * 1000 if distribution == "pareto" else delay_ms
    return check.number("jitter_ms", jitter_ms, most, "milliseconds")


def _longest_ms(distribution: str, delay_ms: float, jitter_ms: float) -> float:
    """Return the longest delay that the agent can draw."""
    if distribution == "pareto":
        return delay_ms + 20 * jitter_ms
    if distribution == "normal":
        return delay_ms + min(4 * jitter_ms, delay_ms)
    return delay_ms + jitter_ms


def _existing(handling: str) -> str:
    """Return what becomes of connections that were open before; "" is the agent's default.

    Raises:
        BadInputError: it is no way to handle them.
    """
    if handling not in _EXISTING:
        raise BadInputError("existing_connections", handling, f"use {', '.join(_EXISTING)}")
    return "" if handling == _EXISTING[0] else handling


def _max_connections(value: int) -> int:
    """Return the bound as the agent has it: 0 for its default."""
    bound = check.whole("max_connections", value, 1, 1_000_000, "how many connections are read")
    return 0 if bound == _MAX_CONNECTIONS else bound


def _match(path: str, method: str, headers: dict[str, str]) -> Match | None:
    """Return what requests must look like; None for any. The agent judges the expressions."""
    match = Match(
        path=check.text("path", path),
        method=check.method(method),
        headers=check.headers("headers", headers),
    )
    return match if match != Match() else None


def _hold(action: str, target: str, fault: HTTP, duration_s: float, name: str) -> dict[str, Any]:
    """Put a fault in place and give its record."""
    name = check.fault_name(name)
    place = targets.parse(target)
    if fault.keep_client_address and not place.port:
        fix = "only an intercepted port has it; leave it out, or take port/PORT as the target"
        raise BadInputError("keep_client_address", fault.keep_client_address, fix)
    spec = Spec(
        id=name or _free_name(f"{action}-{place.slug}"),
        kind="http",
        duration_s=duration_s,
        http=replace(
            fault, port=place.port, proxy=place.proxy, to=place.to, caller_pid=place.caller_pid
        ),
    )
    argv = [str(binary.find_agent()), "fault", *place.agent_arguments]
    return holder.hold(argv, place.name, spec).record()


def _free_name(wanted: str) -> str:
    """Return a name that no fault or load of this process has had: ``x``, else ``x-2``, ``x-3``."""
    taken = {held.id for held in holder.leases()}
    number, name = 1, wanted
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    return name
