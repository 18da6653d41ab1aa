"""When a workload had recovered, and which pod replaced which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes_objects import of

from chaos_go.kubernetes.recovery import (
    SETTLE_S,
    Arrival,
    Kill,
    Level,
    recovered_unix_s,
    with_replacements,
)


def levels(*changes):
    """Return levels from (time, is_full)."""
    return [Level(at, 3 if full else 2, 3, full) for at, full in changes]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([(0, True), (10, False), (12, True)], 12),
        ([(0, True), (10, False)], None),
        ([(0, True), (10, False), (19.5, True)], None),  # not long enough yet
        ([(0, True), (10, False), (11, True), (11.5, False), (15, True)], 15),  # it flaps
        ([(0, True), (10, False), (11, True), (14, False), (18, True)], 11),  # a later fault
        ([(0, True)], 10),  # nobody counted the pod that was killed
        ([(0, False), (9, True)], 10),
        ([(0, False)], None),
        ([(10, False), (10, True)], 10),
        ([], None),
    ],
)
def test_the_time_from_which_on_it_stays_full(changes, expected):
    assert recovered_unix_s(levels(*changes), 10, 10, 20) == expected


def test_a_kill_that_the_api_server_accepts_late_is_no_recovery_at_once():
    series = levels((0, True), (12.5, False), (14, True))
    assert recovered_unix_s(series, 10, 12.5, 20) == 14
    assert recovered_unix_s(series[:2], 10, 12.5, 20) is None


def is_full_at(series, at):
    """Return whether a workload was full at a time: the last level by then decides."""
    last = [level for level in series if level.at_unix_s <= at]
    return bool(last) and last[-1].is_full


@given(
    st.lists(st.tuples(st.integers(0, 200), st.booleans()), max_size=12),
    st.integers(0, 200),
    st.integers(0, 60),
)
def test_it_is_the_first_time_that_is_followed_by_a_full_second(changes, since, more):
    # Tenths of a second, so that a search at every tenth is exact.
    series = levels(*((at / 10, full) for at, full in sorted(dict(changes).items())))
    end = since + more
    settle = round(SETTLE_S * 10)
    good = [
        at
        for at in range(since, end - settle + 1)
        if all(is_full_at(series, tenth / 10) for tenth in range(at, at + settle))
    ]
    known = [level for level in series if level.at_unix_s <= end / 10]
    found = recovered_unix_s(known, since / 10, since / 10, end / 10)
    assert found == (pytest.approx(good[0] / 10) if good else None)


def kills(*pods):
    return [Kill(pod, 100 + number, 100 + number) for number, pod in enumerate(pods)]


def replaced(kills, *arrivals):
    """Return the replacement of each kill, from (pod, time)."""
    given = [Arrival(pod, at) for pod, at in arrivals]
    return [(x.replacement, x.replaced_unix_s) for x in with_replacements(kills, given)]


def test_each_new_pod_replaces_one_the_oldest_kill_first():
    users = [of("replicaset/users", name) for name in "abcd"]
    found = replaced(kills(*users[:2]), (users[3], 105), (users[2], 104))
    assert found == [("c", 104), ("d", 105)]


def test_a_pod_of_another_workload_replaces_nothing():
    a, b = of("replicaset/users", "a"), of("replicaset/risk", "b")
    assert replaced(kills(a), (b, 105)) == [("", None)]


def test_a_pod_that_was_ready_before_a_kill_does_not_replace_it():
    a, b = of("replicaset/users", "a"), of("replicaset/users", "b")
    assert replaced(kills(a), (b, 99.9)) == [("", None)]


def test_a_statefulset_gives_the_same_name():
    zero, one = of("statefulset/db", "db-0"), of("statefulset/db", "db-1")
    assert replaced(kills(zero, one), (one, 105), (zero, 106)) == [("db-0", 106), ("db-1", 105)]


def test_a_daemonset_replaces_on_the_same_node():
    a, b = of("daemonset/log", "a", "node1"), of("daemonset/log", "b", "node2")
    c, d = of("daemonset/log", "c", "node2"), of("daemonset/log", "d", "node1")
    assert replaced(kills(a, b), (c, 105), (d, 106)) == [("d", 106), ("c", 105)]


def test_nothing_replaces_a_pod_without_an_owner():
    assert replaced(kills(of("", "a")), (of("", "b"), 105)) == [("", None)]


@given(st.integers(0, 6), st.lists(st.floats(90, 120, allow_nan=False), max_size=8))
def test_no_pod_replaces_two(number, times):
    pods = [of("replicaset/users", f"p{at}") for at in range(number + len(times))]
    new = list(zip(pods[number:], times, strict=True))
    killed = kills(*pods[:number])
    found = with_replacements(killed, [Arrival(*x) for x in new])
    names = [kill.replacement for kill in found if kill.replacement]
    assert len(names) == len(set(names))
    assert [kill.pod for kill in found] == [kill.pod for kill in killed]
    for kill in found:
        assert kill.replaced_unix_s is None or kill.replaced_unix_s >= kill.at_unix_s
    # A kill has none only if all pods that came after it replaced another one.
    for kill in found:
        if not kill.replacement:
            later = [pod.name for pod, at in new if at >= kill.at_unix_s]
            assert set(later) <= set(names)
