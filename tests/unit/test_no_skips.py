"""Skipped integration and e2e tests fail as root in CI, with the reason; else they are skipped."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

QUICK = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # plugins take a second to load
CONFTEST = Path(__file__).parents[1] / "conftest.py"
TESTS = """
import pytest

@pytest.mark.integration
def test_needs_more(): pytest.skip("no namespaces here")

@pytest.mark.e2e
@pytest.mark.skipif(True, reason="other kernel")
def test_needs_another(): pass

def test_of_a_unit(): pytest.skip("fine")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="the rule is about root")
@pytest.mark.parametrize(("ci", "failed"), [("true", True), ("", False)])
def test_skips(tmp_path, ci, failed):
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (tmp_path / "test_x.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  integration\n  e2e\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rfs", "-p", "no:cacheprovider", tmp_path],
        env={**os.environ, **QUICK, "CI": ci},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ("1 failed, 1 skipped, 1 error" if failed else "3 skipped") in done.stdout, done.stdout
    assert not failed or "as root in CI: Skipped: no namespaces here" in done.stdout


@pytest.mark.parametrize("kind", ["integration", "e2e"])
def test_a_module_that_skips_itself(tmp_path, kind):
    folder = tmp_path / kind
    folder.mkdir()
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text().replace("os.geteuid() == 0", "True"))
    (folder / "test_x.py").write_text("import pytest\npytest.skip('no', allow_module_level=True)\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", tmp_path],
        env={**os.environ, **QUICK, "CI": "true"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "1 error" in done.stdout, done.stdout
    assert done.returncode != 0
