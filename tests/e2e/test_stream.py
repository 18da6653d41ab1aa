"""Streams into real pods: exit codes, the end of input, cuts, refusals, and a lease in a pod."""

import time
import uuid
from dataclasses import replace

import pytest
from clusters import wait_until
from kubernetes.client import RbacAuthorizationV1Api

from chaos_go.agent.contract import Spec
from chaos_go.agent.holder import LeaseHolder
from chaos_go.agent.place import Place
from chaos_go.errors import AgentError, ClusterError, ForbiddenError
from chaos_go.kubernetes import connection
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.reach import PodReach
from chaos_go.kubernetes.stream import PodChannel, run_in_pod
from chaos_go.traffic.contract import Load

pytestmark = pytest.mark.e2e

TOOLBOX = "localhost/toolbox:lab"
TRUE = ["/bin/sh", "-c", "true"]


class Pod:
    """A pod with a shell and an agent that waits."""

    def __init__(self, cluster, namespace: str, client: Client) -> None:
        self.cluster, self.namespace, self.client = cluster, namespace, client
        self.name = f"pod-{uuid.uuid4().hex[:6]}"
        agent = {
            "name": "agent",
            "image": cluster.agent_image,
            "args": ["hold"],
            "securityContext": {"capabilities": {"drop": ["ALL"]}},
        }
        shell = {"name": "shell", "image": TOOLBOX, "command": ["/bin/sh", "-c", "sleep 600"]}
        spec = {"terminationGracePeriodSeconds": 1, "containers": [agent, shell]}
        made = cluster.core.create_namespaced_pod(
            namespace, {"metadata": {"name": self.name}, "spec": spec}
        )
        self.uid = made.metadata.uid
        wait_until(self.runs, f"{self.name} runs")

    def runs(self) -> bool:
        status = self.cluster.core.read_namespaced_pod(self.name, self.namespace).status
        return bool(status.container_statuses) and all(x.ready for x in status.container_statuses)

    def start(self, *command: str, container: str = "shell") -> PodChannel:
        return run_in_pod(self.client, self.namespace, self.name, container, command)

    def sh(self, script: str) -> PodChannel:
        return self.start("/bin/sh", "-c", script)

    def processes(self) -> str:
        """Return the command lines of all processes of the shell's container."""
        channel = self.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        return "\n".join(iter(channel.receive, None))

    def place(self, **changes: str) -> Place:
        reach = PodReach(self.client, self.namespace, self.name, self.uid, "agent")
        return Place("load/here", replace(reach, **changes))


@pytest.fixture
def client(cluster, monkeypatch: pytest.MonkeyPatch) -> Client:
    for name in ("KUBECONFIG", "KUBERNETES_CONTEXT"):
        monkeypatch.setenv(name, cluster.environment[name])
    return connection.connect()


@pytest.fixture
def pod(cluster, namespace, client) -> Pod:
    return Pod(cluster, namespace, client)


def test_processes_in_a_pod(pod):
    channel = pod.sh("echo out; echo err >&2; exit 3")
    assert list(iter(channel.receive, None)) == ["out"]
    assert (channel.wait(10), channel.complaints()) == (3, "err")
    assert pod.sh("kill -9 $$").wait(10) == -9
    assert pod.sh("true").wait(10) == 0


def test_the_end_of_input_leaves_the_output_open(pod):
    channel = pod.sh("while read line; do echo got $line; done; echo end; exit 5")
    channel.send("one")
    assert channel.receive() == "got one"
    channel.send("two")
    channel.close()
    assert list(iter(channel.receive, None)) == ["got two", "end"]
    assert channel.wait(10) == 5


def test_megabytes_pass_unharmed_both_ways(pod):
    channel = pod.sh("cat")
    lines = [f"{n} " + "x" * 99_000 for n in range(50)]
    for line in lines:
        channel.send(line)
    channel.close()
    assert list(iter(channel.receive, None)) == lines
    assert channel.wait(20) == 0


def test_what_cannot_be_started_is_told(pod):
    channel = pod.start("/no/such/program")
    assert channel.wait(10) is None
    assert "no such file" in channel.complaints()
    with pytest.raises(ClusterError, match="nobody is not valid for pod"):
        pod.start("x", container="nobody")


def test_a_process_that_reads_its_input_ends_with_the_stream(pod):
    channel = pod.sh("echo ready; cat; exit 7")
    assert channel.receive() == "ready"
    assert "cat" in pod.processes()
    channel.kill()
    assert channel.wait(10) is None
    wait_until(lambda: "echo ready" not in pod.processes(), "it has ended", 10)


def test_a_pod_that_is_deleted_ends_the_stream(pod):
    channel = pod.sh("echo ready; cat")
    assert channel.receive() == "ready"
    pod.cluster.core.delete_namespaced_pod(pod.name, pod.namespace, grace_period_seconds=0)
    assert channel.receive() is None
    assert channel.wait(10) != 0


def load_spec(lease_s: float) -> Spec:
    detail = Load(url="http://127.0.0.1:9/", rate_rps=5.0)
    return Spec(id="x", kind="load", duration_s=60.0, lease_s=lease_s, detail=detail)


def test_a_lease_is_held_in_a_pod_without_any_capability(pod):
    holder = LeaseHolder()
    fault = holder.hold([pod.place()], load_spec(lease_s=4.0))
    time.sleep(6)  # longer than the lease: the heartbeats arrive
    assert fault.state == "armed"
    record = fault.stop()
    (place,) = record["places"]
    assert (place["reason"], place["totals"]["connection_errors"] > 10) == ("stop", True)
    assert fault.leases[0].agent.exit_code == 0


def test_another_pod_of_the_same_name_is_no_place(pod):
    with pytest.raises(AgentError, match="another pod has this name now"):
        pod.place(uid="11111111-2222-3333-4444-555555555555").reach.open("load")


@pytest.mark.parametrize(
    ("verbs", "missing"), [(["create"], "get"), (["get"], "create"), (["get", "create"], "")]
)
def test_both_verbs_are_needed(pod, cluster, verbs, missing):
    client = as_account(cluster, pod, verbs)
    if not missing:
        assert run_in_pod(client, pod.namespace, pod.name, "shell", TRUE).wait(10) == 0
        return
    with pytest.raises(ForbiddenError, match=f"may not {missing} pods/exec in namespace"):
        run_in_pod(client, pod.namespace, pod.name, "shell", TRUE)


def as_account(cluster, pod: Pod, verbs: list[str]) -> Client:
    """Return a client whose service account may do this with pods/exec, by a token."""
    namespace = pod.namespace
    rbac = RbacAuthorizationV1Api(cluster.api_client())
    cluster.core.create_namespaced_service_account(namespace, {"metadata": {"name": "eve"}})
    rule = {"apiGroups": [""], "resources": ["pods/exec"], "verbs": verbs}
    rbac.create_namespaced_role(namespace, {"metadata": {"name": "eve"}, "rules": [rule]})
    binding = {
        "metadata": {"name": "eve"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "eve"},
        "subjects": [{"kind": "ServiceAccount", "name": "eve", "namespace": namespace}],
    }
    rbac.create_namespaced_role_binding(namespace, binding)
    body = {"spec": {"expirationSeconds": 600}}
    token = cluster.core.create_namespaced_service_account_token("eve", namespace, body)
    settings = {"KUBERNETES_HOST": pod.client.host, "KUBERNETES_API_KEY": token.status.token}
    ca = pod.client.configuration.ssl_ca_cert
    return _client_of({**settings, "KUBERNETES_CA_CERT_FILE": ca})


def _client_of(settings: dict[str, str]) -> Client:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", "")
        patch.setenv("HOME", "/nonexistent")
        patch.delenv("KUBERNETES_CONTEXT", raising=False)
        return connection.connect(settings)


def test_a_server_of_another_authority_is_not_trusted(pod):
    settings = {"KUBERNETES_HOST": pod.client.host, "KUBERNETES_API_KEY": "secret"}
    stranger = _client_of(settings)  # verified by the authorities of the web
    with pytest.raises(ClusterError, match="certificate verify failed"):
        run_in_pod(stranger, pod.namespace, pod.name, "shell", TRUE)


def test_a_token_that_is_not_valid_is_told(pod):
    settings = {"KUBERNETES_HOST": pod.client.host, "KUBERNETES_API_KEY": "secret"}
    ca = {"KUBERNETES_CA_CERT_FILE": pod.client.configuration.ssl_ca_cert}
    with pytest.raises(ClusterError, match="answers 401.*log in again"):
        run_in_pod(_client_of(settings | ca), pod.namespace, pod.name, "shell", TRUE)
