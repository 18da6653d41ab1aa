"""Undo files, records of changes, and `chaos go undo` without a cluster."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chaos_go import verdict
from chaos_go.cli import go
from chaos_go.errors import BadInputError, ChaosGoError
from chaos_go.kubernetes import changes, undo_file
from chaos_go.kubernetes.changes import Change
from chaos_go.kubernetes.cluster import why_another

SCALED = Change(
    object="deployment/shop/users",
    path="/apis/apps/v1/namespaces/shop/deployments/users/scale",
    uid="6f2a",
    field="spec.replicas",
    before=3,
    after=0,
)
CORDONED = Change("node/node2", "/api/v1/nodes/node2", "0c1d", "spec.unschedulable", False, True)


def fault(*places: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "scaled", "places": list(places), **more}


def place(change: Change, **more: Any) -> dict[str, Any]:
    return {"place": change.object, "state": "armed", "change": change.record(), **more}


def call(*arguments: object) -> Result:
    return CliRunner().invoke(go, ["undo", *map(str, arguments)])


def write(folder: Path, *faults: dict[str, Any], **more: Any) -> Path:
    file = folder / "journal.json"
    file.write_text(json.dumps({"chaos_go": {"schema": 2, "faults": list(faults)}, **more}))
    return file


@pytest.mark.parametrize(
    ("change", "command"),
    [
        (SCALED, "kubectl -n shop scale deployment/users --replicas=3"),
        (CORDONED, "kubectl uncordon node2"),
    ],
)
def test_a_change_survives_its_record(change: Change, command: str) -> None:
    again = changes.read(json.loads(json.dumps(change.record())))
    assert again == change
    assert again.command == command


@pytest.mark.parametrize(
    "wrong",
    [
        {"field": "spec.paused"},
        {"before": "3"},
        {"before": True},
        {"path": "apis/apps"},
        {"path": 7},
        {"object": "users"},
        {"more": 1},
    ],
)
def test_a_record_of_another_form_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInputError, match="no change that chaos_go records"):
        changes.read(SCALED.record() | wrong)


@pytest.mark.parametrize(
    ("item", "value"),
    [({"spec": {"replicas": 4}}, 4), ({"spec": {}}, 0), ({}, 0)],
)
def test_the_api_server_omits_zero(item: dict[str, Any], value: int) -> None:
    assert changes.value_of("spec.replicas", item) == value


def test_an_undo_file_is_read_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = (undo_file.write(fault(place(SCALED))) for _ in range(2))
    assert first != second  # in the same second, by the same process
    content = undo_file.read(str(first))
    assert undo_file.is_undo_file(content)
    assert content["chaos_go"]["faults"] == [fault(place(SCALED))]
    assert sorted(tmp_path.iterdir()) == sorted([first, second])
    undo_file.remove(first)
    undo_file.remove(second)
    undo_file.remove(second)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ChaosGoError, match="run chaos in a folder where it may write"):
        undo_file.write(fault(place(SCALED)))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file"),
        ("{", "not JSON"),
        ("[]", "no records of faults"),
        ('{"experiment": {}}', "chaos_go.controls.evidence"),
        ('{"chaos_go": {"schema": 2, "faults": {}}}', "no records of faults"),
        ('{"chaos_go": {"schema": 9, "faults": []}}', "this release reads 2"),
        ('{"chaos_go": {"schema": 2, "faults": [7]}}', "no record of a fault"),
        ('{"chaos_go": {"schema": 2, "faults": [{"places": [{"change": {}}]}]}}', "no change"),
    ],
)
def test_what_cannot_be_read_exits_with_4(tmp_path: Path, content: str | None, why: str) -> None:
    file = tmp_path / "journal.json"
    if content is not None:
        file.write_text(content)
    result = call(file)
    assert result.exit_code == 4, result.output
    assert why in result.output


def test_a_run_that_restored_everything_needs_no_cluster(tmp_path: Path) -> None:
    http = {"place": "port/8081", "state": "ended"}
    unneeded = Change(**CORDONED.record() | {"before": True})
    ended = fault(place(SCALED, state="ended"), place(unneeded, state="lost"))
    result = call(write(tmp_path, ended, fault(http), experiment={}))
    assert (result.exit_code, result.output[:13]) == (0, "nothing to do"), result.output


def test_without_a_cluster_nothing_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KUBECONFIG", "CHAOSTOOLKIT_IN_POD", "KUBERNETES_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    file = write(tmp_path, fault(place(SCALED)))
    result = call(file)
    assert result.exit_code == 1
    assert "nothing was restored: cannot tell which cluster this is" in result.output
    assert "no cluster is configured" in result.output
    assert file.exists()


HERE = {"server": "https://here:6443", "uid": "1"}


@pytest.mark.parametrize(
    ("recorded", "now", "is_same"),
    [
        (HERE, HERE, True),
        (HERE, HERE | {"server": "https://there"}, True),  # another address of it
        (HERE, HERE | {"uid": "2"}, False),  # another one at this address
        (HERE, HERE | {"uid": ""}, True),  # this user may not read the uid
        (HERE | {"uid": ""}, HERE | {"server": "https://there"}, False),
        ({}, HERE, False),
    ],
)
def test_which_cluster(recorded: dict[str, str], now: dict[str, str], is_same: bool) -> None:
    assert (why_another(recorded, now) == "") == is_same


def test_a_change_that_is_not_restored_is_unsafe() -> None:
    lost = {
        "armed_unix_s": 10.0,
        "ended_unix_s": None,
        "exit_code": None,
        "problem": "it does not answer",
        "fix": "restore it with `chaos go undo x.json`",
    }
    record = fault(place(SCALED, **lost) | {"state": "lost"}, armed_unix_s=10.0, ended_unix_s=20.0)
    ((outcome, reason),) = list(verdict._judge_record(record))
    assert outcome == "unsafe"
    assert reason == (
        "fault scaled at deployment/shop/users may still be in place: it does not answer; "
        "restore it with `chaos go undo x.json`"
    )
    judged = {"experiment": {}, "status": "completed", "run": [], "rollbacks": []}
    judged |= {"steady_states": {}, "chaos_go": {"schema": 2, "faults": [record]}}
    assert verdict.judge(judged).exit_code == 3
