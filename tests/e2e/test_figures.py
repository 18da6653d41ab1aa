"""What `make bench-kubernetes` compares, once and with generous bounds: the comparisons work.

These tests start a laboratory of their own, because only they need the audit log.
"""

import os
from pathlib import Path

import pytest
from laboratory import life
from laboratory.errors import LaboratoryError
from on_cluster import audit, lost, many, recovery, speed
from on_cluster.crowd import Crowd
from on_cluster.lab import started

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

GENEROUS_S = 2.0
FEW = 30


@pytest.fixture(scope="module")
def lab(tmp_path_factory, testrun_uid):
    """Return a laboratory with an audit log; this process is in its network during the tests."""
    if os.environ.get("CHAOS_GO_TEST_CONTEXT"):
        pytest.skip("only a laboratory has the audit log")
    try:
        life.check_machine()
    except LaboratoryError as error:
        pytest.skip(str(error))
    environment = dict(os.environ)
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("figures"))
    with Path("/proc/thread-self/ns/net").open() as before:
        try:
            with started(f"figures-{testrun_uid[:8]}") as found:
                yield found
        finally:
            os.setns(before.fileno(), os.CLONE_NEWNET)
            os.environ.clear()
            os.environ.update(environment)


@pytest.mark.parametrize("mode", ["delete", "evict"])
def test_the_times_of_a_kill_are_those_of_the_audit_log(lab, mode):
    if not lab.exists(f"/api/v1/namespaces/{recovery.NAMESPACE}"):
        lab.deploy(recovery.NAMESPACE, (recovery.WORKLOAD,))
    found = recovery.one_kill(lab, mode, f"times-{mode}")
    assert 0 < found.recovery_s < 60
    differences = (found.asked, found.accepted, found.replaced, found.recovery)
    assert all(abs(difference) < GENEROUS_S for difference in differences), found


@pytest.mark.parametrize("service", lost.SERVICES_NEEDED)
def test_the_load_counts_what_the_shop_counts(lab, service):
    namespace = f"lost-{service}"
    lab.deploy(namespace, lost.SERVICES_NEEDED, lost.worse)
    found = lost.one_round(lab, namespace, service, f"counted-{service}")
    assert found.different_answers == 0, found
    assert found.lost == found.lost_by_shop, found
    assert found.lost > 0, "the shop is not bad enough: no request was lost"
    assert found.shops["200"] > 0, found


def test_a_kill_among_simulated_kubelets(lab):
    with Crowd(lab, FEW) as crowd:
        found = many.one_kill(lab, crowd, {"pods": "10%"})
        killed = [x for x in lab.log.entries() if x.verb == "delete" and x.namespace == "crowd"]
    assert len({x.name for x in killed}) == FEW // 10
    assert 0 < found["resolved"] < found["returned"]
    assert 0 < found["follow"] < 10
    assert 20 < found["peak"] < many.MOST_MB


def test_the_time_until_the_pod_is_deleted(lab):
    found = speed.one_process(lab, "chaos_go")
    assert 0 < found[speed.WARM] < 10
    assert found[speed.COLD] < found[speed.WHOLE]


def test_a_kill_that_never_was_is_not_found_in_the_log(lab, monkeypatch):
    monkeypatch.setattr(audit, "WITHIN_S", 0.1)
    with pytest.raises(RuntimeError, match="does not have it after 0.1 s: the kill of nobody"):
        lab.log.wait_for("the kill of nobody", lambda x: audit.killed(x, "shop", "nobody"))
