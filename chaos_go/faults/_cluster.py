"""What the faults that act through the API server of Kubernetes have in common.

No agent process holds them, so nothing undoes them when this process is killed. A pod that was
killed needs no undoing: its workload replaces it. Faults that change objects record the state
before, see `chaos_go.faults._change`.
"""

import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from chaos_go.agent import holder
from chaos_go.agent.held import Held
from chaos_go.errors import ClusterError

_LONGEST_END_S = 30.0
_LONGEST_NAME = 80


class ClusterFault(Held):
    """A fault that a thread of this process carries out, until its duration or a stop ends it.

    Attributes:
        id: Its name.
        failure: What stopped its begin after something had been done; None if nothing did. The
            holder keeps such a fault, so that the journal has it.
    """

    failure: BaseException | None = None

    def __init__(self, name: str, kind: str, asked: Mapping[str, Any], duration_s: float) -> None:
        """Make a fault that is not in place yet.

        Args:
            name: Its name.
            kind: Its kind, for the journal.
            asked: The arguments of the action, for the journal.
            duration_s: Seconds after which it ends.
        """
        self.id = name
        self._kind = kind
        self._asked = dict(asked)
        self._duration_s = duration_s
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._over = threading.Event()
        self._armed_unix_s = 0.0
        self._ended_unix_s: float | None = None
        self._reason = ""
        self._problems: list[str] = []

    def begin(self) -> None:
        """Put it in place, and go on in a thread.

        Raises:
            ChaosGoError: It could not be put in place; nothing is left.
        """
        self._armed_unix_s = time.time()
        self._put_in_place()
        threading.Thread(target=self._run, name=f"fault {self.id}", daemon=True).start()

    @property
    def has_left_something(self) -> bool:
        """Whether the journal must have this fault although it could not begin."""
        return self.effect is True

    def abandon(self, why: BaseException) -> None:
        """Take note of what stopped it, and end it; what it did stays in the record."""
        self.failure = why
        self._add_problem(f"it ended early: {str(why) or type(why).__name__}")
        self._reason, self._ended_unix_s = "stop", time.time()
        self._over.set()

    @property
    def is_fault(self) -> bool:
        """True: it breaks something."""
        return True

    @property
    def state(self) -> str:
        """``armed``, or ``ended``; ``lost`` when it could not be undone."""
        if not self._over.is_set():
            return "armed"
        return "lost" if self._is_left else "ended"

    @property
    def armed_unix_s(self) -> float:
        """When it began, in seconds since 1970."""
        return self._armed_unix_s

    @property
    def ended_unix_s(self) -> float | None:
        """When it ended, in seconds since 1970; None before."""
        return self._ended_unix_s

    @property
    def problem(self) -> str:
        """What went wrong; empty if nothing did."""
        with self._lock:
            return "; ".join(dict.fromkeys(self._problems))

    def ask_to_stop(self) -> None:
        """Ask for its end, without waiting."""
        self._stop.set()

    def stop(self, timeout_s: float = _LONGEST_END_S) -> dict[str, Any]:
        """End it, wait until it is undone, and return the record. A second stop changes nothing.

        Args:
            timeout_s: Seconds that it may take; at least 30, since the API server may be slow.

        Raises:
            ClusterError: It could not be undone.
        """
        self.ask_to_stop()
        self._over.wait(max(timeout_s, _LONGEST_END_S))
        self.release()
        if self.state != "ended":
            raise ClusterError(f"fault {self.id!r} is not undone: {self.problem or 'no answer'}")
        return self.record()

    def record(self) -> dict[str, Any]:
        """Return what is known, as plain JSON."""
        return {
            "id": self.id,
            "kind": self._kind,
            "spec": {"kind": self._kind, "duration_s": self._duration_s, **self._asked},
            "state": self.state,
            "armed_unix_s": self.armed_unix_s,
            "ended_unix_s": self.ended_unix_s,
            "effect": self.effect,
            "untouched": [],
            "said": self.said,
            "advice": self.advice,
            "problem": self.problem,
            "places": self._places(),
            "violations": list(self.violations),
        }

    def _place(self, name: str, **more: Any) -> dict[str, Any]:
        """Return the record of one place."""
        state = self.state
        return {
            "place": name,
            "state": state,
            "armed_unix_s": self._armed_unix_s,
            "ended_unix_s": self._ended_unix_s,
            "reason": self._reason,
            "exit_code": 0 if state == "ended" else None,
            "problem": "",
            **more,
        }

    def _add_problem(self, text: str) -> None:
        with self._lock:
            self._problems.append(text)

    def _run(self) -> None:
        deadline_s = time.monotonic() + self._duration_s
        try:
            self._go_on(deadline_s)
        except Exception as error:  # noqa: BLE001 - whatever happens, it must be undone
            self._add_problem(f"it ended early: {error}")
        self._reason = "stop" if self._stop.is_set() else "deadline"
        try:
            self._undo()
        except Exception as error:  # noqa: BLE001 - the record has to say so
            self._add_problem(str(error))
        self._ended_unix_s = time.time()
        self._over.set()

    @property
    def _is_left(self) -> bool:
        """Whether something is still changed after the end."""
        return False

    @abstractmethod
    def _put_in_place(self) -> None:
        """Do what the fault does at its begin, or raise an error and leave nothing."""

    def _go_on(self, deadline_s: float) -> None:
        """Do what the fault does until its end: a stop, or this time of the monotonic clock."""
        self._stop.wait(max(0.0, deadline_s - time.monotonic()))

    def _undo(self) -> None:
        """Undo what has to be undone."""
        return

    @abstractmethod
    def _places(self) -> list[dict[str, Any]]:
        """Return the record of each place."""


def keep[T: ClusterFault](name: str, derived: str, make: Callable[[str], T]) -> T:
    """Begin a fault and have the holder keep it.

    Args:
        name: Its name; "" to derive one.
        derived: The name of one that has none.
        make: Makes the fault from its name.

    Raises:
        BaseException: It did not begin. If it has left something nevertheless, the holder keeps it
            all the same, so that the journal says so.
    """

    def begin(reserved: str) -> T:
        fault = make(reserved)
        try:
            fault.begin()
        except BaseException as error:
            if not fault.has_left_something:
                raise
            fault.abandon(error)
        return fault

    fault = holder.keep(name, derived[:_LONGEST_NAME], begin)
    if fault.failure is not None:
        raise fault.failure
    return fault
