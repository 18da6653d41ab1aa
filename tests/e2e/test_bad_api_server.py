"""The API server is busy, slow, frozen or gone in the middle of a run: the run goes on.

What was seen is measured. What could not be seen is said to be unknown, never guessed.
"""

import time
from collections.abc import Iterator

import pytest
from api_proxy import ApiProxy, answer_with, is_watch, proxied
from chaoslib.exceptions import ActivityFailed
from clusters import wait_until
from kubernetes.client.exceptions import ApiException
from laboratory import faults
from urllib3.exceptions import HTTPError
from workloads import deploy, uids

from chaos_go.agent import holder
from chaos_go.faults import stop
from chaos_go.faults.pods import kill
from probes import pods as probes

pytestmark = pytest.mark.e2e

SOON_S = 40.0


@pytest.fixture(autouse=True)
def environment(cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("KUBECONFIG", "KUBERNETES_CONTEXT"):
        monkeypatch.setenv(name, cluster.environment[name])
    yield
    holder.stop_all()


@pytest.fixture
def users(cluster, namespace) -> str:
    return deploy(cluster, namespace)


@pytest.fixture
def proxy(cluster, users, tmp_path, monkeypatch) -> Iterator[ApiProxy]:
    """A proxy before the API server, which is the only cluster that chaos_go knows."""
    with proxied(cluster, tmp_path) as found:
        monkeypatch.delenv("KUBECONFIG")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("KUBERNETES_HOST", found.url)
        yield found


def for_a_while(seconds, trouble):
    """Return a trouble that is over after some seconds."""
    until_s = time.monotonic() + seconds
    return lambda handler: time.monotonic() < until_s and trouble(handler)


def busy(handler):
    body = {"kind": "Status", "code": 429, "message": "Too many requests"}
    return answer_with(handler, 429, body, Retry_After="1")


def broken(handler):
    return answer_with(handler, 500, {"kind": "Status", "code": 500, "message": "etcd is away"})


def slow(handler):
    time.sleep(0.7)
    return False


def watches(trouble):
    return lambda handler: is_watch(handler) and trouble(handler)


def ends_at_once(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "0")
    handler.end_headers()
    return True


def too_old(handler):
    return answer_with(handler, 410, {"kind": "Status", "code": 410, "message": "too old"})


def in_the_middle_of_a_line(proxy):
    def cut(handler):
        proxy.pass_on(handler, most_lines=2)
        return True

    return cut


@pytest.mark.parametrize("mode", ["delete", "evict"])
@pytest.mark.parametrize("trouble", [busy, broken, slow])
def test_a_kill_waits_for_a_server_that_has_trouble(
    cluster, namespace, users, proxy, trouble, mode
):
    before = uids(cluster, namespace)
    proxy.trouble = for_a_while(4, trouble)
    record = kill(users, mode=mode, name=f"{trouble.__name__}-{mode}")
    assert [place["blocked"] for place in record["places"]] == [""]
    value = probes.recovery_s(users, fault=record["id"], timeout_s=SOON_S)
    assert 0 < value < SOON_S
    assert len(before & uids(cluster, namespace)) == 2  # one pod, whatever was sent again


@pytest.mark.parametrize("mode", ["delete", "evict"])
def test_a_storm_of_429_that_does_not_end_is_an_error_and_no_finding_of_a_budget(
    cluster, namespace, users, proxy, mode, monkeypatch
):
    monkeypatch.setattr("chaos_go.kubernetes.patience.LONGEST_S", 2.0)
    before = uids(cluster, namespace)
    proxy.trouble = lambda handler: handler.command != "GET" and busy(handler)
    with pytest.raises(ActivityFailed, match="answers 429 .*Too many requests"):
        kill(users, mode=mode, name="storm")
    assert uids(cluster, namespace) == before
    assert "storm" not in [fault.id for fault in holder.faults()]


def test_a_pod_is_killed_once_although_its_answer_was_lost(cluster, namespace, users, proxy):
    lost = []

    def lose_the_answer(handler):
        if handler.command != "DELETE" or lost:
            return False
        lost.append(handler.path)
        path = handler.path.rpartition("/")[2]
        cluster.core.delete_namespaced_pod(path, namespace, grace_period_seconds=0)
        handler.close_connection = True  # as if the server had died after it had done it
        return True

    proxy.trouble = lose_the_answer
    record = kill(users, name="lost-answer")
    assert [place["state"] for place in record["places"]] == ["armed"]
    assert probes.recovery_s(users, fault="lost-answer", timeout_s=SOON_S) < SOON_S
    assert len([line for line in proxy.asked if line.startswith("DELETE")]) == 2


@pytest.mark.parametrize("kind", ["ends at once", "410", "in the middle of a line", "500", "429"])
def test_whatever_happens_to_watches_the_recovery_is_measured(users, proxy, kind):
    trouble = {
        "ends at once": ends_at_once,
        "410": too_old,
        "in the middle of a line": in_the_middle_of_a_line(proxy),
        "500": broken,
        "429": busy,
    }[kind]
    proxy.trouble = watches(trouble)  # for ever: lists have to do
    record = kill(users, grace_period_s=0, name=f"watch-{kind}")
    value = probes.recovery_s(users, fault=record["id"], timeout_s=SOON_S)
    assert 0 < value < SOON_S


def test_a_permission_to_watch_that_is_missing_is_an_error_before_the_kill(
    cluster, namespace, users, proxy
):
    body = {"kind": "Status", "code": 403, "message": "eve cannot watch resource pods"}
    proxy.trouble = watches(lambda handler: answer_with(handler, 403, body))
    before = uids(cluster, namespace)
    with pytest.raises(ActivityFailed, match=r"watch pods.*eve cannot watch"):
        kill(users, name="unseen")
    assert uids(cluster, namespace) == before


class RealApiServer:
    """The API server of the laboratory, which can be stopped, frozen and brought back."""

    def __init__(self, cluster) -> None:
        self._cluster = cluster
        self._is_down = False

    def do(self, what):
        faults.signal_daemon(self._cluster.lab, "control-plane", "apiserver", what)
        self._is_down = self._is_down or what == "stop"

    def bring_back(self):
        """Let it answer again, and its clients too, which otherwise pause for up to a minute."""
        self.do("thaw")
        self.do("start")
        wait_until(lambda: answers(self._cluster), "the API server answers", 60)
        if self._is_down:
            for member, name in (
                ("control-plane", "controller-manager"),
                ("control-plane", "scheduler"),
                ("node1", "kubelet"),
            ):
                faults.signal_daemon(self._cluster.lab, member, name, "kill")
            self._is_down = False
        wait_until(lambda: controllers_work(self._cluster), "controllers work again", 60)


@pytest.fixture
def api_server(cluster):
    """The API server; it works again at the end."""
    found = RealApiServer(cluster)
    yield found
    found.bring_back()


def controllers_work(cluster):
    """Return whether the controllers have come back as well, for the next test."""
    name = f"after-{time.time_ns()}"
    cluster.core.create_namespace({"metadata": {"name": name}})
    until_s = time.monotonic() + 5
    while time.monotonic() < until_s:
        if cluster.core.list_namespaced_service_account(name).items:
            cluster.core.delete_namespace(name)
            return True
        time.sleep(0.2)
    return False


def answers(cluster):
    try:
        return cluster.core.list_namespace(_request_timeout=2)
    except (ApiException, HTTPError):
        return False


def test_a_recovery_that_was_not_seen_is_not_guessed(cluster, namespace, users, proxy):
    kill(users, grace_period_s=0, name="unseen")
    proxy.cut()
    time.sleep(8)
    proxy.trouble = None
    said = (
        r"did not answer for \d+\.\d s, so the recovery .* was not seen: "
        r"it took at least 0\.\d s and at most \d+\.\d s; run it again"
    )
    with pytest.raises(ActivityFailed, match=said):
        probes.recovery_s(users, fault="unseen", timeout_s=SOON_S)
    (ended,) = stop("unseen")
    assert (ended["recovery_s"], ended["violations"]) == (None, [])
    assert "did not answer" in ended["said"]
    ((since, until),) = ended["api_server_silent"]
    assert 6 < until - since < 20


def test_a_cluster_that_is_out_of_reach_at_the_end_violates_nothing(users, proxy):
    kill(users, grace_period_s=0, name="cut-off")
    proxy.cut()
    with pytest.raises(ActivityFailed, match="not seen: it took at least .* and an unknown time"):
        probes.recovery_s(users, fault="cut-off", timeout_s=6)
    proxy.trouble = None
    assert stop("cut-off")[0]["violations"] == []


@pytest.mark.parametrize("down", ["stop", "freeze"])
def test_the_run_goes_on_after_an_outage(cluster, users, api_server, down):
    kill(users, grace_period_s=0, name=f"outage-{down}")
    api_server.do(down)
    down_unix_s = time.time()
    time.sleep(10)
    api_server.bring_back()
    fault = holder.find(f"outage-{down}")
    wait_until(fault.recovery_s, "it has recovered", 60)
    # Nothing is replaced without an API server: it was seen after the outage, or is in doubt.
    assert fault.recovery_s() > 9 or fault.doubt()
    (ended,) = stop(f"outage-{down}")
    assert (ended["state"], ended["violations"], ended["problem"]) == ("ended", [], "")
    since, until = ended["api_server_silent"][0]
    assert since - 3 < down_unix_s < until - 8


def test_a_recovery_before_an_outage_is_measured(users, api_server):
    kill(users, grace_period_s=0, name="seen")
    fault = holder.find("seen")
    wait_until(fault.recovery_s, "it has recovered", 30)
    took = fault.recovery_s()
    api_server.do("stop")
    time.sleep(6)
    assert probes.recovery_s(users, fault="seen", timeout_s=60) == took
    (ended,) = stop("seen")  # without an API server
    assert (ended["state"], ended["recovery_s"]) == ("ended", took)


def test_rounds_go_on_after_an_outage(cluster, users, api_server):
    kill(users, interval_s=2, grace_period_s=0, duration_s=120, name="rounds-outage")
    api_server.do("stop")
    time.sleep(10)
    api_server.bring_back()
    fault = holder.find("rounds-outage")
    kills = len(fault.presence.kills)
    wait_until(lambda: len(fault.presence.kills) > kills, "another pod is killed", 40)
    assert stop("rounds-outage")[0]["state"] == "ended"


def test_an_api_server_that_is_gone_is_an_error_in_reasonable_time(users, api_server):
    api_server.do("stop")
    began_s = time.monotonic()
    with pytest.raises(ActivityFailed, match=r"https://.* does not answer after .*refused"):
        kill(users, name="gone")
    assert time.monotonic() - began_s < 40


def test_a_frozen_api_server_is_an_error_in_reasonable_time(users, api_server):
    api_server.do("freeze")
    began_s = time.monotonic()
    with pytest.raises(ActivityFailed, match=r"https://.* does not answer after .*timed out"):
        kill(users, name="frozen")
    assert time.monotonic() - began_s < 60
