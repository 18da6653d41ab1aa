"""Which cluster is used, and as whom: the conventions of chaosk8s without its traps."""

import base64
import os
from pathlib import Path

import pytest
import yaml
from kubernetes.client import Configuration

from chaos_go.errors import BadInputError, ClusterError
from chaos_go.kubernetes.connection import connect


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch, tmp_path):
    """Every test begins on a machine that knows no cluster."""
    for name in list(os.environ):
        if name.startswith(("KUBE", "CHAOSTOOLKIT")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def kubeconfig(path, *names, current=None, **cluster):
    """Write a kubeconfig with a context, a cluster and a user of each name."""
    content = {
        "contexts": [
            {"name": x, "context": {"cluster": x, "user": x, "namespace": f"{x}-ns"}} for x in names
        ],
        "clusters": [
            {"name": x, "cluster": {"server": f"https://{x}:6443", **cluster}} for x in names
        ],
        "users": [{"name": x, "user": {"token": f"token-of-{x}"}} for x in names],
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content | ({"current-context": current} if current else {})))
    return str(path)


def token(client):
    return client.authorization()["Authorization"]


def test_no_cluster_at_all():
    with pytest.raises(ClusterError, match=r"set KUBECONFIG .* or create ~/.kube/config; in a pod"):
        connect()


def test_the_usual_file(tmp_path):
    kubeconfig(tmp_path / "home" / "x", "a")  # makes the folder
    kubeconfig(tmp_path / "home" / ".kube" / "config", "a", "b", current="b")
    client = connect()
    assert (client.host, client.namespace, token(client)) == (
        "https://b:6443", "b-ns", "Bearer token-of-b",
    )  # fmt: skip


def test_a_file_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    with pytest.raises(BadInputError, match=r"KUBECONFIG='.*nothing': no such file; no cluster"):
        connect()


@pytest.mark.parametrize("value", ["a: [", "just text", "contexts: 3", "contexts: [{}]"])
def test_a_file_that_is_no_kubeconfig_is_named(monkeypatch, tmp_path, value):
    (tmp_path / "config").write_text(value)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    with pytest.raises(BadInputError, match="KUBECONFIG='.*config': cannot be read: .*correct it"):
        connect()


def test_a_folder_is_no_kubeconfig(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path))
    with pytest.raises(BadInputError, match="cannot be read: .*Is a directory"):
        connect()


@pytest.mark.parametrize("value", ["", "{}", "[]", "contexts:"])
def test_a_file_without_contexts(monkeypatch, tmp_path, value):
    (tmp_path / "config").write_text(value)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    with pytest.raises(BadInputError, match="current-context='': .* has no context; give"):
        connect()


def test_a_wrong_context_is_refused_with_those_that_there_are(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path / "config", "b", "a", current="a"))
    with pytest.raises(
        BadInputError, match=r"KUBERNETES_CONTEXT='c': .* has a, b; name one of them"
    ):
        connect({"KUBERNETES_CONTEXT": "c"})


def test_a_current_context_that_is_not_there_matters_only_if_it_is_used(monkeypatch, tmp_path):
    for current in ("gone", None):
        monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path / "config", "a", current=current))
        with pytest.raises(BadInputError, match=r"current-context='(gone)?': .* has a; name one"):
            connect()
        assert connect({"KUBERNETES_CONTEXT": "a"}).host == "https://a:6443"


def test_a_context_whose_cluster_is_missing(monkeypatch, tmp_path):
    path = kubeconfig(tmp_path / "config", "a", current="a")
    content = yaml.safe_load((tmp_path / "config").read_text()) | {"clusters": []}
    (tmp_path / "config").write_text(yaml.safe_dump(content))
    monkeypatch.setenv("KUBECONFIG", path)
    with pytest.raises(BadInputError, match="cannot be read"):
        connect()


def test_several_files_are_merged_and_missing_ones_are_left_out(monkeypatch, tmp_path):
    first = kubeconfig(tmp_path / "first", "a", current="a")
    second = kubeconfig(tmp_path / "second", "a", "b", current="b")
    parts = [str(tmp_path / "missing"), first, "", second]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(parts))
    assert connect().host == "https://a:6443"  # as kubectl: the first file decides
    client = connect({"KUBERNETES_CONTEXT": "b"})
    assert (client.host, client.namespace, token(client)) == (
        "https://b:6443", "b-ns", "Bearer token-of-b",
    )  # fmt: skip


def test_two_contexts_at_a_time_and_nothing_of_the_whole_process(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path / "config", "a", "b", current="a"))
    before = Configuration.get_default_copy().host
    a, b = connect(), connect({"KUBERNETES_CONTEXT": "b"})
    assert (a.host, b.host) == ("https://a:6443", "https://b:6443")
    assert connect() is a
    assert Configuration.get_default_copy().host == before


def test_a_default_that_other_code_has_changed_is_not_used(monkeypatch, tmp_path):
    other = Configuration(host="https://other", api_key={"authorization": "Bearer other"})
    other.verify_ssl = False
    Configuration.set_default(other)
    try:
        monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path / "config", "a", current="a"))
        client = connect()
        assert (client.host, token(client)) == ("https://a:6443", "Bearer token-of-a")
        assert client._session.verify is not False
    finally:
        Configuration.set_default(None)


def test_a_file_that_a_login_has_changed_is_read_again(monkeypatch, tmp_path):
    path = kubeconfig(tmp_path / "config", "a", current="a")
    monkeypatch.setenv("KUBECONFIG", path)
    connect()
    (tmp_path / "config").write_text((tmp_path / "config").read_text().replace("token-of", "new"))
    os.utime(path, ns=(1, 1))
    assert token(connect()) == "Bearer new-a"


@pytest.mark.parametrize(
    ("value", "verified"),
    [(None, True), ("true", True), ("1", True), ("", True), ("false", False), ("False", False)],
)
@pytest.mark.parametrize("way", ["kubeconfig", "host"])
def test_tls_is_verified_unless_told_otherwise(monkeypatch, tmp_path, way, value, verified):
    if way == "kubeconfig":
        monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path / "config", "a", current="a"))
    secrets = {"KUBERNETES_HOST": "https://a:6443"} if way == "host" else {}
    if value is not None:
        secrets["KUBERNETES_VERIFY_SSL"] = value
    client = connect(secrets)
    assert bool(client._session.verify) == bool(client._once.verify) == verified


def test_a_kubeconfig_may_switch_verification_off(monkeypatch, tmp_path):
    more = {"insecure-skip-tls-verify": True}
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path / "config", "a", current="a", **more))
    assert connect()._session.verify is False


def test_the_authority_of_a_kubeconfig_is_used(monkeypatch, tmp_path):
    more = {"certificate-authority-data": base64.b64encode(b"a certificate").decode()}
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path / "config", "a", current="a", **more))
    assert Path(str(connect()._session.verify)).read_bytes() == b"a certificate"


def test_a_host_with_a_token_or_a_user(tmp_path):
    host = {"KUBERNETES_HOST": "https://a:6443/"}
    client = connect(host | {"KUBERNETES_API_KEY": "secret"})
    assert (client.host, token(client)) == ("https://a:6443", "Bearer secret")
    other = {"KUBERNETES_API_KEY": "secret", "KUBERNETES_API_KEY_PREFIX": "Other"}
    assert token(connect(host | other)) == "Other secret"
    user = {"KUBERNETES_USERNAME": "eve", "KUBERNETES_PASSWORD": "pass"}
    assert token(connect(host | user)) == "Basic " + base64.b64encode(b"eve:pass").decode()
    assert connect(host).authorization() == {}


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("KUBERNETES_VERIFY_SSL", "maybe", "give true or false"),
        ("KUBERNETES_HOST", "10.0.0.1:6443", "give a URL, such as https://"),
        ("KUBERNETES_CA_CERT_FILE", "/nowhere/ca.crt", "there is no such file"),
        ("KUBERNETES_CERT_FILE", "/nowhere/me.crt", "there is no such file"),
        ("KUBERNETES_KEY_FILE", "/nowhere/me.key", "there is no such file"),
    ],
)
def test_settings_that_are_invalid(name, value, fix):
    with pytest.raises(BadInputError, match=f"{name}='{value}': {fix}"):
        connect({"KUBERNETES_HOST": "https://a:6443", name: value})


def test_secrets_come_before_the_environment(monkeypatch):
    monkeypatch.setenv("KUBERNETES_HOST", "https://a:6443")
    monkeypatch.setenv("KUBERNETES_API_KEY", "of-a")
    client = connect({"KUBERNETES_HOST": "https://b:6443"})
    assert (client.host, token(client)) == ("https://b:6443", "Bearer of-a")
    assert connect().host == "https://a:6443"


def test_a_kubeconfig_comes_before_the_pod_and_the_host(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path / "config", "a", current="a"))
    monkeypatch.setenv("CHAOSTOOLKIT_IN_POD", "true")
    monkeypatch.setenv("KUBERNETES_HOST", "https://b:6443")
    assert connect().host == "https://a:6443"


def test_outside_of_a_pod_there_is_no_service_account(monkeypatch):
    monkeypatch.setenv("CHAOSTOOLKIT_IN_POD", "true")
    with pytest.raises(BadInputError, match="CHAOSTOOLKIT_IN_POD='true': .*whose token is mounted"):
        connect()


def test_certificates_that_somebody_removed_from_tmp_are_written_again(monkeypatch, tmp_path):
    more = {"certificate-authority-data": base64.b64encode(b"a certificate").decode()}
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path / "config", "a", current="a", **more))
    Path(str(connect()._session.verify)).unlink()
    assert Path(str(connect()._session.verify)).read_bytes() == b"a certificate"
