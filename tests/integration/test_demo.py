"""The demo by hand: `demo/shop.py COMMAND`, and two runs at the same time."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

DEMO = Path(__file__).parents[2] / "demo"
LOOK = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=10)
connection.request("GET", "/healthz")
sys.exit(0 if connection.getresponse().status != 200 else 7)
"""


def in_shop(*command):
    inside = [sys.executable, DEMO / "shop.py", *command]
    return subprocess.run(
        [sys.executable, DEMO / "namespace.py", *inside],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_shop_is_up_while_its_command_runs_and_gives_its_exit_code():
    done = in_shop(sys.executable, "-c", LOOK)
    assert (done.returncode, done.stdout) == (7, "ready\n"), done.stderr


def test_a_command_that_does_not_exist_is_named():
    done = in_shop("no-such-command")
    assert done.returncode == 1
    assert "shop.py: [Errno 2] No such file or directory: 'no-such-command'" in done.stderr


def test_a_second_run_in_the_same_folder_is_refused(tmp_path):
    experiment = DEMO.parent / "experiments" / "users-answer-503.yaml"
    first = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)
    done = subprocess.run(
        [sys.executable, DEMO / "run.py", experiment, "--out", tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(first)
    assert done.returncode == 4
    assert f"another run writes to {tmp_path}; let it end" in done.stderr
    assert not list(tmp_path.iterdir())
