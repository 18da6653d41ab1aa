"""Rounds of kills, interruptions and lost answers, on a server that answers as a cluster would.

The real cluster of tests/e2e replaces pods in half a second; here a test decides what happens.
"""

import json
import os
import signal
import threading
import time

import pytest
from api_server import serving, status
from chaoslib.exceptions import ActivityFailed
from kubernetes_objects import owned_by, pod

from chaos_go.agent import holder
from chaos_go.faults import pods as faults
from chaos_go.targets import pods as pod_targets
from probes import pods as probes

PODS = "/api/v1/namespaces/shop/pods"


class Cluster:
    """Pods that are not replaced.

    Attributes:
        pods: The pods that are there, by name.
        delete_s: Seconds that the server takes to accept a DELETE.
        loses_answers: Whether it hangs up after it has accepted an eviction.
    """

    def __init__(self, *pods):
        self.pods = {one["metadata"]["name"]: one for one in pods}
        self.delete_s = 0.0
        self.loses_answers = False
        self.over = threading.Event()
        self._changed = threading.Condition()
        self._events = []

    def __call__(self, asked, out):
        name = asked.path.removeprefix(PODS).strip("/").partition("/")[0]
        if asked.path == "/version":
            out.json({})
        elif asked.method in ("DELETE", "POST"):
            time.sleep(self.delete_s)
            self._remove(name)
            if self.loses_answers:
                out.hang_up()
            else:
                out.json({})
        elif "watch" in asked.query:
            self._watch(out)
        elif name:
            found = self.pods.get(name)
            out.json(found or status(404), 200 if found else 404)
        else:
            items = list(self.pods.values())
            out.json({"metadata": {"resourceVersion": "1"}, "items": items})

    def _remove(self, name):
        with self._changed:
            self._events.append({"type": "DELETED", "object": self.pods.pop(name)})
            self._changed.notify_all()

    def _watch(self, out):
        out.begin()
        sent = len(self._events)
        while not self.over.is_set():
            with self._changed:
                self._changed.wait(0.05)
                new, sent = self._events[sent:], len(self._events)
            out.events(*new)
        out.hang_up()


def pods_of(workload, number, is_ready=True):
    meta = owned_by("ReplicaSet", workload)
    ready = {"type": "Ready", "status": str(is_ready)}
    return [
        pod(f"{workload}-{x}", meta=json.loads(json.dumps(meta)), status={"conditions": [ready]})
        for x in range(number)
    ]


@pytest.fixture
def start(monkeypatch):
    """Return a function that serves a cluster to the faults and probes."""
    servers = []

    def serve(*pods):
        cluster = Cluster(*pods)
        context = serving(cluster)
        server = context.__enter__()
        servers.append((cluster, context))
        client = server.client()
        for module in (faults, pod_targets, probes):
            monkeypatch.setattr(module, "connect", lambda _secrets=None: client)
        return cluster

    yield serve
    holder.stop_all()
    for cluster, context in servers:
        cluster.over.set()
        context.__exit__(None, None, None)
    for thread in threading.enumerate():  # other tests measure the memory of this process
        if thread.name.startswith(("watch", "pulse", "fault")):
            thread.join(10)


ALL = {"pods": "all", "max_percentage": 100}


def test_an_interruption_ends_a_round_and_the_journal_has_what_was_killed(start):
    cluster = start(*pods_of("a", 40))
    cluster.delete_s = 0.1
    with pytest.raises(KeyboardInterrupt):
        _interrupted_after(0.35, lambda: faults.kill("pods/shop/x=y", scope=ALL, name="many"))
    record = holder.find("many").record()
    killed = len(record["kills"])
    assert 1 <= killed < 40
    assert killed == 40 - len(cluster.pods)
    assert record["state"] == "ended"
    assert "it ended early: KeyboardInterrupt" in record["problem"]


def _interrupted_after(seconds, action):
    """Run an action in the main thread, which is interrupted as by Ctrl-C."""
    timer = threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        action()
        time.sleep(seconds)  # the interruption comes here if the action did not wait
    finally:
        timer.cancel()


def test_rounds_never_take_more_than_allowed_of_any_workload(start):
    cluster = start(*pods_of("a", 2), *pods_of("b", 2))
    faults.kill("pods/shop/x=y", interval_s=0.1, duration_s=1.5, seed=5, name="rounds")
    time.sleep(1.2)
    record = holder.find("rounds").record()
    assert sorted(x["pod"][0] for x in record["kills"]) == ["a", "b"]
    assert len({x["uid"] for x in record["kills"]}) == 2
    assert len(cluster.pods) == 2
    assert record["problem"] == ""


@pytest.mark.parametrize("target", ["pod/shop/a-0", "pods/shop/x=y"])
def test_rounds_on_a_named_pod_that_does_not_come_back(start, target):
    cluster = start(*pods_of("a", 3))
    scope = {"pods": ["a-0"]}
    with pytest.raises(ActivityFailed, match="a-0 does not come back under its name"):
        faults.kill(target, scope=scope, interval_s=1)
    assert len(cluster.pods) == 3


def test_a_named_pod_is_killed_and_its_siblings_are_not(start):
    cluster = start(*pods_of("a", 3))
    faults.kill("pod/shop/a-1", name="named")
    assert sorted(cluster.pods) == ["a-0", "a-2"]


def test_the_end_of_the_duration_before_the_recovery_is_no_violation(start):
    start(*pods_of("a", 3))
    faults.kill(
        "pods/shop/x=y", interval_s=0.2, duration_s=0.6, wait_for_recovery=True, name="short"
    )
    time.sleep(1)
    record = holder.find("short").record()
    assert (record["state"], record["violations"]) == ("ended", [])


def test_an_eviction_whose_answer_is_lost_is_a_kill(start):
    cluster = start(*pods_of("a", 3))
    cluster.loses_answers = True
    record = faults.kill("pods/shop/x=y", mode="evict", name="lost")
    assert len(record["kills"]) == 1
    assert len(cluster.pods) == 2


def test_a_kill_acts_on_whole_pods(start):
    cluster = start(*pods_of("a", 3))
    with pytest.raises(ActivityFailed, match=r"scope.container='users': this fault acts on whole"):
        faults.kill("pods/shop/x=y", scope={"pods": 1, "container": "users"})
    with pytest.raises(ActivityFailed, match="wait_for_recovery=True: there is only one round"):
        faults.kill("pods/shop/x=y", wait_for_recovery=True)
    assert len(cluster.pods) == 3


def test_pods_that_are_not_ready_are_no_available_baseline(start):
    start(*pods_of("a", 3, is_ready=False))
    with pytest.raises(ActivityFailed, match=r"is not available after 0.5 s: pod a-0: Ready=False"):
        probes.recovery_s("pods/shop/x=y", timeout_s=0.5)
    assert probes.ready_ratio("pods/shop/x=y") == 0


def test_a_probe_of_another_target_than_that_of_the_fault(start):
    start(*pods_of("a", 3))
    faults.kill("pods/shop/x=y", name="mine")
    for probe in (probes.recovery_s, probes.ready_ratio, probes.restarts, probes.oom_kills):
        with pytest.raises(ActivityFailed, match="'mine' watches the pods of pods/shop/x=y"):
            probe("pods/shop/x=z", fault="mine")
    assert probes.restarts("pods/shop/x=y:8080", fault="mine") == 0
