"""The behaviour of a held fault: these tests run on a fake agent and on the real one."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import pytest

from chaos_go.agent.contract import Event, Proxy, Spec
from chaos_go.agent.fault import Fault
from chaos_go.agent.holder import LeaseHolder
from chaos_go.agent.place import Place
from chaos_go.errors import BadInputError, TargetError
from chaos_go.faults.http import HTTP, HTTPAbort, Match


def eventually(condition: Callable[[], bool], within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


class Surroundings(ABC):
    """An explicit proxy at which faults can be held."""

    proxy: Proxy
    place: Place
    holder: LeaseHolder

    def spec(self, name: str, path: str = "", seed: int = 0, **changes: Any) -> Spec:
        http = HTTP(
            percentage=100.0,
            seed=seed,
            match=Match(path=path) if path else None,
            abort=HTTPAbort(status=503, headers={"X-Secret": "hidden"}, body="hidden"),
        )
        return Spec(**{"id": name, "kind": "http", "duration_s": 60.0, "detail": http} | changes)

    def hold(self, name: str = "users-503", **changes: Any) -> Fault:
        return self.holder.hold([self.place], self.spec(name, **changes))

    @abstractmethod
    def request(self) -> None:
        """Send one request through the place."""

    @abstractmethod
    def kill_agent(self, fault: Fault) -> None:
        """Kill the agent that holds a fault."""

    @abstractmethod
    def agents(self) -> int:
        """Return the number of agents that run."""


class LeaseBehaviour:
    """Subclasses bring the fixture ``here``."""

    def test_armed_fault_says_what_is_in_place(self, here: Surroundings) -> None:
        before = time.time()
        fault = here.hold()
        assert fault.state == "armed"
        assert before <= fault.armed_unix_s <= time.time()
        record = fault.record()
        (place,) = record["places"]
        assert place["armed"]["seed"] > 0
        assert (record["id"], record["kind"]) == ("users-503", "http")
        assert place["place"] == here.place.name
        assert record["effect"] is None
        assert record["ended_unix_s"] is None
        assert here.agents() == 1

    def test_given_seed_is_used(self, here: Surroundings) -> None:
        assert here.hold(seed=7).record()["places"][0]["armed"]["seed"] == 7

    def test_record_does_not_show_headers_and_bodies(self, here: Surroundings) -> None:
        record = here.hold().record()
        assert "hidden" not in str(record)
        assert record["spec"]["http"]["abort"]["headers"] == {"X-Secret": "(redacted)"}
        assert record["spec"]["http"]["abort"]["status"] == 503

    def test_stop_undoes_and_counts(self, here: Surroundings) -> None:
        fault = here.hold()
        here.request()
        record = fault.stop()
        (place,) = record["places"]
        assert (place["state"], place["reason"], place["exit_code"]) == ("ended", "stop", 0)
        assert place["totals"]["aborted"] == 1
        assert record["effect"] is True
        assert record["said"].endswith("1 of 1 requests matched, 1 aborted")
        assert record["problem"] == ""
        assert fault.armed_unix_s <= record["ended_unix_s"] <= time.time()
        assert here.agents() == 0

    def test_second_stop_changes_nothing(self, here: Surroundings) -> None:
        fault = here.hold()
        assert fault.stop() == fault.stop()

    def test_untouched_fault_had_no_effect(self, here: Surroundings) -> None:
        assert here.hold().stop()["effect"] is False

    def test_faults_of_one_place_share_an_agent_and_end_alone(self, here: Surroundings) -> None:
        first, second = here.hold("a", path="/a"), here.hold("b")
        assert here.agents() == 1
        first.stop()
        assert (first.state, second.state) == ("ended", "armed")
        here.request()
        assert second.stop()["effect"] is True
        assert here.agents() == 0

    def test_refused_second_fault_leaves_the_first_alone(self, here: Surroundings) -> None:
        first = here.hold("a")
        with pytest.raises(BadInputError, match=r"match.path='\('.*regular expression"):
            here.hold("b", path="(")
        assert [fault.id for fault in here.holder.faults()] == ["a"]
        here.request()
        record = first.stop()
        assert (record["effect"], record["problem"]) == (True, "")

    def test_name_of_a_live_fault_is_refused_and_free_afterwards(self, here: Surroundings) -> None:
        here.hold("a").stop()
        newer = here.hold("a")
        with pytest.raises(BadInputError, match=r"name='a'.*own name"):
            here.hold("a")
        assert here.holder.find("a") is newer

    def test_duration_ends_it(self, here: Surroundings) -> None:
        fault = here.hold(duration_s=0.2)
        (lease,) = fault.leases
        assert lease.wait_while("armed", 20.0)
        assert (lease.state, lease.reason) == ("ended", "deadline")
        assert eventually(lambda: here.agents() == 0)
        assert fault.stop()["places"][0]["reason"] == "deadline"

    def test_killed_agent_is_a_lost_fault(self, here: Surroundings) -> None:
        fault = here.hold()
        here.kill_agent(fault)
        assert fault.leases[0].wait_while("armed", 20.0)
        record = fault.stop()
        (place,) = record["places"]
        assert (record["state"], place["state"], place["reason"]) == ("lost", "lost", "")
        assert "ended unexpectedly: killed by SIGKILL" in record["problem"]
        assert record["ended_unix_s"] == place["gone_by_unix_s"]  # its end was seen
        assert eventually(lambda: fault.record()["places"][0]["exit_code"] == -9)

    def test_bad_expression_is_judged_by_the_agent_and_nothing_is_left(
        self, here: Surroundings
    ) -> None:
        with pytest.raises(BadInputError, match=r"match.path='\('.*RE2") as refusal:
            here.hold(path="(")
        assert "\n" not in str(refusal.value)
        assert not isinstance(refusal.value, TargetError)
        assert here.holder.faults() == []
        assert here.agents() == 0

    def test_stop_all_leaves_nothing(self, here: Surroundings) -> None:
        faults = [here.hold("a"), here.hold("b")]
        here.holder.stop_all()
        assert {fault.state for fault in faults} == {"ended"}
        assert here.agents() == 0

    def test_subscriber_also_gets_what_came_before(self, here: Surroundings) -> None:
        events: list[Event] = []
        fault = here.hold()
        fault.leases[0].subscribe(events.append)
        fault.stop()
        assert eventually(lambda: bool(events) and events[-1].event == "disarmed")
        assert events[0].event == "armed"
