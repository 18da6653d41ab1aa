"""What the status of each kind says: how many pods are wanted, and whether all are available."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos_go.kubernetes.kinds import DAEMONSETS, DEPLOYMENTS, JOBS, REPLICASETS, STATEFULSETS
from chaos_go.kubernetes.workload import read, selector_text


def workload(resource, spec=None, status=None, generation=2):
    """Return a workload whose controller has seen its newest spec, with the status given."""
    selector = {"matchLabels": {"app": "users"}}
    return read(
        resource,
        {
            "metadata": {
                "namespace": "shop",
                "name": "users",
                "uid": "1",
                "generation": generation,
            },
            "spec": {"selector": selector, **(spec or {})},
            "status": {"observedGeneration": 2, **(status or {})},
        },
    )


def replicas(available, updated=None, **more):
    updated = available if updated is None else updated
    return {"availableReplicas": available, "updatedReplicas": updated, **more}


@pytest.mark.parametrize("resource", [DEPLOYMENTS, STATEFULSETS])
def test_replicas(resource):
    full = workload(resource, {"replicas": 3}, replicas(3))
    assert (full.wanted, full.available, full.is_available) == (3, 3, True)
    assert full.text == f"{resource.kind.lower()}/users"
    less = workload(resource, {"replicas": 3}, replicas(2, 3))
    assert (less.is_available, less.why_not_available()) == (False, "2 of 3 are available")


def test_a_status_of_an_older_spec_says_nothing():
    late = workload(DEPLOYMENTS, {"replicas": 3}, replicas(3), generation=3)
    assert not late.is_available
    assert late.why_not_available() == "its controller has not seen its newest spec"


def test_a_workload_without_a_status_is_not_available():
    new = read(DEPLOYMENTS, {"metadata": {"namespace": "shop", "name": "users", "uid": "1",
                                          "generation": 1}, "spec": {}})  # fmt: skip
    assert (new.wanted, new.available, new.is_available) == (1, 0, False)


def test_none_wanted_is_available():
    assert workload(DEPLOYMENTS, {"replicas": 0}).is_available


@pytest.mark.parametrize(
    ("resource", "spec", "updated", "expected"),
    [
        (DEPLOYMENTS, {}, 1, False),
        (DEPLOYMENTS, {"paused": True}, 0, True),
        (STATEFULSETS, {}, 2, False),
        (STATEFULSETS, {"updateStrategy": {"type": "OnDelete"}}, 0, True),
        (STATEFULSETS, {"updateStrategy": {"rollingUpdate": {"partition": 2}}}, 1, True),
        (STATEFULSETS, {"updateStrategy": {"rollingUpdate": {"partition": 2}}}, 0, False),
        (STATEFULSETS, {"updateStrategy": {"rollingUpdate": {"partition": 9}}}, 0, True),
        (REPLICASETS, {}, 0, True),
    ],
)
def test_pods_that_its_controller_does_not_update_need_not_be_new(
    resource, spec, updated, expected
):
    found = workload(resource, {"replicas": 3, **spec}, replicas(3, updated))
    assert found.is_available == expected
    if not expected:
        assert found.why_not_available() == "a rollout of its newest spec goes on"


@pytest.mark.parametrize(
    ("updated", "strategy", "expected"),
    [(3, "RollingUpdate", True), (2, "RollingUpdate", False), (0, "OnDelete", True)],
)
def test_a_daemonset_counts_in_its_own_fields(updated, strategy, expected):
    counts = {
        "desiredNumberScheduled": 3,
        "numberAvailable": 3,
        "updatedNumberScheduled": updated,
    }
    found = workload(DAEMONSETS, {"updateStrategy": {"type": strategy}}, counts)
    assert (found.wanted, found.available, found.is_available) == (3, 3, expected)


def condition(kind, status="True", **more):
    return {"type": kind, "status": status, **more}


@pytest.mark.parametrize(
    ("spec", "status", "wanted"),
    [
        ({}, {}, 1),
        ({"parallelism": 3}, {"active": 3}, 3),
        ({"parallelism": 3, "completions": 5}, {"succeeded": 1}, 3),
        ({"parallelism": 3, "completions": 5}, {"succeeded": 4}, 1),
        ({"parallelism": 3, "completions": 5}, {"succeeded": 5}, 0),
        ({"parallelism": 3}, {"active": 2, "succeeded": 1}, 2),
        ({"parallelism": 3}, {"conditions": [condition("Complete")]}, 0),
        ({"parallelism": 3}, {"conditions": [condition("Suspended")]}, 0),
        ({"parallelism": 3}, {"conditions": [condition("Suspended", "False")]}, 3),
        ({"parallelism": 3}, {"conditions": [condition("Failed")]}, 3),
    ],
)
def test_a_job_wants_fewer_pods_towards_its_end(spec, status, wanted):
    assert workload(JOBS, spec, status).wanted == wanted


def test_a_job_has_no_observed_generation():
    running = {"metadata": {"namespace": "shop", "name": "import", "uid": "1", "generation": 1},
               "spec": {"parallelism": 2}, "status": {"ready": 2}}  # fmt: skip
    assert read(JOBS, running).is_available


@pytest.mark.parametrize(
    ("conditions", "problem"),
    [
        ([], ""),
        ([condition("Available"), condition("Progressing")], ""),
        ([condition("ReplicaFailure", message="exceeded quota: few")], "exceeded quota: few"),
        ([condition("ReplicaFailure", "False", message="over")], ""),
        ([condition("Failed", reason="BackoffLimitExceeded")], "BackoffLimitExceeded"),
        ([condition("Progressing", "False", message="timed out")], "timed out"),
        ([condition("ReplicaFailure")], "ReplicaFailure"),
        (
            [
                condition("ReplicaFailure", message="a"),
                condition("Progressing", "False", message="b"),
            ],
            "a; b",
        ),
    ],
)
def test_what_a_controller_complains_about(conditions, problem):
    assert workload(DEPLOYMENTS, status={"conditions": conditions}).problem == problem


def test_a_selector_as_text():
    rules = [
        {"key": "tier", "operator": "In", "values": ["web", "api"]},
        {"key": "zone", "operator": "NotIn", "values": ["a"]},
        {"key": "app", "operator": "Exists"},
        {"key": "old", "operator": "DoesNotExist"},
    ]
    selector = {"matchLabels": {"app": "users"}, "matchExpressions": rules}
    text = "app=users,tier in (web,api),zone notin (a),app,!old"
    assert selector_text(selector) == text
    assert selector_text({}) == selector_text({"matchLabels": None}) == ""


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(1, 3))
def test_available_means_that_every_count_is_reached(wanted, available, updated, generation):
    found = workload(DEPLOYMENTS, {"replicas": wanted}, replicas(available, updated), generation)
    expected = available >= wanted and updated >= wanted and generation <= 2
    assert found.is_available == expected
    assert found.why_not_available()
