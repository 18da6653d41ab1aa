"""One running agent: passes its events to the leases that they are about, and notices its end.

Nothing here waits until the agent reads: lines to it are queued, and a separate thread sends them.
So an agent that is blocked or cut off delays no other agent.
"""

import logging
import math
import queue
import signal
import threading
import time
from collections import Counter
from typing import Protocol

from chaos_go.agent.channel import Channel
from chaos_go.agent.contract import Command, Event, Spec
from chaos_go.errors import BadInputError, shorten

logger = logging.getLogger("chaostoolkit")

_SHORTEST_SILENCE_S = 3.0  # an agent that reports does so every second
_BEATS_WITHOUT_ANSWER = 3  # so that suspending the machine does not count as a hang
_HEARTBEAT = Command(command="heartbeat").to_line()
_PATIENCE_S = 5.0  # for a process to exit after its stdout has ended or it was killed


class Listener(Protocol):
    """Receives what an agent reports about one fault or load, in the thread of that agent."""

    def take(self, event: Event) -> None:
        """Process an event of this fault."""
        ...

    def note(self, problem: str) -> None:
        """Note a problem of the agent after which it goes on."""
        ...

    def lose(self, problem: str) -> None:
        """Note that the agent is gone."""
        ...


class AgentProcess:
    """A running agent and its listeners.

    Attributes:
        place: Name of the place that it holds, for messages.
        lease_s: Seconds without a line from here after which the agent ends by itself.
        exit_code: Exit code of the process, negative for a signal; None before its end. It stays
            None when its stream broke without an exit code.
    """

    def __init__(
        self, channel: Channel, place: str, lease_s: float, *, reports: bool = False
    ) -> None:
        """Prepare; nothing is read before `start`.

        Args:
            channel: Channel to the process.
            place: Name of the place that it holds, for messages.
            lease_s: Seconds without a line from here after which the agent ends by itself.
            reports: Whether it reports every second while it holds something, so that silence means
                that it hangs.
        """
        self.place = place
        self.lease_s = lease_s
        self._silence_s = max(0.75 * lease_s, _SHORTEST_SILENCE_S) if reports else math.inf
        self._heard_s = time.monotonic()
        self._unheard_beats = 0
        self._hung = ""
        self.exit_code: int | None = None
        self._channel = channel
        self._listeners: dict[str, Listener] = {}
        self._held: set[str] = set()
        self._unanswered: Counter[str] = Counter()  # what was said about each name
        self._answered = threading.Condition()
        self._stream_has_ended = False
        self._ended = threading.Event()
        self._outbox: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._beat_is_queued = False
        self._reader = threading.Thread(target=self._read, name=f"from {place}", daemon=True)
        self._writer = threading.Thread(target=self._write, name=f"to {place}", daemon=True)

    def start(self) -> None:
        """Start to read and write. Call `listen` first, so that no line is missed."""
        if self._reader.ident is None:
            self._reader.start()
            self._writer.start()

    @property
    def ended(self) -> bool:
        """Whether the process is gone and all listeners were told."""
        return self._ended.is_set()

    @property
    def holds(self) -> bool:
        """Whether something is in place; the process ends by itself after the last of it."""
        return bool(self._held) and not self.ended

    @property
    def is_over(self) -> bool:
        """Whether its last fault has ended as it should. Then it reads no more."""
        return not self._held and (not self.ended or self.exit_code == 0)

    def listen(self, name: str, listener: Listener) -> None:
        """Pass the events about ``name`` to a listener from now on."""
        self._listeners[name] = listener

    def send(self, line: Spec | Command) -> None:
        """Queue one line; never waits. If the agent is gone, its listeners are told so."""
        name = line.spec.id if isinstance(line, Command) and line.spec else line.id
        with self._answered:
            self._unanswered[name] += 1
        self._outbox.put(line.to_line())

    def settle(self, name: str, timeout_s: float) -> bool:
        """Wait until the agent has answered everything that was said about a name.

        Later events of this name are about what is said from now on.

        Returns:
            Whether it has, or is gone.
        """
        with self._answered:
            return self._answered.wait_for(lambda: self._has_answered(name), timeout_s)

    def heartbeat(self) -> None:
        """Queue a heartbeat, and kill the agent if it was silent for too long.

        While a heartbeat still waits to be sent, no second one is queued.
        """
        if not self._beat_is_queued:
            self._beat_is_queued = True
            self._outbox.put(_HEARTBEAT)
        silence_s = time.monotonic() - self._heard_s
        self._unheard_beats += 1
        is_silent = self.holds and silence_s > self._silence_s
        if is_silent and self._unheard_beats > _BEATS_WITHOUT_ANSWER:
            self._hung = f"it hung for {silence_s:.1f} s; "
            self._channel.kill()

    def kill(self) -> None:
        """End the process at once and wait until it is gone."""
        self._channel.kill()
        self.start()
        self._ended.wait(2 * _PATIENCE_S)

    def finish(self, timeout_s: float) -> None:
        """Wait for the process to end by itself; kill it if it still holds something then.

        A process that holds nothing only relays its remaining connections. It may go on.
        """
        if not self._ended.wait(timeout_s) and self._held:
            self.kill()

    def last_words(self) -> str:
        """Return how the process ended, and the end of its stderr."""
        code = self.exit_code
        if code is not None and code < 0:
            how = f"{self._hung}killed by {_signal_name(-code)}"
        else:
            how = self._without_exit_code() if code is None else f"exit code {code}"
        complaints = _own_words(self._channel.complaints())
        return f"{how}; stderr: {shorten(complaints[-300:], 300)}" if complaints else how

    def _has_answered(self, name: str) -> bool:
        return self.ended or self._unanswered[name] <= 0

    def _without_exit_code(self) -> str:
        return "its stream broke" if self._stream_has_ended else "it still runs"

    def _write(self) -> None:
        """Send what is queued, until the agent is gone."""
        while (line := self._outbox.get()) is not None:
            self._beat_is_queued = self._beat_is_queued and line is not _HEARTBEAT
            try:
                self._channel.send(line)
            except OSError:
                return  # `_read` notices the end too, and tells the listeners

    def _read(self) -> None:
        while (line := self._channel.receive()) is not None:
            self._heard_s, self._unheard_beats = time.monotonic(), 0
            try:
                self._hand_on(Event.from_line(line))
            except BadInputError as error:
                said = f"agent of {self.place} said {shorten(line)!r}, which is no event"
                self._note_to_all(f"{said}: {error.field}: {error.fix}")
        self._stream_has_ended = True
        self._channel.close()
        self._outbox.put(None)
        self.exit_code = self._reap()
        for listener in list(self._listeners.values()):
            listener.lose(f"agent of {self.place} ended unexpectedly: {self.last_words()}")
        self._ended.set()
        with self._answered:
            self._answered.notify_all()

    def _hand_on(self, event: Event) -> None:
        if event.event == "armed":
            self._held.add(event.id)
        elif event.event == "disarmed":
            self._held.discard(event.id)
        listener = self._listeners.get(event.id)
        if listener is not None:
            listener.take(event)
        elif event.error is not None:  # it could not read which fault the line was about
            for listener in list(self._listeners.values()):
                listener.take(event)
        else:
            self._note_to_all(f"agent of {self.place} speaks of {event.id!r}, which nobody asked")
        if event.event == "disarmed" and not self._held:  # what was sent meanwhile it never reads
            for listener in list(self._listeners.values()):
                listener.lose(f"agent of {self.place} had ended its last fault")
        if event.event in ("armed", "error") or event.reason == "stop":
            with self._answered:
                self._unanswered[event.id] -= 1
                self._answered.notify_all()

    def _note_to_all(self, problem: str) -> None:
        logger.warning(problem)
        for listener in list(self._listeners.values()):
            listener.note(problem)

    def _reap(self) -> int | None:
        try:
            return self._channel.wait(_PATIENCE_S)
        except TimeoutError:
            self._channel.kill()
        try:
            return self._channel.wait(_PATIENCE_S)
        except TimeoutError:  # the kernel does not end it, so its lease or its watchdog has to
            return None


def _own_words(complaints: str) -> str:
    """Return the last message of the agent itself, without the stack dump of a crash."""
    said = [line for line in complaints.splitlines() if line.startswith("chaos-agent: ")]
    return said[-1] if said else complaints


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
