"""`chaos go doctor` on a real cluster."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from clusters import wait_until
from roles import NAME, Account, write_kubeconfig
from workloads import add_budget, deploy

from chaos_go.cli import go
from chaos_go.doctor.permissions import Reviews
from chaos_go.doctor.progress import Progress
from chaos_go.faults.pods import kill
from chaos_go.kubernetes.connection import connect

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def environment(cluster, monkeypatch):
    for name in ("KUBECONFIG", "KUBERNETES_CONTEXT"):
        monkeypatch.setenv(name, cluster.environment[name])


@pytest.fixture
def experiment(tmp_path):
    """Return a function that writes an experiment that kills, and returns its path."""

    def write(module="chaos_go.faults.pods", func="kill", **arguments):
        provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
        content = {
            "title": "Does checkout keep its SLO when a pod of users is killed?",
            "description": "One pod is killed.",
            "controls": [
                {
                    "name": "evidence",
                    "provider": {"type": "python", "module": "chaos_go.controls.evidence"},
                }
            ],
            "method": [{"name": "act", "type": "action", "provider": provider}],
        }
        path = tmp_path / "users-pod-killed.yaml"
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return write


def doctor(*arguments: str) -> tuple[int, dict]:
    """Run it; return the exit code and the report as JSON."""
    done = CliRunner().invoke(go, ["doctor", *arguments, "--json"])
    return done.exit_code, json.loads(done.stdout)


def found(report: dict, check: str, where: str = "method[0]") -> list[tuple[str, str]]:
    """Return status and text of the checks of this name."""
    chosen = [x for x in report["checks"] if (x["check"], x["where"]) == (check, where)]
    return [(x["status"], f"{x['said']}; {x['fix']}") for x in chosen]


def test_all_is_well(cluster, namespace, experiment):
    target = deploy(cluster, namespace, replicas=3)
    add_budget(cluster, namespace, min_available=2, allowed=1)
    pods = {pod.metadata.name: pod for pod in cluster.core.list_namespaced_pod(namespace).items}

    exit_code, report = doctor(experiment(target=target))

    assert (exit_code, report["outcome"]) == (0, "ok"), report
    assert report["counts"] == {"ok": 9, "warning": 0, "unknown": 0, "failed": 0}
    assert report["role"] == ""
    of = {(x["where"], x["check"]): x["details"] for x in report["checks"]}
    assert of["cluster", "configuration"]["context"] == cluster.context
    assert re.fullmatch(r"v1\.\d+\.\d+.*", of["cluster", "API server"]["version"])
    assert 0 < of["cluster", "API server"]["round_trip_ms"] < 5000
    clock = of["cluster", "clock"]  # it is the same clock, so 0 must be inside the bounds
    assert -1.5 < clock["least_s"] <= 0 <= clock["most_s"] < 1.5
    assert {x["verb"] for x in of["method[0]", "permission"]["needed"]} >= {"delete", "watch"}
    seen = {pod["pod"]: pod for pod in of["method[0]", "target"]["pods"]}
    assert set(seen) == set(pods)
    for name, pod in seen.items():
        assert pod["ready"] is True
        assert pod["node"] == pods[name].spec.node_name
        assert pod["uid"] == pods[name].metadata.uid
    assert of["method[0]", "guards"]["count"] == 1
    assert of["method[0]", "budget"] == {
        "budget": "users",
        "disruptions_allowed": 1,
        "current_healthy": 3,
        "desired_healthy": 2,
        "count": 1,
    }
    after = cluster.core.list_namespaced_pod(namespace).items
    assert {pod.metadata.uid for pod in after} == {pod.metadata.uid for pod in pods.values()}


def test_the_missing_role_can_be_applied_as_it_is_printed(
    cluster, namespace, experiment, tmp_path, monkeypatch
):
    target = deploy(cluster, namespace, 2)
    path = experiment(target=target)
    account = Account(cluster, namespace, tmp_path)
    admin = cluster.environment
    monkeypatch.setenv("KUBECONFIG", str(account.kubeconfig))
    monkeypatch.delenv("KUBERNETES_CONTEXT")

    exit_code, report = doctor(path)
    assert exit_code == 1
    needed = kill.permissions({"target": target})
    lacking = [text.partition("; ")[0] for _, text in found(report, "permission")]
    assert {status for status, _ in found(report, "permission")} == {"failed"}
    assert f"may not delete pods in namespace {namespace}" in lacking
    assert f"may not watch deployments in namespace {namespace}" in lacking
    assert len(lacking) == len({(x.name, verb) for x in needed for verb in x.verbs})
    assert found(report, "target")[0][0] == "unknown"
    table = CliRunner().invoke(go, ["doctor", path])
    assert table.exit_code == 1
    assert table.stdout.endswith(f"\n\n{report['role']}")

    role = CliRunner().invoke(go, ["doctor", path, "--role"])
    assert (role.exit_code, role.stdout) == (0, report["role"])
    objects = list(yaml.safe_load_all(report["role"]))
    assert [one["kind"] for one in objects] == ["Role", "RoleBinding"]
    assert objects[1]["subjects"] == [
        {"kind": "ServiceAccount", "name": NAME, "namespace": namespace}
    ]
    apply(admin, report["role"])

    reviews = Reviews(connect())
    reviews.ask([needed], Progress())
    assert reviews.missing == []
    exit_code, report = doctor(path)
    assert exit_code == 0, report
    assert report["role"] == ""
    assert [status for status, _ in found(report, "permission")] == ["ok"]
    # The Role has nothing that only doctor needs.
    assert [status for status, _ in found(report, "budget")] == ["unknown"]


def apply(environment, text: str) -> None:
    """Apply YAML as the administrator, as users do with kubectl."""
    from kubernetes import config, utils

    api = config.new_client_from_config(
        environment["KUBECONFIG"], context=environment["KUBERNETES_CONTEXT"]
    )
    for one in yaml.safe_load_all(text):
        utils.create_from_dict(api, one, namespace=one["metadata"].get("namespace", "default"))


@pytest.mark.parametrize(
    ("mode", "said"),
    [("evict", "further evictions are refused"), ("delete", "a deletion does not ask the budget")],
)
def test_a_budget_without_headroom(cluster, namespace, experiment, mode, said):
    target = deploy(cluster, namespace, 2)
    add_budget(cluster, namespace, min_available=2, allowed=0)
    exit_code, report = doctor(experiment(target=target, mode=mode))
    assert (exit_code, report["outcome"]) == (0, "warning")
    ((status, text),) = found(report, "budget")
    assert status == "warning"
    assert "users: 1 would leave, only 0 may now (2 pods are healthy, 2 are required)" in text
    assert said in text


@pytest.mark.parametrize(
    ("arguments", "check", "said"),
    [
        (
            {"target": "deployment/{}/usrs"},
            "target",
            "no Deployment 'usrs'; did you mean users?",
        ),
        ({"target": "deployment/nowhere-{}/users"}, "target", "there is no namespace 'nowhere-"),
        ({"target": "pods/{}/app=nobody"}, "target", "no pod of namespace"),
        ({"target": "deploymnt/{}/users"}, "arguments", "did you mean deployment/...?"),
        ({"target": "deployment/{}/users", "scope": {"pods": 2}}, "guards", "which is more"),
        ({"target": "deployment/{}/users", "scope": {"pods": 9}}, "guards", "has 2 pods"),
        ({"target": "deployment/{}/users", "scope": {"pod": 1}}, "guards", "pod"),
        ({"target": "pods/kube-system/k8s-app=kube-dns"}, "guards", "is protected"),
    ],
)
def test_what_the_action_would_refuse(cluster, namespace, experiment, arguments, check, said):
    deploy(cluster, namespace, 2)
    arguments = arguments | {"target": arguments["target"].format(namespace)}
    exit_code, report = doctor(experiment(**arguments))
    assert exit_code == 1
    ((status, text),) = found(report, check)
    assert status == "failed"
    assert said in text


def test_pods_that_are_not_ready_are_a_warning(cluster, namespace, experiment):
    deploy(cluster, namespace, 2)
    patch = {"spec": {"replicas": 3, "template": {"spec": {"nodeSelector": {"no": "where"}}}}}
    cluster.apps.patch_namespaced_deployment("users", namespace, patch)

    def has_pending() -> bool:
        pods = cluster.core.list_namespaced_pod(namespace).items
        return any(
            c.type == "PodScheduled" and c.status == "False"
            for pod in pods
            for c in pod.status.conditions or []
        )

    wait_until(has_pending, "a pod cannot be scheduled")
    scope = {"pods": 1, "max_percentage": 100}
    path = experiment(target=f"pods/{namespace}/app=users", scope=scope)
    exit_code, report = doctor(path)
    assert (exit_code, report["outcome"]) == (0, "warning")
    ((status, text),) = found(report, "target")
    assert status == "warning"
    assert "on no node (not Ready: PodScheduled=False: " in text


def test_nodes(cluster, experiment):
    (name, *_) = cluster.node_names()
    exit_code, report = doctor(experiment(func="cordon", target=f"node/{name}"))
    assert exit_code == 0, report
    assert found(report, "target") == [("ok", f"node/{name}: 1 of 1 nodes are Ready: {name}; ")]
    assert found(report, "guards") == [("ok", f"cordons 1 of 1 Ready nodes: {name}; ")]


def test_one_part_needs_everywhere_what_another_needs_in_one_namespace(
    cluster, namespace, experiment
):
    target = deploy(cluster, namespace, 2)
    path = Path(experiment(target=target))
    content = yaml.safe_load(path.read_text())
    provider = content["method"][0]["provider"]
    drain = {**provider, "func": "drain", "arguments": {"target": target}}
    content["method"].append({"name": "drain", "type": "action", "provider": drain})
    path.write_text(yaml.safe_dump(content))
    _, report = doctor(str(path))
    for where, count in (("method[0]", 6), ("method[1]", 9)):
        expected = [("ok", f"has all {count} that it needs; ")]
        assert found(report, "permission", where) == expected


def test_without_an_experiment_it_checks_the_cluster(cluster):
    exit_code, report = doctor()
    assert exit_code == 0
    checks = {x["check"]: x for x in report["checks"]}
    assert list(checks) == ["configuration", "API server", "user", "clock", "namespace"]
    assert {x["where"] for x in report["checks"]} == {"cluster"}
    assert checks["namespace"]["status"] == "ok"
    assert checks["user"]["details"]["groups"]


def test_credentials_that_are_not_valid(cluster, namespace, experiment, tmp_path, monkeypatch):
    path = write_kubeconfig(cluster, tmp_path, "not-a-token", namespace)
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("KUBERNETES_CONTEXT")
    exit_code, report = doctor(experiment(target="deployment/shop/users"))
    assert exit_code == 1
    ((status, text),) = found(report, "API server", "cluster")
    assert status == "failed"
    assert "401" in text
    assert "log in again, or renew the token" in text
    assert found(report, "permission") == [
        ("unknown", "not checked, since the cluster does not answer; ")
    ]


def test_the_token_of_an_account_that_was_deleted(cluster, namespace, tmp_path, monkeypatch):
    account = Account(cluster, namespace, tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(account.kubeconfig))
    monkeypatch.delenv("KUBERNETES_CONTEXT")
    _, report = doctor()
    assert found(report, "user", "cluster") == [("ok", f"{account.user}; ")]
    assert found(report, "namespace", "cluster")[0][0] == "unknown"  # it may not get namespaces
    cluster.core.delete_namespaced_service_account(NAME, namespace)
    wait_until(lambda: doctor()[0] == 1, "the token is refused", 30)
    assert "401" in found(doctor()[1], "API server", "cluster")[0][1]


def test_an_api_server_that_does_not_answer(cluster, namespace, tmp_path, monkeypatch):
    with socket.socket() as closed:  # a port that nobody listens on
        closed.bind(("127.0.0.1", 0))
        server = f"https://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv(
        "KUBECONFIG", str(write_kubeconfig(cluster, tmp_path, "token", namespace, server))
    )
    monkeypatch.delenv("KUBERNETES_CONTEXT")
    exit_code, report = doctor()
    assert exit_code == 1
    ((status, text),) = found(report, "API server", "cluster")
    assert status == "failed"
    assert text.startswith(f"{server} does not answer")


def test_a_context_that_is_not_there(cluster, monkeypatch):
    monkeypatch.setenv("KUBERNETES_CONTEXT", "nowhere")
    exit_code, report = doctor()
    assert exit_code == 1
    ((status, text),) = found(report, "configuration", "cluster")
    assert status == "failed"
    assert "KUBERNETES_CONTEXT='nowhere': " in text
    assert cluster.context in text


def test_secrets_choose_the_cluster(cluster, namespace, experiment, monkeypatch):
    target = deploy(cluster, namespace, 2)
    path = Path(experiment(target=target))
    content = yaml.safe_load(path.read_text())
    content["secrets"] = {"here": {"KUBERNETES_CONTEXT": {"type": "env", "key": "MY_CONTEXT"}}}
    content["method"][0]["provider"]["secrets"] = ["here"]
    second = json.loads(json.dumps(content["method"][0]))
    content["method"].append({**second, "provider": {**second["provider"], "secrets": []}})
    path.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("MY_CONTEXT", "nowhere")
    exit_code, report = doctor(str(path))
    assert exit_code == 1
    assert "'nowhere'" in found(report, "configuration", "cluster 1")[0][1]
    assert found(report, "configuration", "cluster 2")[0][0] == "ok"
    assert found(report, "permission", "method[0]")[0][0] == "unknown"
    assert found(report, "permission", "method[1]")[0][0] == "ok"


def test_as_chaos_toolkit_calls_it(cluster, namespace, experiment, tmp_path):
    """Only the table is on stdout, in 80 columns."""
    target = deploy(cluster, namespace, 2)
    chaos = Path(sys.executable).with_name("chaos")
    done = subprocess.run(
        [chaos, "go", "doctor", experiment(target=target)],
        env=cluster.environment, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("experiment ")
    assert lines[-1] == "9 ok"
    long = [line for line in lines if len(line) > 80]
    assert [line for line in long if " " in line.strip()] == []  # only paths may be longer
