"""What restores a change in a cluster: signals, `chaos go undo`, a server that comes back."""

import http.client
import json
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import workloads
from chaos_runs import ChaosRun, action, chaos_go
from chaoslib.exceptions import ActivityFailed
from clusters import wait_until
from laboratory.faults import signal_daemon

from chaos_go import verdict
from chaos_go.agent import holder
from chaos_go.errors import ClusterError
from chaos_go.faults import _change, stop
from chaos_go.faults.pods import scale
from chaos_go.kubernetes import undo_file

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def folder(cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("KUBECONFIG", "KUBERNETES_CONTEXT"):
        monkeypatch.setenv(name, cluster.environment[name])
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    holder.stop_all()


@pytest.fixture
def idle(cluster, namespace) -> str:
    """Create the deployment users with three pods that never start, which is quick."""
    return workloads.create_idle(cluster, namespace)


@pytest.fixture
def left(cluster, namespace, idle, folder) -> Path:
    """Return the undo file of a `chaos run` that was killed while users had 5 pods."""
    with ChaosRun(cluster, folder, [action("scale", target=idle, replicas=5)]) as run:
        run.start()
        file = run.wait_for_undo_file()
        wait_until(lambda: workloads.replicas(cluster, namespace) == 5, "it is scaled", 30)
    assert workloads.replicas(cluster, namespace) == 5
    return file


def edit(file: Path, **fault: object) -> None:
    """Change fields of the only fault in a file."""
    content = json.loads(file.read_text())
    content["chaos_go"]["faults"][0].update(fault)
    file.write_text(json.dumps(content))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_chaos_run_restores(cluster, namespace, idle, folder, number):
    with ChaosRun(cluster, folder, [action("scale", target=idle, replicas=5)]) as run:
        process = run.start()
        wait_until(lambda: workloads.replicas(cluster, namespace) == 5, "it is scaled", 30)
        wait_until(lambda: "Pausing before" in run.log(), "the action has returned", 30)
        process.send_signal(number)
        assert process.wait(30) != 0, run.log()
    assert workloads.replicas(cluster, namespace) == 3
    assert run.undo_files() == []
    (record,) = run.journal()["chaos_go"]["faults"]
    assert record["state"] == "ended", run.log()
    assert verdict.judge(run.journal()).outcome == "inconclusive"


@pytest.mark.parametrize("how", ["exit", "os._exit"])
def test_a_script_that_ends_without_a_stop(cluster, namespace, idle, folder, how):
    """The exit of Python restores; os._exit does not, so that the file stays."""
    code = f"import os, sys; from chaos_go.faults import pods; pods.scale({idle!r}, 5); "
    ending = "sys.exit()" if how == "exit" else "os._exit(9)"
    command = [sys.executable, "-c", code + ending]
    subprocess.run(command, env=cluster.environment, cwd=folder, timeout=60, check=False)
    files = list(folder.glob("chaos-go-undo-*"))
    if how == "exit":
        assert (workloads.replicas(cluster, namespace), files) == (3, [])
        return
    assert (workloads.replicas(cluster, namespace), len(files)) == (5, 1)
    assert chaos_go(cluster, "undo", files[0]).returncode == 0
    assert workloads.replicas(cluster, namespace) == 3


def test_an_action_that_fails_and_cannot_restore_is_in_the_journal(
    cluster, namespace, idle, folder, monkeypatch: pytest.MonkeyPatch
):
    """The API server made the change, but its answer was lost, and then it is away."""
    make = _change.changes.make

    def no_answer(*args, **more) -> None:
        raise ClusterError("it does not answer")

    def lose_answer(client, change) -> None:
        make(client, change)
        no_answer()

    with monkeypatch.context() as patched:
        patched.setattr(_change, "PATIENCE_S", 0.2)
        patched.setattr(_change.changes, "make", lose_answer)
        patched.setattr(_change.changes, "restore", no_answer)
        with pytest.raises(ActivityFailed, match="it does not answer"):
            scale(idle, 5, name="unknown")
    (record,) = [fault.record() for fault in holder.faults() if fault.id == "unknown"]
    assert record["state"] == "lost"
    assert next(iter(verdict._judge_record(record)))[0] == "unsafe"
    assert workloads.replicas(cluster, namespace) == 5
    assert chaos_go(cluster, "undo", record["undo_file"]).returncode == 0
    assert workloads.replicas(cluster, namespace) == 3


def test_a_killed_run_is_undone_by_its_file(cluster, namespace, left):
    untouched = left.read_bytes()
    dry = chaos_go(cluster, "undo", "--dry-run", left)
    assert (dry.returncode, workloads.replicas(cluster, namespace)) == (0, 5)
    assert "spec.replicas would be restored from 5 to 3" in dry.stdout

    done = chaos_go(cluster, "undo", left)
    assert (done.returncode, workloads.replicas(cluster, namespace)) == (0, 3), done.stdout
    assert "spec.replicas restored from 5 to 3" in done.stdout
    assert not left.exists()

    left.write_bytes(untouched)
    again = chaos_go(cluster, "undo", left)
    assert (again.returncode, workloads.replicas(cluster, namespace)) == (0, 3)
    assert "spec.replicas is 3 as before; nothing to do" in again.stdout
    assert not left.exists()


def test_somebody_else_has_changed_it_since(cluster, namespace, left):
    workloads.set_replicas(cluster, namespace, 8)
    result = chaos_go(cluster, "undo", left)
    assert (result.returncode, workloads.replicas(cluster, namespace)) == (1, 8)
    assert "spec.replicas is 8, but this fault had changed it from 3 to 5" in result.stdout
    assert f"kubectl -n {namespace} scale deployment/users --replicas=3" in result.stdout
    assert left.exists()


def test_it_does_not_exist_any_more(cluster, namespace, left):
    cluster.apps.delete_namespaced_deployment("users", namespace, grace_period_seconds=0)
    gone = lambda: not cluster.apps.list_namespaced_deployment(namespace).items  # noqa: E731
    wait_until(gone, "it is gone", 30)
    workloads.create_idle(cluster, namespace)  # another one of this name
    workloads.set_replicas(cluster, namespace, 5)
    result = chaos_go(cluster, "undo", left)
    assert (result.returncode, workloads.replicas(cluster, namespace)) == (0, 5)
    assert "it does not exist any more" in result.stdout
    assert not left.exists()


def test_another_cluster_is_left_alone(cluster, namespace, left):
    edit(left, cluster={"server": "https://elsewhere:6443", "uid": "b5c2"})
    result = chaos_go(cluster, "undo", left)
    assert (result.returncode, workloads.replicas(cluster, namespace)) == (1, 5)
    assert "the record is of the cluster https://elsewhere:6443 (uid b5c2)" in result.stdout
    assert "set KUBECONFIG or KUBERNETES_CONTEXT" in result.stdout
    assert left.exists()


def test_the_same_cluster_by_another_address(cluster, namespace, left):
    record = json.loads(left.read_text())["chaos_go"]["faults"][0]
    edit(left, cluster={**record["cluster"], "server": "https://elsewhere:6443"})
    assert chaos_go(cluster, "undo", left).returncode == 0
    assert workloads.replicas(cluster, namespace) == 3


@pytest.fixture
def api_server(cluster) -> Iterator[str]:
    """Return the name of the API server's daemon, which runs again after the test."""
    yield "apiserver"
    signal_daemon(cluster.lab, "control-plane", "apiserver", "start")
    wait_until(lambda: answers(cluster), "the API server answers", 60)


def answers(cluster) -> bool:
    """Tell whether the API server is ready. Unlike a client, this does not try again for long."""
    host = cluster.core.api_client.configuration.host.removeprefix("https://")
    insecure = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection(host, timeout=2, context=insecure)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_the_api_server_is_back_in_time(cluster, namespace, idle, folder, api_server):
    name = scale(idle, 5)["id"]
    signal_daemon(cluster.lab, "control-plane", api_server, "stop")
    assert not answers(cluster)
    holder.find(name).ask_to_stop()
    signal_daemon(cluster.lab, "control-plane", api_server, "start")
    (record,) = stop(name)
    assert record["state"] == "ended"
    assert workloads.replicas(cluster, namespace) == 3
    assert list(folder.iterdir()) == []


def test_the_api_server_stays_away(
    cluster, namespace, idle, folder, api_server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_change, "PATIENCE_S", 1.0)
    name = scale(idle, 5)["id"]
    signal_daemon(cluster.lab, "control-plane", api_server, "stop")
    with pytest.raises(ActivityFailed, match="is not undone: .* does not answer"):
        stop(name)
    record = holder.find(name).record()
    assert (record["state"], record["places"][0]["state"]) == ("lost", "lost")
    ((outcome, reason), *_) = verdict._judge_record(record)
    assert outcome == "unsafe"
    assert "`chaos go undo" in reason
    assert Path(record["undo_file"]).is_file()

    signal_daemon(cluster.lab, "control-plane", api_server, "start")
    wait_until(lambda: answers(cluster), "the API server answers", 60)
    journal = folder / "journal.json"
    section = {"schema": 2, "faults": [record]}
    journal.write_text(json.dumps({"experiment": {}, "chaos_go": section}))
    result = chaos_go(cluster, "undo", journal)
    assert (result.returncode, workloads.replicas(cluster, namespace)) == (0, 3), result.stdout
    assert not Path(record["undo_file"]).exists()  # it is not needed any more
    assert chaos_go(cluster, "undo", journal).returncode == 0


def test_the_file_is_complete_before_the_change(
    cluster, namespace, idle, folder, monkeypatch: pytest.MonkeyPatch
):
    seen = []
    make = _change.changes.make

    def look(client, change) -> None:
        (file,) = folder.iterdir()
        seen.append(undo_file.read(str(file))["chaos_go"]["faults"][0]["places"][0]["change"])
        assert workloads.replicas(cluster, namespace) == 3
        make(client, change)

    monkeypatch.setattr(_change.changes, "make", look)
    name = scale(idle, 5)["id"]
    assert (seen[0]["before"], seen[0]["after"]) == (3, 5)
    stop(name)
