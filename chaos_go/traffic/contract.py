"""The objects of a load on the wire, see `chaos_go.agent.contract`."""

from dataclasses import dataclass, field

from chaos_go.agent import kinds
from chaos_go.agent.kinds import Kind, Totals
from chaos_go.agent.line import SECRET, Line


@dataclass(frozen=True, kw_only=True)
class Impact(Line):
    """Which requests hurt the business: those that meet one of these conditions."""

    statuses: list[int] = field(default_factory=list)
    json_field: str = ""
    json_value: str = ""
    timeout: bool = False


@dataclass(frozen=True, kw_only=True)
class Load(Line):
    """An open-loop load on one URL.

    Agents that share a load have the same ``start_unix_s``, each by its own clock, and their first
    requests are due one after the other, ``first_after_ms`` after that. 0 means at once.
    """

    url: str
    rate_rps: float
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict, metadata=SECRET)
    body: str = field(default="", metadata=SECRET)
    timeout_ms: float = 2000.0
    max_in_flight: int = 0
    start_unix_s: float = 0.0
    first_after_ms: float = 0.0
    impact: Impact | None = None


@dataclass(frozen=True, kw_only=True)
class Histogram(Line):
    """Counts by bucket index, see `chaos_go.traffic.histogram`."""

    counts: dict[int, int]


@dataclass(frozen=True, kw_only=True)
class Failure(Line):
    """One failed request.

    Attributes:
        at_ms: Its intended send time, in milliseconds from the start of its second.
        took_ms: Milliseconds from then until it had failed.
        cause: A status from 500, such as ``503``; ``timeout``, ``refused``, ``reset``, ``closed``
            (before the end of the answer), ``unreachable``, ``unresolved`` or ``other``.
    """

    at_ms: float
    took_ms: float
    cause: str


@dataclass(frozen=True, kw_only=True)
class LoadSecond(Totals):
    """The results of the requests that were due in one second; at the end, of all requests.

    ``failures_by_cause`` counts all failed requests of the second. ``failures`` lists the first 200
    that ended, until the load has listed 50,000.
    """

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
    failures_by_cause: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    @property
    def touched(self) -> int | None:
        """None, because a load breaks nothing."""
        return None

    def said(self) -> str:
        """Return how many requests were sent."""
        return f"{self.sent} of {self.intended} requests sent"

    def advice(self) -> str:
        """Return what to check when nothing was sent."""
        return "see whether the load could be sent at all"


KIND = kinds.register(
    Kind(name="load", detail=Load, totals=LoadSecond, is_fault=False, reports=False)
)
