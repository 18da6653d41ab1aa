"""The experiments hold with the shop as it is and are violated when it is built badly."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from world import CHAOS, ROOT, Namespace, marked_processes, only_place, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

RUN = ROOT / "demo" / "run.py"
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))
HELD, VIOLATED, INCONCLUSIVE = 0, 1, 2
MOST_ATTEMPTS = 3
RUN_TIMEOUT_S = 180.0
MARK = "CHAOS_GO_TEST_RUN"
PNG = b"\x89PNG\r\n\x1a\n"

Outcome = subprocess.CompletedProcess[str]
RUNS = {
    ("users-answer-503", ""): HELD,
    ("users-answer-503", "no-retry"): VIOLATED,
    ("risk-is-slow", ""): HELD,
    ("risk-is-slow", "no-timeout"): VIOLATED,
    ("users-half-broken", ""): HELD,
    ("users-half-broken", "no-retry"): VIOLATED,
    ("checkout-cannot-reach-users", ""): HELD,
    ("checkout-cannot-reach-users", "no-retry"): VIOLATED,
}


def run_command(experiment: str, bad: str, out: Path) -> list[str]:
    """Return the command line of a run of the demo."""
    file = ROOT / "experiments" / f"{experiment}.yaml"
    return [sys.executable, str(RUN), str(file), "--bad", bad, "--out", str(out)]


def run_demo(experiment: str, bad: str, out: Path) -> tuple[Outcome, dict[int, str]]:
    """Run the demo to its end; return its result and the processes that it left behind.

    A run on a machine that is too busy to measure is "inconclusive", which is correct, but not an
    answer. Then the run is repeated. This never turns one answer into another.
    """
    sign = f"{MARK}={uuid.uuid4().hex}"
    for _ in range(MOST_ATTEMPTS):
        outcome = subprocess.run(
            run_command(experiment, bad, out),
            env={**os.environ, MARK: sign.partition("=")[2]},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
        if outcome.returncode != INCONCLUSIVE:
            break
        print(outcome.stdout)
    return outcome, marked_processes(sign)


Started = dict[tuple[str, str], tuple[Path, "Future[tuple[Outcome, dict[int, str]]]"]]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Start all runs, two at a time: each has a namespace of its own and mostly waits."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        runs: Started = {}
        for experiment, bad in RUNS:
            out = tmp_path_factory.mktemp(f"{experiment}-{bad or 'good'}")
            runs[experiment, bad] = out, pool.submit(run_demo, experiment, bad, out)
        yield runs
        pool.shutdown(cancel_futures=True)


@pytest.mark.timeout(MOST_ATTEMPTS * RUN_TIMEOUT_S)
@pytest.mark.parametrize(("experiment", "bad"), RUNS)
def test_verdict(started: Started, experiment: str, bad: str) -> None:
    out, run = started[experiment, bad]
    outcome, left = run.result()
    print(outcome.stdout)
    assert outcome.returncode == RUNS[experiment, bad]
    assert left == {}
    assert (out / "timeline.png").read_bytes().startswith(PNG)
    journal = json.loads((out / "journal.json").read_text())
    faults = journal["chaos_go"]["faults"]
    assert faults != []
    for fault in faults:
        assert fault["effect"] is True
        totals = only_place(fault)["totals"]
        assert totals["aborted"] + totals["delayed"] >= 50
    baseline = journal["steady_states"]["before"]
    assert baseline["steady_state_met"] is True


@pytest.mark.timeout(MOST_ATTEMPTS * RUN_TIMEOUT_S)
def test_explicit_proxy_where_namespaces_are_forbidden(
    namespace: Namespace, tmp_path: Path
) -> None:
    """In a namespace, so that the ports are free; in there the kernel allows no further one."""
    forbid = "for kind in user net; do echo 0 > /proc/sys/user/max_${kind}_namespaces; done"
    command = shlex.join(run_command("users-answer-503", "", tmp_path))
    for _ in range(MOST_ATTEMPTS):
        outcome = namespace.run(
            ["unshare", "--user", "--map-root-user", "sh", "-ec", f"{forbid}; exec {command}"],
            timeout_s=RUN_TIMEOUT_S,
        )
        print(outcome.stdout, outcome.stderr)
        if outcome.returncode != INCONCLUSIVE:
            break
    assert "the kernel allows no network namespace here" in outcome.stdout
    assert outcome.returncode == HELD
    (fault,) = json.loads((tmp_path / "journal.json").read_text())["chaos_go"]["faults"]
    assert only_place(fault)["place"].startswith("proxy/"), fault["places"]
    assert namespace.listeners() == set()
    assert namespace.agents() == []


@pytest.mark.parametrize(
    ("number", "tell"),
    [
        (signal.SIGKILL, os.kill),
        (signal.SIGTERM, os.kill),
        (signal.SIGINT, os.kill),
        (signal.SIGINT, os.killpg),  # Ctrl-C in a terminal reaches the whole group
    ],
    ids=["SIGKILL", "SIGTERM", "SIGINT", "Ctrl-C"],
)
def test_demo_that_is_stopped_leaves_nothing(
    tmp_path: Path, number: int, tell: Callable[[int, int], None]
) -> None:
    mark = uuid.uuid4().hex
    sign = f"{MARK}={mark}"
    demo = subprocess.Popen(
        run_command("risk-latency-to-rejections", "", tmp_path),
        env={**os.environ, MARK: mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        loading = re.compile(r"/chaos-agent\S* load\b")
        wait_until("the load runs", lambda: bool(loading.search(str(marked_processes(sign)))), 60.0)
        tell(demo.pid, number)
        demo.wait(15)  # s; a process that gets no signal is waited for 20 s
        wait_until("all its processes are gone", lambda: not marked_processes(sign), 60.0)
    finally:
        demo.kill()
        demo.wait()


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("command", [["validate"], ["go", "validate"]], ids=" ".join)
def test_experiment_is_valid(experiment: Path, command: list[str], tmp_path: Path) -> None:
    checked = subprocess.run(
        [CHAOS, "--no-version-check", *command, str(experiment)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_experiment_is_in_the_table() -> None:
    table = (ROOT / "experiments" / "README.md").read_text()
    missing = [path.name for path in EXPERIMENTS if f"({path.name})" not in table]
    assert missing == []


def test_demo_names_a_wrong_variant(tmp_path: Path) -> None:
    outcome, left = run_demo("users-answer-503", "no-such-variant", tmp_path)
    assert outcome.returncode == 4, outcome.stdout
    assert "no-such-variant" in outcome.stdout
    assert "no-retry" in outcome.stdout
    assert left == {}
