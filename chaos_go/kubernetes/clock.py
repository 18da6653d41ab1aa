"""The difference between the clock of the API server and the clock of this host.

An answer has the server's time in its header ``Date``, in whole seconds (RFC 9110, 6.6.1). So one
answer tells the difference to a second and a round trip. Several answers, spread over a second,
narrow it down: the true difference is in all of their intervals.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from chaos_go.errors import ClusterError
from chaos_go.kubernetes.client import Answer, Client

_MOST_ANSWERS = 8
_PAUSE_S = 0.13  # eight answers are spread over one second
_NARROW_S = 0.25


@dataclass(frozen=True)
class Difference:
    """Bounds of the time of the server minus the time of this host.

    Attributes:
        least_s: The lower bound, in seconds.
        most_s: The upper bound, in seconds.
    """

    least_s: float
    most_s: float

    @property
    def surely_s(self) -> float:
        """How much the clocks differ at least, in seconds."""
        return max(0.0, self.least_s, -self.most_s)

    @property
    def at_most_s(self) -> float:
        """How much the clocks differ at most, in seconds."""
        return max(abs(self.least_s), abs(self.most_s))


def measure(client: Client, first: Answer) -> Difference:
    """Ask the API server for its time, for about a second at most.

    Args:
        client: The cluster.
        first: An answer that is there already.

    Raises:
        ClusterError: It does not answer, its answers have no time, or do not fit each other.
    """
    answers = [first]
    while (found := compare(answers)).most_s - found.least_s > _NARROW_S:
        if len(answers) == _MOST_ANSWERS:
            break
        time.sleep(_PAUSE_S)
        answers.append(client.ask_once("/version"))
    return found


def compare(answers: Iterable[Answer]) -> Difference:
    """Return the bounds that all answers agree on.

    Raises:
        ClusterError: An answer has no time, or the answers do not fit each other.
    """
    least_s, most_s = float("-inf"), float("inf")
    for answer in answers:
        try:
            date_unix_s = parsedate_to_datetime(answer.date).timestamp()
        except ValueError as error:
            raise ClusterError(f"Date={answer.date!r}: the API server tells no time") from error
        least_s = max(least_s, date_unix_s - answer.received_unix_s)
        most_s = min(most_s, date_unix_s + 1 - answer.sent_unix_s)
    if least_s > most_s:
        raise ClusterError("the times of several answers do not fit: a clock was set, or several "
                           "servers with different clocks answer")  # fmt: skip
    return Difference(least_s, most_s)
