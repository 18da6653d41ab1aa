"""Activities of chaostoolkit-kubernetes and ours in one experiment, under a real `chaos run`.

The table in docs/reference/kubernetes.md lists what these tests have seen working.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_proxy import kubeconfig_of
from chaos_runs import CHAOS, EVIDENCE
from test_bad_credentials import READ, token
from workloads import create, ready, uids

pytestmark = pytest.mark.e2e

ADMIN, READER = "admin", "reader"
SECRETS = {name: {"KUBERNETES_CONTEXT": name} for name in (ADMIN, READER)}
Activity = dict[str, Any]


def activity(module: str, func: str, who: str = ADMIN, /, **arguments: object) -> Activity:
    """Return an activity; its name is that of its function."""
    kind = "probe" if "probes" in module else "action"
    provider = {"type": "python", "module": module, "func": func, "secrets": [who]}
    return {"name": func, "type": kind, "provider": {**provider, "arguments": arguments}}


def chaosk8s(module: str, func: str, who: str = ADMIN, /, **arguments: object) -> Activity:
    return activity(f"chaosk8s.{module}", func, who, **arguments)


def kill(target: str, who: str = ADMIN, **arguments: object) -> Activity:
    return activity("chaos_go.faults.pods", "kill", who, target=target, **arguments)


def recovery(target: str, fault: str) -> Activity:
    found = activity("probes.pods", "recovery_s", target=target, fault=fault, timeout_s=60)
    return {**found, "tolerance": {"type": "range", "range": [0, 60]}}


class Mixed:
    """Runs experiments with the contexts of two users: the administrator and a reader."""

    def __init__(self, cluster, namespace: str, folder: Path) -> None:
        self.folder = folder
        content = kubeconfig_of(cluster)
        (given,) = [x for x in content["contexts"] if x["name"] == cluster.context]
        rules = (*READ, ("events", "list"))
        content["users"].append(
            {"name": READER, "user": {"token": token(cluster, namespace, READER, *rules)}}
        )
        content["contexts"] = [
            {"name": ADMIN, "context": given["context"]},
            {"name": READER, "context": {**given["context"], "user": READER}},
        ]
        # Neither is the current one: each activity says who it is.
        content["current-context"] = ADMIN
        (folder / "kubeconfig").write_text(yaml.safe_dump(content))
        self._environment = {**cluster.environment, "KUBECONFIG": str(folder / "kubeconfig")}
        self._environment.pop("KUBERNETES_CONTEXT")

    def run(self, *method: Activity, hypothesis: tuple[Activity, ...] = ()) -> dict[str, Any]:
        """Run an experiment and return its journal."""
        experiment = {
            "title": "do both work beside each other?",
            "description": "hypothesis: they do",
            "secrets": SECRETS,
            "controls": [EVIDENCE],
            "method": list(method),
        }
        if hypothesis:
            experiment["steady-state-hypothesis"] = {"title": "well", "probes": list(hypothesis)}
        (self.folder / "experiment.json").write_text(json.dumps(experiment))
        command = [CHAOS, "--no-version-check", "run", "--journal-path", "journal.json"]
        done = subprocess.run(
            [*command, "experiment.json"],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=110,
        )
        journal = json.loads((self.folder / "journal.json").read_text())
        journal["log"] = done.stderr + done.stdout
        return dict(journal)

    def verdict(self) -> str:
        """Return the outcome of `chaos go verdict`."""
        command = [CHAOS, "--no-version-check", "go", "verdict", "journal.json"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr


@pytest.fixture
def mixed(cluster, namespace, tmp_path) -> Mixed:
    create(cluster, "Deployment", namespace, "users", spec={"replicas": 3})
    return Mixed(cluster, namespace, tmp_path)


def outcomes(journal):
    """Return (name, status, output or last line of the error) of each activity of the method."""
    return [
        (x["activity"]["name"], x["status"], x["output"] or (x.get("exception") or [""])[-1])
        for x in journal["run"]
    ]


def test_each_activity_uses_its_own_context_whatever_ran_before(cluster, namespace, mixed):
    target, named = f"deployment/{namespace}/users", {"name": "users", "ns": namespace}
    count = {"label_selector": "app=users", "ns": namespace}
    journal = mixed.run(
        chaosk8s("pod.probes", "count_pods", READER, **count),
        kill(target, name="first"),
        chaosk8s("pod.actions", "terminate_pods", READER, **count),  # forbidden
        recovery(target, "first"),
        chaosk8s("pod.probes", "count_pods", READER, **count),
        kill(target, READER, name="forbidden"),
        chaosk8s("pod.actions", "terminate_pods", ADMIN, name_pattern="users-.*", **count),
        chaosk8s("deployment.probes", "deployment_fully_available", READER, **named),
        kill(target, READER, name="forbidden-again"),
    )
    found = outcomes(journal)
    failed = [number for number, (_, status, _) in enumerate(found) if status != "succeeded"]
    assert failed == [2, 5, 8], found
    assert found[0][2] == 3
    for at in (5, 8):
        assert f"may not delete pods in namespace {namespace} (403)" in found[at][2]
    assert len(found[6][2]) == 1
    assert [fault["id"] for fault in journal["chaos_go"]["faults"]] == ["first"]


def test_probes_of_chaosk8s_in_the_hypothesis_beside_ours(cluster, namespace, mixed):
    target, named = f"deployment/{namespace}/users", {"name": "users", "ns": namespace}
    healthy = chaosk8s("deployment.probes", "deployment_available_and_healthy", READER, **named)
    count = chaosk8s("pod.probes", "count_pods", READER, label_selector="app=users", ns=namespace)
    ours = recovery(target, "one")
    mixed.run(
        kill(target, grace_period_s=0, name="one"),
        hypothesis=(ours, {**healthy, "tolerance": True}, {**count, "tolerance": 3}),
    )
    assert mixed.verdict().startswith("held"), mixed.verdict()


def test_the_activities_of_chaosk8s_that_work(cluster, namespace, mixed):
    target, ns = f"deployment/{namespace}/users", {"ns": namespace}
    pods = {"label_selector": "app=users", **ns}
    named = {"name": "users", **ns}
    node = cluster.node_names()[0]
    journal = mixed.run(
        chaosk8s("pod.probes", "count_pods", **pods),
        chaosk8s("pod.probes", "count_min_pods", min_count=2, **pods),
        chaosk8s("pod.probes", "pods_in_phase", phase="Running", **pods),
        chaosk8s("pod.probes", "pods_not_in_phase", phase="Pending", **pods),
        chaosk8s("pod.probes", "pods_in_conditions",
                 conditions=[{"type": "Ready", "status": "True"}], **pods),
        chaosk8s("pod.probes", "all_pods_healthy", **ns),
        chaosk8s("pod.probes", "read_pod_logs", **pods),
        chaosk8s("deployment.probes", "deployment_available_and_healthy", **named),
        chaosk8s("deployment.probes", "deployment_fully_available", timeout=10, **named),
        chaosk8s("namespace.probes", "namespace_exists", name=namespace),
        chaosk8s("node.probes", "get_nodes"),
        chaosk8s("node.probes", "all_nodes_must_be_ready_to_schedule"),
        chaosk8s("event.probes", "get_events", limit=5),
        chaosk8s("pod.actions", "exec_in_pods", cmd="true", container_name="sleeper", **pods),
        kill(target, name="amid"),
        chaosk8s("deployment.actions", "scale_deployment", replicas=4, **named),
        recovery(target, "amid"),
        chaosk8s("deployment.actions", "rollout_deployment", **named),
        chaosk8s("networking.actions", "deny_all_ingress", **ns),
        chaosk8s("networking.actions", "remove_deny_all_ingress", **ns),
        chaosk8s("node.actions", "cordon_node", name=node),
        chaosk8s("node.actions", "uncordon_node", name=node),
        chaosk8s("pod.actions", "terminate_pods", name_pattern="users-.*", **ns),
    )  # fmt: skip
    failed = [x for x in outcomes(journal) if x[1] != "succeeded"]
    assert failed == [], journal["log"]
    assert not cluster.core.read_node(node).spec.unschedulable


def test_what_chaosk8s_takes_for_success(cluster, namespace, mixed):
    """The reasons why ours exist: no pod matched, and a command that failed."""
    before = uids(cluster, namespace)
    nobody = {"label_selector": "app=nobody", "ns": namespace}
    journal = mixed.run(
        chaosk8s("pod.actions", "terminate_pods", **nobody),
        chaosk8s("pod.actions", "exec_in_pods", cmd="true", **nobody),
        kill(f"pods/{namespace}/app=nobody", name="nobody"),
    )
    found = outcomes(journal)
    assert [status for _, status, _ in found] == ["succeeded", "succeeded", "failed"]
    assert "no pod of namespace" in found[2][2]
    assert uids(cluster, namespace) == before
    assert ready(cluster, namespace, "users") == 3
