"""Checks this host: the agent that holds faults and drives loads here."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from chaos_go.agent.binary import find_agent
from chaos_go.doctor.check import Check
from chaos_go.doctor.experiment import Part
from chaos_go.errors import AgentError, shorten

WHERE = "this host"
_PATIENCE_S = 15.0
_STEERING = ("nftables", "owner_tables", "tproxy", "ip_transparent")
_STEERED = ("port/", "pid/", "to/")


def check(parts: Sequence[Part]) -> Iterator[Check]:
    """Yield the checks of this host; none when no part starts an agent here."""
    here = [part for part in parts if part.uses_agent]
    if not here:
        return
    try:
        agent = find_agent()
        version = _run(agent, "version")
        yield _agent(agent, version)
        if any(_is_steered(part) for part in here):
            yield _steering(_run(agent, "check"))
    except AgentError as error:
        yield Check(WHERE, "agent", "failed", str(error))


def _agent(agent: Path, version: dict[str, Any]) -> Check:
    said = f"chaos-agent {version.get('version')} for {version.get('os')}/{version.get('arch')}"
    return Check(WHERE, "agent", "ok", f"{said}: {agent}", details={"path": str(agent), **version})


def _steering(able: dict[str, Any]) -> Check:
    """Return whether faults on the traffic of a port can be put in place here."""
    tried = able.get("able") or {}
    lacking = {
        name: str(tried.get(name, {}).get("reason", "not tried"))
        for name in _STEERING
        if not tried.get(name, {}).get("ok")
    }
    if lacking:
        said = "the kernel does not allow: " + "; ".join(f"{k} ({v})" for k, v in lacking.items())
        fix = "run as root, or in a network namespace of your own; proxy/... needs none of it"
        return Check(WHERE, "traffic", "failed", said, fix, able)
    said = "faults on traffic can be put in place in this network namespace"
    return Check(WHERE, "traffic", "ok", said, details=able)


def _is_steered(part: Part) -> bool:
    """Tell whether a part redirects traffic of this network namespace."""
    target = part.arguments.get("target")
    return isinstance(target, str) and target.startswith(_STEERED)


def _run(agent: Path, command: str) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [str(agent), command], capture_output=True, timeout=_PATIENCE_S, check=True
        )
        found: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        said = shorten(str(error))
        raise AgentError(f"agent={agent}: `{command}` failed: {said}") from error
    return found
