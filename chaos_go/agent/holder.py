"""The faults and loads of this process. Each is in place at all of its places or at none.

`hold` returns once every agent says that it is in place, or raises an error and leaves nothing in
place. From then on one thread sends heartbeats to every agent. A fault ends with `Fault.stop`, at
its duration, with this process (`stop_all` runs at exit; when Python is killed the pipes break), or
with its agents, whose rules the kernel removes.
"""

import atexit
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from chaos_go import __version__
from chaos_go.agent import judge, kinds
from chaos_go.agent.contract import DEFAULT_LEASE_S, PROTOCOL, Command, Spec
from chaos_go.agent.fault import Fault
from chaos_go.agent.held import Held
from chaos_go.agent.lease import EXIT_S, Lease, say
from chaos_go.agent.place import Place
from chaos_go.agent.process import AgentProcess
from chaos_go.errors import AgentError, BadInputError, CannotRunHereError, ChaosGoError

__all__ = ["Fault", "LeaseHolder", "fault_window", "faults", "find", "hold", "keep", "stop_all"]

logger = logging.getLogger("chaostoolkit")

_Key = tuple[Place, str]
"""Place and kind. One agent serves one key, because it has only the privileges of one kind."""


class LeaseHolder:
    """All faults and loads of a process, and the thread that sends heartbeats. Thread-safe."""

    def __init__(self) -> None:
        """Start without a fault or load."""
        self._changed = threading.Condition()
        self._arming: dict[_Key, threading.Lock] = {}  # so that one place gets one agent
        self._names: set[str] = set()  # of what is being armed
        self._faults: list[Held] = []
        self._agents: list[tuple[_Key, AgentProcess]] = []
        self._beating = False
        self._stops_at_exit = False

    def hold(
        self,
        places: Sequence[Place],
        spec: Spec,
        scope: Mapping[str, Any] | None = None,
        start_timeout_s: float = 10.0,
        derived: str = "",
    ) -> Fault:
        """Put a fault or load in place everywhere, at the same time, and keep it in place.

        If an agent of this process already holds the same kind at a place, that agent gets it.

        Args:
            places: Where it acts; each asks its agent for its own spec, see `Place.spec_of`.
            spec: What is put in place.
            scope: How the places were chosen, for the record.
            start_timeout_s: Seconds that each agent may take; 10 by default.
            derived: The name of a spec that has none; with a number when it was used before.

        Raises:
            BadInputError: The name is in use, a place is given twice, or the agent refused a value.
            CannotRunHereError: A place does not allow it.
            AgentError: No agent of this release could be started, or it did not answer in time.
                In all these cases, nothing of this attempt is left in place.
        """
        names = [place.name for place in places]
        if not names or len(set(names)) < len(names):
            raise BadInputError("target", ", ".join(names), "give at least one place, each once")
        attempt = _Attempt()
        with self._reserved(spec.id, derived) as name:
            spec = replace(spec, id=name)
            try:
                for place in places:
                    judge.refuse_too_long(place.spec_of(spec))
                leases = self._arm_everywhere(places, spec, start_timeout_s, attempt)
                fault = Fault(spec, leases, scope)
                with self._changed:
                    self._faults.append(fault)
            except BaseException:  # also an interruption of the run, before anybody knows the fault
                attempt.cancel()
                raise
        return fault

    def keep[T: Held](self, name: str, derived: str, begin: Callable[[str], T]) -> T:
        """Begin something that no agent holds, and keep it until it has ended.

        Args:
            name: Its name; "" to derive one.
            derived: The name of one that has none; with a number when it was used before.
            begin: Puts it in place under the name it is given, or raises an error and leaves
                nothing in place.

        Raises:
            BadInputError: The name is in use.
        """
        with self._reserved(name, derived) as reserved:
            held = begin(reserved)
            with self._changed:
                self._faults.append(held)
                self._stop_at_exit()
        return held

    def faults(self) -> list[Held]:
        """Return all faults and loads that were ever armed, in order, ended ones too."""
        with self._changed:
            return list(self._faults)

    def find(self, name: str) -> Held:
        """Return the newest fault or load of this name.

        Raises:
            BadInputError: There is none. The message has the known names.
        """
        for fault in reversed(self.faults()):
            if fault.id == name:
                return fault
        known = ", ".join(dict.fromkeys(fault.id for fault in self.faults())) or "none"
        raise BadInputError("name", name, f"no fault or load has this name; known: {known}")

    def fault_window(self, name: str, since_unix_s: float) -> tuple[float, float | None] | None:
        """Return the time in which a fault was armed everywhere.

        Args:
            name: Name of the fault.
            since_unix_s: Faults that ended before this time belong to an earlier run and do not
                count. Seconds since 1970.

        Returns:
            Start and end in seconds since 1970; the end is None while the fault is armed. None in
            place of both before any fault of this run was armed.

        Raises:
            BadInputError: There were faults, but none of this name.
        """
        armed = {
            fault.id: fault
            for fault in self.faults()
            if fault.is_fault
            and (fault.ended_unix_s is None or fault.ended_unix_s > since_unix_s)
        }
        if not armed:
            return None
        if name not in armed:
            raise BadInputError("fault", name, f"name one that was armed: {', '.join(armed)}")
        return armed[name].armed_unix_s, armed[name].ended_unix_s

    def stop_all(self, timeout_s: float = 5.0) -> None:
        """Stop everything, and kill each agent that still holds something. Errors are logged."""
        live = [fault for fault in self.faults() if fault.state == "armed"]
        for fault in live:
            fault.ask_to_stop()
        until_s = time.monotonic() + timeout_s
        for fault in live:
            try:
                fault.stop(max(0.0, until_s - time.monotonic()))
            except ChaosGoError as error:
                logger.warning("%s", error)
        for held in self.faults():
            held.release()
        for agent in self._running():
            agent.finish(EXIT_S if agent.holds else 0.0)

    @contextmanager
    def _reserved(self, name: str, derived: str) -> Iterator[str]:
        """Reserve a name while its fault is being armed."""
        with self._changed:
            name = name or self._free(derived)
            live = {fault.id for fault in self._faults if fault.state == "armed"}
            if name in live | self._names:
                fix = "a fault or load of this name is armed; give each its own name"
                raise BadInputError("name", name, fix)
            self._names.add(name)
        try:
            yield name
        finally:
            with self._changed:
                self._names.discard(name)

    def _free(self, derived: str) -> str:
        """Return a name that no fault or load has or had: ``x``, else ``x-2``, ``x-3``."""
        taken = {fault.id for fault in self._faults} | self._names
        number, name = 1, derived
        while name in taken:
            number += 1
            name = f"{derived}-{number}"
        return name

    def _arm_everywhere(
        self, places: Sequence[Place], spec: Spec, timeout_s: float, attempt: "_Attempt"
    ) -> list[Lease]:
        """Arm all places at the same time; when one fails, undo the others and raise why."""
        if len(places) == 1:  # in this thread, which an interruption of the run reaches at once
            return [self._arm(places[0], spec, timeout_s, attempt)]
        pool = ThreadPoolExecutor(len(places), thread_name_prefix="arm")
        futures: list[Future[Lease]] = []
        try:
            # An interruption may come in between: the list then has those that were begun.
            futures.extend(pool.submit(self._arm, x, spec, timeout_s, attempt) for x in places)
            wait(futures, return_when=FIRST_EXCEPTION)
            if any(future.done() and future.exception() for future in futures):
                attempt.cancel()
                wait(futures)
            return _results(futures)
        except BaseException:  # also an interruption of the run: nothing may stay anywhere
            attempt.cancel()
            pool.shutdown(cancel_futures=True)
            begun = [future for future in futures if not future.cancelled()]
            _undo([future.result() for future in begun if not future.exception()])
            raise
        finally:
            pool.shutdown(wait=False)

    def _arm(self, place: Place, spec: Spec, timeout_s: float, attempt: "_Attempt") -> Lease:
        """Arm one place, with the agent that is there or with a new one."""
        spec, key = place.spec_of(spec), (place, spec.kind)
        with self._changed:
            lock = self._arming.setdefault(key, threading.Lock())
        with lock:
            agent = self._agent_of(key)
            added = self._add(agent, place, spec, timeout_s, attempt) if agent else None
            return added or self._start(key, spec, timeout_s, attempt)

    def _add(
        self, agent: AgentProcess, place: Place, spec: Spec, timeout_s: float, attempt: "_Attempt"
    ) -> Lease | None:
        """Add a spec to the agent that is at a place; return None if that agent has just ended."""
        lease = Lease(spec, place, agent)
        if not agent.settle(spec.id, timeout_s):
            raise AgentError(
                f"agent of {place.name} has not answered yet what became of an earlier "
                f"{spec.id!r}; give this one another name"
            )
        try:
            agent.listen(spec.id, lease)
            if not agent.holds:
                return None
            agent.send(Command(command="add", spec=spec))
            attempt.wait_until_armed(lease, timeout_s)
            if agent.is_over and lease.armed_detail is None and lease.refusal is None:
                return None  # its last fault was over before it read this
            _refuse_unless_armed(lease, timeout_s)
        except BaseException:  # also an interruption of the run: nothing may stay behind
            if lease.refusal is None:
                agent.send(Command(command="remove", id=spec.id))
                agent.settle(spec.id, min(timeout_s, _TAKE_BACK_S))
            raise
        return lease

    def _start(self, key: _Key, spec: Spec, timeout_s: float, attempt: "_Attempt") -> Lease:
        """Start an agent with a first spec."""
        place, kind = key[0], kinds.named(spec.kind)
        lease_s = spec.lease_s or DEFAULT_LEASE_S
        channel = place.reach.open(kind.command)
        agent = AgentProcess(channel, place.name, lease_s, reports=kind.reports)
        try:
            lease = Lease(spec, place, agent)
            agent.listen(spec.id, lease)
            agent.start()
            agent.send(spec)
            self._keep_alive(key, agent)
            attempt.wait_until_armed(lease, timeout_s)
            _refuse_unless_armed(lease, timeout_s)
        except BaseException:  # also an interruption of the run: nothing may stay behind
            agent.kill()
            raise
        return lease

    def _agent_of(self, key: _Key) -> AgentProcess | None:
        """Return the agent that holds something of this kind at this place, or None."""
        with self._changed:
            for its_key, agent in self._agents:
                if its_key == key and agent.holds:
                    return agent
        return None

    def _running(self) -> list[AgentProcess]:
        with self._changed:
            self._agents = [known for known in self._agents if not known[1].ended]
            return [agent for _, agent in self._agents]

    def _keep_alive(self, key: _Key, agent: AgentProcess) -> None:
        """Send heartbeats to an agent from now on, and end it at exit."""
        with self._changed:
            self._agents.append((key, agent))
            self._changed.notify_all()
            self._stop_at_exit()
            if not self._beating:
                threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
                self._beating = True

    def _stop_at_exit(self) -> None:
        """Register `stop_all`, once; the lock is held."""
        if not self._stops_at_exit:
            atexit.register(self.stop_all)
            self._stops_at_exit = True

    def _beat(self) -> None:
        """Send heartbeats to all agents, four times per lease, until no agent is left."""
        while True:
            with self._changed:
                agents = self._running()
                if not agents:
                    self._beating = False
                    return
                # A new agent may need more frequent heartbeats, so it ends this wait.
                self._changed.wait(min(agent.lease_s for agent in agents) / 4)
            for agent in agents:
                agent.heartbeat()


class _Attempt:
    """The arming of one fault at all of its places. It can be cancelled as a whole."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leases: list[Lease] = []
        self._is_cancelled = False

    def wait_until_armed(self, lease: Lease, timeout_s: float) -> None:
        """Wait until the agent has answered, the time is over, or the attempt is cancelled."""
        with self._lock:
            self._leases.append(lease)
            if self._is_cancelled:
                lease.lose(_GIVEN_UP)
        lease.wait_while("arming", timeout_s)

    def cancel(self) -> None:
        """Cancel what is still being armed, and ask the rest to end. Never waits."""
        with self._lock:
            self._is_cancelled = True
            for lease in self._leases:
                if lease.state == "arming":
                    lease.lose(_GIVEN_UP)
                lease.ask_to_stop()


_TAKE_BACK_S = 2.0  # an agent that takes longer hangs, and is ended for that
_UNDO_S = 5.0  # for all places together
_GIVEN_UP = "another place of this fault could not be armed"


def _results(futures: Sequence[Future[Lease]]) -> list[Lease]:
    """Return the lease of every place, or raise the error of a place that failed.

    This is not the error of a place that was cancelled because another place failed.
    """
    errors = [error for future in futures if (error := future.exception())]
    if errors:
        raise next((error for error in errors if _GIVEN_UP not in str(error)), errors[0])
    return [future.result() for future in futures]


def _undo(leases: Sequence[Lease]) -> None:
    until_s = time.monotonic() + _UNDO_S
    for lease in leases:
        with suppress(AgentError):  # its agent was killed, so the fault is gone too
            lease.stop(max(0.0, until_s - time.monotonic()))


def _refuse_unless_armed(lease: Lease, timeout_s: float) -> None:
    """Raise an error if a lease was not armed, or was armed by an agent of another release."""
    armed, refusal = lease.armed_detail, lease.refusal
    if refusal is not None and refusal.field:
        raise judge.refusal(refusal, lease.spec, lease.place.name)
    if refusal is not None:
        raise CannotRunHereError(f"{lease.place.name}: {say(refusal)}")
    if lease.state == "arming":
        raise AgentError(
            f"agent of {lease.place.name} did not arm {lease.id!r} within {timeout_s:g} s and was "
            f"ended; {lease.agent.last_words()}"
        )
    if armed and (armed.agent_version, armed.protocol) != (__version__, PROTOCOL):
        raise AgentError(
            f"agent={armed.agent_version} (protocol {armed.protocol}): chaos_go {__version__} "
            f"(protocol {PROTOCOL}) needs its own agent; build it with `make agent`"
        )
    if armed is None or lease.state == "lost":
        raise AgentError(f"{lease.id!r} could not be armed: {lease.problem}")


holder = LeaseHolder()
"""The faults and loads of this process."""

hold = holder.hold
keep = holder.keep
faults = holder.faults
find = holder.find
fault_window = holder.fault_window
stop_all = holder.stop_all
