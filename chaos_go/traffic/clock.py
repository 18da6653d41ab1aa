"""Measures by how much the clock of an agent is ahead of the clock of this machine."""

import threading
import time
from dataclasses import dataclass

from chaos_go.agent.channel import Channel
from chaos_go.agent.contract import Event
from chaos_go.agent.place import Reach
from chaos_go.errors import AgentError, BadInputError, CannotRunHereError, shorten

LARGEST_S = 0.5
"""Largest difference of two clocks. A load and a fault are compared by their times."""

_LARGEST_ERROR_S = 0.25
_TIMES = 5
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Difference:
    """The difference of two clocks.

    Attributes:
        ahead_s: Seconds by which the other clock is ahead; below 0 if it is behind.
        error_s: By how much this may be wrong, at most: half of the round trip.
    """

    ahead_s: float
    error_s: float


def compare(reach: Reach, place: str) -> Difference:
    """Measure the clock at a place.

    An agent that judges lines tells the time in each answer. The answer that came soonest counts.

    Args:
        reach: How an agent is started there.
        place: Name of the place, for messages.

    Raises:
        AgentError: The agent did not answer, or so slowly that its time tells nothing.
        CannotRunHereError: The clocks differ by more than `LARGEST_S`.
    """
    channel = reach.open("judge")
    cut = threading.Timer(_PATIENCE_S, channel.kill)
    cut.daemon = True
    cut.start()
    try:
        found = min((_ask(channel, place) for _ in range(_TIMES)), key=lambda one: one.error_s)
    finally:
        cut.cancel()
        channel.close()
    _refuse(found, place)
    return found


def _ask(channel: Channel, place: str) -> Difference:
    sent_unix_s = time.time()
    try:
        channel.send("{}")
        answer = channel.receive()
    except OSError:
        answer = None
    got_unix_s = time.time()
    if answer is None:
        said = shorten(channel.complaints(), 300) or "nothing"
        raise AgentError(f"agent of {place} does not answer; it said: {said}")
    try:
        told_unix_s = Event.from_line(answer).at_unix_s
    except BadInputError as error:
        fix = "use the image of this release of chaos_go"
        raise AgentError(f"agent of {place} said {shorten(answer)!r}, no event; {fix}") from error
    error_s = abs(got_unix_s - sent_unix_s) / 2
    return Difference(told_unix_s - (sent_unix_s + got_unix_s) / 2, error_s)


def _refuse(found: Difference, place: str) -> None:
    if found.error_s > _LARGEST_ERROR_S:
        raise AgentError(
            f"agent of {place} answers after {2 * found.error_s:.2f} s at best, so that its clock "
            "cannot be compared with the clock of this machine; see whether its node is overloaded"
        )
    if abs(found.ahead_s) - found.error_s > LARGEST_S:
        how = "ahead of" if found.ahead_s > 0 else "behind"
        raise CannotRunHereError(
            f"the clock of {place} is {abs(found.ahead_s):.2f} s {how} the clock of this machine, "
            f"more than {LARGEST_S:g} s; synchronize both (NTP): load and faults are compared by "
            "their times"
        )
