"""The cache of what the laboratory builds: complete or not there, and built once."""

import subprocess
import sys
import time

import pytest
from laboratory import cache
from laboratory.errors import LaboratoryError
from laboratory.places import HERE

SLOW = """
import sys, time
from pathlib import Path
from laboratory import cache

def build(folder):
    (folder / "half").touch()
    Path(sys.argv[1]).open("a").write("built\\n")
    while not Path(sys.argv[2]).exists():
        time.sleep(0.01)
    (folder / "whole").touch()

print(cache.part("thing", "key", build))
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.delenv("CHAOS_GO_CLUSTER_BUILD", raising=False)


def start_build(log, until):
    """Start a process that builds until a file exists."""
    command = [sys.executable, "-c", SLOW, log, until]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(file):
    while not file.exists():
        time.sleep(0.01)


def touch(folder):
    (folder / "file").touch()


def test_a_part_is_built_once():
    assert (cache.part("thing", "key", touch) / "file").exists()
    cache.part("thing", "key", lambda folder: pytest.fail("built again"))
    assert cache.part("thing", "other", touch) != cache.part("thing", "key", touch)


def test_a_build_that_fails_leaves_nothing():
    def fail(folder):
        touch(folder)
        raise LaboratoryError("no compiler")

    with pytest.raises(LaboratoryError, match="no compiler"):
        cache.part("thing", "key", fail)
    assert [path.name for path in cache.cache().iterdir()] == ["thing.lock"]
    assert (cache.part("thing", "key", touch) / "file").exists()


def test_a_build_that_is_killed_does_not_count(tmp_path):
    log = tmp_path / "log"
    builder = start_build(log, tmp_path / "never")
    wait_for(log)
    builder.kill()
    builder.communicate()
    folder = cache.part("thing", "key", touch)
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert sorted(path.name for path in cache.cache().iterdir()) == ["thing-key", "thing.lock"]


def test_two_builds_at_a_time_wait_for_each_other(tmp_path):
    log, until = tmp_path / "log", tmp_path / "until"
    first = start_build(log, until)
    wait_for(log)
    second = start_build(log, until)
    assert "waiting for another process" in second.stderr.readline()
    until.touch()
    folders = {builder.communicate()[0] for builder in (first, second)}
    assert len(folders) == 1
    assert log.read_text() == "built\n"


def test_a_test_run_builds_nothing_that_takes_long(monkeypatch):
    monkeypatch.setenv("CHAOS_GO_CLUSTER_BUILD", "no")
    with pytest.raises(LaboratoryError, match="thing is not built yet; run: tests/cluster/cluster"):
        cache.part("thing", "key", touch, "5 minutes")
    assert cache.part("thing", "key", touch)


def test_the_hash_sees_where_one_part_ends():
    assert cache.hash_of("ab", "c") != cache.hash_of("a", "bc")
