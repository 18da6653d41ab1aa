import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from chaoslib.exceptions import InterruptExecution
from fake_agent import FakeAgents, FakeChannel, armed_detail
from lease_behaviour import LeaseBehaviour, Surroundings, eventually

from chaos_go.agent import holder as holder_module
from chaos_go.agent import process
from chaos_go.agent.contract import Event, Problem, Proxy, Spec, Way
from chaos_go.agent.fault import Fault
from chaos_go.agent.holder import LeaseHolder
from chaos_go.agent.place import Place
from chaos_go.agent.process import AgentProcess
from chaos_go.controls import evidence
from chaos_go.errors import AgentError, AgentLostError, BadInputError, CannotRunHereError
from chaos_go.faults import stop
from chaos_go.traffic.contract import Load


class FakeSurroundings(Surroundings):
    proxy = Proxy(listen="127.0.0.1:9081", upstream="127.0.0.1:8081")

    def __init__(self) -> None:
        self.fakes = FakeAgents()
        self.place = self.fakes.place("proxy/127.0.0.1:9081->127.0.0.1:8081", Way(proxy=self.proxy))
        self.holder = LeaseHolder()

    @property
    def channel(self) -> FakeChannel:
        return self.fakes.channels[-1]

    def hold(self, name: str = "users-503", **changes: object) -> Fault:
        fault = super().hold(name, **changes)
        if fault.spec.duration_s < 1:  # a fake agent ends at once
            self.channel.disarm(name, "deadline")
        return fault

    def request(self) -> None:
        self.fakes.touch()

    def kill_agent(self, fault: Fault) -> None:
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
    here.hold("slow")  # its heartbeat, every 2.5 s, must not delay the more frequent one
    fast = here.spec("fast", lease_s=1.0)
    here.holder.hold([here.fakes.place("other")], fast)
    assert eventually(lambda: sum(x.command == "heartbeat" for x in here.channel.heard) >= 2)


def test_heartbeats_begin_again_after_a_pause_without_faults(here: FakeSurroundings) -> None:
    here.hold("first", lease_s=1.0).stop()
    here.hold("second", lease_s=1.0)
    assert eventually(lambda: any(x.command == "heartbeat" for x in here.channel.heard))


def test_other_place_gets_an_agent_of_its_own(here: FakeSurroundings) -> None:
    here.hold("a")
    here.holder.hold([here.fakes.place("port/9999")], here.spec("b"))
    assert here.agents() == 2


def test_agent_that_ended_just_now_is_replaced(here: FakeSurroundings) -> None:
    first = here.hold("a")
    older = here.channel

    def refuses(spec: object) -> None:  # "add" arrives after the agent has ended at its deadline
        older.mute = True
        older.disarm("a", "deadline")

    older.refuses = refuses
    second = here.hold("b")
    assert (first.state, second.state) == ("ended", "armed")
    assert here.channel is not older


def test_add_that_crosses_the_end_of_the_last_fault_goes_to_a_new_agent(
    here: FakeSurroundings,
) -> None:
    here.hold("a")
    older = here.channel

    def refuses(spec: Spec) -> None:  # it reads no more, and lives as long as connections pass
        older.mute = True
        older.armed.clear()
        older.emit("disarmed", "a", reason="deadline", totals=older.totals("a"))

    older.refuses = refuses
    second = here.hold("b")
    assert (second.state, here.channel is older, older.killed) == ("armed", False, False)


def test_what_could_not_be_armed_everywhere_is_gone_before_its_name_is_free(
    here: FakeSurroundings,
) -> None:
    one, other = here.fakes.place("port/1"), here.fakes.place("port/2")
    here.holder.hold([one], here.spec("a"))
    slow = here.channel
    slow.blocks = threading.Event()
    here.fakes.prepare = lambda x: setattr(x, "refuses", lambda _: Problem(message="no"))
    threading.Timer(0.3, slow.blocks.set).start()
    with pytest.raises(CannotRunHereError, match="port/2: no"):
        here.holder.hold([one, other], here.spec("b"))
    assert slow.blocks.is_set()
    assert set(slow.armed) == {"a"}
    again = here.holder.hold([one], here.spec("b"))
    assert again.state == "armed"
    assert set(slow.armed) == {"a", "b"}
    time.sleep(0.05)
    assert again.state == "armed"


def test_a_name_is_not_used_again_before_the_agent_has_answered(here: FakeSurroundings) -> None:
    here.hold("a")
    here.channel.mute = True
    with pytest.raises(AgentError, match=r"did not arm 'b' within 0.05 s"):
        here.holder.hold([here.place], here.spec("b"), start_timeout_s=0.05)
    with pytest.raises(AgentError, match=r"has not answered yet .* 'b'"):
        here.holder.hold([here.place], here.spec("b"), start_timeout_s=0.05)
    assert [x.command for x in here.channel.heard].count("add") == 1


def test_stop_that_crosses_the_deadline_is_no_problem(here: FakeSurroundings) -> None:
    first, second = here.hold("a"), here.hold("b")
    here.channel.blocks = threading.Event()
    first.ask_to_stop()
    here.channel.disarm("a", "deadline")
    assert eventually(lambda: first.state == "ended")
    threading.Timer(0.2, here.channel.blocks.set).start()
    again = here.hold("a")  # the agent answers first that there was no such fault any more
    assert (first.problem, second.problem, again.problem) == ("", "", "")
    assert again.state == "armed"


def test_unanswered_add_is_taken_back(here: FakeSurroundings) -> None:
    first = here.hold("a")
    here.channel.mute = True
    with pytest.raises(AgentError, match=r"did not arm 'b' within 0.05 s"):
        here.holder.hold([here.place], here.spec("b"), start_timeout_s=0.05)
    removed = [("remove", "b")]
    assert eventually(
        lambda: [(x.command, x.id) for x in here.channel.heard if x.command == "remove"] == removed
    )
    assert first.state == "armed"


def test_agent_that_does_not_stop_is_killed(here: FakeSurroundings) -> None:
    fault = here.hold()
    here.channel.mute = True
    with pytest.raises(AgentLostError, match=r"did not stop 'users-503' within 0.05 s"):
        fault.stop(timeout_s=0.05)
    assert here.channel.killed
    assert fault.state == "lost"
    assert fault.stop()["problem"].endswith("see whether the machine is overloaded")


def interrupt_soon(here: FakeSurroundings) -> None:
    """Use agents that do not answer, then raise as Chaos Toolkit does on SIGTERM."""

    def interrupt(number: int, frame: object) -> None:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        raise InterruptExecution("SIGTERM")

    signal.signal(signal.SIGUSR1, interrupt)
    here.fakes.prepare = lambda channel: setattr(channel, "mute", True)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()


def test_interruption_while_arming_passes_and_leaves_nothing(here: FakeSurroundings) -> None:
    interrupt_soon(here)
    with pytest.raises(InterruptExecution):
        here.hold()
    assert here.channel.killed
    assert here.holder.faults() == []


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
    with pytest.raises(BadInputError, match=r"arguments='\{': not JSON; send JSON"):
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
    assert here.holder.faults() == []


def test_an_invalid_line_later_is_noted_and_ends_nothing(here: FakeSurroundings) -> None:
    fault = here.hold()
    here.channel.say("panic: oh dear")
    assert eventually(lambda: fault.problem != "")
    assert fault.state == "armed"
    assert "panic: oh dear" in fault.stop()["problem"]


def test_failing_subscriber_does_not_end_the_lease(here: FakeSurroundings) -> None:
    fault = here.hold()

    def fail(event: Event) -> None:
        if event.event != "armed":
            raise RuntimeError("broken subscriber")

    fault.leases[0].subscribe(fail)
    here.channel.emit("stats", "users-503", totals=here.channel.totals("users-503"))
    assert fault.stop()["state"] == "ended"


def test_find_of_an_unknown_name_lists_the_known_ones(here: FakeSurroundings) -> None:
    with pytest.raises(BadInputError, match=r"name='x'.*known: none"):
        here.holder.find("x")
    here.hold("a")
    with pytest.raises(BadInputError, match=r"name='x'.*known: a"):
        here.holder.find("x")


# Faults at many places


def many(here: FakeSurroundings, count: int = 30) -> list[Place]:
    return [here.fakes.place(f"port/{8000 + at}", Way(port=8000 + at)) for at in range(count)]


def test_many_places_are_armed_at_the_same_time(here: FakeSurroundings) -> None:
    here.fakes.prepare = lambda channel: time.sleep(0.2)
    began = time.monotonic()
    fault = here.holder.hold(many(here), here.spec("wide"))
    assert time.monotonic() - began < 3  # 30 times 0.2 s one after the other would be 6
    assert fault.state == "armed"
    assert here.agents() == 30
    assert {channel.spec.way.port for channel in here.fakes.channels} == set(range(8000, 8030))
    fault.stop()
    assert here.agents() == 0


def test_the_exits_of_many_agents_are_awaited_at_the_same_time(here: FakeSurroundings) -> None:
    fault = here.holder.hold(many(here), here.spec("wide"))
    for channel in here.fakes.channels:
        channel.lives = True  # connections still pass through it
    began = time.monotonic()
    assert fault.stop()["state"] == "ended"
    assert time.monotonic() - began < 3  # 30 times 0.3 s one after the other would be 9
    assert not any(channel.killed for channel in here.fakes.channels)
    for channel in here.fakes.channels:
        channel.die(0)


def test_one_place_that_refuses_leaves_nothing_anywhere(here: FakeSurroundings) -> None:
    def prepare(channel: FakeChannel) -> None:
        problem = Problem(message="nobody listens on port 8007", fix="start the service")
        channel.refuses = lambda spec: problem if spec.way.port == 8007 else None

    here.fakes.prepare = prepare
    with pytest.raises(CannotRunHereError, match="port/8007: nobody listens on port 8007"):
        here.holder.hold(many(here), here.spec("wide"))
    assert here.agents() == 0
    assert here.holder.faults() == []
    here.fakes.prepare = lambda channel: None
    assert here.holder.hold(many(here), here.spec("wide")).state == "armed"  # its name is free


def test_a_place_that_refuses_ends_the_wait_for_the_others(here: FakeSurroundings) -> None:
    def prepare(channel: FakeChannel) -> None:
        channel.mute = True
        channel.refuses = lambda spec: Problem(message="no") if spec.way.port == 8003 else None

    here.fakes.prepare = prepare
    began = time.monotonic()
    with pytest.raises(CannotRunHereError, match="port/8003: no"):
        here.holder.hold(many(here, 5), here.spec("wide"), start_timeout_s=30)
    assert time.monotonic() - began < 10
    assert here.agents() == 0


def test_interruption_while_arming_many_leaves_nothing_anywhere(here: FakeSurroundings) -> None:
    interrupt_soon(here)
    began = time.monotonic()
    with pytest.raises(InterruptExecution):
        here.holder.hold(many(here), here.spec("wide"), start_timeout_s=30)
    assert time.monotonic() - began < 10
    assert here.agents() == 0
    assert here.holder.faults() == []


def test_a_lost_place_does_not_end_the_others(here: FakeSurroundings) -> None:
    fault = here.holder.hold(many(here, 3), here.spec("wide"))
    lost = next(channel for channel in here.fakes.channels if channel.spec.way.port == 8001)
    lost.die(-9)
    assert eventually(lambda: fault.ended_unix_s is not None)
    assert [lease.state for lease in fault.leases] == ["armed", "lost", "armed"]
    assert fault.state == "armed"
    here.fakes.touch()
    record = fault.stop()
    assert [place["state"] for place in record["places"]] == ["ended", "lost", "ended"]
    assert record["state"] == "lost"
    assert "agent of port/8001 ended unexpectedly: killed by SIGKILL" in record["problem"]
    assert record["ended_unix_s"] == record["places"][1]["ended_unix_s"]  # the first end
    assert record["armed_unix_s"] == max(place["armed_unix_s"] for place in record["places"])


def test_untouched_places_are_named_and_one_touched_place_is_an_effect(
    here: FakeSurroundings,
) -> None:
    fault = here.holder.hold(many(here, 3), here.spec("wide"))
    here.fakes.channels[0].touched["wide"] = 4
    touched = f"port/{here.fakes.channels[0].spec.way.port}"
    record = fault.stop()
    assert record["effect"] is True
    assert record["untouched"] == sorted({"port/8000", "port/8001", "port/8002"} - {touched})
    assert f"{touched}: 4 of 4 requests matched, 4 aborted" in record["said"]


def test_a_fault_without_any_touched_place_has_no_effect(here: FakeSurroundings) -> None:
    assert here.holder.hold(many(here, 2), here.spec("wide")).stop()["effect"] is False


@pytest.mark.parametrize("names", [[], ["port/1", "port/1"]])
def test_no_place_and_a_place_given_twice_are_refused(
    here: FakeSurroundings, names: list[str]
) -> None:
    with pytest.raises(BadInputError, match="at least one place, each once"):
        here.holder.hold([here.fakes.place(name) for name in names], here.spec("x"))


def test_one_blocked_channel_delays_no_heartbeat_of_another(here: FakeSurroundings) -> None:
    fault = here.holder.hold(many(here), here.spec("wide", lease_s=2.0))
    blocked = here.fakes.channels[7]
    blocked.blocks = threading.Event()
    others = [channel for channel in here.fakes.channels if channel is not blocked]
    before = {id(channel): len(channel.heard) for channel in others}
    time.sleep(2.5)  # longer than the lease: an agent that heard nothing would have ended
    beats = [len(channel.heard) - before[id(channel)] for channel in others]
    assert min(beats) >= 2, beats
    blocked.blocks.set()
    assert fault.state == "armed"


def test_beats_for_a_blocked_channel_do_not_pile_up(here: FakeSurroundings) -> None:
    here.hold(lease_s=1.0)
    here.channel.blocks = threading.Event()
    time.sleep(1.6)
    heard = len(here.channel.heard)
    here.channel.blocks.set()
    time.sleep(0.2)
    assert len(here.channel.heard) - heard <= 3  # one that was sent, one that waited, one new


def test_a_stream_that_breaks_leaves_the_fault_until_its_lease_ends(
    here: FakeSurroundings,
) -> None:
    fault = here.hold(lease_s=4.0)
    here.channel.break_off()
    assert eventually(lambda: fault.state == "lost")
    (place,) = fault.record()["places"]
    assert place["exit_code"] is None
    assert place["gone_by_unix_s"] == pytest.approx(place["ended_unix_s"] + 4.0, abs=0.001)
    assert "its stream broke" in place["problem"]


def test_a_success_without_a_word_is_no_end(here: FakeSurroundings) -> None:
    fault = here.hold(lease_s=4.0)
    here.channel.die(0)  # what a container runtime that dies reports, while the agent lives on
    assert eventually(lambda: fault.state == "lost")
    (place,) = fault.record()["places"]
    assert place["exit_code"] == 0
    assert place["gone_by_unix_s"] == pytest.approx(place["ended_unix_s"] + 4.0, abs=0.001)


def test_other_kinds_at_a_place_get_an_agent_of_their_own(here: FakeSurroundings) -> None:
    here.hold("a")
    load = Spec(id="b", kind="load", duration_s=60.0, detail=Load(url="http://a", rate_rps=1.0))
    here.holder.hold([here.place], load)
    assert [channel.command for channel in here.fakes.channels] == ["fault", "load"]


# Heartbeats, and agents that hang


def test_an_agent_hears_four_heartbeats_per_lease(here: FakeSurroundings) -> None:
    here.hold(lease_s=1.0)
    began = time.monotonic()
    assert eventually(lambda: len(here.channel.heard) >= 8)
    lasted_s = time.monotonic() - began
    assert 1.7 < lasted_s < 4.0  # 2 s; with one beat per lease it would be 8 s


def be_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make an agent count as hung after 0.3 s of silence instead of 3 s."""
    monkeypatch.setattr(process, "_SHORTEST_SILENCE_S", 0.3)


def test_an_agent_that_hangs_is_killed_and_its_fault_lost(
    here: FakeSurroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_impatient(monkeypatch)
    fault = here.hold(lease_s=0.4)  # a beat every 0.1 s
    other = here.holder.hold([here.fakes.place("other")], here.spec("other"))
    first = here.fakes.channels[0]
    assert eventually(lambda: fault.state == "lost", within_s=5.0)
    assert first.killed
    assert "it hung for 0." in fault.problem
    assert "killed by SIGKILL" in fault.problem
    assert other.state == "armed"


def test_an_agent_that_speaks_is_not_killed(
    here: FakeSurroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_impatient(monkeypatch)
    fault = here.hold(lease_s=0.4)
    channel = here.channel
    until_s = time.monotonic() + 1.5
    while time.monotonic() < until_s:
        channel.emit("stats", fault.id, totals=channel.totals(fault.id))
        time.sleep(0.02)
    assert not channel.killed
    assert fault.state == "armed"


def test_a_load_is_not_killed_for_silence(
    here: FakeSurroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_impatient(monkeypatch)
    detail = Load(url="http://a", rate_rps=1.0)
    spec = Spec(id="l", kind="load", duration_s=60.0, lease_s=0.4, detail=detail)
    load = here.holder.hold([here.place], spec)
    time.sleep(1.2)
    assert not here.channel.killed
    assert load.state == "armed"


def agent_that_was_silent(monkeypatch: pytest.MonkeyPatch) -> tuple[AgentProcess, FakeChannel]:
    """Return an agent that holds a fault and was last heard of a minute ago."""
    channel = FakeChannel()
    agent = AgentProcess(channel, "port/8081", 10.0, reports=True)
    agent.start()
    agent.send(FakeSurroundings().spec("x", way=Way(port=8081)))
    assert eventually(lambda: agent.holds)
    now = time.monotonic
    monkeypatch.setattr(process.time, "monotonic", lambda: now() + 60)
    return agent, channel


def test_a_pause_of_the_whole_machine_is_not_taken_for_a_hung_agent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the pause the agent has three heartbeats in which to answer: it could not before."""
    agent, channel = agent_that_was_silent(monkeypatch)
    for _ in range(3):
        agent.heartbeat()
    assert not channel.killed
    agent.heartbeat()
    assert channel.killed
    assert eventually(lambda: agent.ended)
    assert agent.last_words().startswith("it hung for 60.")


def test_an_agent_that_answers_after_a_pause_is_not_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent, channel = agent_that_was_silent(monkeypatch)
    for _ in range(3):
        agent.heartbeat()
    channel.say("anything")
    channel.disarm("x", "stop")
    assert eventually(lambda: agent.ended)
    agent.heartbeat()
    assert not channel.killed


def test_many_beats_in_a_short_time_do_not_make_an_agent_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent, channel = agent_that_was_silent(monkeypatch)
    agent.heartbeat()
    channel.emit("stats", "x", totals=channel.totals("x"))
    assert eventually(lambda: agent._unheard_beats == 0)
    for _ in range(9):
        agent.heartbeat()
    assert not channel.killed
    channel.disarm("x", "stop")


# The end of several faults at once


@pytest.mark.parametrize("by", ["fault", "all", "stop", "evidence"])
def test_all_are_asked_to_stop_before_any_is_waited_for(
    here: FakeSurroundings, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """All places end at the same time: a slow one does not keep the fault in place at others."""
    monkeypatch.setattr(holder_module, "faults", here.holder.faults)
    if by == "fault":
        faults = [here.holder.hold(many(here, 2), here.spec("wide"))]
    else:
        faults = [here.holder.hold([place], here.spec(place.name)) for place in many(here, 2)]
    here.fakes.touch()
    slow, other = here.fakes.channels
    disarm, waited = slow.disarm, []

    def disarm_last(name: str, reason: str) -> None:
        waited.append(eventually(lambda: any(x.command == "remove" for x in other.heard), 2.0))
        disarm(name, reason)

    monkeypatch.setattr(slow, "disarm", disarm_last)
    if by == "fault":
        faults[0].stop()
    elif by == "all":
        here.holder.stop_all()
    elif by == "stop":
        stop()
    else:
        monkeypatch.setattr(evidence, "_earlier", set())
        evidence.cleanup_control()
    assert waited == [True]
    assert [fault.state for fault in faults] == ["ended"] * len(faults)
