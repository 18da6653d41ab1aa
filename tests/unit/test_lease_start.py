"""Starts other programs in place of the agent: small scripts instead of the binary."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos_go.agent import binary
from chaos_go.agent.channel import LocalChannel
from chaos_go.agent.contract import Command, Spec, Way
from chaos_go.agent.holder import LeaseHolder
from chaos_go.agent.place import LocalReach, Place
from chaos_go.agent.process import AgentProcess
from chaos_go.errors import AgentError
from chaos_go.faults.http import HTTP, HTTPAbort

SPEC = Spec(
    id="x",
    kind="http",
    duration_s=5.0,
    detail=HTTP(percentage=100.0, abort=HTTPAbort(status=503)),
)
ARMED = (
    '{"event":"armed","id":"x","at_unix_s":1,"armed":'
    '{"agent_version":"0.0.1","protocol":2,"pid":1}}'
)

Program = Callable[[str], Path]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    def write(body: str) -> Path:
        path = tmp_path / "agent"
        path.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\n{body}\n")
        path.chmod(0o755)
        return path

    return write


def refusal(path: Path, start_timeout_s: float = 20.0) -> str:
    """Start a program as an agent; return the one line that says why it failed."""
    holder = LeaseHolder()
    place = Place("port/8081", LocalReach(), Way(port=8081))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(binary.OVERRIDE, str(path))
        with pytest.raises(AgentError) as error:
            holder.hold([place], SPEC, start_timeout_s=start_timeout_s)
    assert holder.faults() == []
    assert "\n" not in str(error.value)
    pid_file = path.with_name("pid")
    if pid_file.exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid_file.read_text()), 0)
    return str(error.value)


def test_unparsable_output_is_quoted_and_the_process_ended(program: Program) -> None:
    said = refusal(program(f"echo 'Hello, {'x' * 500}'; exec sleep 60"))
    assert "agent of port/8081 said 'Hello, xxx" in said
    assert "no event" in said
    assert len(said) < 500


def test_process_that_exits_at_once_is_reported_with_its_stderr(program: Program) -> None:
    said = refusal(program("echo 'out of luck' >&2; exit 7"))
    assert "exit code 7" in said
    assert "out of luck" in said


def test_process_killed_during_start_is_reported_with_its_signal(program: Program) -> None:
    assert "killed by SIGKILL" in refusal(program("kill -9 $$"))


def test_process_that_says_nothing_is_killed(program: Program) -> None:
    said = refusal(program("exec sleep 60"), start_timeout_s=0.3)
    assert "did not arm 'x' within 0.3 s" in said


def test_other_release_is_refused_and_ended(program: Program) -> None:
    said = refusal(program(f"read -r spec; echo '{ARMED}'; exec sleep 60"))
    assert "agent=0.0.1" in said
    assert "make agent" in said


def test_file_that_is_not_a_program_is_named(tmp_path: Path) -> None:
    path = tmp_path / "agent"
    path.write_bytes(b"\x7fELF for another machine")
    path.chmod(0o755)
    assert f"agent={path}: cannot be started: Exec format error" in refusal(path)


def test_missing_agent_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(binary.OVERRIDE, str(tmp_path / "agent"))
    with pytest.raises(AgentError, match=r"agent=/.*no such file; build it with `make agent`"):
        binary.find_agent()


def test_agent_without_permission_to_execute_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "agent"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o644)
    monkeypatch.setenv(binary.OVERRIDE, str(path))
    with pytest.raises(AgentError, match=r"not executable; run `chmod \+x"):
        binary.find_agent()
    with pytest.raises(AgentError, match="cannot be started: Permission denied"):
        LocalChannel([str(path)])


def test_other_machines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(binary.OVERRIDE, raising=False)
    monkeypatch.setattr(binary.platform, "machine", lambda: "riscv64")
    with pytest.raises(AgentError, match="machine=Linux/riscv64"):
        binary.find_agent()


@pytest.mark.parametrize(("machine", "file"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_agent_is_chosen_by_machine(
    machine: str, file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(binary.OVERRIDE, raising=False)
    monkeypatch.setattr(binary.platform, "machine", lambda: machine)
    monkeypatch.setattr(binary, "__file__", str(tmp_path / "binary.py"))
    (tmp_path / "bin").mkdir()
    agent = tmp_path / "bin" / f"chaos-agent-linux-{file}"
    agent.write_text("#!/bin/sh\n")
    agent.chmod(0o755)
    assert binary.find_agent() == agent


def test_channel_carries_lines_both_ways_and_ends_with_its_stdin() -> None:
    channel = LocalChannel(["cat"])
    channel.send('{"name": "Zoë"}')
    assert channel.receive() == '{"name": "Zoë"}'
    channel.close()
    assert channel.receive() is None
    assert channel.receive() is None
    assert channel.wait(20.0) == 0
    with pytest.raises(OSError, match="closed"):
        channel.send("{}")


def test_child_is_out_of_reach_of_ctrl_c(program: Program) -> None:
    path = program("echo $$; exec cat")
    channel = LocalChannel([str(path)])
    pid = int(channel.receive() or 0)
    assert os.getpgid(pid) == pid
    with pytest.raises(TimeoutError, match="still runs"):
        channel.wait(0.0)
    channel.kill()
    assert channel.wait(20.0) == -9
    assert channel.receive() is None
    channel.close()


def test_only_the_end_of_stderr_is_kept() -> None:
    channel = LocalChannel(["sh", "-c", "yes | head -n 100000 >&2; echo last >&2"])
    assert channel.receive() is None
    channel.wait(20.0)
    deadline = time.monotonic() + 20
    while not channel.complaints().endswith("last") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert channel.complaints().endswith("last")
    assert len(channel.complaints()) <= 4096
    channel.close()


def test_a_process_that_does_not_read_can_be_closed_and_killed() -> None:
    channel = LocalChannel(["sleep", "60"])
    agent = AgentProcess(channel, "port/8081", lease_s=10.0)
    agent.start()
    began = time.monotonic()
    for _ in range(20):  # 200 kB: a pipe holds 64
        agent.send(Command(command="remove", id="x" * 10_000))
    agent.heartbeat()
    channel.close()  # must not wait for the line that blocks
    assert time.monotonic() - began < 5
    agent.kill()
    assert agent.ended
    assert agent.exit_code == -9
    with pytest.raises(OSError, match="closed"):
        channel.send("{}")
