"""What the agent says of a spec, as an error that names the argument of the user.

The agent judges every value; Python only looks at types. `judge` asks it before anything is put in
place, in one process for any number of specs.
"""

import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chaos_go.agent import kinds
from chaos_go.agent.binary import find_agent
from chaos_go.agent.contract import Event, Problem, Spec
from chaos_go.errors import AgentError, BadInputError, TargetError, shorten

_PATIENCE_S = 30.0


class Asked(NamedTuple):
    """What an agent will be asked, and where the user wrote it.

    Attributes:
        argument: The mapping that has the values of the spec, for instance ``fault.arguments``, or
            ``p99_load`` for one with the fields of the kind itself; "" when they are arguments of
            their own.
        spec: What will be asked.
        elsewhere: Where the user wrote an argument that is not in that mapping, by its path.
    """

    argument: str
    spec: Spec
    elsewhere: Mapping[str, str] = {}

    def error(self, found: BadInputError) -> BadInputError:
        """Return what `judge` found, as an error that names what the user wrote."""
        if not self.argument or found.field == "name":  # which is an argument of its own everywhere
            return found
        path = f"{self.argument}.{found.field.removeprefix(f'{self.spec.kind}.')}"
        return BadInputError(self.elsewhere.get(path, path), found.value, found.fix)


def judge(specs: Sequence[Spec]) -> list[BadInputError | None]:
    """Return what is wrong with each spec, None where nothing is. Nothing is armed.

    Args:
        specs: What would be put in place.

    Raises:
        AgentError: The agent cannot be executed, or does not answer.
    """
    if not specs:
        return []
    said = _run("".join(f"{spec.to_line()}\n" for spec in specs))
    try:
        answers = [Event.from_line(line) for line in said.splitlines()]
    except BadInputError as error:
        raise AgentError(
            f"agent={find_agent()}: `judge` said {shorten(said)!r}, which is no answer; build the "
            "agent of this release with `make agent`"
        ) from error
    if len(answers) != len(specs):
        raise AgentError(f"agent={find_agent()}: it judged {len(answers)} of {len(specs)} specs")
    return [
        refusal(answer.error, spec) if answer.error else None
        for answer, spec in zip(answers, specs, strict=True)
    ]


def refusal(problem: Problem, spec: Spec) -> BadInputError:
    """Return the error for a value that an agent refused."""
    name = kinds.argument(spec.kind, problem.field)
    fix = f"{problem.message}; {problem.fix}" if problem.fix else problem.message
    value = _own_value(problem, spec)
    return TargetError(value, fix) if name == "target" else BadInputError(name, value, fix)


def _own_value(problem: Problem, spec: Spec) -> object:
    """Return the value as it was given, where the field is one of the spec: 5, and not '5'."""
    value: object = spec.redacted()
    for part in problem.field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 5 was written, more likely than 5.0
    return value if isinstance(value, int | float) else problem.value


def _run(lines: str) -> str:
    agent = str(find_agent())
    try:
        done = subprocess.run(
            [agent, "judge"],
            input=lines,
            capture_output=True,
            encoding="utf-8",
            timeout=_PATIENCE_S,
        )
    except OSError as error:
        raise AgentError(f"agent={agent}: cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise AgentError(f"agent={agent}: `judge` did not end in {_PATIENCE_S:g} s") from error
    if done.returncode:
        said = shorten(done.stderr) or "nothing"
        raise AgentError(
            f"agent={agent}: `judge` ended with exit code {done.returncode} and said {said}; "
            "build the agent of this release with `make agent`"
        )
    return done.stdout
