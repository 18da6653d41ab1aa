"""The experiments on pods and nodes: held with the shop of demo/deploy, violated with a bad one."""

import itertools
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from clusters import ROOT, Cluster, wait_until
from kubernetes import client
from shop import PORTS, Shop
from world import CHAOS

HELD, VIOLATED, INCONCLUSIVE = 0, 1, 2
MOST_ATTEMPTS = 3
RUN_TIMEOUT_S = 180.0
WARM_UP_S = 3.0  # without a readiness probe nobody tells when the pods are warm
PNG = b"\x89PNG\r\n\x1a\n"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(MOST_ATTEMPTS * RUN_TIMEOUT_S)]


class Run:
    """An experiment that was run on a shop, with its verdict."""

    def __init__(self, cluster: Cluster, shop: Shop, experiment: str, folder: Path) -> None:
        """Run it, and judge it.

        A run on a machine that is too busy to measure is "inconclusive", which is correct, but not
        an answer. Then the run is repeated. This never turns one answer into another.
        """
        file = ROOT / "experiments" / f"{experiment}.yaml"
        self._folder = folder
        self._environment = {
            **cluster.environment,
            "CHAOS_TARGET": f"deployment/{shop.namespace}/users",
            "CHAOS_NAMESPACE": shop.namespace,
            "SHOP_URL": shop.url(""),
        }
        for _ in range(MOST_ATTEMPTS):
            self._chaos("run", "--rollback-strategy", "always", str(file))
            self.exit_code, said = self._chaos("go", "verdict", "journal.json")
            print(said)
            if self.exit_code != INCONCLUSIVE:
                break
        self.journal: dict[str, Any] = json.loads((folder / "journal.json").read_text())

    def _chaos(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(
            [CHAOS, "--no-version-check", *words],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    @property
    def fault(self) -> dict[str, Any]:
        """The record of its only fault."""
        (fault,) = self.journal["chaos_go"]["faults"]
        return dict(fault)

    def after(self, probe: str) -> Any:
        """Return what a probe of the hypothesis gave after the method; None if it was not asked."""
        probes = self.journal["steady_states"]["after"]["probes"]
        return next((x["output"] for x in probes if x["activity"]["name"] == probe), None)

    def picture(self) -> bytes:
        """Draw the run."""
        code, said = self._chaos("go", "plot", "journal.json", "-o", "run.png")
        assert code == 0, said
        return (self._folder / "run.png").read_bytes()


def make_bad(cluster: Cluster, shop: Shop, variant: str) -> None:
    """Build the shop badly, as a patch of demo/deploy/bad says, and wait until it is so."""
    patch = yaml.safe_load((ROOT / "demo" / "deploy" / "bad" / f"{variant}.yaml").read_text())
    if variant == "no-budget":
        policy = client.PolicyV1Api(cluster.core.api_client)
        policy.patch_namespaced_pod_disruption_budget("users", shop.namespace, patch)
        return
    for service in PORTS:
        cluster.apps.patch_namespaced_deployment(service, shop.namespace, patch)
    wait_until(lambda: _is_rolled_out(cluster, shop), f"the shop is {variant}", 60)
    time.sleep(WARM_UP_S)


def _is_rolled_out(cluster: Cluster, shop: Shop) -> bool:
    def is_done(one: client.V1Deployment) -> bool:
        status, wanted = one.status, one.spec.replicas
        seen = status.observed_generation == one.metadata.generation
        counts = (status.updated_replicas, status.available_replicas, status.replicas)
        return bool(seen and counts == (wanted, wanted, wanted))

    return all(map(is_done, cluster.apps.list_namespaced_deployment(shop.namespace).items))


def users_of(cluster: Cluster, shop: Shop) -> dict[str, client.V1Pod]:
    pods = cluster.core.list_namespaced_pod(shop.namespace, label_selector="app=users").items
    return {pod.metadata.uid: pod for pod in pods if not pod.metadata.deletion_timestamp}


def test_a_killed_pod_is_replaced_without_a_lost_request(cluster, shop, tmp_path):
    before = users_of(cluster, shop)
    run = Run(cluster, shop, "users-pod-killed", tmp_path)
    assert run.exit_code == HELD
    assert run.after("no-log-in-is-lost") == 0
    assert 0 < run.after("all-pods-are-available-within-30-s") < 30
    (kill,) = run.fault["kills"]
    assert kill["uid"] in {pod["uid"] for pod in run.fault["resolved"]}
    assert len(run.fault["resolved"]) == 3
    for pod in run.fault["resolved"]:
        assert pod["namespace"] == shop.namespace
        if real := before.get(pod["uid"]):  # not after a run that was inconclusive
            assert (pod["pod"], pod["node"]) == (real.metadata.name, real.spec.node_name)
        assert pod["images"] == ["localhost/chaos-shop:demo"]
        assert pod["owner"] == "deployment/users"
    assert run.picture().startswith(PNG)


@pytest.mark.parametrize(
    ("experiment", "variant", "causes"),
    [
        ("users-pod-killed", "abrupt-shutdown", {"502"}),
        ("users-pod-killed", "no-readiness", {"503"}),
        ("users-pods-killed-in-a-row", "abrupt-shutdown", {"502"}),
    ],
)
def test_a_badly_built_shop_loses_log_ins(cluster, shop, tmp_path, experiment, variant, causes):
    make_bad(cluster, shop, variant)
    run = Run(cluster, shop, experiment, tmp_path)
    assert run.exit_code == VIOLATED
    assert run.after("no-log-in-is-lost") > 0
    assert causes <= lost_by_cause(run.journal, "log-ins")


def test_kills_in_a_row_wait_for_the_recovery(cluster, shop, tmp_path):
    run = Run(cluster, shop, "users-pods-killed-in-a-row", tmp_path)
    assert run.exit_code == HELD
    kills = run.fault["kills"]
    assert 3 <= len(kills) <= 5
    for earlier, later in itertools.pairwise(kills):
        assert later["killed_unix_s"] - earlier["killed_unix_s"] > 7.5
        assert later["killed_unix_s"] > earlier["replaced_unix_s"]


def test_a_budget_refuses_the_second_eviction(cluster, shop, tmp_path):
    run = Run(cluster, shop, "eviction-respects-the-budget", tmp_path)
    assert run.exit_code == HELD
    (refused,) = [place for place in run.fault["places"] if place["blocked"]]
    assert "needs 2 healthy pods" in refused["blocked"]
    asked = run.journal["run"][1]
    assert (asked["activity"]["name"], asked["output"]) == ("evictions-that-the-budget-refused", 1)
    assert run.after("three-users-pods-run") == 3


def test_without_a_budget_both_pods_are_evicted(cluster, shop, tmp_path):
    make_bad(cluster, shop, "no-budget")
    run = Run(cluster, shop, "eviction-respects-the-budget", tmp_path)
    assert run.exit_code == VIOLATED
    assert run.after("at-least-two-thirds-of-the-pods-stay-ready") == pytest.approx(1 / 3)


def test_a_drained_node_costs_no_request(cluster, three_nodes, shop, tmp_path):
    run = Run(cluster, shop, "node-drained", tmp_path)
    assert run.exit_code == HELD
    (place,) = run.fault["places"]
    assert run.fault["kills"], "no pod was evicted"
    assert {pod.spec.node_name for pod in users_of(cluster, shop).values()} <= {
        f"node{number}" for number in (1, 2, 3)
    } - {place["place"].removeprefix("node/")}
    nodes = cluster.core.list_node().items
    assert [node.metadata.name for node in nodes if node.spec.unschedulable] == []
    assert not list(tmp_path.glob("*undo*"))


def test_a_drained_node_costs_a_shop_that_shuts_down_abruptly(cluster, three_nodes, shop, tmp_path):
    make_bad(cluster, shop, "abrupt-shutdown")
    run = Run(cluster, shop, "node-drained", tmp_path)
    assert run.exit_code == VIOLATED
    assert run.after("no-log-in-is-lost") > 0


def lost_by_cause(journal: dict[str, Any], traffic: str) -> set[str]:
    """Return why requests failed, over the whole run."""
    seconds = journal["chaos_go"]["traffic"][traffic]["seconds"]
    return {cause for second in seconds for cause in second.get("failures_by_cause", {})}
