"""The audit log of the API server, as the benchmark on Kubernetes reads it."""

import json

import pytest
from on_cluster import audit

AT = "2026-11-30T16:52:24.{:06d}Z"
SECOND = 1796057544.0


def event(verb, resource, name, received_us, answered_us, code=200, answer=None):
    resource, _, subresource = resource.partition("/")
    return {
        "verb": verb,
        "objectRef": {
            "resource": resource,
            "subresource": subresource,
            "namespace": "shop",
            "name": name,
        },
        "responseStatus": {"code": code},
        "requestReceivedTimestamp": AT.format(received_us),
        "stageTimestamp": AT.format(answered_us),
        "responseObject": answer,
    }


def deployment(received_us, available, code=200):
    answer = {"spec": {"replicas": 3}, "status": {"availableReplicas": available}}
    if code != 200:
        answer = {"kind": "Status", "status": "Failure"}
    name = "deployments/status"
    return event("update", name, "users", received_us, received_us + 9, code, answer)


def pod_status(received_us, ready):
    conditions = [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": ready}]
    answer = {"status": {"conditions": conditions}}
    return event("patch", "pods/status", "users-1", received_us, received_us + 9, answer=answer)


@pytest.fixture
def log(tmp_path):
    file = tmp_path / "audit.jsonl"

    def write(*events, rest=""):
        file.write_text("".join(json.dumps(one) + "\n" for one in events) + rest)
        return audit.Log(file).entries()

    return write


def test_a_kill_is_the_first_accepted_request_for_the_pod(log):
    entries = log(
        event("delete", "pods", "users-1", 500, 600),  # by the kubelet, at its end
        event("create", "pods/eviction", "users-1", 300, 400, code=201),
        event("create", "pods/eviction", "users-1", 100, 200, code=429),
        event("delete", "pods", "users-2", 10, 20),
    )
    found = audit.killed(entries, "shop", "users-1")
    assert found.received_unix_s == pytest.approx(SECOND + 300e-6, abs=1e-6)
    assert found.answered_unix_s == pytest.approx(SECOND + 400e-6, abs=1e-6)
    assert audit.killed(entries, "other", "users-1") is None


def test_a_pod_became_ready_with_the_first_status_that_says_so(log):
    entries = log(pod_status(100, "False"), pod_status(200, "True"), pod_status(300, "True"))
    found = audit.became_ready(entries, "shop", "users-1")
    assert found.received_unix_s == pytest.approx(SECOND + 200e-6, abs=1e-6)


def test_full_availability_counts_after_the_kill_and_not_in_a_refused_update(log):
    entries = log(
        deployment(100, available=3),
        deployment(300, available=2),
        deployment(350, available=3, code=409),
        deployment(400, available=3),
        rest='{"verb": "del',
    )
    found = audit.fully_available(entries, "shop", "users", SECOND + 200e-6)
    assert found.received_unix_s == pytest.approx(SECOND + 400e-6, abs=1e-6)
