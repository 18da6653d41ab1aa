"""A load that several agents share: who sends what, by whose clock, and what it adds up to."""

import time
from types import SimpleNamespace

import pytest
from fake_load import START, FakeLease, Timeline, arrives, fault_of, load_spec, second

from chaos_go.agent.contract import Event
from chaos_go.agent.place import LocalReach, Place
from chaos_go.controls import traffic as control
from chaos_go.errors import AgentError, BadInputError, CannotRunHereError, NotEnoughDataError
from chaos_go.traffic import clock, generator, in_pods, load
from chaos_go.traffic.contract import Failure, Histogram, Load
from chaos_go.traffic.generator import Pods
from chaos_go.traffic.merge import merged
from chaos_go.traffic.recording import Clocks, Recording

URL = "http://gateway.shop:8080/checkout"
IMAGE = "registry.example.com/chaos-agent:0.1.0"
AHEAD_S = (0.7, -0.6)  # so much that without it a second would be taken for its neighbour


class FakeGenerator:
    """What sends the load; its clocks are ahead by AHEAD_S."""

    removed = 0

    def clocks(self):
        return Clocks(START, AHEAD_S)

    def record(self):
        return {"kubernetes": {"job": "x"}}

    def remove(self):
        self.removed += 1


class Rig:
    """A load at two pods, in time that passes only while somebody waits."""

    def __init__(self):
        self.time = Timeline()
        spec = load_spec()
        self.leases = [
            FakeLease(spec, START - 2, Place(f"load/checkout/pod-{n}", LocalReach()))
            for n in range(2)
        ]
        fault = fault_of(*self.leases)
        self.generator = FakeGenerator()
        self.recording = Recording("checkout", fault, self.time, self.generator)

    def deliver(self, pod, numbers, delay_s=0.5, **counters):
        for number in numbers:
            record = second(number, start=START + AHEAD_S[pod], **counters)
            at = START + number + 1 + delay_s
            self.time.at(at, lambda r=record: arrives(self.leases[pod], r))


@pytest.fixture
def rig():
    return Rig()


def test_a_second_is_the_sum_of_all_agents_in_our_time(rig):
    rig.deliver(0, range(10), sent=30)
    rig.deliver(1, range(10), sent=20, late=0)
    rig.time.go_to(START + 5.7)
    window = rig.recording.last(3)
    assert (window.start_unix_s, window.end_unix_s) == (START + 2, START + 5)
    assert [x.start_unix_s for x in window.seconds] == [START + n for n in (2, 3, 4)]
    assert window.total("sent") == 150


def test_a_second_is_waited_for_until_the_last_agent_has_delivered_it(rig):
    rig.deliver(0, range(10), delay_s=0.1)
    rig.deliver(1, range(10), delay_s=2.9)
    rig.time.go_to(START + 4.0)
    rig.recording.last(2)
    assert rig.time.now() == pytest.approx(START + 4 + 2.9)


def test_the_first_second_is_waited_for_from_the_start_that_was_agreed(rig):
    assert rig.recording.since_unix_s == START
    with pytest.raises(NotEnoughDataError, match="has not delivered a second since its start"):
        rig.recording.last(1)
    assert rig.time.now() == pytest.approx(START + 1 + 2 * 2 + 3)


def test_an_agent_that_is_lost_ends_the_load_and_is_named(rig):
    rig.deliver(0, range(20))
    rig.deliver(1, range(5))
    rig.time.go_to(START + 6.2)
    assert rig.recording.runs
    rig.leases[1].end("", START + 6.2, state="lost")
    assert not rig.recording.runs
    with pytest.raises(NotEnoughDataError, match=r"ended \(load/checkout/pod-1: lost\) after 5 s"):
        rig.recording.last(3)
    assert "pod-1: lost" in rig.recording.problem()
    assert rig.recording.between(START + 1, START + 4).total("sent") == 600


def test_a_second_that_one_agent_leaves_out_is_missing(rig):
    rig.deliver(0, range(10))
    rig.deliver(1, [0, 1, 2, 4, 5, 6])
    rig.time.go_to(START + 9)
    with pytest.raises(NotEnoughDataError, match="1 of 4 seconds of the window are missing"):
        rig.recording.between(START + 2, START + 6)


def test_late_requests_of_one_agent_are_of_the_whole_load(rig):
    rig.deliver(0, range(10))
    rig.deliver(1, range(10), late=3)
    rig.time.go_to(START + 9)
    with pytest.raises(NotEnoughDataError, match="12 late and 0 dropped of 800"):
        rig.recording.between(START + 2, START + 6)


def test_the_journal_has_the_sum_and_the_generator(rig):
    rig.deliver(0, range(3), sent=10)
    rig.deliver(1, range(3), sent=5)
    rig.time.go_to(START + 5)
    for lease, sent in zip(rig.leases, (30, 15), strict=True):
        totals = second(0, sent=sent).to_dict()
        lease.record = lambda t=totals, x=lease: {**FakeLease.record(x), "totals": t}
    record = load.finish(rig.recording)
    assert [x["sent"] for x in record["seconds"]] == [15, 15, 15]
    assert record["totals"]["sent"] == 45
    assert record["totals"]["start_unix_s"] == START
    assert record["generator"] == {"kubernetes": {"job": "x"}}
    assert rig.generator.removed == 1


def test_without_the_totals_of_an_agent_there_are_none(rig):
    rig.leases[0].record = lambda: {
        **FakeLease.record(rig.leases[0]), "totals": second(0).to_dict()
    }  # fmt: skip
    assert load.finish(rig.recording)["totals"] == {}


def test_the_generator_is_removed_even_if_an_agent_does_not_stop(rig):
    rig.leases[0].fails_to_stop = AgentError("hangs")
    for pod in range(2):
        rig.deliver(pod, range(3))
    rig.time.go_to(START + 5)
    assert "hangs" in load.finish(rig.recording)["problem"]
    assert rig.generator.removed == 1


def test_everything_is_added_up():
    parts = [
        second(0, sent=3, statuses={"200": 2, "503": 1}, latency={7: 2, 9: 1}, timeouts=1),
        second(0, sent=4, statuses={"200": 4}, latency={7: 1, 8: 3}, late=2, dropped=5),
    ]
    failures = [
        Failure(at_ms=500.0, took_ms=1.0, cause="503"),
        Failure(at_ms=20.0, took_ms=2.0, cause="refused"),
    ]
    for part, failure in zip(parts, failures, strict=True):
        part.failures.append(failure)
        part.failures_by_cause[failure.cause] = 1
    whole = merged(parts, 12.5)
    assert whole.start_unix_s == 12.5
    assert (whole.sent, whole.intended, whole.timeouts, whole.late, whole.dropped) == (
        7, 12, 1, 2, 5
    )  # fmt: skip
    assert whole.statuses == {"200": 6, "503": 1}
    assert whole.latency == whole.service_time == Histogram(counts={7: 3, 8: 3, 9: 1})
    assert whole.failures == failures[::-1]
    assert whole.failures_by_cause == {"503": 1, "refused": 1}


def test_the_parts_of_a_load_are_due_in_turn():
    whole = Load(url=URL, rate_rps=60.0, max_in_flight=100)
    pods = Pods("", 3, IMAGE)
    due = []
    for number in range(3):
        part = pods.part_of(whole, number)
        assert (part.rate_rps, part.max_in_flight) == (20.0, 34)
        due += [part.first_after_ms + 1000 * i / part.rate_rps for i in range(20)]
    assert sorted(due) == pytest.approx([1000 * i / 60 for i in range(60)])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("kubernetes", "generator='kubernetes': give a mapping with any of kubernetes"),
        ({"docker": {}}, "generator.docker"),
        ({"kubernetes": {}}, "generator.kubernetes.image='': give the image of the agent"),
        ({"kubernetes": {"image": 5}}, "generator.kubernetes.image=5"),
        ({"kubernetes": {"image": IMAGE, "pods": 0}}, "generator.kubernetes.pods=0.*from 1 to 50"),
        ({"kubernetes": {"image": IMAGE, "pods": "2"}}, "generator.kubernetes.pods='2'"),
        ({"kubernetes": {"image": IMAGE, "replicas": 2}}, "generator.kubernetes.replicas"),
        ({"kubernetes": {"image": IMAGE, "node_selector": {"a": 1}}}, "node_selector.a"),
    ],
)
def test_a_generator_that_is_not_valid_is_refused(given, message):
    with pytest.raises(BadInputError, match=message):
        generator.read(given)
    arguments = {"name": "checkout", "load": {"url": URL}, "generator": given}
    with pytest.raises(BadInputError, match=message):
        control.asked({"provider": {"arguments": arguments}})


def test_a_generator_is_read():
    assert generator.read({}) is None
    given = {"image": IMAGE, "namespace": "load", "pods": 2, "node_selector": {"b": "2", "a": "1"}}
    assert generator.read({"kubernetes": given}) == Pods(
        "load", 2, IMAGE, (("a", "1"), ("b", "2"))
    )  # fmt: skip


def test_the_rate_of_one_machine_bounds_the_rate_of_one_pod():
    def validate(pods):
        kubernetes = {"image": IMAGE, "pods": pods}
        arguments = {"name": "x", "load": {"url": URL, "rate_rps": 90_000}}
        arguments["generator"] = {"kubernetes": kubernetes}
        for asked in control.asked({"provider": {"arguments": arguments}}):
            load.refuse(asked.spec)

    validate(2)
    with pytest.raises(BadInputError, match="load.rate_rps=90000"):
        validate(1)


def test_the_control_starts_the_load_in_the_cluster_of_the_secrets(monkeypatch):
    started = []
    monkeypatch.setattr(load, "connect", lambda secrets: ("client", secrets))
    monkeypatch.setattr(in_pods, "record", lambda *arguments: started.append(arguments))
    control.before_experiment_control(
        {},
        name="checkout",
        load={"url": URL},
        generator={"kubernetes": {"image": IMAGE}},
        secrets={"k8s": {"KUBERNETES_CONTEXT": "staging", "other": "x"}, "plain": "y"},
    )
    load._recordings.clear()
    ((spec, pods, client),) = started
    assert (spec.id, spec.detail.url, pods) == ("checkout", URL, Pods("", 1, IMAGE))
    assert client == ("client", {"KUBERNETES_CONTEXT": "staging"})


def test_two_clusters_in_the_secrets_are_refused():
    secrets = {"a": {"KUBERNETES_CONTEXT": "x"}, "b": {"KUBERNETES_CONTEXT": "y"}}
    with pytest.raises(BadInputError, match="two groups of secrets differ"):
        control._cluster_of(secrets)


class Clocked:
    """An agent whose clock is ahead and that answers after a while."""

    def __init__(self, ahead_s=0.0, takes_s=(0.05, 0.001), says=None):
        self.ahead_s, self.takes_s, self.says = ahead_s, list(takes_s), says
        self.closed = False
        self.killed = False

    def open(self, command):
        assert command == "judge"
        return self

    def send(self, line):
        assert line == "{}"

    def receive(self):
        if self.says is not None:
            return self.says or None
        takes_s = self.takes_s.pop(0) if len(self.takes_s) > 1 else self.takes_s[0]
        time.sleep(takes_s / 2)
        told = time.time() + self.ahead_s
        time.sleep(takes_s / 2)
        return Event(event="judged", id="", at_unix_s=told).to_line()

    def complaints(self):
        return "exec format error"

    def close(self):
        self.closed = True

    def kill(self):
        self.killed = True


@pytest.mark.parametrize("ahead_s", [0.3, -0.3, 0.0])
def test_the_difference_of_two_clocks_is_measured_by_the_fastest_answer(ahead_s):
    agent = Clocked(ahead_s)
    found = clock.compare(agent, "pod x")
    assert found.ahead_s == pytest.approx(ahead_s, abs=0.02)
    assert 0 < found.error_s < 0.025
    assert agent.closed


def test_the_way_of_the_answer_is_not_taken_for_a_difference():
    found = clock.compare(Clocked(takes_s=(0.3,)), "pod x")
    assert abs(found.ahead_s) < 0.1
    assert found.error_s >= 0.15


@pytest.mark.parametrize(("ahead_s", "how"), [(0.9, "ahead of"), (-0.9, "behind")])
def test_clocks_that_differ_too_much_are_refused(ahead_s, how):
    with pytest.raises(CannotRunHereError, match=rf"clock of pod x is 0\.[89]\d s {how} the clock"):
        clock.compare(Clocked(ahead_s), "pod x")


def test_a_clock_that_cannot_be_read_in_time_is_refused():
    with pytest.raises(AgentError, match="answers after 0.6"):
        clock.compare(Clocked(takes_s=(0.6,)), "pod x")


@pytest.mark.parametrize(("says", "message"), [("", "exec format error"), ("sh: no", "no event")])
def test_an_agent_that_tells_no_time_is_named(says, message):
    agent = Clocked(says=says)
    with pytest.raises(AgentError, match=f"pod x .*{message}"):
        clock.compare(agent, "pod x")
    assert agent.closed


def test_a_silent_agent_is_given_up(monkeypatch):
    monkeypatch.setattr(clock, "_PATIENCE_S", 0.1)

    class Silent(Clocked):
        def receive(self):
            while not self.killed:
                time.sleep(0.01)

    agent = Silent()
    with pytest.raises(AgentError, match="pod x does not answer"):
        clock.compare(agent, "pod x")


def test_a_pod_is_asked_for_its_part_by_its_own_clock():
    place = in_pods.PodPlace(
        name="load/checkout/pod-1",
        reach=SimpleNamespace(),
        pods=Pods("", 2, IMAGE),
        number=1,
        start_unix_s=START + 0.25,
    )
    spec = place.spec_of(load_spec())
    assert (spec.detail.rate_rps, spec.detail.start_unix_s) == (50.0, START + 0.25)
    assert spec.detail.first_after_ms == pytest.approx(10.0)
