"""Fixtures: one network namespace per test, and real services in it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from matrix import MEASURED, TARGETS, Scene, table
from world import ROOT, SERVICE_PORT, Driver, Namespace

# A test run in the background of a shell ignores SIGINT, and every child would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """Return a network namespace in which only `lo` is, and end everything in it afterwards."""
    place = Namespace()
    yield place
    place.close()


@pytest.fixture
def service(namespace: Namespace) -> subprocess.Popen[bytes]:
    """Start the users service without latency on port 9082 of every address."""
    return namespace.start_service(SERVICE_PORT)


@pytest.fixture
def shop(namespace: Namespace, request: pytest.FixtureRequest) -> subprocess.Popen[str]:
    """Start the four services; parametrize indirectly with a bad variant of checkout."""
    bad = getattr(request, "param", "")
    process = namespace.popen(
        [sys.executable, ROOT / "demo" / "shop.py", "--bad", bad],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return process


@pytest.fixture
def driver(namespace: Namespace) -> Driver:
    """Return a Python process in the namespace that arms faults and sends requests."""
    return namespace.driver()


@pytest.fixture(params=TARGETS, ids=lambda target: target.name)
def scene(namespace: Namespace, request: pytest.FixtureRequest) -> Scene:
    """Return the scene of a test of the matrix, once per target."""
    return Scene(namespace, request.param)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Pass on what a worker of pytest-xdist has measured."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["measured"] = MEASURED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Collect what a worker has measured; one that crashed passes nothing on."""
    MEASURED.extend(tuple(row) for row in getattr(node, "workeroutput", {}).get("measured", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured by the matrix."""
    if MEASURED:
        terminalreporter.section("gone whatever dies: seconds until free, until nothing was left")
        for line in table():
            terminalreporter.write_line(line)
