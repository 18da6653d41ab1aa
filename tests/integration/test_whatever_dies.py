"""The record of a fault without a rollback, or of one whose agent died."""

import json
import os
import signal
from pathlib import Path

import pytest
from matrix import TARGETS
from runs import EVIDENCE, Run
from world import CHAOS, SERVICE_PORT, Namespace, nothing_left, only_place

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

PORTS = {SERVICE_PORT}
INBOUND = TARGETS[0]


def test_record_of_a_fault_without_a_rollback(
    namespace: Namespace, service: object, tmp_path: Path
) -> None:
    run = Run(tmp_path, INBOUND, strategy="never", controls=[EVIDENCE])
    run.start(namespace).wait(60)
    nothing_left(namespace, PORTS)
    journal = json.loads(run.file("journal.json").read_text())
    (record,) = journal["chaos_go"]["faults"]
    assert record["state"] == "ended", run.log()
    assert record["effect"] is True
    place = only_place(record)
    assert (place["state"], place["reason"], place["effect"]) == ("ended", "stop", True)
    assert place["totals"]["aborted"] == 1


def test_killed_agent_is_not_held(namespace: Namespace, service: object, tmp_path: Path) -> None:
    """The hypothesis is met in the end, but the fault ended too early: this is never "held"."""
    run = Run(tmp_path, INBOUND, pause_s=3.0, controls=[EVIDENCE])
    process = run.start(namespace)
    run.wait_for_fault()
    (agent,) = namespace.agents()
    os.kill(agent, signal.SIGKILL)
    nothing_left(namespace, PORTS)
    process.wait(60)
    verdict = namespace.run(
        [CHAOS, "--no-version-check", "go", "verdict", "journal.json"], cwd=tmp_path
    )
    assert verdict.returncode == 2, verdict.stdout + verdict.stderr
