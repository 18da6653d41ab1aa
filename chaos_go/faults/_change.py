"""What the faults that change objects of a cluster have in common: they restore them.

Nothing in an API server belongs to a process. So what was before is in an undo file before anything
is changed, see `chaos_go.kubernetes.undo_file`. It is restored by a stop, at the end of the
duration, and at the exit of Python; after the death of Python, by ``chaos go undo``.
"""

import atexit
import logging
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaos_go.errors import ClusterError, ForbiddenError, TargetError
from chaos_go.faults._cluster import ClusterFault
from chaos_go.kubernetes import changes, undo_file
from chaos_go.kubernetes.changes import Change
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.cluster import identify

logger = logging.getLogger("chaostoolkit")

PATIENCE_S = 25.0
"""Seconds for which a restoration is tried again; a stop waits a little longer."""

_PAUSE_S = 0.5


class _Made:
    """What became of one change.

    Attributes:
        change: The change.
        is_tried: Whether it was sent to the API server, which may have made it.
        restored_unix_s: When it was restored, in seconds since 1970; None before.
        problem: Why it is not restored; "" when it is, or nothing is known yet.
        is_hopeless: Whether it makes no sense to try again.
        is_others: Whether somebody else has changed it meanwhile.
    """

    def __init__(self, change: Change) -> None:
        self.change = change
        self.is_tried = False
        self.restored_unix_s: float | None = None
        self.problem = ""
        self.is_hopeless = False
        self.is_others = False

    @property
    def is_left(self) -> bool:
        return self.is_tried and self.restored_unix_s is None


class ChangeFault(ClusterFault):
    """A fault that changes objects and restores them at its end."""

    def __init__(
        self,
        name: str,
        kind: str,
        asked: Mapping[str, Any],
        duration_s: float,
        client: Client,
        wanted: Sequence[Change],
    ) -> None:
        """Make the fault; nothing is changed yet.

        Args:
            name: Its name.
            kind: Its kind, for the journal.
            asked: The arguments of the action, for the journal.
            duration_s: Seconds after which it restores the objects.
            client: The cluster.
            wanted: What it changes; those that are not needed are only recorded.

        Raises:
            ClusterError: The API server does not answer.
        """
        super().__init__(name, kind, asked, duration_s)
        self._client = client
        self._cluster = identify(client)
        self._made = [_Made(change) for change in wanted]
        self._undoing = threading.Lock()
        self._file: Path | None = None

    @property
    def place_names(self) -> str:
        """The objects, as one text."""
        return ", ".join(made.change.object for made in self._made)

    @property
    def effect(self) -> bool | None:
        """Whether an object was changed."""
        return True if any(made.is_tried for made in self._made) else None

    @property
    def advice(self) -> str:
        """What to check when nothing was changed."""
        return "see that the objects do not have these values anyway"

    def begin(self) -> None:
        """Change the objects, and go on in a thread.

        Raises:
            BaseException: Whatever stopped it, also an interruption of the run. What had been
                changed is restored, or the state is not ``ended``.
        """
        _live.add(self)
        _take_hang_up_for_terminate()
        try:
            super().begin()
        except BaseException:  # also an interruption of the run: nothing may stay changed
            self._take_back()
            raise

    def record(self) -> dict[str, Any]:
        """Return what is known, with the cluster and the undo file."""
        return super().record() | {
            "cluster": self._cluster,
            "undo_file": str(self._file) if self._file and self._file.exists() else "",
        }

    def _put_in_place(self) -> None:
        needed = [made for made in self._made if made.change.is_needed]
        if needed:
            self._file = undo_file.write(self.record())
            fix = "removed when all is restored; `chaos go undo` reads it if this run is killed"
            logger.info("fault %r: the state before is in %s (%s)", self.id, self._file, fix)
        for made in needed:
            made.is_tried = True
            try:
                changes.make(self._client, made.change)
            except (TargetError, ForbiddenError):
                # Somebody else deleted or changed it, so what it has is not ours; or the API server
                # has refused, so nothing was written.
                made.is_tried = False
                raise

    def _take_back(self) -> None:
        """Restore in another thread, which no second interruption can stop, and wait for it."""
        self.ask_to_stop()
        threading.Thread(target=self._run, name=f"take back {self.id}", daemon=True).start()
        with suppress(ClusterError):  # the state says so
            self.stop()

    @property
    def has_left_something(self) -> bool:
        """Whether something is still changed, or may be."""
        return self.state != "ended"

    def abandon(self, why: BaseException) -> None:
        """Take note of what stopped it. The thread that restores ends it."""
        self.failure = why

    @property
    def _is_left(self) -> bool:
        return any(made.is_left for made in self._made)

    def _run(self) -> None:
        super()._run()
        _live.discard(self)

    def _undo(self) -> None:
        """Restore every object; try again while the API server does not answer."""
        until_s = time.monotonic() + PATIENCE_S
        with self._undoing:
            while self._restore_all() and time.monotonic() < until_s:
                time.sleep(_PAUSE_S)
            for made in self._made:
                if made.is_left:
                    self._add_problem(made.problem)
                    logger.error("fault %r: %s; %s", self.id, made.problem, self._fix(made))
            if self._file and not self._is_left:
                undo_file.remove(self._file)

    def _restore_all(self) -> bool:
        """Try to restore what is left; return whether another try makes sense."""
        for made in self._made:
            if made.is_left and not made.is_hopeless:
                self._restore(made)
        return any(made.is_left and not made.is_hopeless for made in self._made)

    def _restore(self, made: _Made) -> None:
        try:
            restored = changes.restore(self._client, made.change)
        except ClusterError as error:
            if not made.problem:
                fix = f"it is tried again for up to {PATIENCE_S:g} s"
                logger.warning("fault %r: %s; %s", self.id, error, fix)
            made.problem = f"{made.change.object} is not restored: {error}"
            made.is_hopeless = isinstance(error, ForbiddenError)
            return
        if restored.is_over:
            made.restored_unix_s, made.problem = time.time(), ""
            logger.info("fault %r: %s", self.id, restored.said)
        else:
            made.problem = restored.said
            made.is_hopeless = made.is_others = True

    def _places(self) -> list[dict[str, Any]]:
        return [self._place_of(made) for made in self._made]

    def _place_of(self, made: _Made) -> dict[str, Any]:
        more: dict[str, Any] = {"change": made.change.record(), "problem": made.problem}
        if made.is_left or (not self._over.is_set() and made.change.is_needed):
            state = "lost" if self._over.is_set() else "armed"
            more |= {"state": state, "ended_unix_s": None, "exit_code": None}
            more["fix"] = self._fix(made)
        elif made.restored_unix_s is not None:
            more |= {"state": "ended", "ended_unix_s": made.restored_unix_s, "exit_code": 0}
        return self._place(made.change.object, **more)

    def _fix(self, made: _Made) -> str:
        """Return how users restore an object themselves."""
        if made.is_others:
            return "`chaos go undo` leaves it alone too"
        file = self._file.name if self._file else "JOURNAL"
        return (
            f"restore it with `chaos go undo {file}` (or this journal), or `{made.change.command}`"
        )


_live: set[ChangeFault] = set()  # those that are not over, also before the holder has them


@atexit.register
def _end_all() -> None:
    """Restore at the exit of Python what is still changed."""
    left = list(_live)
    for fault in left:
        fault.ask_to_stop()
    for fault in left:
        with suppress(ClusterError):  # it is logged
            fault.stop()


def _take_hang_up_for_terminate() -> None:
    """Let a closed terminal end the run as SIGTERM does. By default it kills Python at once."""
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
