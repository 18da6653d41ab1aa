"""Every error of this package, each a single line that names the offending value and how to fix it.

The tree::

    chaoslib.exceptions.ActivityFailed
    `- ChaosGoError
       |- BadInputError            a value that is invalid; nothing was changed
       |  |- TargetError           a target that is invalid or not found
       |  `- RenamedArgumentError  an argument that has another name now
       |- AgentError               the agent did not do its part; nothing is left of it
       |  |- CannotRunHereError    this place does not allow what was asked
       |  `- AgentLostError        the agent was there and is gone
       |- NoEffectError            a fault was armed and touched no request
       `- NotEnoughDataError       the data does not carry the number that was asked for

They are ActivityFailed, so that an activity may let them pass: Chaos Toolkit takes that as a failed
activity. It keeps only the first line of a message, hence the single line.
"""

from chaoslib.exceptions import ActivityFailed

_LONGEST_VALUE = 120


def shorten(text: str, most: int = _LONGEST_VALUE) -> str:
    """Return a text in one line, cut to at most ``most`` characters (``...`` shows the cut)."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3] + "..."


class ChaosGoError(ActivityFailed):
    """The root of all errors of this package."""

    def __init__(self, message: str) -> None:
        """Keep the message, in one line."""
        super().__init__(" ".join(message.split()))


class BadInputError(ChaosGoError):
    """A value that is invalid.

    Attributes:
        field: name of the argument, or path of the field.
        value: what was given.
        fix: what to do about it.
    """

    def __init__(self, field: str, value: object, fix: str) -> None:
        """Say ``field=value: fix``; a long value is cut."""
        super().__init__(f"{field}={shorten(repr(value))}: {fix}")
        self.field = field
        self.value = value
        self.fix = fix


class TargetError(BadInputError):
    """A target that is invalid, or that is not there."""

    def __init__(self, target: object, fix: str) -> None:
        """Say ``target=value: fix``."""
        super().__init__("target", target, fix)


class RenamedArgumentError(BadInputError):
    """An argument that has another name now. Its value is not shown: it may be a secret."""

    def __init__(self, old: str, new: str, prefix: str = "") -> None:
        """Say ``old: this argument is now new``."""
        fix = f"this argument is now {new}"
        ChaosGoError.__init__(self, f"{prefix}{old}: {fix}")
        self.field = f"{prefix}{old}"
        self.value = None
        self.fix = fix


class AgentError(ChaosGoError):
    """The agent could not be started or did not do its part. Nothing of it is left."""


class CannotRunHereError(AgentError):
    """This place does not allow what was asked: a capability, the kernel, another fault."""


class AgentLostError(AgentError):
    """The agent did its part and then ended or fell silent, unasked."""


class NoEffectError(ChaosGoError):
    """A fault was armed and touched no request."""


class NotEnoughDataError(ChaosGoError):
    """The data does not carry the number that was asked for."""
