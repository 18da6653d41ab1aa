"""The laboratory itself: it starts, its parts can die, and nothing is left of it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from clusters import Cluster, wait_until
from container_image import Image
from laboratory import api, cgroups, faults, life, processes
from laboratory.errors import LaboratoryError
from laboratory.packages import packages
from laboratory.places import HERE, Places
from laboratory.processes import Running

pytestmark = pytest.mark.e2e

HOLDER = """
import os, subprocess, sys, time
pipe = os.open(sys.argv[1], os.O_RDWR)
subprocess.run(sys.argv[2:], check=True)
print("started", flush=True)
time.sleep(600)
"""


def run_to_its_end(cluster, namespace, name, image, args, security=None):
    """Run a pod of one container and return its output."""
    container = {
        "name": name,
        "image": image,
        "imagePullPolicy": "Never",
        "args": args,
        "securityContext": security or {},
    }
    spec = {"restartPolicy": "Never", "containers": [container]}
    cluster.core.create_namespaced_pod(namespace, {"metadata": {"name": name}, "spec": spec})

    def ended():
        return cluster.core.read_namespaced_pod(name, namespace).status.phase in {
            "Succeeded",
            "Failed",
        }

    wait_until(ended, f"the pod {name} ends")
    return cluster.core.read_namespaced_pod_log(name, namespace, _preload_content=False).data


def test_a_pod_finds_the_api_server_by_name(cluster, namespace):
    command = ["nslookup", "kubernetes.default.svc.cluster.local"]
    output = run_to_its_end(cluster, namespace, "ask", "localhost/toolbox:lab", command)
    assert b": 10.96.0.1\n" in output, output


def test_an_image_is_loaded_into_a_cluster_that_runs(cluster, namespace, tmp_path):
    busybox = packages() / "bin" / "busybox"
    archive = tmp_path / "loaded.tar"
    Image("localhost/loaded:1", {"/busybox": busybox}, "/busybox").write(archive)
    faults.load_images(cluster.lab, [archive])
    output = run_to_its_end(cluster, namespace, "say", "localhost/loaded:1", ["echo", "loaded"])
    assert output == b"loaded\n"


@pytest.mark.parametrize(("added", "allowed"), [(["NET_ADMIN"], True), ([], False)])
def test_the_image_of_the_agent_needs_net_admin_and_no_root(cluster, namespace, added, allowed):
    security = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"], "add": added},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    output = run_to_its_end(cluster, namespace, "agent", cluster.agent_image, ["check"], security)
    assert json.loads(output)["able"]["nftables"]["ok"] is allowed, output


def node_is_ready(cluster, name):
    conditions = cluster.core.read_node(name).status.conditions
    return any(one.type == "Ready" and one.status == "True" for one in conditions)


def test_a_node_dies_and_comes_back(three_nodes, shop):
    lab = three_nodes.lab
    node = three_nodes.node_names()[0]  # the addresses of Services were routed through it
    faults.kill_node(lab, node)
    try:
        assert node not in lab.members()
        assert shop.host("gateway")  # the API server is on no node
        wait_until(lambda: not node_is_ready(three_nodes, node), f"{node} is seen as dead")
        wait_until(shop.answers, "the shop answers through another node")
    finally:
        faults.start_node(lab, node)
    wait_until(lambda: node_is_ready(three_nodes, node), f"{node} is back")


def test_a_daemon_stays_down_until_it_is_started(cluster):
    faults.signal_daemon(cluster.lab, "control-plane", "scheduler", "stop")
    try:
        assert cluster.lab.daemon("control-plane", "scheduler") == 0
    finally:
        faults.signal_daemon(cluster.lab, "control-plane", "scheduler", "start")
    wait_until(lambda: cluster.lab.daemon("control-plane", "scheduler"), "the scheduler runs", 10)


def test_what_is_not_there_is_named(cluster):
    with pytest.raises(LaboratoryError, match="has no daemon 'nothing'; it has: .*apiserver"):
        faults.signal_daemon(cluster.lab, "control-plane", "nothing", "kill")
    with pytest.raises(LaboratoryError, match="'node9' does not run .* what runs there: .*node1"):
        faults.kill_node(cluster.lab, "node9")


def test_two_clusters_have_the_same_address_and_other_keys(cluster, own):
    own.start()
    assert api.get(cluster.lab.places, "/readyz") == "ok"
    assert api.get(own.places, "/readyz") is None  # this process is in the network of the first
    with Cluster(own.places.kubeconfig, own.places.context, own.running()).entered():
        assert api.get(own.places, "/readyz") == "ok"
        assert api.get(cluster.lab.places, "/readyz") is None
    assert api.get(cluster.lab.places, "/readyz") == "ok"


class Own:
    """A laboratory of one test, beside that of the test run."""

    def __init__(self, folder: Path) -> None:
        self.places = Places(
            f"own-{os.getpid()}", folder / "chaos-go" / "cluster" / f"own-{os.getpid()}"
        )
        self.environment = {
            **os.environ,
            "XDG_STATE_HOME": str(folder),
            "CHAOS_GO_CLUSTER": self.places.name,
            "CHAOS_GO_CLUSTER_BUILD": "no",
        }

    def start(self):
        self.command("start")

    def command(self, *words):
        done = subprocess.run(
            [HERE / "cluster", *words], env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    def running(self):
        return Running.find(self.places)

    def left(self):
        """Return everything on this machine that shows that the laboratory is or was there."""
        state = str(self.places.state)
        mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if state in line]
        routes = [
            line.split()[0]
            for line in Path("/proc/net/route").read_text().splitlines()
            if line.split()[1][-4:] in {"580A", "F40A", "600A"}  # 10.88, 10.244, 10.96
        ]
        interfaces = [
            p.name for p in Path("/sys/class/net").iterdir() if p.name[:3] in {"br0", "to-"}
        ]
        files = [p.name for p in self.places.state.iterdir() if p.name not in {"lock", "logs"}]
        return [
            *mounts,
            *routes,
            *interfaces,
            *files,
            *cgroups.folders(self.places.cgroup),
            *self.processes(),
        ]

    def processes(self):
        """Return the processes of the laboratory, whose environment names its folder."""
        mark = f"LAB_STATE={self.places.state}".encode()
        found = []
        for environment in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in environment.read_bytes().split(b"\0"):
                    found.append(environment.parent.name)
            except OSError:
                continue
        return found


@pytest.fixture
def own(tmp_path):
    try:
        life.check_machine()
    except LaboratoryError as error:
        pytest.skip(str(error))
    laboratory = Own(tmp_path)
    yield laboratory
    life.stop(laboratory.places)


def test_nothing_is_left_after_a_stop(own):
    own.start()
    assert len(own.processes()) > 8  # the daemons
    own.command("stop")
    assert own.left() == []


def test_one_kill_ends_everything(own):
    own.start()
    os.kill(own.running().pid, signal.SIGKILL)
    wait_until(lambda: not own.left(), "nothing is left", 20)


def test_a_tethered_cluster_ends_with_the_process_that_started_it(own, tmp_path):
    pipe = tmp_path / "tether"
    os.mkfifo(pipe)
    command = [sys.executable, "-c", HOLDER, pipe, HERE / "cluster", "start", "--tether", pipe]
    with subprocess.Popen(
        command, env=own.environment, stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert any("started" in line for line in holder.stdout)
            pid = own.running().pid
        finally:
            holder.kill()
    assert processes.ends(pid, 10)
    wait_until(lambda: not own.left(), "nothing is left", 20)
