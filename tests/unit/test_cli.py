"""`chaos go`, as Chaos Toolkit calls it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from journals import journal_of, second

from chaos_go.cli import go

CHAOS = Path(sys.executable).with_name("chaos")
HELD = {
    "experiment": {
        "steady-state-hypothesis": {"probes": [{"name": "p99"}]},
        "method": [{"name": "x"}],
    },
    "status": "completed",
    "steady_states": {
        side: {
            "steady_state_met": True,
            "probes": [{"activity": {"name": "p99"}, "output": 1.5, "status": "succeeded"}],
        }
        for side in ("before", "after")
    },
    "run": [{"activity": {"type": "action", "name": "x"}, "status": "succeeded"}],
    "rollbacks": [],
}


def call(*arguments):
    return CliRunner().invoke(go, [str(argument) for argument in arguments])


@pytest.fixture
def file(tmp_path):
    def _file(content, name="journal.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return _file


def test_the_exit_code_is_the_verdict(file):
    after = HELD["steady_states"]["after"] | {"steady_state_met": False}
    states = HELD["steady_states"] | {"after": after}
    rollback = {"activity": {"name": "fix"}, "status": "failed", "exception": ["no"]}
    journals = [
        HELD,
        HELD | {"steady_states": states},
        HELD | {"status": "aborted"},
        HELD | {"rollbacks": [rollback]},
        {},
    ]
    results = [call("verdict", file(journal)) for journal in journals]
    assert [result.exit_code for result in results] == [0, 1, 2, 3, 4]
    words = [result.output.split("\n")[0] for result in results]
    assert words == ["held", "violated", "inconclusive", "unsafe", "setup-error"]


def test_each_reason_is_a_line(file):
    lines = call("verdict", file(HELD)).output.splitlines()
    assert lines == [
        "held",
        "  hypothesis met before the method (baseline): p99 = 1.5",
        "  hypothesis met after the method: p99 = 1.5",
    ]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
@pytest.mark.parametrize("command", ["verdict", "plot"])
def test_a_file_that_is_not_a_journal_is_a_setup_error(file, command, content, tmp_path):
    options = ["-o", tmp_path / "p.png"] if command == "plot" else []
    result = call(command, file(content), *options)
    assert (result.exit_code, result.output.split("\n")[0]) == (4, "setup-error")


def test_a_journal_that_cannot_be_read(tmp_path):
    result = call("verdict", tmp_path)
    assert result.exit_code == 4
    assert "Is a directory; give the file that `chaos run" in result.output


def test_validate_names_file_and_place(file):
    good = {"title": "t", "description": "d", "method": []}
    path = file(good | {"rollback": []}, "e.json")
    result = call("validate", file(good, "good.json"), path)
    assert result.exit_code == 1
    assert result.output == f"{path}: rollback: unknown key (did you mean rollbacks?)\n"
    assert call("validate", file(good, "good.json")).exit_code == 0


def test_validate_works_without_an_agent_and_warns_that_values_were_not_judged(file, tmp_path):
    provider = {"type": "python", "module": "chaos_go.faults.http", "func": "abort"}
    provider["arguments"] = {"target": "port/8081", "status": 9999}
    evidence = {"type": "python", "module": "chaos_go.controls.evidence"}
    path = file(
        {
            "title": "t",
            "description": "d",
            "controls": [{"name": "e", "provider": evidence}],
            "method": [{"type": "action", "name": "a", "provider": provider}],
        },
        "e.json",
    )
    command = [CHAOS, "--no-version-check", "--no-log-file", "go", "validate", path]
    run = {"capture_output": True, "text": True, "timeout": 60, "check": False}
    done = subprocess.run(command, **run)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"{path}: method[0].provider.arguments: status=9999: not a final")
    without = {**os.environ, "CHAOS_GO_AGENT": str(tmp_path / "agent")}
    done = subprocess.run(command, env=without, **run)
    assert done.returncode == 0
    assert "the values of faults and loads were not judged: agent=" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_plot_writes_a_picture(file, tmp_path):
    picture = tmp_path / "p.svg"
    result = call("plot", file(journal_of([second(n) for n in range(9)])), "-o", picture)
    assert (result.exit_code, result.output) == (0, "")
    assert picture.read_text().startswith("<?xml")


def test_chaos_has_the_command(file):
    command = [CHAOS, "--no-version-check", "--no-log-file", "go", "verdict", file(HELD)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.split("\n")[0]) == (0, "held"), done.stderr


def test_importing_the_plugin_imports_little():
    """Chaos Toolkit imports it on every command. What Chaos Toolkit imports does not count."""
    code = (
        "import sys, chaostoolkit.commands.run\n"
        "for name in [x for x in sys.modules if x.split('.')[0] == 'chaos_go']:\n"
        "    del sys.modules[name]\n"
        "before = set(sys.modules)\n"
        "import chaos_go.cli\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["chaos_go", "chaos_go.cli", "chaos_go.cli_sla"]
