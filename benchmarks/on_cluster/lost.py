"""Whether chaos_go counts the requests that kills cost exactly as the shop does.

The load goes to the gateway. In one case badly built pods behind it are killed: the gateway stays
and answers 502 or 504. In the other the pods of the gateway itself are killed while connections
still come: these requests get no answer at all. Each pod of the gateway counts its answers; one
that was killed prints them as its last line.
"""

import json
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from table import Reach, Rounds, Row

import probes.recovery
from chaos_go.agent import holder
from chaos_go.faults import pods
from chaos_go.kubernetes.client import Object
from chaos_go.kubernetes.kinds import SERVICES
from chaos_go.targets import read_pods
from chaos_go.traffic import load as loads
from chaos_go.traffic.contract import Load

from .lab import Lab

SERVICES_NEEDED = ("users", "gateway")
ROUTE = "GET /api/v1/users/{id}"
RATE_RPS = 200.0
BEFORE_S, KILLS, INTERVAL_S, AFTER_S = 2.0, 2, 4.0, 3.0
TIMEOUT_MS = 3000.0
LATENCY = "--latency=50ms"  # so that several requests are under way when a pod ends
PORT = 8080
_FAILED_FROM = 500
_METRIC = re.compile(r"shop_http_request_duration_seconds_count\{([^}]*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Counts:
    """What both sides counted in one round.

    Attributes:
        sent: The requests that the load has sent.
        ours: The answers that the load got, by status.
        shops: The answers that the gateway gave, by status.
        lost: What the probe ``requests_lost`` returned.
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
            f"interval_s={INTERVAL_S}), twice per round, at {RATE_RPS:g} requests/s")  # fmt: skip
        lab.deploy(namespace, SERVICES_NEEDED, worse)
        found = [one_round(lab, namespace, service, f"{service}-{n}") for n in range(rounds)]
        rows += _rows(service, found)
    return rows


def worse(one: Object) -> None:
    """Change an object of the shop: its pods end while requests still come, users abruptly."""
    if one["kind"] == "PodDisruptionBudget" or one["kind"] == "Service":
        return
    (container,) = one["spec"]["template"]["spec"]["containers"]
    container.pop("lifecycle", None)
    if one["metadata"]["name"] == "users":
        container["args"] += [LATENCY, "--bad=abrupt-shutdown"]


def one_round(lab: Lab, namespace: str, service: str, name: str) -> Counts:
    """Drive a load, kill pods of a service meanwhile, and count on both sides.

    Args:
        lab: The cluster; the shop is deployed in the namespace.
        namespace: The namespace.
        service: Whose pods are killed: ``users``, or ``gateway``.
        name: A new name for the load and the fault.

    Raises:
        RuntimeError: The shop is not available, or a killed pod of the gateway printed no counts.
    """
    lab.wait_until_available(namespace, service)
    address = lab.client.get(SERVICES.path(namespace, "gateway"))["spec"]["clusterIP"]
    url = f"http://{address}:{PORT}/api/v1/users/42"
    gateways = [pod.name for pod in read_pods(f"pods/{namespace}/app=gateway").select().pods]
    with tempfile.TemporaryDirectory() as folder, _logs(namespace, gateways, Path(folder)):
        before = _live_counts(lab, namespace)
        recording = loads.start(name, Load(url=url, rate_rps=RATE_RPS, timeout_ms=TIMEOUT_MS))
        try:
            time.sleep(BEFORE_S)
            duration_s = (KILLS - 1) * INTERVAL_S + AFTER_S
            target = f"deployment/{namespace}/{service}"
            pods.kill(target, interval_s=INTERVAL_S, duration_s=duration_s, name=name)
            time.sleep(duration_s)
            holder.find(name).stop()
            told = probes.recovery.requests_lost(name, traffic=name)
        finally:
            loads.stop(recording)
        lab.wait_until_available(namespace, service)
        after = _live_counts(lab, namespace) + _last_counts(lab, namespace, Path(folder))
    after.subtract(before)
    seconds = recording.seconds()
    ours: Counter[str] = Counter()
    for second in seconds:
        ours.update(second.statuses)
    shops = {status: count for status, count in after.items() if count}
    return Counts(sum(x.sent for x in seconds), dict(ours), shops, told)


@contextmanager
def _logs(namespace: str, names: Sequence[str], folder: Path) -> Iterator[None]:
    """Follow the output of pods into one file each, until they end or the block does."""
    following = []
    for name in names:
        with (folder / name).open("w") as file:
            command = ["kubectl", "logs", "--namespace", namespace, "--follow", name]
            following.append(subprocess.Popen(command, stdout=file))
    time.sleep(0.5)  # each has its stream then
    try:
        yield
    finally:
        for process in following:
            process.kill()
            process.wait()


def _live_counts(lab: Lab, namespace: str) -> Counter[str]:
    """Return the answers of all pods of the gateway that are there, by status."""
    counts: Counter[str] = Counter()
    for pod in read_pods(f"pods/{namespace}/app=gateway").select().pods:
        status = lab.client.get(f"/api/v1/namespaces/{namespace}/pods/{pod.name}")["status"]
        text = requests.get(f"http://{status['podIP']}:{PORT}/metrics", timeout=5).text
        for labels, value in _METRIC.findall(text):
            found = dict(_LABEL.findall(labels))
            if found["route"] == ROUTE:
                counts[found["code"]] += int(float(value))
    return counts


def _last_counts(lab: Lab, namespace: str, folder: Path) -> Counter[str]:
    """Return the answers of the pods of the gateway that have ended, from their last lines."""
    counts: Counter[str] = Counter()
    for file in folder.iterdir():
        if lab.exists(f"/api/v1/namespaces/{namespace}/pods/{file.name}"):
            continue
        lines = file.read_text().splitlines()
        if not lines:
            raise RuntimeError(f"pod {file.name} has ended without a line that has its counts")
        counts.update(json.loads(lines[-1])["requests"].get(ROUTE, {}))
    return counts


def _rows(service: str, found: Sequence[Counts]) -> list[Row]:
    exact = Reach(most=0, of="every round")
    what = f"{KILLS} pods of {service} killed"

    def row(figure: str, values: Sequence[int], reach: Reach | None) -> Row:
        return Row(f"{what}: {figure}", Rounds("", [float(x) for x in values]), reach=reach)

    lost_differ = [abs(x.lost - x.lost_by_shop) for x in found]
    return [
        row("requests sent", [x.sent for x in found], None),
        row("requests lost by the shop's count", [x.lost_by_shop for x in found], None),
        row("requests_lost, difference to the shop's count", lost_differ, exact),
        row("answers by status, difference", [x.different_answers for x in found], exact),
    ]
