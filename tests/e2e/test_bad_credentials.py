"""Who asks, and whether the server is the right one: each error names what to change."""

import base64
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_proxy import kubeconfig_of
from chaoslib.exceptions import ActivityFailed
from clusters import Cluster, wait_until
from kubernetes import client
from workloads import create, uids

from chaos_go.agent import holder
from chaos_go.faults.pods import kill

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def environment(cluster, monkeypatch: pytest.MonkeyPatch, tmp_path) -> Iterator[None]:
    """Know no cluster at first."""
    for name in ("KUBECONFIG", "KUBERNETES_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    yield
    holder.stop_all()


@pytest.fixture
def users(cluster, namespace) -> str:
    return create(cluster, "Deployment", namespace, "users", spec={"replicas": 3})


def server(cluster: Cluster) -> dict[str, Any]:
    """Return address and authority of the API server, as in a kubeconfig."""
    return dict(kubeconfig_of(cluster)["clusters"][0]["cluster"])


def authority(cluster: Cluster, folder: Path) -> str:
    """Write the certificate of the authority to a file."""
    found = server(cluster)
    if "certificate-authority" in found:
        return str(cluster.kubeconfig.parent / found["certificate-authority"])
    file = folder / "ca.crt"
    file.write_bytes(base64.b64decode(found["certificate-authority-data"]))
    return str(file)


def token(cluster: Cluster, namespace: str, name: str, *rules: tuple[str, str]) -> str:
    """Return the token of a new service account, which may do (resource, verbs) there.

    Resources are written as ``apps/deployments``; those of the core group without a slash.
    """
    cluster.core.create_namespaced_service_account(namespace, {"metadata": {"name": name}})
    parts = [(resource.rpartition("/"), verbs.split()) for resource, verbs in rules]
    role = {
        "metadata": {"name": name},
        "rules": [
            {"apiGroups": [group], "resources": [plural], "verbs": verbs}
            for (group, _, plural), verbs in parts
        ],
    }
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
    rbac = client.RbacAuthorizationV1Api(cluster.api_client())
    rbac.create_namespaced_role(namespace, role)
    rbac.create_namespaced_role_binding(namespace, binding)
    asked = {"spec": {"expirationSeconds": 3600}}
    made = cluster.core.create_namespaced_service_account_token(name, namespace, asked)
    return str(made.status.token)


def use(monkeypatch, cluster, folder, secret, **cluster_changes):
    """Write a kubeconfig with a token, and use it."""
    folder.mkdir(exist_ok=True)
    content = {
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": server(cluster) | cluster_changes}],
        "users": [{"name": "x", "user": {"token": secret}}],
        "current-context": "x",
    }
    (folder / "config").write_text(yaml.safe_dump(content))
    monkeypatch.setenv("KUBECONFIG", str(folder / "config"))


READ = (("pods", "get list watch"), ("apps/deployments", "get list watch"))


@pytest.mark.parametrize(
    ("rules", "mode", "said"),
    [
        ((*READ, ("pods", "delete")), "evict", r"create pods/eviction in namespace {}"),
        (READ, "delete", r"delete pods in namespace {}"),
        ((READ[0],), "delete", r"get deployments in namespace {}"),
        ((READ[1],), "delete", r"list pods in namespace {}"),
        ((READ[1], ("pods", "get list delete")), "delete", r"watch pods in namespace {}"),
        ((), "delete", r"get deployments in namespace {}"),
    ],
)
def test_a_missing_permission_is_named_and_nothing_is_killed(
    cluster, namespace, users, monkeypatch, tmp_path, rules, mode, said
):
    use(monkeypatch, cluster, tmp_path / "sa", token(cluster, namespace, "little", *rules))
    before = uids(cluster, namespace)
    with pytest.raises(ActivityFailed, match=said.format(namespace) + r".*\(403\).*little"):
        kill(users, mode=mode)
    assert uids(cluster, namespace) == before


def test_the_permissions_of_a_kill_are_enough(cluster, namespace, users, monkeypatch, tmp_path):
    secret = token(cluster, namespace, "enough", *READ, ("pods", "delete"))
    use(monkeypatch, cluster, tmp_path / "sa", secret)
    assert kill(users, name="enough")["kills"]


def test_a_name_is_not_said_to_be_missing_among_none_when_it_may_not_be_listed(
    cluster, namespace, users, monkeypatch, tmp_path
):
    secret = token(cluster, namespace, "getter", ("apps/deployments", "get"))
    use(monkeypatch, cluster, tmp_path / "sa", secret)
    with pytest.raises(ActivityFailed, match=r"has no Deployment 'userz'$"):
        kill(f"deployment/{namespace}/userz")


def test_a_token_that_is_no_longer_valid(cluster, namespace, users, monkeypatch, tmp_path):
    use(monkeypatch, cluster, tmp_path / "bad", "nonsense")
    with pytest.raises(ActivityFailed, match=r"https://.* answers 401: .*renew the token"):
        kill(users)
    use(monkeypatch, cluster, tmp_path / "gone", token(cluster, namespace, "gone", *READ))
    cluster.core.delete_namespaced_service_account("gone", namespace)
    with pytest.raises(ActivityFailed, match=r"answers 401: .*renew the token"):
        wait_until(lambda: kill(users, scope={"pods": ["x"]}), "the token is refused")


def other_authority(folder: Path) -> str:
    """Make the certificate of an authority that has signed nothing here."""
    files = ["-keyout", str(folder / "other.key"), "-out", str(folder / "other.crt")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    subprocess.run([*command, "-subj", "/CN=other", *files], check=True, capture_output=True)
    return str(folder / "other.crt")


def test_a_server_that_another_authority_has_signed(
    cluster, namespace, users, monkeypatch, tmp_path
):
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificate of the other authority")
    found = server(cluster)
    found.pop("certificate-authority-data", None)
    other = {"certificate-authority": other_authority(tmp_path)}
    use(monkeypatch, cluster, tmp_path / "ca", "any", **other)
    content = yaml.safe_load((tmp_path / "ca" / "config").read_text())
    content["clusters"][0]["cluster"].pop("certificate-authority-data", None)
    (tmp_path / "ca" / "config").write_text(yaml.safe_dump(content))
    began_s = time.monotonic()
    with pytest.raises(ActivityFailed, match="certificate verify failed"):
        kill(users)
    assert time.monotonic() - began_s < 10  # it is not tried again


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_without_a_kubeconfig_tls_is_verified_by_default(
    cluster, namespace, users, monkeypatch, tmp_path
):
    monkeypatch.setenv("KUBERNETES_HOST", server(cluster)["server"])
    monkeypatch.setenv("KUBERNETES_API_KEY", token(cluster, namespace, "reader", *READ))
    with pytest.raises(ActivityFailed, match="certificate verify failed"):
        kill(users)
    known = {"KUBERNETES_CA_CERT_FILE": authority(cluster, tmp_path)}
    with pytest.raises(ActivityFailed, match="delete pods .*reader"):  # it got as far as that
        kill(users, secrets=known)
    with pytest.raises(ActivityFailed, match="delete pods .*reader"):
        kill(users, secrets={"KUBERNETES_VERIFY_SSL": "false"})


IN_A_POD = """
mount -t tmpfs none "$(readlink -f /var/run)"
mkdir -p /var/run/secrets/kubernetes.io
cp -r "$1" /var/run/secrets/kubernetes.io/serviceaccount
shift; exec "$@"
"""

KILL = """
import sys
from chaoslib.exceptions import ActivityFailed
from chaos_go.faults.pods import kill
from chaos_go.kubernetes.connection import connect
print(connect().namespace)
try:
    kill(sys.argv[1])
except ActivityFailed as error:
    print(error)
print(len(kill(sys.argv[1], scope={"pods": 1, "protected_namespace": sys.argv[2]})["kills"]))
"""


def test_the_service_account_of_a_pod(cluster, namespace, users, monkeypatch, tmp_path):
    """The files of a pod, in a mount namespace of its own: the real token, the real Service."""
    account = tmp_path / "account"
    account.mkdir()
    secret = token(cluster, namespace, "in-pod", *READ, ("pods", "delete"))
    (account / "token").write_text(secret)
    (account / "namespace").write_text(namespace)
    shutil.copy(authority(cluster, tmp_path), account / "ca.crt")
    service = cluster.core.read_namespaced_service("kubernetes", "default").spec
    environment = {
        **os.environ,
        "CHAOSTOOLKIT_IN_POD": "true",
        "KUBERNETES_SERVICE_HOST": service.cluster_ip,
        "KUBERNETES_SERVICE_PORT": str(service.ports[0].port),
    }
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", IN_A_POD, "sh"]
    inside = [account, sys.executable, "-c", KILL, users.replace(f"/{namespace}", ""), namespace]
    done = subprocess.run(
        [*command, *inside], env=environment, capture_output=True, text=True, timeout=60
    )
    lines = done.stdout.splitlines()
    assert lines[0] == namespace, done.stderr
    assert "protected, since it runs this experiment" in lines[1]
    assert lines[2] == "1"
