"""A load that pods of a Job send: measured like any other, and nothing of it stays."""

import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import workloads
from chaos_runs import CHAOS, EVIDENCE
from chaoslib.exceptions import InterruptExecution
from clusters import wait_until
from kubernetes.client import BatchV1Api

from chaos_go.agent import holder
from chaos_go.controls import traffic as control
from chaos_go.errors import ChaosGoError, ClusterError, NotEnoughDataError
from chaos_go.traffic import generator, job, load
from probes import traffic as probes

pytestmark = pytest.mark.e2e

RATE_RPS = 40.0
LATE = "machine that sends them was too busy"
"""What is said when others need the processors of this machine; that is correct, and no failure."""


@pytest.fixture(autouse=True)
def environment(cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("KUBECONFIG", "KUBERNETES_CONTEXT"):
        monkeypatch.setenv(name, cluster.environment[name])
    yield
    for recording in load.running():
        load.finish(recording)
    holder.stop_all()


@pytest.fixture
def jobs(cluster, namespace) -> "Jobs":
    return Jobs(cluster, namespace)


class Jobs:
    """The load Jobs of a namespace and their pods."""

    def __init__(self, cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.batch = BatchV1Api(cluster.api_client())

    def names(self) -> list[str]:
        return [x.metadata.name for x in self.batch.list_namespaced_job(self.namespace).items]

    def pods(self) -> list[Any]:
        return self.cluster.core.list_namespaced_pod(
            self.namespace, label_selector="app.kubernetes.io/name=chaos-go-load"
        ).items

    def are_gone(self) -> bool:
        return not self.names() and not self.pods()

    def wait_until_gone(self, within_s: float = 20) -> None:
        wait_until(self.are_gone, "the Job and its pods are gone", within_s)


def pods_of(cluster, namespace: str, count: int = 2, **changes: object) -> dict[str, Any]:
    given = {"image": cluster.agent_image, "namespace": namespace, "pods": count}
    return {"kubernetes": given | changes}


def users(rate_rps: float = RATE_RPS, host: str = "users:8082") -> dict[str, Any]:
    return {"url": f"http://{host}/api/v1/users/42", "rate_rps": rate_rps}


def start(cluster, namespace: str, **changes: object):
    pods = generator.read(pods_of(cluster, namespace, **changes))
    return load.start("users", load.read(users()), pods)


def measured(probe: Callable[[], Any], within_s: float = 60.0) -> Any:
    """Return what a probe measures in a window in which this machine sent on time."""
    until_s = time.monotonic() + within_s
    while True:
        try:
            return probe()
        except NotEnoughDataError as error:
            if LATE not in str(error) or time.monotonic() > until_s:
                raise
        time.sleep(1)


def problem(record: dict[str, Any]) -> str:
    """Return what is wrong with a record, apart from a machine that was too busy."""
    return "" if LATE in record["problem"] else str(record["problem"])


@pytest.fixture
def served(cluster, namespace) -> str:
    """Return a namespace with the service users, of one pod."""
    workloads.deploy(cluster, namespace, replicas=1)
    service = {"selector": {"app": "users"}, "ports": [{"port": 8082}]}
    body = {"metadata": {"name": "users"}, "spec": service}
    cluster.core.create_namespaced_service(namespace, body)
    return namespace


def test_two_pods_send_one_load_to_the_shop(cluster, shop, jobs):
    asked = load.read({"url": "http://gateway:8080/api/v1/users/42", "rate_rps": 200})
    pods = generator.read(pods_of(cluster, shop.namespace))
    recording = load.start("users", asked, pods)
    assert len(jobs.pods()) == 2
    detail = measured(lambda: probes.p99_detail(window_s=3))
    assert detail["n"] == 3 * 200
    assert 0 < detail["value"] < 2000
    assert measured(lambda: probes.error_rate(window_s=3)) < 0.01
    record = load.finish(recording)
    assert problem(record) == ""
    assert {second["intended"] for second in record["seconds"][:-1]} == {200}
    assert record["totals"]["sent"] == sum(second["sent"] for second in record["seconds"])
    told = record["generator"]["kubernetes"]
    assert (told["image"], len({pod["uid"] for pod in told["pods"]})) == (cluster.agent_image, 2)
    assert {pod["node"] for pod in told["pods"]} <= set(cluster.node_names())
    assert all(abs(pod["clock_ahead_s"]) < 0.2 for pod in told["pods"])
    jobs.wait_until_gone()


def test_the_pods_are_on_different_nodes(three_nodes, cluster, served, jobs):
    recording = start(cluster, served)
    assert len({pod.spec.node_name for pod in jobs.pods()}) == 2
    load.finish(recording)


def test_the_pods_may_run_under_the_restricted_standard(cluster, served, jobs):
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.core.patch_namespace(served, {"metadata": {"labels": label}})
    recording = start(cluster, served, count=1)
    assert measured(lambda: probes.error_rate(window_s=3)) == 0.0
    assert problem(load.finish(recording)) == ""


def test_a_pod_that_is_lost_is_a_problem_and_no_number(cluster, served, jobs):
    recording = start(cluster, served)
    measured(lambda: probes.error_rate(window_s=4))
    victim = jobs.pods()[0].metadata.name
    cluster.core.delete_namespaced_pod(victim, served, grace_period_seconds=0)
    wait_until(lambda: not recording.runs, "the loss is noticed", 10)
    time.sleep(2)  # now the window has seconds in which the pod did not send
    with pytest.raises(NotEnoughDataError, match=rf"ended \(.*{victim}"):
        probes.error_rate(window_s=4)
    record = load.finish(recording)
    assert victim in record["problem"]
    assert len(record["seconds"]) >= 4
    jobs.wait_until_gone()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image": "localhost/chaos-agent:none"}, r"ErrImage|ImagePull|pull"),
        ({"image": "No Image"}, "InvalidImageName|couldn't parse image"),
        ({"node_selector": {"disk": "of-gold"}}, r"PodScheduled=False: .*node"),
    ],
)
def test_pods_that_do_not_start_are_told_and_removed(
    cluster, namespace, jobs, monkeypatch, changes, reason
):
    monkeypatch.setattr(job, "START_S", 8.0)
    began = time.monotonic()
    with pytest.raises(ClusterError, match=rf"0 of 1 pods with image .*({reason})"):
        start(cluster, namespace, count=1, **changes)
    assert time.monotonic() - began < 30
    jobs.wait_until_gone()


def test_an_image_without_the_agent_is_told(cluster, namespace, jobs):
    with pytest.raises(ChaosGoError, match=r"pod chaos-go-load-\w+-\w+"):
        start(cluster, namespace, count=1, image="localhost/toolbox:lab")
    jobs.wait_until_gone()


def test_a_quota_is_told(cluster, namespace, jobs):
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"pods": "1"}}}
    cluster.core.create_namespaced_resource_quota(namespace, quota)
    quotas = cluster.core.read_namespaced_resource_quota
    wait_until(lambda: quotas("small", namespace).status.hard, "the quota is in force", 10)
    with pytest.raises(ClusterError, match="1 of 2 pods .*exceeded quota: small"):
        start(cluster, namespace)
    jobs.wait_until_gone()


def test_a_namespace_that_is_not_there_is_told(cluster):
    with pytest.raises(ClusterError, match='namespaces "nowhere" not found'):
        start(cluster, "nowhere")


def test_a_host_that_does_not_resolve_in_the_pods_interrupts_the_run(cluster, namespace, jobs):
    with pytest.raises(InterruptExecution, match="load.url=.*cannot be resolved"):
        control.before_experiment_control(
            {}, "users", users(host="no-such-service:1"), pods_of(cluster, namespace)
        )
    jobs.wait_until_gone()


def experiment(cluster, namespace: str) -> dict[str, Any]:
    arguments = {"name": "users", "load": users(), "generator": pods_of(cluster, namespace)}
    provider = {"type": "python", "module": "chaos_go.controls.traffic", "arguments": arguments}
    rate = {"type": "python", "module": "probes.traffic", "func": "error_rate"}
    probe = {"name": "errors", "type": "probe", "tolerance": [0.0, 0.01], "provider": rate}
    return {
        "title": "does the load come from the cluster?",
        "description": "hypothesis: it does",
        "controls": [EVIDENCE, {"name": "load", "provider": provider}],
        "steady-state-hypothesis": {"title": "users answer", "probes": [probe]},
        "method": [{"name": "again", "type": "probe", "provider": rate, "pauses": {"after": 300}}],
    }


def chaos_run(cluster, folder: Path, content: dict[str, Any]) -> "subprocess.Popen[bytes]":
    (folder / "experiment.json").write_text(json.dumps(content))
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [CHAOS, "--no-version-check", "run", "--journal-path", "journal.json",
             "experiment.json"],
            cwd=folder, env=cluster.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip


def test_an_experiment_with_a_load_in_pods(cluster, served, jobs, tmp_path):
    content = experiment(cluster, served)
    del content["steady-state-hypothesis"]  # a busy machine sends late, and nothing would be run
    content["method"][0]["pauses"] = {"before": 5}
    run = chaos_run(cluster, tmp_path, content)
    assert run.wait(90) == 0, (tmp_path / "log").read_text()
    journal = json.loads((tmp_path / "journal.json").read_text())
    assert journal["status"] == "completed"
    record = journal["chaos_go"]["traffic"]["users"]
    assert (problem(record), len(record["generator"]["kubernetes"]["pods"])) == ("", 2)
    assert sum(second["sent"] for second in record["seconds"]) >= 5 * RATE_RPS
    jobs.wait_until_gone()


@pytest.mark.parametrize("ends_by", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_removes_the_job(cluster, served, jobs, tmp_path, ends_by):
    run = chaos_run(cluster, tmp_path, experiment(cluster, served))
    wait_until(lambda: len(jobs.pods()) == 2, "the pods are created", 40)
    run.send_signal(ends_by)
    run.wait(60)
    jobs.wait_until_gone()


def test_when_python_is_killed_the_load_ends_with_its_lease(cluster, served, jobs, tmp_path):
    run = chaos_run(cluster, tmp_path, experiment(cluster, served))
    wait_until(lambda: count(cluster, served) > 50, "the load runs", 60)
    run.send_signal(signal.SIGKILL)
    run.wait()
    killed = time.monotonic()
    before = -1
    while before != (now := count(cluster, served)):
        before = now
        time.sleep(2)
        assert time.monotonic() - killed < 30
    assert len(jobs.names()) == 1  # its pods end when they have been without an agent for a while


def count(cluster, namespace: str) -> int:
    """Return how many requests all pods of users were sent, by their own count."""
    total = 0
    for pod in cluster.core.list_namespaced_pod(namespace, label_selector="app=users").items:
        text = scrape(pod.status.pod_ip)
        total += sum(
            int(float(line.rpartition(" ")[2]))
            for line in text.splitlines()
            if line.startswith("shop_http_request_duration_seconds_count")
        )
    return total


def scrape(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}:8082/metrics", timeout=5) as answer:
        return answer.read().decode()
