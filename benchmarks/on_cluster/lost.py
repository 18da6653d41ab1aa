"""Whether chaos_go counts the requests that a kill costs exactly as the shop does.

The load goes to the gateway of a badly built shop, which has one pod per service. In one case the
pod behind the gateway is killed: the gateway stays and answers 502 or 504. In the other the pod of
the gateway is killed while requests still come: these get no answer at all. Each pod of the gateway
counts its answers; one that was killed prints them as its last line.
"""

import json
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import requests
from table import Reach, Rounds, Row

from chaos_go.agent import holder
from chaos_go.faults import pods
from chaos_go.kubernetes.client import Object
from chaos_go.kubernetes.kinds import PODS, SERVICES
from chaos_go.targets import read_pods
from chaos_go.traffic import load as loads
from chaos_go.traffic import lost as requests_lost
from chaos_go.traffic.contract import Load
from chaos_go.traffic.recording import Recording, Window

from .lab import Lab

SERVICES_NEEDED = ("users", "gateway")
ROUTE = "GET /api/v1/users/{id}"
SCOPE = {"pods": 1, "max_percentage": 100}
RATE_RPS = 100.0
BEFORE_S, AFTER_S = 2.0, 5.0
TIMEOUT_MS = 30_000.0  # never before the gateway, which would count an answer that nobody gets
LATENCY = ("--latency=50ms", "--tail=100ms")  # several requests are under way when a pod ends
PORT = 8080
_FAILED_FROM = 500
_CONNECT_S, _END_S = 1.0, 30.0
_METRIC = re.compile(r"^shop_http_request_duration_seconds_count\{(.*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Counts:
    """What both sides counted in one round.

    Attributes:
        sent: The requests that the load has sent.
        ours: The answers that the load got, by status.
        shops: The answers that the gateway gave, by status.
        lost: What the probe ``requests_lost`` counts, over the whole load.
    """

    sent: int
    ours: dict[str, int]
    shops: dict[str, int]
    lost: int

    @property
    def lost_by_shop(self) -> int:
        """The requests that the gateway did not answer well: none at all, or a status from 500."""
        good = sum(count for status, count in self.shops.items() if int(status) < _FAILED_FROM)
        return self.sent - good

    @property
    def different_answers(self) -> int:
        """By how many answers the two sides differ, over all statuses."""
        statuses = self.ours.keys() | self.shops.keys()
        return sum(abs(self.ours.get(x, 0) - self.shops.get(x, 0)) for x in statuses)


def lost(lab: Lab, rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Count in both cases, in so many rounds each."""
    rows = []
    for service in SERVICES_NEEDED:
        namespace = f"lost-{service}"
        say(f"chaos_go.faults.pods.kill(target='deployment/{namespace}/{service}', "
            f"scope={SCOPE}), at {RATE_RPS:g} requests/s")  # fmt: skip
        say("probes.recovery.requests_lost(fault=...)")
        lab.deploy(namespace, SERVICES_NEEDED, worse)
        found = [one_round(lab, namespace, service, f"{service}-{n}") for n in range(rounds)]
        rows += _rows(service, found)
    return rows


def worse(one: Object) -> None:
    """Change an object: one pod per service, which ends while requests still come."""
    if one["kind"] == "PodDisruptionBudget":
        one["spec"]["minAvailable"] = 0
    elif one["kind"] == "Deployment":
        one["spec"]["replicas"] = 1
        (container,) = one["spec"]["template"]["spec"]["containers"]
        container["args"] = [x for x in container["args"] if not x.startswith("--lame-duck")]
        if one["metadata"]["name"] == "users":
            container["args"] += [*LATENCY, "--bad=abrupt-shutdown"]


def one_round(lab: Lab, namespace: str, service: str, name: str) -> Counts:
    """Drive a load, kill a pod of a service meanwhile, and count on both sides.

    Args:
        lab: The cluster; the shop is deployed in the namespace.
        namespace: The namespace.
        service: Whose pod is killed: ``users``, or ``gateway``.
        name: A new name for the fault.

    Raises:
        RuntimeError: The shop is not available, or a killed pod of the gateway printed no counts.
    """
    lab.wait_until_available(namespace, service)
    address = lab.client.get(SERVICES.path(namespace, "gateway"))["spec"]["clusterIP"]
    load = Load(
        url=f"http://{address}:{PORT}/api/v1/users/42", rate_rps=RATE_RPS, timeout_ms=TIMEOUT_MS
    )
    before = _live_counts(lab, namespace)
    with _Outputs(namespace, before) as outputs:
        recording = loads.start(f"load-{name}", load)
        try:
            time.sleep(BEFORE_S)
            target = f"deployment/{namespace}/{service}"
            record = pods.kill(target, scope=SCOPE, duration_s=AFTER_S, name=name)
            time.sleep(AFTER_S)
            holder.find(name).stop()
        finally:
            loads.stop(recording)
        killed = record["places"][0]["place"].rpartition("/")[2]
        lab.wait_until_available(namespace, service)
        after = _live_counts(lab, namespace)
        if killed in before:
            after[killed] = outputs.last_counts(killed)
    shops = sum(after.values(), Counter[str]())
    shops.subtract(sum(before.values(), Counter[str]()))
    seconds = recording.seconds()
    ours = sum((Counter(x.statuses) for x in seconds), Counter[str]())
    return Counts(sum(x.sent for x in seconds), dict(ours), dict(shops), _lost(recording))


def _lost(recording: Recording) -> int:
    """Return what the probe ``requests_lost`` counts, over the whole load.

    The probe also refuses a load that was not sent in time, which changes no count.
    """
    seconds = recording.seconds()
    end_unix_s = seconds[-1].start_unix_s + 1
    window = Window(
        recording.name, seconds[0].start_unix_s, end_unix_s, recording.timeout_ms, seconds
    )
    return requests_lost.count(requests_lost.failures(window))


class _Outputs:
    """Follows what pods print, into one file each, because it goes with the pod."""

    def __init__(self, namespace: str, names: Iterable[str]) -> None:
        self._namespace = namespace
        self._names = list(names)
        self._stack = ExitStack()
        self._following: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}

    def __enter__(self) -> Self:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        for name in self._names:
            command = ["kubectl", "logs", "--namespace", self._namespace, "--follow", name]
            with (folder / name).open("w") as output:
                process = self._stack.enter_context(subprocess.Popen(command, stdout=output))
            self._stack.callback(process.kill)
            self._following[name] = (process, folder / name)
        time.sleep(_CONNECT_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stack.close()

    def last_counts(self, name: str) -> Counter[str]:
        """Wait for the end of a pod; return its answers by status, from its last line.

        Raises:
            RuntimeError: It has not ended, or printed nothing.
        """
        process, file = self._following[name]
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"pod {name} has not ended after {_END_S:g} s") from None
        lines = file.read_text().splitlines()
        if not lines:
            raise RuntimeError(f"pod {name} has ended without the line that has its counts")
        return Counter(json.loads(lines[-1])["requests"].get(ROUTE, {}))


def _live_counts(lab: Lab, namespace: str) -> dict[str, Counter[str]]:
    """Return the answers of each pod of the gateway that is there, by status."""
    found = {}
    for pod in read_pods(f"pods/{namespace}/app=gateway").select().pods:
        address = lab.client.get(PODS.path(namespace, pod.name))["status"]["podIP"]
        text = requests.get(f"http://{address}:{PORT}/metrics", timeout=5).text
        counts: Counter[str] = Counter()
        for labels, value in _METRIC.findall(text):
            of = dict(_LABEL.findall(labels))
            if of["route"] == ROUTE:
                counts[of["code"]] += int(float(value))
        found[pod.name] = counts
    return found


def _rows(service: str, found: Sequence[Counts]) -> list[Row]:
    exact = Reach(most=0, of="every round")
    what = f"pod of {service} killed"

    def row(figure: str, values: Sequence[int], reach: Reach | None) -> Row:
        return Row(f"{what}: {figure}", Rounds("", [float(x) for x in values]), reach=reach)

    lost_differ = [abs(x.lost - x.lost_by_shop) for x in found]
    return [
        row("requests sent", [x.sent for x in found], None),
        row("requests lost by the shop's count", [x.lost_by_shop for x in found], None),
        row("requests_lost, difference to the shop's count", lost_differ, exact),
        row("answers by status, difference", [x.different_answers for x in found], exact),
    ]
