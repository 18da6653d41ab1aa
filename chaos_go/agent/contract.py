"""What Python and the Go agent say to each other: one JSON object per line.

The structs in ``agent/internal/spec`` are the truth and explain each field; ``contract/`` holds
their JSON schema and examples, which the tests of both languages read. Here is only the shape: a
field with a default may be absent on the wire and is left out when it is empty or 0. Unknown
fields are refused.
"""

from dataclasses import dataclass, field

from chaos_go.agent.line import Line

PROTOCOL = 1
"""Version of the wire; the agent refuses another one."""

DEFAULT_LEASE_S = 10.0
"""How long an agent goes on without hearing from Python when ``lease_s`` is absent."""

LONGEST_DURATION_S = 3600.0
"""No fault and no load lasts longer."""


@dataclass(frozen=True, kw_only=True)
class Proxy(Line):
    """An explicit proxy: clients dial ``listen``, a loopback address, to reach ``upstream``."""

    listen: str
    upstream: str


@dataclass(frozen=True, kw_only=True)
class Match(Line):
    """Which requests; path and header values are RE2 expressions that match the whole value."""

    path: str = ""
    method: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class HTTPAbort(Line):
    """An answer in place of the service's."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True, kw_only=True)
class HTTPDelay(Line):
    """A wait before the service sees the request, drawn anew for each one."""

    delay_ms: float
    jitter_ms: float = 0.0
    distribution: str = ""


@dataclass(frozen=True, kw_only=True)
class HTTPModify(Line):
    """A change of the service's answer; an empty body leaves the service's own."""

    set_headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    remove_body: bool = False


@dataclass(frozen=True, kw_only=True)
class HTTP(Line):
    """A fault on requests: one of port, proxy and to, one of abort, delay and modify.

    ``to`` is the HOST:PORT of a dependency; ``caller_pid`` of 0 stands for every caller.
    """

    percentage: float
    port: int = 0
    proxy: Proxy | None = None
    to: str = ""
    caller_pid: int = 0
    max_connections: int = 0
    match: Match | None = None
    seed: int = 0
    existing: str = ""
    abort: HTTPAbort | None = None
    delay: HTTPDelay | None = None
    modify: HTTPModify | None = None
    keep_client_address: bool = False


@dataclass(frozen=True, kw_only=True)
class Impact(Line):
    """Which requests hurt the business: any one of these that holds."""

    statuses: list[int] = field(default_factory=list)
    json_field: str = ""
    json_value: str = ""
    timeout: bool = False


@dataclass(frozen=True, kw_only=True)
class Load(Line):
    """An open-loop load on one URL."""

    url: str
    rate_rps: float
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    timeout_ms: float = 2000.0
    max_in_flight: int = 0
    impact: Impact | None = None


@dataclass(frozen=True, kw_only=True)
class Spec(Line):
    """One fault or one load; ``lease_s`` 0 stands for `DEFAULT_LEASE_S`."""

    id: str
    kind: str
    duration_s: float
    version: int = PROTOCOL
    lease_s: float = 0.0
    http: HTTP | None = None
    load: Load | None = None


@dataclass(frozen=True, kw_only=True)
class Command(Line):
    """What is said to an agent after its first spec: heartbeat, add, remove or stop."""

    command: str
    spec: Spec | None = None
    id: str = ""


@dataclass(frozen=True, kw_only=True)
class Armed(Line):
    """What is in place now. Of ``existing_connections``, ``untouched_connections`` are left alone.

    ``pid`` is the process that Python has started, ``worker_pid`` its child that holds the fault.
    """

    agent_version: str
    protocol: int
    pid: int
    untouched_connections: int
    existing_connections: int = 0
    existing_handling: str = ""
    existing_problem: str = ""
    worker_pid: int = 0
    seed: int = 0
    steering: str = ""
    resolved: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class HTTPTotals(Line):
    """What a fault on requests really did since it was armed."""

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


@dataclass(frozen=True, kw_only=True)
class Histogram(Line):
    """Counts by bucket index, see `chaos_go.traffic.histogram`."""

    counts: dict[int, int]


@dataclass(frozen=True, kw_only=True)
class LoadSecond(Line):
    """What became of the requests that were due in one second, or, at the end, of all of them."""

    start_unix_s: float
    intended: int
    sent: int
    statuses: dict[str, int]
    timeouts: int
    connection_errors: int
    late: int
    dropped: int
    impact: int
    impact_n: int
    latency: Histogram
    service_time: Histogram

    @property
    def touched(self) -> int | None:
        """A load breaks nothing, so there is nothing to count."""
        return None


@dataclass(frozen=True, kw_only=True)
class Problem(Line):
    """Why an agent refused; ``field`` is empty when the place is to blame, not the spec."""

    message: str
    field: str = ""
    value: str = ""
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class Event(Line):
    """Every line of an agent: armed, stats, disarmed or error."""

    event: str
    id: str
    at_unix_s: float
    armed: Armed | None = None
    http: HTTPTotals | None = None
    load: LoadSecond | None = None
    reason: str = ""
    error: Problem | None = None

    @property
    def totals(self) -> HTTPTotals | LoadSecond | None:
        """What was counted since armed, whatever the kind; a second of a load is no total."""
        return self.http or (self.load if self.event == "disarmed" else None)
