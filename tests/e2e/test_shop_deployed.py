"""The manifests of demo/deploy on a real cluster."""

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

pytestmark = pytest.mark.e2e


def test_the_shop_answers_through_its_services(shop):
    status, user = shop.get("/api/v1/users/42")
    assert (status, user["id"]) == (200, "42")


def test_the_budget_of_users_allows_one_eviction(cluster, shop):
    pods = cluster.core.list_namespaced_pod(shop.namespace, label_selector="app=users").items
    assert len(pods) == 3

    def evict(pod):
        name = pod.metadata.name
        body = client.V1Eviction(metadata=client.V1ObjectMeta(name=name))
        cluster.core.create_namespaced_pod_eviction(name, shop.namespace, body)

    evict(pods[0])
    with pytest.raises(ApiException) as refused:
        evict(pods[1])
    assert refused.value.status == 429
