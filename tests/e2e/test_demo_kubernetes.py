"""`make demo-kubernetes`: it judges the run, and leaves no cluster behind."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import ROOT, wait_until
from laboratory import life
from laboratory.errors import LaboratoryError
from laboratory.places import Places
from laboratory.processes import Running
from world import marked_processes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

VIOLATED, INCONCLUSIVE, WRONG_ARGUMENTS = 1, 2, 2
MOST_ATTEMPTS = 3  # on a machine that is too busy a run is inconclusive
SCRIPT = ROOT / "demo" / "on_kubernetes.py"
EXPERIMENT = ROOT / "experiments" / "users-pod-killed.yaml"
MARK = "CHAOS_GO_TEST_RUN"
START_WITHIN_S = 110.0


class Demo:
    """A demo with a cluster of its own."""

    def __init__(self, folder: Path) -> None:
        """Start nothing yet."""
        self._folder = folder
        self._mark = uuid.uuid4().hex
        self.places = Places("demo-test", folder / "chaos-go" / "cluster" / "demo-test")

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Start it; its output is in the pipe."""
        environment = {
            **os.environ,
            MARK: self._mark,
            "XDG_STATE_HOME": str(self._folder),
            "CHAOS_GO_CLUSTER": self.places.name,
            "CHAOS_GO_CLUSTER_BUILD": "no",
        }
        return subprocess.Popen(
            [sys.executable, SCRIPT, EXPERIMENT, "--out", self._folder / "out", *options],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def is_gone(self) -> bool:
        """Tell whether neither its cluster nor a process of it runs any more."""
        return Running.find(self.places) is None and not marked_processes(f"{MARK}={self._mark}")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    try:
        life.check_machine()
    except LaboratoryError as error:
        pytest.skip(str(error))
    started = Demo(tmp_path)
    yield started
    with life.locked(started.places):
        life.stop(started.places)


def test_a_bad_shop_is_judged_and_no_cluster_is_left(demo: Demo, tmp_path: Path) -> None:
    for _ in range(MOST_ATTEMPTS):
        run = demo.start("--bad", "no-readiness")
        said, _ = run.communicate()
        print(said)
        assert demo.is_gone()
        if run.returncode != INCONCLUSIVE:
            break
    assert run.returncode == VIOLATED
    assert "no-log-in-is-lost = " in said
    assert (tmp_path / "out" / "journal.json").exists()
    assert (tmp_path / "out" / "timeline.png").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "SIGINT"])
def test_a_demo_that_is_stopped_leaves_no_cluster(demo: Demo, number: int) -> None:
    run = demo.start()
    try:
        wait_until(lambda: Running.find(demo.places), "the cluster runs", START_WITHIN_S)
        os.kill(run.pid, number)
        run.wait(30)
        wait_until(demo.is_gone, "cluster and processes are gone")
    finally:
        run.kill()
        run.communicate()


def test_a_wrong_variant_is_named(demo: Demo) -> None:
    run = demo.start("--bad", "no-coffee")
    said, _ = run.communicate()
    assert run.returncode == WRONG_ARGUMENTS
    assert "no-coffee" in said
    assert "abrupt-shutdown, no-budget, no-readiness" in said
