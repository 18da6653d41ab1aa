"""What the agent says of a spec, as an error that names the argument of the user.

The agent judges every value; Python only looks at types. `judge` asks it before anything is put in
place, in one process for any number of specs.
"""

import subprocess
from collections.abc import Sequence

from chaos_go.agent import kinds
from chaos_go.agent.binary import find_agent
from chaos_go.agent.contract import Event, Problem, Spec
from chaos_go.errors import AgentError, BadInputError, TargetError, shorten

_PATIENCE_S = 30.0


def judge(specs: Sequence[Spec]) -> list[BadInputError | None]:
    """Return what is wrong with each spec, None where nothing is. Nothing is armed.

    Args:
        specs: What would be put in place.

    Raises:
        AgentError: The agent cannot be executed, or does not answer.
    """
    if not specs:
        return []
    lines = "".join(f"{spec.to_line()}\n" for spec in specs)
    answers = [Event.from_line(line) for line in _run(lines).splitlines()]
    if len(answers) != len(specs):
        raise AgentError(f"agent={find_agent()}: it judged {len(answers)} of {len(specs)} specs")
    return [
        refusal(answer.error, spec) if answer.error else None
        for answer, spec in zip(answers, specs, strict=True)
    ]


def under(argument: str, spec: Spec, error: BadInputError) -> BadInputError:
    """Return the same error for a value inside of an argument.

    Args:
        argument: Where the user wrote the values of the spec, for instance ``fault.arguments``, or
            ``p99_load`` for a mapping that has the fields of the kind itself.
        spec: What was judged.
        error: As `judge` returned it.
    """
    if error.field == "name":  # it is an argument of its own everywhere
        return error
    path = f"{argument}.{error.field.removeprefix(f'{spec.kind}.')}"
    return BadInputError(path, error.value, error.fix)


def refusal(problem: Problem, spec: Spec, place: str = "") -> BadInputError:
    """Return the error for a value that an agent refused.

    Args:
        problem: What the agent said.
        spec: What it was asked.
        place: Where; a target may have several places, so the message names it.
    """
    name = kinds.argument(spec.kind, problem.field)
    fix = f"{problem.message}; {problem.fix}" if problem.fix else problem.message
    if name == "target":
        return TargetError(place or _own_value(problem, spec), fix)
    return BadInputError(name, _own_value(problem, spec), fix)


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
            check=False,  # the exit code is looked at below
            text=True,
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
