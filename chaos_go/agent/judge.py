"""Asks the agent whether specs are valid, and returns errors that name the user's arguments.

The agent judges every value; Python only checks types. `judge` uses one process of the agent for
any number of specs, and puts nothing in place.
"""

import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chaos_go.agent import kinds
from chaos_go.agent.binary import find_agent
from chaos_go.agent.contract import LONGEST_SPEC, Event, Problem, Spec
from chaos_go.errors import AgentError, BadInputError, TargetError, shorten

_PATIENCE_S = 30.0
_REBUILD = "build the agent of this release with `make agent`"


class Asked(NamedTuple):
    """What an agent will be asked, and where the user wrote it.

    Attributes:
        argument: Path of the mapping that has the values of the spec, for instance
            ``fault.arguments`` or ``p99_load``; "" if each value is an argument itself.
        spec: What the agent will be asked.
        elsewhere: For values that the user wrote outside that mapping: maps the path that a value
            would have in it to the path where the user wrote it.
    """

    argument: str
    spec: Spec
    elsewhere: Mapping[str, str] = {}

    def error(self, found: BadInputError) -> BadInputError:
        """Return an error of `judge` with the path at which the user wrote the value."""
        if not self.argument or found.field in ("name", "arguments"):  # these are in no mapping
            return found
        path = f"{self.argument}.{found.field.removeprefix(f'{self.spec.kind}.')}"
        return BadInputError(self.elsewhere.get(path, path), found.value, found.fix)


def judge(specs: Sequence[Spec]) -> list[BadInputError | None]:
    """Return the first error of each spec; None for a valid spec. Nothing is put in place.

    Args:
        specs: The specs to judge.

    Raises:
        AgentError: The agent cannot be executed, or does not answer.
    """
    return [errors[0] if errors else None for errors in judge_all(specs)]


def judge_all(specs: Sequence[Spec]) -> list[list[BadInputError]]:
    """Return all errors of each spec; otherwise as `judge`."""
    if not specs:
        return []
    lines = "".join(f"{spec.to_line()}\n" for spec in specs)
    answers = _answers(_run(lines))
    if len(answers) != len(specs):
        raise AgentError(
            f"agent={find_agent()}: it judged {len(answers)} of {len(specs)} specs; {_REBUILD}"
        )
    return [
        [refusal(problem, spec) for problem in answer.problems]
        for answer, spec in zip(answers, specs, strict=True)
    ]


def refuse_too_long(spec: Spec) -> None:
    """Refuse a spec that an agent would not read to its end. It would end with all that it holds.

    Raises:
        BadInputError: It is too long.
    """
    size = len(spec.to_line().encode()) + len("\n")
    if size > LONGEST_SPEC:
        fix = f"too long; shorten the body, {LONGEST_SPEC} bytes is the limit"
        raise BadInputError("arguments", f"({size} bytes)", fix)


def refusal(problem: Problem, spec: Spec, place: str = "") -> BadInputError:
    """Return the error for a value that an agent refused.

    Args:
        problem: The problem that the agent reported.
        spec: The spec that it refused.
        place: Name of the place, for the message: a target may have several places.
    """
    name = kinds.argument(spec.kind, problem.field)
    message = problem.message.replace("at this place", f"at {place}") if place else problem.message
    fix = f"{message}; {problem.fix}" if problem.fix else message
    if name == "target":
        return TargetError(place or _own_value(problem, spec), fix)
    return BadInputError(name, _own_value(problem, spec), fix)


def _own_value(problem: Problem, spec: Spec) -> object:
    """Return the value of a field as the user gave it: a number as 5 and not as '5'."""
    value: object = spec
    for part in problem.field.split("."):
        value = getattr(value, "detail" if (value, part) == (spec, spec.kind) else part, None)
    if isinstance(value, float) and value.is_integer():
        return int(value)  # the user more likely wrote 5 than 5.0
    return value if isinstance(value, int | float) else problem.value


def _run(lines: str) -> str:
    agent = str(find_agent())
    try:
        done = subprocess.run(
            [agent, "judge"],
            input=lines.encode(),
            capture_output=True,
            check=False,  # the exit code is looked at below
            timeout=_PATIENCE_S,
        )
    except OSError as error:
        raise AgentError(f"agent={agent}: cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise AgentError(f"agent={agent}: `judge` did not end in {_PATIENCE_S:g} s") from error
    if done.returncode:
        said = shorten(done.stderr.decode(errors="backslashreplace")) or "nothing"
        raise AgentError(
            f"agent={agent}: `judge` ended with exit code {done.returncode} and said {said}; "
            f"{_REBUILD}"
        )
    return done.stdout.decode(errors="backslashreplace")


def _answers(said: str) -> list[Event]:
    answers = []
    for line in said.split("\n")[:-1]:
        try:
            answers.append(Event.from_line(line))
        except BadInputError as error:
            what = f"said {shorten(line)!r}, which is no event: {error.field}: {error.fix}"
            raise AgentError(f"agent={find_agent()}: `judge` {what}; {_REBUILD}") from error
        if answers[-1].event != "judged" or answers[-1].error:  # a judgement has `problems`
            what = f"said {answers[-1].event!r} in place of a judgement"
            raise AgentError(f"agent={find_agent()}: `judge` {what}; {_REBUILD}")
    return answers
