"""Faults on HTTP/1.1: on the requests that reach a service or that it sends, and on the answers.

Every action returns as soon as the fault is in place everywhere. The fault ends with
`chaos_go.faults.stop`, after ``duration_s``, or with the run. Connections that were open before the
fault are taken over without a failed request, see ``connections`` of `abort`.
"""

from dataclasses import dataclass, field
from typing import Any

from chaos_go import arguments
from chaos_go.agent import kinds
from chaos_go.agent.kinds import Kind, Totals
from chaos_go.agent.line import SECRET, Line
from chaos_go.faults._action import Request, holds, request

__all__ = ["abort", "delay", "modify"]

_NONE: dict[str, Any] = {}  # a default; never changed
_RENAMED = {
    "path": "match.path",
    "method": "match.method",
    "headers": "match.headers",
    "keep_client_address": "connections.keep_client_address",
    "max_connections": "connections.limit",
    "existing_connections": "connections.existing",
}
_RENAMED_OF_ABORT = {**_RENAMED, "body": "answer.body", "response_headers": "answer.headers"}
_RENAMED_OF_MODIFY = {
    **_RENAMED,
    "body": "answer.body",
    "set_headers": "answer.headers",
    "remove_body": "answer.remove_body",
}


@dataclass(frozen=True, kw_only=True)
class Match(Line):
    """Which requests match; path and header values are RE2 expressions for the whole value."""

    path: str = ""
    method: str = ""
    headers: dict[str, str] = field(default_factory=dict, metadata=SECRET)


@dataclass(frozen=True, kw_only=True)
class HTTPAbort(Line):
    """An answer in place of the service's."""

    status: int
    headers: dict[str, str] = field(default_factory=dict, metadata=SECRET)
    body: str = field(default="", metadata=SECRET)


@dataclass(frozen=True, kw_only=True)
class HTTPDelay(Line):
    """A wait before the service sees the request, drawn anew for each one."""

    delay_ms: float
    jitter_ms: float = 0.0
    distribution: str = ""


@dataclass(frozen=True, kw_only=True)
class HTTPModify(Line):
    """A change of the service's answer; with an empty body, the body stays as it is."""

    set_headers: dict[str, str] = field(default_factory=dict, metadata=SECRET)
    body: str = field(default="", metadata=SECRET)
    remove_body: bool = False


@dataclass(frozen=True, kw_only=True)
class HTTP(Line):
    """A fault on requests: one of abort, delay and modify."""

    percentage: float
    max_connections: int = 0
    match: Match | None = None
    seed: int = 0
    existing: str = ""
    abort: HTTPAbort | None = None
    delay: HTTPDelay | None = None
    modify: HTTPModify | None = None
    keep_client_address: bool = False


@dataclass(frozen=True, kw_only=True)
class HTTPTotals(Totals):
    """What a fault on requests has done at one place since it was armed."""

    seen: int
    matched: int
    aborted: int
    delayed: int
    modified: int
    delay_asked_ms: float
    delay_obtained_ms: float
    delay_obtained_max_ms: float
    connections: int
    passthrough_connections: int
    bytes_in: int
    bytes_out: int
    passthrough: dict[str, int] = field(default_factory=dict)
    taken_over: int = 0

    @property
    def touched(self) -> int | None:
        """How many requests the fault changed."""
        return self.aborted + self.delayed + self.modified

    def said(self) -> str:
        """Return how many requests matched, and what was done to them."""
        done = {"aborted": self.aborted, "delayed": self.delayed, "modified": self.modified}
        parts = [f"{count} {what}" for what, count in done.items() if count]
        return ", ".join([f"{self.matched} of {self.seen} requests matched", *parts])

    def advice(self) -> str:
        """Return what to check when no request was touched."""
        return "see that traffic reaches the target and that path, method and headers match it"


KIND = kinds.register(
    Kind(
        name="http",
        detail=HTTP,
        totals=HTTPTotals,
        arguments={
            "http.percentage": "percentage",
            "http.seed": "seed",
            "http.match": "match",
            "http.existing": "connections.existing",
            "http.max_connections": "connections.limit",
            "http.keep_client_address": "connections.keep_client_address",
            "http.abort.status": "status",
            "http.abort": "answer",
            "http.delay.delay_ms": "delay_ms",
            "http.delay.jitter_ms": "jitter_ms",
            "http.delay.distribution": "distribution",
            "http.modify": "answer",
            "http.modify.set_headers": "answer.headers",
        },
    )
)


@holds(renamed=_RENAMED_OF_ABORT)
def abort(
    target: str,
    status: int = 503,
    percentage: float = 100.0,
    match: dict[str, Any] = _NONE,
    answer: dict[str, Any] = _NONE,
    duration_s: float = 60.0,
    seed: int = 0,
    name: str = "",
    connections: dict[str, Any] = _NONE,
    scope: dict[str, Any] = _NONE,
) -> Request:
    """Answer requests in place of the service, which never sees them.

    Args:
        target: Where the requests are, for instance ``port/8081`` or ``to/users:8082``; the
            reference lists every form of a target.
        status: HTTP status of the answer, 200 to 599.
        percentage: Percentage of the matching requests that are hit, more than 0 and at most 100.
        match: Which requests match, by any of ``path`` (a regular expression (RE2) that must match
            the whole path without the query, for instance ``/api/v1/users/.*``), ``method`` (for
            instance ``GET``) and ``headers`` (names and regular expressions, each of which must
            match one whole value of that header). {} matches every request.
        answer: What the answer has besides its status: any of ``headers`` (names and values, for
            instance ``{"Retry-After": "1"}``) and ``body`` (a text). With {} the answer has no body
            and only the headers of the framing.
        duration_s: Seconds after which the fault ends by itself, at most 3600.
        seed: Number that decides which requests are hit, so that a run can be repeated. With 0 each
            agent draws a seed; the record has it as ``armed.seed`` of the place.
        name: Name by which `chaos_go.faults.stop` and probes find this fault. With "" a name such
            as ``abort-port-8081`` is derived.
        connections: How connections are treated, by any of ``existing``, ``limit`` and
            ``keep_client_address``. ``existing`` decides about the connections that clients opened
            before the fault. With ``takeover``, the default, one request on each connection is
            changed so that the service answers it and then closes the connection itself. The client
            then connects again, through the fault, and no request fails. With ``leave`` these
            connections are left alone, and their requests are not faulted. With ``reset`` they are
            reset at once, and requests in flight fail. ``limit`` is the largest number of
            connections that are read at a time (10000); further connections pass through unread and
            are counted as ``passthrough.over_limit``. With ``keep_client_address: true`` the
            service sees the address of its client instead of one of this host; this needs a port as
            the target. All faults at one place must have the same ``existing`` and
            ``keep_client_address``.
        scope: Which places of the target are hit when it has several, by any of ``places`` (a
            number, a share such as ``50%``, ``all``, or a list of names) and ``max_percentage``
            (the largest share that is allowed, in percent). {} hits all places.

    Returns:
        The record of the fault: ``id``, ``state``, ``spec``, ``places`` (one mapping per place
        with ``place``, ``armed``, ``totals`` and more) and more.

    Raises:
        ActivityFailed: An argument is invalid, the fault cannot be put in place everywhere, or no
            agent could be started. The fault is then in place nowhere.
    """
    given = arguments.mapping("answer", answer, ("headers", "body"), secret=True)
    change = HTTPAbort(
        status=arguments.whole("status", status),
        headers=arguments.texts("answer.headers", given.get("headers", {})),
        body=arguments.secret_text("answer.body", given.get("body", "")),
    )
    detail = _detail(percentage, match, seed, connections, abort=change)
    return request("abort", target, KIND.name, detail, duration_s, detail.seed, name, scope)


@holds(renamed=_RENAMED)
def delay(
    target: str,
    delay_ms: float,
    jitter_ms: float = 0.0,
    distribution: str = "uniform",
    percentage: float = 100.0,
    match: dict[str, Any] = _NONE,
    duration_s: float = 60.0,
    seed: int = 0,
    name: str = "",
    connections: dict[str, Any] = _NONE,
    scope: dict[str, Any] = _NONE,
) -> Request:
    """Hold requests for a time before the service sees them.

    Args:
        target: Where the requests are, see `abort`.
        delay_ms: Milliseconds that a request is held, more than 0. The longest delay that can be
            drawn must not be longer than the fault itself.
        jitter_ms: Scale of the distribution in milliseconds, at most ``delay_ms`` except for
            ``pareto``; 0 for none.
        distribution: Distribution of the delays; each request gets a new one. D is ``delay_ms``
            and J is ``jitter_ms``. ``uniform``: evenly from D-J to D+J. ``constant``: D; J must be
            0. ``normal``: mean D, standard deviation J (more than 0); a delay is drawn again when
            it is more than 4 J or more than D away from D. ``pareto``: a heavy tail on top of D,
            D + J*X with X of the Lomax distribution with shape 3, P(X > x) = (1+x)^-3, cut off at
            20; mean D + 0.497 J, P99 D + 3.63 J.
        percentage: Percentage of the matching requests that are hit, more than 0 and at most 100.
        match: Which requests match, see `abort`.
        duration_s: Seconds after which the fault ends by itself, at most 3600. Requests that are
            held at that time go on at once.
        seed: Number that decides which requests are hit and for how long, see `abort`.
        name: Name of this fault, see `abort`. With "" a name such as ``delay-port-8081`` is
            derived.
        connections: How connections are treated, see `abort`.
        scope: Which places of the target are hit, see `abort`.

    Returns:
        The record of the fault, see `abort`.

    Raises:
        ActivityFailed: As `abort`.
    """
    change = HTTPDelay(
        delay_ms=arguments.number("delay_ms", delay_ms, unit="milliseconds"),
        jitter_ms=arguments.number("jitter_ms", jitter_ms, unit="milliseconds"),
        distribution=arguments.filled("distribution", distribution),
    )
    detail = _detail(percentage, match, seed, connections, delay=change)
    return request("delay", target, KIND.name, detail, duration_s, detail.seed, name, scope)


@holds(renamed=_RENAMED_OF_MODIFY)
def modify(
    target: str,
    answer: dict[str, Any],
    percentage: float = 100.0,
    match: dict[str, Any] = _NONE,
    duration_s: float = 60.0,
    seed: int = 0,
    name: str = "",
    connections: dict[str, Any] = _NONE,
    scope: dict[str, Any] = _NONE,
) -> Request:
    """Change the service's answers, after the service has handled the request.

    Several faults on one request apply in the order in which they were put in place. If two of them
    change the same header or body, the later fault wins. Answers of `abort` are not changed.

    Args:
        target: Where the requests are, see `abort`.
        answer: What is changed in the answer, any of ``headers``, ``body`` and ``remove_body``.
            ``headers`` are names and values, for instance ``{"Content-Type": "text/html"}``; each
            replaces every header line of that name, or is added. ``body`` is a text that replaces
            the body of the answer; ``remove_body: true`` removes the body. Content-Length is set to
            the new length. Chunks, trailers, Content-Encoding, digests and validators (ETag,
            Last-Modified) of the old body are removed, and ``Cache-Control: no-store`` keeps the
            new body out of caches. An answer to HEAD gets only the new head. Answers with status
            204, 206 or 304 keep their own body, if they have one. When the old body is longer than
            256 KiB, or does not end within 250 ms, the connection is closed after the answer
            (``Connection: close``).
        percentage: Percentage of the matching requests that are hit, more than 0 and at most 100.
        match: Which requests match, see `abort`.
        duration_s: Seconds after which the fault ends by itself, at most 3600.
        seed: Number that decides which answers are changed, see `abort`.
        name: Name of this fault, see `abort`. With "" a name such as ``modify-port-8081`` is
            derived.
        connections: How connections are treated, see `abort`.
        scope: Which places of the target are hit, see `abort`.

    Returns:
        The record of the fault, see `abort`. ``totals.modified`` of a place is the number of
        answers that were changed.

    Raises:
        ActivityFailed: As `abort`, or there is nothing to change.
    """
    known = ("headers", "body", "remove_body")
    given = arguments.mapping("answer", answer, known, secret=True)
    change = HTTPModify(
        set_headers=arguments.texts("answer.headers", given.get("headers", {})),
        body=arguments.secret_text("answer.body", given.get("body", "")),
        remove_body=arguments.flag("answer.remove_body", given.get("remove_body", False)),
    )
    detail = _detail(percentage, match, seed, connections, modify=change)
    return request("modify", target, KIND.name, detail, duration_s, detail.seed, name, scope)


def _detail(
    percentage: object, match: object, seed: object, connections: object, **change: Any
) -> HTTP:
    """Check the arguments that all faults on requests share; return them with the change."""
    given = arguments.mapping(
        "connections", connections, ("existing", "limit", "keep_client_address")
    )
    return HTTP(
        percentage=arguments.number("percentage", percentage, unit="percent"),
        match=_match(match),
        seed=arguments.whole("seed", seed),
        existing=(
            arguments.filled("connections.existing", given["existing"])
            if "existing" in given
            else ""
        ),
        max_connections=(
            arguments.whole("connections.limit", given["limit"], least=1) if "limit" in given else 0
        ),
        keep_client_address=arguments.flag(
            "connections.keep_client_address", given.get("keep_client_address", False)
        ),
        **change,
    )


def _match(given: object) -> Match | None:
    """Return which requests match; None for all. The agent checks the expressions."""
    match = arguments.mapping("match", given, ("path", "method", "headers"))
    read = Match(
        path=arguments.text("match.path", match.get("path", "")),
        method=arguments.text("match.method", match.get("method", "")),
        headers=arguments.texts("match.headers", match.get("headers", {})),
    )
    return read if read != Match() else None
