"""Every error of this package. Each message is one line with the invalid value and how to fix it.

The tree::

    chaoslib.exceptions.ActivityFailed
    `- ChaosGoError
       |- BadInputError            a value is invalid; nothing was changed
       |  |- TargetError           a target is invalid or was not found
       |  `- RenamedArgumentError  an argument has another name now
       |- AgentError               the agent failed; nothing of it is left
       |  |- CannotRunHereError    this place does not allow the fault or load
       |  `- AgentLostError        the agent was running and has ended unexpectedly
       |- ClusterError             the API server of Kubernetes refused, or did not answer
       |  `- ForbiddenError        a permission is missing
       |- NoEffectError            a fault was armed and touched nothing
       `- NotEnoughDataError       there is not enough data to calculate the number

They are subclasses of ActivityFailed, so an activity need not catch them: Chaos Toolkit treats them
as a failed activity. It keeps only the first line of a message, therefore each message is one line.
"""

import re
from collections.abc import Mapping
from typing import Any

from chaoslib.exceptions import ActivityFailed

_LONGEST_VALUE = 120


def shorten(text: str, most: int = _LONGEST_VALUE) -> str:
    """Return a text in one line of at most ``most`` characters; ``...`` marks a cut."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3] + "..."


class ChaosGoError(ActivityFailed):
    """The root of all errors of this package."""

    def __init__(self, message: str) -> None:
        """Make the message one line."""
        super().__init__(" ".join(message.split()))


class BadInputError(ChaosGoError):
    """A value is invalid.

    Attributes:
        field: Name of the argument, or path of the field.
        value: The invalid value.
        fix: What to do about it.
    """

    def __init__(self, field: str, value: object, fix: str) -> None:
        """Make the message ``field=value: fix``; a long value is cut."""
        super().__init__(f"{field}={_shown(value)}: {fix}")
        self.field = field
        self.value = value
        self.fix = fix


def _shown(value: object) -> str:
    try:
        return shorten(repr(value))
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return f"({type(value).__name__})"


class TargetError(BadInputError):
    """A target is invalid or was not found."""

    def __init__(self, target: object, fix: str) -> None:
        """Make the message ``target=value: fix``."""
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
    """The agent could not be started, or failed. Nothing of it is left."""


class CannotRunHereError(AgentError):
    """This place does not allow the fault or load: a capability, the kernel, another fault."""


class AgentLostError(AgentError):
    """The agent was running and then ended or went silent without a request to stop."""


class ClusterError(ChaosGoError):
    """The API server of Kubernetes refused a request, or did not answer.

    Attributes:
        status: The HTTP status of the answer; 0 when there was none.
        details: The ``Status`` object of the answer; {} when there was none.
        was_repeated: Whether it is the answer to a further try, after one that may have been
            carried out: an object that is "not found" may then have been deleted by us.
    """

    was_repeated: bool = False

    def __init__(
        self, message: str, status: int = 0, details: Mapping[str, Any] | None = None
    ) -> None:
        """Make the error."""
        super().__init__(message)
        self.status = status
        self.details = dict(details or {})


class ForbiddenError(ClusterError):
    """A permission is missing.

    Attributes:
        verb: What was not allowed, for instance ``delete``.
        path: The path of the object or collection.
        group: API group of the resource; "" for the core group.
        resource: Plural name of the resource, for instance ``pods``; "" for other paths.
        subresource: Part of the resource, for instance ``eviction``; "" for the resource itself.
        namespace: Its namespace; "" for a resource that is in none, and for all namespaces.
        is_logged: Whether the missing rule was logged.
    """

    def __init__(
        self, verb: str, path: str, message: str, details: Mapping[str, Any] | None = None
    ) -> None:
        """Name verb, resource and namespace in words; the server's message names the user."""
        found = _RESOURCE_PATH.fullmatch(path)
        parts = found.groupdict("") if found else {}
        self.group, self.resource = parts.get("group", ""), parts.get("resource", "")
        self.subresource, self.namespace = parts.get("subresource", ""), parts.get("namespace", "")
        self.verb = verb
        self.path = path
        self.is_logged = False
        what = f"{self.resource}/{self.subresource}" if self.subresource else self.resource or path
        where = f" in namespace {self.namespace}" if self.namespace else ""
        fix = "`chaos go doctor EXPERIMENT` prints the Role that is missing"
        super().__init__(f"may not {verb} {what}{where} (403): {message}; {fix}", 403, details)


_RESOURCE_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/[^/]+(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<resource>[^/]+)(?:/[^/]+(?:/(?P<subresource>[^/]+))?)?"
)
"""The path of an object or a collection in the API of Kubernetes."""


class NoEffectError(ChaosGoError):
    """A fault was armed and touched nothing."""


class NotEnoughDataError(ChaosGoError):
    """There is not enough data to calculate the number."""
