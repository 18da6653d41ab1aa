"""What a lease does, whoever the agent is: run on a fake one and on the real one."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import pytest

from chaos_go.agent.contract import HTTP, Event, HTTPAbort, Match, Proxy, Spec
from chaos_go.agent.holder import LeaseHolder
from chaos_go.agent.lease import Lease
from chaos_go.errors import BadInputError, TargetError


def eventually(condition: Callable[[], bool], within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


class Surroundings(ABC):
    """An explicit proxy at which faults can be held."""

    argv: list[str]
    proxy: Proxy
    holder: LeaseHolder

    @property
    def place(self) -> str:
        return f"proxy/{self.proxy.listen}->{self.proxy.upstream}"

    def spec(self, name: str, path: str = "", seed: int = 0, **changes: Any) -> Spec:
        http = HTTP(
            proxy=self.proxy,
            percentage=100.0,
            seed=seed,
            match=Match(path=path) if path else None,
            abort=HTTPAbort(status=503, headers={"X-Secret": "hidden"}, body="hidden"),
        )
        return Spec(**{"id": name, "kind": "http", "duration_s": 60.0, "http": http} | changes)

    def hold(self, name: str = "users-503", **changes: Any) -> Lease:
        return self.holder.hold(self.argv, self.place, self.spec(name, **changes))

    @abstractmethod
    def request(self) -> None:
        """Send one request through the place."""

    @abstractmethod
    def kill_agent(self, lease: Lease) -> None:
        """Kill the agent that holds a lease."""

    @abstractmethod
    def agents(self) -> int:
        """Return the number of agents that run."""


class LeaseBehaviour:
    """Subclasses bring the fixture ``here``."""

    def test_armed_lease_says_what_is_in_place(self, here: Surroundings) -> None:
        before = time.time()
        lease = here.hold()
        assert lease.state == "armed"
        assert before <= lease.armed_unix_s <= time.time()
        record = lease.record()
        assert record["armed"]["seed"] > 0
        assert (record["id"], record["kind"], record["place"]) == ("users-503", "http", here.place)
        assert record["effect"] is None
        assert record["ended_unix_s"] is None
        assert here.agents() == 1

    def test_given_seed_is_used(self, here: Surroundings) -> None:
        assert here.hold(seed=7).record()["armed"]["seed"] == 7

    def test_record_keeps_headers_and_bodies_to_itself(self, here: Surroundings) -> None:
        record = here.hold().record()
        assert "hidden" not in str(record)
        assert record["spec"]["http"]["abort"]["headers"] == {"X-Secret": "(redacted)"}
        assert record["spec"]["http"]["abort"]["status"] == 503

    def test_stop_undoes_and_counts(self, here: Surroundings) -> None:
        lease = here.hold()
        here.request()
        record = lease.stop()
        assert (record["state"], record["reason"], record["exit_code"]) == ("ended", "stop", 0)
        assert record["totals"]["aborted"] == 1
        assert record["effect"] is True
        assert record["problem"] == ""
        assert lease.armed_unix_s <= record["ended_unix_s"] <= time.time()
        assert here.agents() == 0

    def test_second_stop_changes_nothing(self, here: Surroundings) -> None:
        lease = here.hold()
        assert lease.stop() == lease.stop()

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
        with pytest.raises(BadInputError, match=r"http.match.path='\('.*regular expression"):
            here.hold("b", path="(")
        assert [lease.id for lease in here.holder.leases()] == ["a"]
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
        lease = here.hold(duration_s=0.2)
        assert lease.wait_while("armed", 20.0)
        assert (lease.state, lease.reason) == ("ended", "deadline")
        assert eventually(lambda: here.agents() == 0)
        assert lease.stop()["reason"] == "deadline"

    def test_killed_agent_is_a_lost_lease(self, here: Surroundings) -> None:
        lease = here.hold()
        here.kill_agent(lease)
        assert lease.wait_while("armed", 20.0)
        record = lease.stop()
        assert (record["state"], record["reason"]) == ("lost", "")
        assert "ended unexpectedly: killed by SIGKILL" in record["problem"]
        assert record["ended_unix_s"] is not None
        assert eventually(lambda: lease.record()["exit_code"] == -9)

    def test_bad_expression_is_judged_by_the_agent_and_nothing_is_left(
        self, here: Surroundings
    ) -> None:
        with pytest.raises(BadInputError, match=r"http.match.path='\('.*RE2") as refusal:
            here.hold(path="(")
        assert "\n" not in str(refusal.value)
        assert not isinstance(refusal.value, TargetError)
        assert here.holder.leases() == []
        assert here.agents() == 0

    def test_stop_all_leaves_nothing(self, here: Surroundings) -> None:
        leases = [here.hold("a"), here.hold("b")]
        here.holder.stop_all()
        assert {lease.state for lease in leases} == {"ended"}
        assert here.agents() == 0

    def test_subscriber_also_gets_what_came_before(self, here: Surroundings) -> None:
        events: list[Event] = []
        lease = here.hold()
        lease.subscribe(events.append)
        lease.stop()
        assert eventually(lambda: bool(events) and events[-1].event == "disarmed")
        assert events[0].event == "armed"
