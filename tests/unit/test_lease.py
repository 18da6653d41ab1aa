from collections.abc import Iterator

import pytest
from chaoslib.exceptions import InterruptExecution
from fake_agent import FakeAgents, FakeChannel, armed_detail
from lease_behaviour import LeaseBehaviour, Surroundings, eventually

from chaos_go.agent.contract import Event, Problem, Proxy
from chaos_go.agent.holder import LeaseHolder
from chaos_go.agent.lease import Lease
from chaos_go.errors import AgentError, AgentLostError, BadInputError, CannotRunHereError


class FakeSurroundings(Surroundings):
    argv = ("fake",)
    proxy = Proxy(listen="127.0.0.1:9081", upstream="127.0.0.1:8081")

    def __init__(self) -> None:
        self.fakes = FakeAgents()
        self.holder = LeaseHolder(self.fakes.open)

    @property
    def channel(self) -> FakeChannel:
        return self.fakes.channels[-1]

    def hold(self, name: str = "users-503", **changes: object) -> Lease:
        lease = super().hold(name, **changes)
        if lease.spec.duration_s < 1:  # time passes at once for a fake
            self.channel.disarm(name, "deadline")
        return lease

    def request(self) -> None:
        self.fakes.touch()

    def kill_agent(self, lease: Lease) -> None:
        self.channel.die(-9)

    def agents(self) -> int:
        return sum(channel.code is None for channel in self.fakes.channels)


@pytest.fixture
def here() -> Iterator[FakeSurroundings]:
    surroundings = FakeSurroundings()
    yield surroundings
    surroundings.holder.stop_all(timeout_s=0.1)


class TestOnAFakeAgent(LeaseBehaviour):
    pass


def test_heartbeats_come_by_themselves(here: FakeSurroundings) -> None:
    here.hold("slow")  # its beat, every 2.5 s, must not hold up the faster one
    fast = here.spec("fast", lease_s=1.0)
    here.holder.hold(["other"], here.place, fast)
    assert eventually(lambda: sum(x.command == "heartbeat" for x in here.channel.heard) >= 2)


def test_heartbeats_begin_again_after_a_pause_without_faults(here: FakeSurroundings) -> None:
    here.hold("first", lease_s=1.0).stop()
    here.hold("second", lease_s=1.0)
    assert eventually(lambda: any(x.command == "heartbeat" for x in here.channel.heard))


def test_other_place_gets_an_agent_of_its_own(here: FakeSurroundings) -> None:
    here.hold("a")
    here.holder.hold(here.argv, "port/9999", here.spec("b"))
    assert here.agents() == 2


def test_agent_that_ended_just_now_is_replaced(here: FakeSurroundings) -> None:
    first = here.hold("a")
    older = here.channel

    def refuses(spec: object) -> None:  # "add" arrives, but its deadline was faster
        older.mute = True
        older.disarm("a", "deadline")

    older.refuses = refuses
    second = here.hold("b")
    assert (first.state, second.state) == ("ended", "armed")
    assert here.channel is not older


def test_unanswered_add_is_taken_back(here: FakeSurroundings) -> None:
    first = here.hold("a")
    here.channel.mute = True
    with pytest.raises(AgentError, match=r"did not arm 'b' within 0.05 s"):
        here.holder.hold(here.argv, here.place, here.spec("b"), start_timeout_s=0.05)
    assert [(x.command, x.id) for x in here.channel.heard if x.command == "remove"] == [
        ("remove", "b")
    ]
    assert first.state == "armed"


def test_agent_that_does_not_stop_is_killed(here: FakeSurroundings) -> None:
    lease = here.hold()
    here.channel.mute = True
    with pytest.raises(AgentLostError, match=r"did not stop 'users-503' within 0.05 s"):
        lease.stop(timeout_s=0.05)
    assert here.channel.killed
    assert lease.state == "lost"
    assert lease.stop()["problem"].endswith("see whether the machine is overloaded")


def test_interruption_while_arming_passes_and_leaves_nothing(here: FakeSurroundings) -> None:
    def interrupt(channel: FakeChannel) -> None:
        channel.raises = InterruptExecution("SIGTERM")

    here.fakes.prepare = interrupt
    with pytest.raises(InterruptExecution):
        here.hold()
    assert here.channel.killed
    assert here.holder.leases() == []


def test_place_that_does_not_allow_it_is_named(here: FakeSurroundings) -> None:
    problem = Problem(message="CAP_NET_ADMIN is missing", fix="run as root")
    here.fakes.prepare = lambda channel: setattr(channel, "refuses", lambda spec: problem)
    with pytest.raises(CannotRunHereError, match=r"proxy/.*CAP_NET_ADMIN is missing; run as root"):
        here.hold()


def test_refusal_without_a_name_is_that_of_the_fault_being_armed(here: FakeSurroundings) -> None:
    def prepare(channel: FakeChannel) -> None:
        channel.mute = True
        problem = Problem(field="line", value="{", message="not JSON", fix="send JSON")
        channel.say(Event(event="error", id="", at_unix_s=1.0, error=problem).to_line())

    here.fakes.prepare = prepare
    with pytest.raises(BadInputError, match=r"line='\{': not JSON; send JSON"):
        here.hold()


def test_other_release_of_the_agent_is_refused_and_ended(here: FakeSurroundings) -> None:
    def prepare(channel: FakeChannel) -> None:
        channel.mute = True
        channel.send = lambda line: channel.emit(  # type: ignore[method-assign]
            "armed", "users-503", armed=armed_detail(agent_version="9.9.9")
        )

    here.fakes.prepare = prepare
    with pytest.raises(AgentError, match=r"agent=9.9.9.*make agent"):
        here.hold()
    assert here.channel.killed
    assert here.holder.leases() == []


def test_garbage_later_on_is_noted_but_ends_nothing(here: FakeSurroundings) -> None:
    lease = here.hold()
    here.channel.say("panic: oh dear")
    assert eventually(lambda: lease.problem != "")
    assert lease.state == "armed"
    assert "panic: oh dear" in lease.stop()["problem"]


def test_failing_subscriber_does_not_end_the_lease(here: FakeSurroundings) -> None:
    lease = here.hold()

    def fail(event: Event) -> None:
        if event.event != "armed":
            raise RuntimeError("broken subscriber")

    lease.subscribe(fail)
    here.channel.emit("stats", "users-503", http=here.channel.totals("users-503"))
    assert lease.stop()["state"] == "ended"


def test_find_names_what_is_known(here: FakeSurroundings) -> None:
    with pytest.raises(BadInputError, match=r"name='x'.*known: none"):
        here.holder.find("x")
    here.hold("a")
    with pytest.raises(BadInputError, match=r"name='x'.*known: a"):
        here.holder.find("x")
