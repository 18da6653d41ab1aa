"""Lets the real agent judge specs, for fake agents."""

import subprocess

from chaos_go.agent.binary import find_agent
from chaos_go.agent.contract import Event, Problem, Spec


def answers(lines: list[str]) -> list[Event]:
    """Return what the agent answers to any lines."""
    told = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(
        [find_agent(), "judge"], input=told.encode(), capture_output=True, timeout=30, check=True
    )
    return [Event.from_line(line) for line in done.stdout.decode().splitlines()]


def problem(spec: Spec) -> Problem | None:
    """Return why the agent refuses a spec; None when it accepts it."""
    (answer,) = answers([spec.to_line()])
    return answer.problems[0] if answer.problems else None
