"""Secrets that an experiment gets from its environment are in no log, event or journal."""

import json
import os
import sys
from pathlib import Path

import pytest
from runs import EVIDENCE, call
from world import CHAOS, SERVICE_PORT, Driver, Namespace, nothing_left, only_place

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("service"),
]

TARGET = f"port/{SERVICE_PORT}"
SECRETS = {
    name: f"hush-{name.lower()}-6f1c9a"
    for name in ("MATCHED", "ANSWERED", "BODY", "SET", "REPLACED", "LOADED", "SENT")
}


def write_experiment(folder: Path) -> Path:
    """Write an experiment that refers to a secret wherever one may be; return its path."""
    load = {
        "url": f"http://127.0.0.1:{SERVICE_PORT}/api/v1/users/1",
        "method": "POST",
        "rate_rps": 20,
        "headers": {"Authorization": "Bearer ${LOADED}"},
        "body": "${SENT}",
    }
    traffic = {"name": "users", "load": load}
    provider = {"type": "python", "module": "chaos_go.controls.traffic", "arguments": traffic}
    abort = {
        "match": {"headers": {"Authorization": ".*${MATCHED}"}},
        "answer": {"headers": {"Set-Cookie": "${ANSWERED}"}, "body": "${BODY}"},
    }
    modify = {"answer": {"headers": {"X-Token": "${SET}"}, "body": "${REPLACED}"}}
    module = "chaos_go.faults.http"
    common = {"target": TARGET, "duration_s": 20}
    script = f"import urllib.request as u; u.urlopen('{load['url']}').read()"
    ask = {"type": "process", "path": sys.executable, "arguments": ["-c", script]}
    experiment = {
        "title": "does a secret get out?",
        "description": "hypothesis: none does",
        "configuration": {name: {"type": "env", "key": name} for name in SECRETS},
        "controls": [{"name": "traffic", "provider": provider}, EVIDENCE],
        "steady-state-hypothesis": {"title": "none", "probes": []},
        "method": [
            call("abort-it", module, "abort", **common, **abort),
            {
                **call("edit-it", module, "modify", **common, **modify),
            },
            {"name": "ask", "type": "action", "provider": ask, "pauses": {"after": 1}},
        ],
        "rollbacks": [call("fix", "chaos_go.faults", "stop")],
    }
    path = folder / "experiment.json"
    path.write_text(json.dumps(experiment))
    return path


def revealed(text: str) -> list[str]:
    """Return the names of the secrets that are in a text."""
    return [name for name, secret in SECRETS.items() if secret in text]


def test_secrets_stay_in_the_run(namespace: Namespace, tmp_path: Path) -> None:
    experiment = write_experiment(tmp_path)
    run = namespace.run(
        [CHAOS, "--verbose", "--no-version-check", "run", experiment],
        cwd=tmp_path,
        env={**os.environ, **SECRETS},
    )
    journal = (tmp_path / "journal.json").read_text()
    told = json.loads(journal)
    assert told["status"] == "completed", run.stdout + run.stderr
    faults = {fault["id"]: fault for fault in told["chaos_go"]["faults"]}
    assert only_place(faults["modify-port-9082"])["totals"]["modified"] > 0, faults
    where = {"output": run.stdout + run.stderr, "journal": journal}
    where["log"] = (tmp_path / "chaostoolkit.log").read_text()
    assert where["log"]
    assert {name: revealed(text) for name, text in where.items()} == {name: [] for name in where}
    nothing_left(namespace, {SERVICE_PORT})


def test_refusal_tells_no_secret(driver: Driver) -> None:
    secret = SECRETS["BODY"]
    for arguments in (
        {"status": 204, "answer": {"body": secret}},
        {"match": {"headers": {"Authorization": f"{secret}("}}},
        {"answer": {"headers": {"Set-Cookie": f"{secret}\r\n"}}},
        {"body": secret},  # an argument of earlier releases
        {"response_headers": {"Set-Cookie": secret}},  # likewise
    ):
        message = driver.refusal("chaos_go.faults.http.abort", target=TARGET, **arguments)
        assert secret not in message, message
