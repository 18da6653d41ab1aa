"""What is measured: each function measures one subject and returns its rows."""

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contenders import (
    ARMED,
    AWAITED,
    DELAYED,
    DIRECT,
    HA,
    HALVED,
    HAPROXY,
    HELD,
    NEVER,
    NO_HAPROXY,
    RELAY,
    REVERSE_PROXY,
    TOXI,
    TOXI_SLOW,
    World,
    memory_of,
)
from table import Reach, Rounds, Row

from chaos_go.agent.binary import find_agent
from chaos_go.traffic import histogram

CONNECTIONS = 32
REQUESTS = 20_000  # to measure the obtained percentage and the obtained delay
DELAY_MS = 100.0
PERCENTAGE = 30.0
CONFIDENCE = 0.999
MANY_CONNECTIONS = 10_000
FILES_NEEDED = 3 * MANY_CONNECTIONS + 300  # the agent allows for three per connection
LONGEST_S = 3600.0


@dataclass(frozen=True)
class Effort:
    """How often and how long each contender is measured."""

    rounds: int
    seconds: float


def throughput(world: World, effort: Effort) -> list[Row]:
    """Measure requests per second through each contender when no request matches the fault."""
    what = f"requests/s, nothing matching, {CONNECTIONS} connections"
    ports = {"agent": ARMED, "toxiproxy": TOXI, "ReverseProxy": REVERSE_PROXY, "direct": DIRECT}
    if HAPROXY:
        ports["HAProxy"] = HA
    got = _requests_per_second(world, effort, ports, "/")
    spread = _spread("direct requests", got["direct"])
    haproxy = got.get("HAProxy")
    return [
        Row(what, got["agent"], "toxiproxy", got["toxiproxy"], Reach(least=1.0), spread),
        Row(what, got["agent"], "ReverseProxy", got["ReverseProxy"], Reach(least=2.2), spread),
        Row(
            what,
            got["agent"],
            "HAProxy",
            haproxy,
            Reach(least=0.9),
            spread if haproxy else NO_HAPROXY,
        ),
        Row(what, got["agent"], "direct", got["direct"]),
    ]


def abort(world: World, effort: Effort) -> list[Row]:
    """Measure the 503 answers per second that replace those of the service."""
    what = f"503 answered in place of the service, requests/s, {CONNECTIONS} connections"
    ports = {"agent": ARMED} | ({"HAProxy": HA} if HAPROXY else {})
    got = _requests_per_second(world, effort, ports, NEVER)
    haproxy = got.get("HAProxy")
    note = _spread("HAProxy's answers", haproxy) if haproxy else NO_HAPROXY
    return [Row(what, got["agent"], "HAProxy", haproxy, Reach(least=0.9), note)]


def latency(world: World, effort: Effort) -> list[Row]:
    """Measure latencies under open-loop load when no request matches the fault."""
    _arm_nothing_matching(world)
    rows = []
    for rate in (2_000, 5_000):
        ports = {"agent": ARMED, "relay": RELAY, "direct": DIRECT}
        seen = interleaved(
            effort.rounds,
            {name: _load(world, port, rate, effort.seconds) for name, port in ports.items()},
        )
        p50 = {name: [_quantile_us(h, 0.50) for h in seen[name]] for name in ports}
        p99 = {name: Rounds("us", [_quantile_us(h, 0.99) for h in seen[name]]) for name in ports}
        added = {name: _difference(p50[name], p50["direct"]) for name in ("agent", "relay")}
        figure = f"P50 added to direct at {rate:,} requests/s"
        busy = f"the P99 of direct requests was {p99['direct']} in the same rounds"
        rows += [
            Row(figure, added["agent"], reach=_at_most(80), note=busy),
            Row(figure, added["agent"], "relay", added["relay"], Reach(most=1.1), busy),
            Row(
                f"P99 at {rate:,} requests/s",
                p99["agent"],
                "relay",
                p99["relay"],
                Reach(most=1.5),
                busy,
            ),
        ]
    return rows


def body(world: World, effort: Effort) -> list[Row]:
    """Measure the transfer of one long body."""
    _arm_nothing_matching(world)
    got = interleaved(
        effort.rounds,
        {name: _download(world, port) for name, port in {"agent": ARMED, "relay": RELAY}.items()},
    )
    ours, theirs = Rounds("GB/s", got["agent"]), Rounds("GB/s", got["relay"])
    note = _spread("the relay's transfers", theirs)
    return [Row("body of 1 GiB", ours, "relay", theirs, Reach(least=1.0), note)]


def percentage(world: World, _effort: Effort) -> list[Row]:
    """Measure how many requests a percentage selects."""
    from scipy.stats import binom

    arguments = {"target": f"port/{HALVED}", "percentage": PERCENTAGE, "status": 503}
    world.arm("abort", name="some", **arguments)
    count = ["-connections", str(CONNECTIONS), "-requests", str(REQUESTS)]
    statuses = world.run("drive", *count, f"127.0.0.1:{HALVED}", "/")["statuses"]
    world.disarm("some")
    low, high = (int(n) for n in binom.interval(CONFIDENCE, REQUESTS, PERCENTAGE / 100))
    ours = Rounds("", [statuses.get("503", 0)])
    figure = f"{PERCENTAGE:g} % of {REQUESTS:,} requests aborted"
    return [Row(figure, ours, reach=Reach(low, high, "value"))]


def delay(world: World, _effort: Effort) -> list[Row]:
    """Measure the error of a delay of 100 ms, by the agent and by toxiproxy.

    The median time of a request without a delay is subtracted.
    """
    _arm_nothing_matching(world)
    world.arm("delay", target=f"port/{DELAYED}", delay_ms=DELAY_MS, name="slow")
    world.slow_toxiproxy(DELAY_MS)
    ours, busy = _delay_errors(world, ARMED, DELAYED)
    theirs, _ = _delay_errors(world, TOXI, TOXI_SLOW)
    (place,) = world.disarm("slow")["places"]
    totals = place["totals"]
    inside = totals["delay_obtained_ms"] - totals["delay_asked_ms"]
    figure = f"{DELAY_MS:g} ms delay, {REQUESTS:,} requests at 2,000/s, error of the "
    return [
        Row(figure + "P50", ours["p50_ms"], "toxiproxy", theirs["p50_ms"], _at_most(0.3), busy),
        Row(figure + "P99", ours["p99_ms"], "toxiproxy", theirs["p99_ms"], _at_most(3.0), busy),
        Row(figure + "mean, counted by the agent", _ms(inside)),
    ]


def _delay_errors(world: World, port: int, slow_port: int) -> tuple[dict[str, Rounds], str]:
    """Return the errors of the P50 and P99 of a delay, and a note about requests without delay."""
    pace = ["-connections", "250", "-every", "125ms", "-requests"]
    way = world.run("drive", *pace, str(REQUESTS // 4), f"127.0.0.1:{port}", "/")
    slow = world.run("drive", *pace, str(REQUESTS), f"127.0.0.1:{slow_port}", "/")
    errors = {name: _ms(slow[name] - way["p50_ms"] - DELAY_MS) for name in ("p50_ms", "p99_ms")}
    return errors, f"the P99 of requests without a delay was {way['p99_ms']:.3g} ms"


def first(world: World, effort: Effort) -> list[Row]:
    """Measure the time from the call of the action to the first faulted request."""
    target = f"port/{AWAITED}"
    _first_fault_ms(world, target, "warm-up")
    took = [_first_fault_ms(world, target, f"first-{n}") for n in range(2 * effort.rounds)]
    figure = "action called to first faulted request, warm, 16 busy keep-alive connections"
    return [Row(figure, Rounds("ms", took), reach=_at_most(150))]


def memory(world: World, _effort: Effort) -> list[Row]:
    """Measure the memory of one agent, before another agent shares the pages of its program."""
    arguments = {"target": f"port/{HELD}", "match": {"path": NEVER}, "duration_s": LONGEST_S}
    world.arm("abort", name="memory", **arguments)
    (agent,) = _agents()
    time.sleep(1)
    idle = memory_of(agent)
    connections = min(MANY_CONNECTIONS, (_files() - 300) // 3)
    command = ["hold", str(connections), f"127.0.0.1:{HELD}", "/"]
    with world.client(*command) as report:
        report()  # all connections are open
        many = memory_of(agent)
    world.disarm("memory")
    figure = f"agent memory, {connections:,} connections"
    if connections < MANY_CONNECTIONS:
        figure += f" (as many as ulimit -Hn {_files()} allows)"
    return [
        Row("agent memory, armed and idle", _mb(idle.proportional), reach=_at_most(12)),
        Row("the same, pages of its two processes counted twice", _mb(idle.resident)),
        Row(figure, _mb(many.proportional), reach=_at_most(400)),
    ]


def interleaved[T](rounds: int, contenders: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Measure every contender once per round, so that a busy moment of the machine affects all.

    Each round begins with another contender, so that no contender always has the same predecessor.
    """
    got: dict[str, list[T]] = {name: [] for name in contenders}
    names = list(contenders)
    for n in range(rounds):
        at = n % len(names)
        for name in names[at:] + names[:at]:
            got[name].append(contenders[name]())
    return got


def _files() -> int:
    """Return how many files a child process may open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _arm_nothing_matching(world: World) -> None:
    """Arm the fault that no measured request matches, unless it is armed already."""
    arguments = {"target": f"port/{ARMED}", "match": {"path": NEVER}, "status": 503}
    world.arm_once("abort", name="nothing-matching", duration_s=LONGEST_S, **arguments)


def _requests_per_second(
    world: World, effort: Effort, ports: Mapping[str, int], path: str
) -> dict[str, Rounds]:
    _arm_nothing_matching(world)
    count = ["-connections", str(CONNECTIONS), "-seconds", str(effort.seconds)]

    def drive(port: int) -> Callable[[], float]:
        return lambda: float(world.run("drive", *count, f"127.0.0.1:{port}", path)["rps"])

    got = interleaved(effort.rounds, {name: drive(port) for name, port in ports.items()})
    return {name: Rounds("/s", values) for name, values in got.items()}


def _load(world: World, port: int, rate: int, seconds: float) -> Callable[[], dict[int, int]]:
    return lambda: world.load(port, rate, seconds)


def _download(world: World, port: int) -> Callable[[], float]:
    return lambda: float(world.run("download", f"127.0.0.1:{port}", "/big")["gigabyte_per_s"])


def _quantile_us(counts: Mapping[int, int], quantile: float) -> float:
    rank = max(1, round(quantile * histogram.count(counts)))
    return histogram.midpoint_us(histogram.bucket_at_rank(counts, rank))


def _difference(values: Sequence[float], base: Sequence[float]) -> Rounds:
    return Rounds("us", [one - other for one, other in zip(values, base, strict=True)])


def _ms(value: float) -> Rounds:
    return Rounds("ms", [value])


def _spread(what: str, seen: Rounds) -> str:
    """Return the range of the rounds of one contender: it shows how noisy the machine was."""
    low, high = (Rounds(seen.unit, [edge(seen.values)]) for edge in (min, max))
    return f"{what} went from {low} to {high} between rounds"


def _at_most(value: float) -> Reach:
    return Reach(most=value, of="value")


def _mb(value: float) -> Rounds:
    return Rounds("MB", [value])


def _first_fault_ms(world: World, target: str, name: str) -> float:
    with world.client("first", "503", f"127.0.0.1:{AWAITED}", "/") as report:
        report()  # the clients are running
        time.sleep(0.2)
        called = time.time()
        world.arm("abort", target=target, name=name)
        first_at = report()["at_unix_s"]
    world.disarm(name)
    return (float(first_at) - called) * 1000


def _agents() -> set[int]:
    """Return the process ids of the agents that this process has started."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= {int(child) for child in (task / "children").read_text().split()}
    return {pid for pid in found if _runs(pid, find_agent())}


def _runs(pid: int, program: Path) -> bool:
    try:
        return program.samefile(f"/proc/{pid}/exe")
    except OSError:
        return False
