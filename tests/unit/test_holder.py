"""The names of faults in the holder, and when they were armed."""

import threading
from contextlib import suppress

import pytest
from fake_agent import FakeAgents, FakeChannel
from fake_load import START, World

from chaos_go.agent import judge
from chaos_go.agent.contract import Problem, Spec
from chaos_go.agent.holder import LeaseHolder
from chaos_go.errors import BadInputError
from chaos_go.faults.http import HTTP, HTTPAbort
from chaos_go.traffic.contract import Load

HTTP_503 = HTTP(percentage=100.0, abort=HTTPAbort(status=503))


def spec(name: str, duration_s: float = 60.0) -> Spec:
    return Spec(id=name, kind="http", duration_s=duration_s, detail=HTTP_503)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_before_any_fault_there_is_no_window(world: World) -> None:
    assert world.fault_window("a", START) is None
    world.start("checkout")  # a load is no fault
    assert world.fault_window("a", START) is None
    assert world.fault_window("checkout", START) is None
    world.stop_all()


def test_a_fault_that_is_armed_has_a_window_without_an_end(world: World) -> None:
    world.arm("a", 3)
    assert world.fault_window("a", START) == (START + 3, None)


def test_the_window_goes_from_the_last_armed_to_the_first_ended(world: World) -> None:
    world.arm_at("a", (3, None), (5, 20), (4, 30))
    assert world.fault_window("a", START) == (START + 5, START + 20)


def test_faults_that_ended_before_the_run_do_not_count(world: World) -> None:
    world.arm("old", -20, -10)
    assert world.fault_window("old", START) is None
    assert world.fault_window("old", START - 10) is None  # it ended at that time
    assert world.fault_window("old", START - 11) == (START - 20, START - 10)
    world.arm("lasting", -20)
    assert world.fault_window("lasting", START) == (START - 20, None)


def test_of_two_faults_of_one_name_the_newer_counts(world: World) -> None:
    world.arm("a", 1, 5)
    world.arm("a", 6, 9)
    assert world.fault_window("a", START) == (START + 6, START + 9)


def test_an_unknown_name_is_refused_with_the_names_of_the_run(world: World) -> None:
    world.arm("old", -20, -10)
    world.arm("a", 1, 5)
    world.arm("b", 2)
    world.arm("a", 6)
    for name in ("old", "checkout", ""):
        with pytest.raises(BadInputError) as error:
            world.fault_window(name, START)
        assert str(error.value) == f"fault={name!r}: name one that was armed: a, b"


# Names


class Slow:
    """An agent that answers when it is told to."""

    def __init__(self, answer: Problem | None = None) -> None:
        self.asked, self.go_on = threading.Event(), threading.Event()
        self.answer = answer
        self.fakes = FakeAgents(self.prepare)
        self.holder = LeaseHolder()
        self.thread = threading.Thread(target=self.hold)
        self.thread.start()
        assert self.asked.wait(20)

    def prepare(self, channel: FakeChannel) -> None:
        if not self.fakes.channels:
            channel.refuses = self.refuses

    def refuses(self, asked: Spec) -> Problem | None:
        self.asked.set()
        assert self.go_on.wait(20)
        return self.answer

    def hold(self) -> None:
        with suppress(BadInputError):
            self.holder.hold([self.fakes.place("port/1")], spec("a"))

    def end(self) -> None:
        self.go_on.set()
        self.thread.join(20)


def test_a_name_is_in_use_from_the_moment_at_which_it_is_asked_for() -> None:
    slow = Slow()
    for _ in range(2):  # the refusal does not free it
        with pytest.raises(BadInputError, match=r"name='a': a fault or load of this name is armed"):
            slow.holder.hold([slow.fakes.place("port/2")], spec("a"))
    other = slow.holder.hold([slow.fakes.place("port/2")], spec("b"))  # does not wait
    assert other.state == "armed"
    assert [fault.id for fault in slow.holder.faults()] == ["b"]
    slow.end()
    assert [fault.id for fault in slow.holder.faults()] == ["b", "a"]
    assert len(slow.fakes.channels) == 2
    slow.holder.stop_all()


def test_derived_names_differ_also_while_faults_are_being_armed() -> None:
    slow = Slow()
    other = slow.holder.hold([slow.fakes.place("port/2")], spec(""), derived="a")
    assert other.id == "a-2"
    slow.end()
    third = slow.holder.hold([slow.fakes.place("port/3")], spec(""), derived="a")
    assert [fault.id for fault in slow.holder.faults()] == ["a-2", "a", third.id]
    assert third.id == "a-3"
    slow.holder.stop_all()


def test_a_name_is_free_again_when_it_could_not_be_armed() -> None:
    slow = Slow(Problem(field="id", value="a", message="no", fix="try again"))
    slow.end()
    assert slow.holder.faults() == []
    assert slow.holder.hold([slow.fakes.place("port/2")], spec("a")).state == "armed"
    slow.holder.stop_all()


def test_faults_and_loads_share_their_names() -> None:
    fakes, holder = FakeAgents(), LeaseHolder()
    holder.hold([fakes.place("port/1")], spec("a"))
    load = Spec(id="a", kind="load", duration_s=1.0, detail=Load(url="http://a/", rate_rps=1.0))
    with pytest.raises(BadInputError, match="name='a': a fault or load of this name is armed"):
        holder.hold([fakes.place("load/a")], load)
    holder.stop_all()


def test_a_refusal_while_arming_has_the_message_of_the_judge() -> None:
    problem = Problem(field="http.abort.status", value="99", message="no good", fix="give 503")
    fakes, holder = FakeAgents(lambda x: setattr(x, "refuses", lambda _: problem)), LeaseHolder()
    with pytest.raises(BadInputError) as error:
        holder.hold([fakes.place("port/1")], spec("a"))
    assert str(error.value) == str(judge.refusal(problem, spec("a")))
    assert error.value.field == "status"
