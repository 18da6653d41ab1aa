"""`chaos go doctor` without a cluster: the file, the table, exit codes, and the clock."""

import http.server
import json
import threading
import time
from email.utils import formatdate

import pytest
import yaml
from click.testing import CliRunner

from chaos_go.cli import go
from chaos_go.doctor import budgets, host, images, minimal, table
from chaos_go.doctor.check import Check, Report
from chaos_go.doctor.connections import judge_clock
from chaos_go.doctor.progress import Progress
from chaos_go.errors import ClusterError
from chaos_go.kubernetes import clock
from chaos_go.kubernetes.client import Answer
from chaos_go.kubernetes.clock import Difference
from chaos_go.kubernetes.connection import connect


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))
    for name in ("KUBERNETES_CONTEXT", "KUBERNETES_HOST", "CHAOSTOOLKIT_IN_POD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def write(tmp_path):
    def _write(*providers, **more):
        evidence = {"type": "python", "module": "chaos_go.controls.evidence"}
        content = {
            "title": "t",
            "description": "d",
            "controls": [{"name": "evidence", "provider": evidence}],
            "method": [
                {"name": f"step-{number}", "type": "action", "provider": provider}
                for number, provider in enumerate(providers)
            ],
            **more,
        }
        path = tmp_path / "Users_killed.yaml"
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return _write


def python(module, func, **arguments):
    return {"type": "python", "module": module, "func": func, "arguments": arguments}


def doctor(*arguments):
    done = CliRunner().invoke(go, ["doctor", *arguments])
    return done.exit_code, done.stdout


def checks(path):
    exit_code, said = doctor(path, "--json")
    report = json.loads(said)
    found = [(x["where"], x["check"], x["status"]) for x in report["checks"]]
    return exit_code, found, {(x["where"], x["check"]): x["said"] for x in report["checks"]}


def test_no_cluster_is_configured():
    exit_code, said = doctor()
    assert exit_code == 1
    assert "no such file" in " ".join(said.split())
    assert said.endswith("1 failed\n")


def test_an_experiment_on_this_host_needs_no_cluster(write):
    abort = python("chaos_go.faults.http", "abort", target="proxy/127.0.0.1:9081->127.0.0.1:8081")
    exit_code, found, said = checks(write(abort))
    assert exit_code == 0
    assert found == [("experiment", "file", "ok"), ("this host", "agent", "ok")]
    assert said["this host", "agent"].startswith("chaos-agent ")


def test_an_agent_that_is_not_there(write, monkeypatch, tmp_path):
    path = write(python("chaos_go.faults.http", "abort", target="port/8081"))
    monkeypatch.setenv("CHAOS_GO_AGENT", str(tmp_path / "nothing"))
    exit_code, found, said = checks(path)
    assert exit_code == 1
    assert ("this host", "agent", "failed") in found
    assert "no such file; build it with" in said["this host", "agent"]


@pytest.mark.parametrize(("able", "status"), [({"ok": True}, "ok"), ({"reason": "no"}, "failed")])
def test_what_the_kernel_allows(able, status):
    names = ("nftables", "owner_tables", "tproxy", "ip_transparent")
    check = host._steering({"able": dict.fromkeys(names, able)})
    assert check.status == status


def test_a_cluster_that_is_needed_and_not_configured(write):
    path = write(python("chaos_go.faults.pods", "kill", target="deployment/shop/users"))
    exit_code, found, _ = checks(path)
    assert exit_code == 1
    assert found == [
        ("experiment", "file", "ok"),
        ("cluster", "configuration", "failed"),
        ("method[0]", "permission", "unknown"),
    ]


def test_a_value_that_is_known_only_during_the_run(write):
    kill = python("chaos_go.faults.pods", "kill", target="${target}")
    configuration = {"target": {"type": "probe", "name": "p", "provider": kill}}
    _, found, said = checks(write(kill, configuration=configuration))
    assert ("method[0]", "arguments", "unknown") in found
    assert "its value is known only during the run" in said["method[0]", "arguments"]


def test_the_configuration_is_used_as_a_run_would(write, monkeypatch):
    kill = python("chaos_go.faults.pods", "kill", target="${target}")
    configuration = {"target": {"type": "env", "key": "MY_TARGET", "default": "pods/a=b"}}
    path = write(kill, configuration=configuration)
    monkeypatch.setenv("MY_TARGET", "deploymnt/shop/users")
    _, found, said = checks(path)
    assert ("method[0]", "arguments", "failed") in found
    assert "'deploymnt/shop/users'" in said["method[0]", "arguments"]


def test_another_package_that_uses_a_cluster(write):
    count = python("chaosk8s.pod.probes", "count_pods", label_selector="app=users")
    _, found, _ = checks(write(count))
    assert ("cluster", "configuration", "failed") in found
    assert ("method[0]", "permission", "unknown") in found


def test_what_validate_finds_is_failed(write):
    path = write(python("chaos_go.faults.pods", "kill", target="pods/a=b", moode="evict"))
    exit_code, found, said = checks(path)
    assert exit_code == 1
    assert ("experiment", "file", "failed") in found
    assert "moode: unknown argument" in said["experiment", "file"]
    exit_code, found, said = checks(write(metod=[]))
    assert (exit_code, found) == (1, [("experiment", "file", "failed")])


def test_a_secret_that_is_not_there(write):
    path = write(
        python("chaos_go.faults.pods", "kill", target="pods/a=b"),
        secrets={"k": {"KUBERNETES_CONTEXT": {"type": "env", "key": "NOT_THERE"}}},
    )
    exit_code, found, said = checks(path)
    assert exit_code == 1
    assert found[-1] == ("experiment", "secrets", "failed")
    assert "NOT_THERE" in said["experiment", "secrets"]


@pytest.mark.parametrize("option", [[], ["--json"], ["--role"]])
def test_a_file_that_cannot_be_read(tmp_path, option):
    exit_code, said = doctor(str(tmp_path / "none.yaml"), *option)
    assert exit_code == 4
    assert said.startswith("setup-error\n")


@pytest.mark.parametrize("options", [["--role"], ["x.yaml", "--role", "--json"]])
def test_options_that_do_not_fit(options):
    assert doctor(*options)[0] == 2


def test_the_role_needs_no_cluster_when_the_targets_name_their_namespaces(write):
    path = write(
        python("chaos_go.faults.pods", "kill", target="deployment/shop/users", mode="evict"),
        python("chaos_go.faults.pods", "cordon", target="node/worker-2"),
        python("chaos_go.faults.pods", "kill", target="pods/bank/app=users"),
    )
    exit_code, said = doctor(path, "--role")
    assert exit_code == 0
    assert said.startswith("# The API server does not tell who this user is: replace ")
    objects = list(yaml.safe_load_all(said))
    assert [(one["kind"], one["metadata"].get("namespace")) for one in objects] == [
        ("ClusterRole", None),
        ("ClusterRoleBinding", None),
        ("Role", "bank"),
        ("RoleBinding", "bank"),
        ("Role", "shop"),
        ("RoleBinding", "shop"),
    ]
    assert {one["metadata"]["name"] for one in objects} == {"chaos-go-users-killed"}
    rules = objects[4]["rules"]
    assert {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]} in rules
    assert all("delete" not in rule["verbs"] for rule in rules)


def test_a_role_without_a_namespace_or_with_an_unknown_value(write):
    exit_code, said = doctor(
        write(python("chaos_go.faults.pods", "kill", target="pods/a=b")), "--role"
    )
    assert exit_code == 4
    assert "name the namespace" in said
    exit_code, said = doctor(write(python("chaos_go.faults.pods", "kill", target="${t}")), "--role")
    assert exit_code == 4
    assert "known only during the run" in said


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("experiments/users-pod-killed.yaml", "chaos-go-users-pod-killed"),
        ("/x/A b__C.yaml", "chaos-go-a-b-c"),
        (f"{'x' * 200}.yaml", "chaos-go-" + "x" * 54),
    ],
)
def test_the_name_of_the_role(path, name):
    assert minimal.name(path) == name


@pytest.mark.parametrize(
    ("statuses", "outcome", "exit_code"),
    [
        ([], "ok", 0),
        (["ok", "warning"], "warning", 0),
        (["ok", "unknown", "warning"], "unknown", 0),
        (["ok", "failed", "unknown"], "failed", 1),
    ],
)
def test_outcome_and_exit_code(statuses, outcome, exit_code):
    report = Report([Check("cluster", "x", status, "said") for status in statuses])
    assert (report.outcome, report.exit_code) == (outcome, exit_code)
    assert report.record()["counts"] == {
        status: statuses.count(status) for status in ("ok", "warning", "unknown", "failed")
    }


def test_the_table_fits_80_columns():
    words = "the quick brown fox jumps over the lazy dog " * 5
    path = "/a/very/long/path" * 8
    shown = Report(
        [
            Check("cluster", "clock", "warning", words, words),
            Check("cluster", "configuration", "ok", f"context a of {path}"),
            Check("method[0]", "target", "failed", words),
        ],
        {"method[0]": words},
    )
    lines = list(table.lines(shown))
    assert all(len(line) <= 80 or path in line for line in lines)
    text = " ".join(" ".join(lines).split())
    assert f"cluster warning clock {words.strip()} -> {words.strip()}" in text
    assert f"method[0] {words.strip()} failed target {words.strip()}" in text
    assert lines[-1] == "1 ok, 1 warning, 1 failed"


def test_the_record_has_stable_keys():
    record = Report([Check("cluster", "clock", "ok", "said", "fix", {"least_s": 0.1})]).record()
    assert record == {
        "schema": 1,
        "outcome": "ok",
        "counts": {"ok": 1, "warning": 0, "unknown": 0, "failed": 0},
        "checks": [
            {
                "where": "cluster",
                "check": "clock",
                "status": "ok",
                "said": "said",
                "fix": "fix",
                "details": {"least_s": 0.1},
            }
        ],
        "role": "",
    }


@pytest.mark.parametrize(
    ("least_s", "most_s", "status", "said"),
    [
        (-0.2, 0.1, "ok", "at most 0.2 s"),
        (0.9, 1.4, "ok", "at most 1.4 s"),  # it may be less than 1 s
        (1.1, 1.4, "warning", "1.1 to 1.4 s ahead of"),
        (-5.2, -4.9, "warning", "4.9 to 5.2 s behind"),
        (-7.2, -6.9, "failed", "6.9 to 7.2 s behind"),
    ],
)
def test_the_clock(least_s, most_s, status, said):
    check = judge_clock("cluster", Difference(least_s, most_s))
    assert check.status == status
    assert said in check.said
    assert bool(check.fix) is (status != "ok")


def test_answers_narrow_the_difference_down():
    def answer(date_s, sent_s, received_s):
        return Answer({}, formatdate(date_s, usegmt=True), sent_s, received_s)

    # The server is 2.5 s ahead. Its clock shows whole seconds.
    answers = [answer(int(at + 2.5), at, at + 0.01) for at in (100.1, 100.45, 100.6, 100.9)]
    found = clock.compare(answers)
    assert found.least_s <= 2.5 <= found.most_s
    assert found.most_s - found.least_s < 0.4
    with pytest.raises(ClusterError, match="do not fit"):
        clock.compare([answer(110, 100.0, 100.1), answer(100, 100.2, 100.3)])
    with pytest.raises(ClusterError, match="tells no time"):
        clock.compare([Answer({}, "", 1.0, 2.0)])


class _Late(http.server.BaseHTTPRequestHandler):
    """Answers /version; its clock differs by ``ahead_s``."""

    ahead_s = 0.0

    def do_GET(self):
        body = b'{"gitVersion": "v1.36.3"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp=None):
        return formatdate(time.time() + self.ahead_s, usegmt=True)

    def log_message(self, *args):
        pass


@pytest.mark.parametrize("ahead_s", [0.0, 3.3, -42.0])
def test_the_clock_of_a_real_server(monkeypatch, ahead_s):
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setattr(_Late, "ahead_s", ahead_s)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Late) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = connect({"KUBERNETES_HOST": f"http://127.0.0.1:{server.server_port}"})
        found = clock.measure(client, client.ask_once("/version"))
        server.shutdown()
    assert found.least_s <= ahead_s <= found.most_s
    assert found.most_s - found.least_s <= 1.1


@pytest.mark.parametrize(
    ("allowed", "evicts", "status", "said"),
    [
        (2, True, "ok", "2 would leave, 2 may now"),
        (1, True, "warning", "further evictions are refused"),
        (0, False, "warning", "a deletion does not ask the budget"),
    ],
)
def test_a_budget(allowed, evicts, status, said):
    numbers = {"disruptionsAllowed": allowed, "currentHealthy": 3, "desiredHealthy": 3 - allowed}
    check = budgets.judge(
        "method[0]", {"metadata": {"name": "users"}, "status": numbers}, 2, evicts
    )
    assert check.status == status
    assert said in check.said
    assert check.details["disruptions_allowed"] == allowed


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("me/agent:1", "docker.io/me/agent:1"),
        ("localhost/chaos-agent:0.1.0", "localhost/chaos-agent:0.1.0"),
        ("registry:5000/agent", "registry:5000/agent:latest"),
        ("ghcr.io/me/agent@sha256:ab", "ghcr.io/me/agent@sha256:ab"),
    ],
)
def test_the_whole_name_of_an_image(image, full):
    assert images._full(image) == full


def test_progress_is_shown_while_a_step_takes_long(capsys, monkeypatch):
    monkeypatch.setattr("chaos_go.doctor.progress._SILENCE_S", 0.05)
    progress = Progress()
    with progress.shown():
        progress.step = "asking"
        time.sleep(0.3)
    assert "doctor: asking (" in capsys.readouterr().err
    with Progress().shown():
        pass
    assert capsys.readouterr().err == ""
