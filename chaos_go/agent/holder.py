"""Leases: a fault or a load lasts as long as its lease is held, and not a moment longer.

`hold` returns once the agent says that it is in place, or raises with nothing left anywhere. From
then on one thread tells every agent that Python is alive. A lease ends by `Lease.stop`, at its
duration, with this process (`stop_all` runs at exit; when Python is killed the pipe breaks), or
with the agent, whose rules the kernel removes.
"""

import atexit
import logging
import threading
from collections.abc import Callable, Sequence

from chaos_go import __version__
from chaos_go.agent.channel import Channel, LocalChannel
from chaos_go.agent.contract import DEFAULT_LEASE_S, PROTOCOL, Command, Spec
from chaos_go.agent.lease import EXIT_S, Lease, say
from chaos_go.agent.process import AgentProcess
from chaos_go.errors import AgentError, BadInputError, CannotRunHereError, ChaosGoError

__all__ = ["Lease", "LeaseHolder", "find", "hold", "leases", "stop_all"]

logger = logging.getLogger("chaostoolkit")


class LeaseHolder:
    """All leases of a process and the thread that keeps them alive. Thread-safe."""

    def __init__(self, open_channel: Callable[[Sequence[str]], Channel] = LocalChannel) -> None:
        """Begin without any lease; ``open_channel`` starts an agent from its command line."""
        self._open_channel = open_channel
        self._arming = threading.Lock()  # one at a time, so that one place gets one agent
        self._changed = threading.Condition()
        self._leases: list[Lease] = []
        self._agents: list[tuple[tuple[str, ...], AgentProcess]] = []
        self._beating = False
        self._stops_at_exit = False

    def hold(
        self, argv: Sequence[str], place: str, spec: Spec, start_timeout_s: float = 10.0
    ) -> Lease:
        """Have a fault or load put in place and hold it.

        An agent of this process that holds faults at the same place already gets this one added.

        Args:
            argv: the agent's command line.
            place: where it acts, for instance ``port/8081``.
            spec: what to put in place.
            start_timeout_s: how long the agent may take, in seconds.

        Raises:
            BadInputError: the name is in use, or the agent refused a value.
            CannotRunHereError: this place does not allow it.
            AgentError: no agent of this release could be started, or it did not answer in time.
                In every case nothing of this attempt is left.
        """
        with self._arming:
            if any(lease.id == spec.id and lease.state == "armed" for lease in self.leases()):
                fix = "a fault or load of this name is armed; give each its own name"
                raise BadInputError("name", spec.id, fix)
            agent = self._agent_of(tuple(argv), place)
            added = self._add(agent, spec, start_timeout_s) if agent else None
            return added or self._start(tuple(argv), place, spec, start_timeout_s)

    def leases(self) -> list[Lease]:
        """Return all leases that were ever armed, in order, ended ones too."""
        with self._changed:
            return list(self._leases)

    def find(self, name: str) -> Lease:
        """Return the newest lease of this name.

        Raises:
            BadInputError: there is none; the message has the known names.
        """
        for lease in reversed(self.leases()):
            if lease.id == name:
                return lease
        known = ", ".join(dict.fromkeys(lease.id for lease in self.leases())) or "none"
        raise BadInputError("name", name, f"no fault or load has this name; known: {known}")

    def stop_all(self, timeout_s: float = 5.0) -> None:
        """Stop every lease, and leave no agent that holds anything; what goes wrong is logged."""
        live = [lease for lease in self.leases() if lease.state == "armed"]
        for lease in live:
            lease.ask_to_stop()
        for lease in live:
            try:
                lease.stop(timeout_s)
            except ChaosGoError as error:
                logger.warning("%s", error)
        for agent in self._running():
            agent.finish(EXIT_S if agent.holds else 0.0)

    def _add(self, agent: AgentProcess, spec: Spec, timeout_s: float) -> Lease | None:
        """Add to the agent that is at this place already; None when it just ended."""
        lease = Lease(spec, agent)
        try:
            agent.listen(spec.id, lease)
            agent.send(Command(command="add", spec=spec))
            lease.wait_while("arming", timeout_s)
            if lease.state == "lost" and agent.ended and agent.exit_code == 0:
                return None  # its last fault was over before it read this
            self._keep(lease, timeout_s)
        except BaseException:  # also an interruption of the run: nothing may stay behind
            if lease.refusal is None:
                agent.send(Command(command="remove", id=spec.id))
            raise
        return lease

    def _start(self, argv: tuple[str, ...], place: str, spec: Spec, timeout_s: float) -> Lease:
        """Start an agent and have it put the first fault in place."""
        lease_s = spec.lease_s or DEFAULT_LEASE_S
        reports = spec.http is not None
        agent = AgentProcess(self._open_channel(argv), place, lease_s, reports=reports)
        try:
            lease = Lease(spec, agent)
            agent.listen(spec.id, lease)
            agent.start()
            agent.send(spec)
            self._keep_alive(argv, agent)
            lease.wait_while("arming", timeout_s)
            self._keep(lease, timeout_s)
        except BaseException:  # also an interruption of the run: nothing may stay behind
            agent.kill()
            raise
        return lease

    def _keep(self, lease: Lease, timeout_s: float) -> None:
        """Add a lease to those that were armed, or raise why it was not."""
        _refuse_unless_armed(lease, timeout_s)
        with self._changed:
            self._leases.append(lease)

    def _agent_of(self, argv: tuple[str, ...], place: str) -> AgentProcess | None:
        """Return the agent that holds something at this place."""
        with self._changed:
            for its_argv, agent in self._agents:
                if (its_argv, agent.place) == (argv, place) and agent.holds:
                    return agent
        return None

    def _running(self) -> list[AgentProcess]:
        with self._changed:
            self._agents = [known for known in self._agents if not known[1].ended]
            return [agent for _, agent in self._agents]

    def _keep_alive(self, argv: tuple[str, ...], agent: AgentProcess) -> None:
        """Beat for this agent from now on, and end it at exit."""
        with self._changed:
            self._agents.append((argv, agent))
            self._changed.notify_all()
            if not self._stops_at_exit:
                atexit.register(self.stop_all)
                self._stops_at_exit = True
            if not self._beating:
                threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
                self._beating = True

    def _beat(self) -> None:
        """Beat for all agents four times per lease, until there is none any more."""
        while True:
            with self._changed:
                agents = self._running()
                if not agents:
                    self._beating = False
                    return
                # A new agent may need a faster beat: it wakes this up.
                self._changed.wait(min(agent.lease_s for agent in agents) / 4)
            for agent in agents:
                agent.heartbeat()


def _refuse_unless_armed(lease: Lease, timeout_s: float) -> None:
    """Raise why a lease was not armed, or not by an agent of this release."""
    armed, refusal = lease.armed_detail, lease.refusal
    if refusal is not None and refusal.field:
        raise BadInputError(refusal.field, refusal.value, f"{refusal.message}; {refusal.fix}")
    if refusal is not None:
        raise CannotRunHereError(f"{lease.place_name}: {say(refusal)}")
    if lease.state == "arming":
        raise AgentError(
            f"agent of {lease.place_name} did not arm {lease.id!r} within {timeout_s:g} s and was "
            f"ended; {lease.agent.last_words()}"
        )
    if armed is None:
        raise AgentError(f"{lease.id!r} could not be armed: {lease.problem}")
    if (armed.agent_version, armed.protocol) != (__version__, PROTOCOL):
        raise AgentError(
            f"agent={armed.agent_version} (protocol {armed.protocol}): chaos_go {__version__} "
            f"(protocol {PROTOCOL}) needs its own agent; build it with `make agent`"
        )


holder = LeaseHolder()
"""The leases of this process."""

hold = holder.hold
leases = holder.leases
find = holder.find
stop_all = holder.stop_all
