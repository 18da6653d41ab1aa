"""Finds the agent: the static binary that is part of this package."""

import os
import platform
from pathlib import Path

from chaos_go.errors import AgentError, CannotRunHereError

OVERRIDE = "CHAOS_GO_AGENT"
"""Environment variable with the path of another agent, for instance one under development."""

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def find_agent() -> Path:
    """Return the path of the agent for this machine.

    Raises:
        CannotRunHereError: This machine is not Linux on amd64 or arm64.
        AgentError: The file is missing or not executable.
    """
    path = Path(os.environ.get(OVERRIDE) or _embedded())
    if not path.is_file():
        raise AgentError(
            f"agent={path}: no such file; build it with `make agent`, or install a wheel of "
            "chaostoolkit-go, which has it"
        )
    if not os.access(path, os.X_OK):
        raise AgentError(f"agent={path}: not executable; run `chmod +x {path}`")
    return path


def _embedded() -> Path:
    system, machine = platform.system(), platform.machine()
    architecture = _ARCHITECTURES.get(machine.lower())
    if system != "Linux" or architecture is None:
        raise CannotRunHereError(
            f"machine={system}/{machine}: the agent runs on Linux, amd64 or arm64; "
            "run the experiment there"
        )
    return Path(__file__).parent / "bin" / f"chaos-agent-linux-{architecture}"
